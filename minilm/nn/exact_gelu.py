"""GELU as it is defined: x times the probability that a standard normal number is below it.

    y = x Φ(x),   Φ(x) = ½ (1 + erf(x / √2))              Hendrycks & Gimpel 2016

BERT computes this one, GPT-2 the tanh form of `activations.gelu`, which is up to 5e-4 off. NumPy
has no erf. But Φ is a sigmoid, so there is an odd function a with

    Φ(x) = ½ (1 + tanh a(x)),   a(x) = x P(x²)

and it is smooth, so a polynomial P comes near it. With two coefficients it is the tanh form's. With
seven, y is within 7e-8 of x Φ(x) for every x, as fine as float32 tells numbers near 1 apart; for
float64 there are seventeen, for 3e-11.
"""

import math
from collections.abc import Iterator

import numpy as np

from minilm.nn.checks import describe, require_float
from minilm.types import Array, Cache

# P by the bytes of a number (4: float32, 8: float64), highest power first. Fitted to
# atanh(erf(x / √2)) / x, for x up to 6 and 7, so that the largest error of y is least: by least
# squares, again and again, in which a point weighs the more the larger its error was before. The
# first number is positive, so that a goes to ±∞ with x.
P = {
    4: (
        1.8056157175284745e-09, -1.3344637805766466e-07, 3.969108947955972e-06,
        -5.524015470594112e-05, -3.313000640910033e-05, 0.036334283531047784, 0.7978842161104646,
    ),
    8: (
        9.326511693917072e-24, -2.59586069035597e-21, 3.2184973574117517e-19,
        -2.3448356572034756e-17, 1.1124601780828403e-15, -3.580276855772873e-14,
        7.791096299813833e-13, -1.0592249826005982e-11, 5.6112000077874445e-11,
        8.900185659269044e-10, -2.0393346033580036e-08, 8.440181769870243e-08,
        2.8335853030498623e-06, -5.213396666032134e-05, -3.7002088980379064e-05,
        0.03633561072469682, 0.7978845597184366,
    ),
}  # fmt: skip
PIECE = 1 << 16  # numbers worked on at a time: they stay in the cache from one pass to the next


def exact_gelu(x: Array) -> tuple[Array, Cache]:
    """y = x Φ(x), Φ the distribution function of the standard normal.

    x: (...) float32 or float64  ->  y: (...), cache        Hendrycks & Gimpel 2016, eq. 1
    The cache is x alone: Φ is computed again if there is a backward pass. An x of −∞ gives NaN.
    """
    require_float("x", x)
    if x.dtype.itemsize not in P:
        raise TypeError(f"x must be of float32 or float64, got {describe(x)}")
    y = np.empty(x.shape, x.dtype)
    for numbers, product, scratch in pieces(x, y):
        write_distribution(numbers, product, scratch)
        product *= numbers
    return y, x


def exact_gelu_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of exact_gelu: dx = dy (Φ(x) + x φ(x)), φ = Φ' the density e^(−x²/2) / √(2π)."""
    x = cache
    dx = np.empty(x.shape, x.dtype)
    for numbers, slope, scratch in pieces(x, dx):
        write_distribution(numbers, slope, scratch)
        density = scratch  # it holds x²
        density *= -0.5
        np.exp(density, out=density)
        density *= 1 / math.sqrt(2 * math.pi)
        density *= numbers
        slope += density
    dx *= dy
    return dx


def pieces(x: Array, y: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Pieces of x, those of y to be written, and as much space to work in, the same for all."""
    read, written = x.reshape(-1), y.reshape(-1)
    scratch = np.empty(min(PIECE, x.size), x.dtype)
    for start in range(0, x.size, PIECE):
        piece = read[start : start + PIECE]
        yield piece, written[start : start + PIECE], scratch[: piece.size]


def write_distribution(x: Array, out: Array, square: Array) -> None:
    """out = Φ(x) = ½ (1 + tanh(x P(x²))), square = x².        All of one shape."""
    first, *between, last = P[x.dtype.itemsize]
    with np.errstate(over="ignore"):  # a huge x: P overflows, and the tanh is a correct ±1
        np.multiply(x, x, out=square)
        np.multiply(square, first, out=out)
        for coefficient in between:
            out += coefficient
            out *= square
        out += last
        out *= x
    np.tanh(out, out=out)
    out += 1
    out *= 0.5
