"""GELU as it is defined: x times the probability that a standard normal number is below it.

    y = x Φ(x),   Φ(x) = ½ (1 + erf(x / √2))              Hendrycks & Gimpel 2016

BERT computes this one, GPT-2 the tanh form of `activations.gelu`, which is up to 5e-4 off. NumPy
has no erf. But Φ is a sigmoid, so there is an odd function a with

    Φ(x) = ½ (1 + tanh a(x)),   a(x) = x P(x²)

and a is smooth: one coefficient of P makes a logistic function of Φ, two the tanh form, and the
seven below bring y to within 7e-8 of x Φ(x) for every x, about what float32 can tell apart.
"""

import math

import numpy as np

from minilm.nn.checks import require_float
from minilm.types import Array, Cache

# P, highest power first. Fitted to atanh(erf(x / √2)) / x for 0 < x < 6 so that the largest error
# of y is least: least squares, in which a point's weight grows while its error is above the mean.
P = (
    1.8056157175284745e-09,
    -1.3344637805766466e-07,
    3.969108947955972e-06,
    -5.524015470594112e-05,
    -3.313000640910033e-05,
    0.036334283531047784,
    0.7978842161104646,
)
PIECE = 1 << 16  # numbers worked on at a time: they stay in the cache from one pass to the next


def exact_gelu(x: Array) -> tuple[Array, Cache]:
    """y = x Φ(x), Φ the distribution function of the standard normal.

    x: (...)  ->  y: (...), cache        Hendrycks & Gimpel 2016, eq. 1
    """
    require_float("x", x)
    y = np.empty(x.shape, x.dtype)
    numbers, products = x.reshape(-1), y.reshape(-1)
    with np.errstate(over="ignore"):  # a huge x: a overflows, and tanh a is a correct ±1
        for start in range(0, x.size, PIECE):
            piece = numbers[start : start + PIECE]
            product = products[start : start + PIECE]
            np.multiply(normal_distribution(piece), piece, out=product)
    return y, x


def exact_gelu_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of exact_gelu: dx = dy (Φ(x) + x φ(x)), φ = Φ' the density e^(−x²/2) / √(2π).

    Φ is computed again: that takes less time than keeping it would while nothing is learned.
    """
    x = cache
    dx = np.empty(x.shape, x.dtype)
    numbers, slopes = x.reshape(-1), dx.reshape(-1)
    with np.errstate(over="ignore"):
        for start in range(0, x.size, PIECE):
            piece = numbers[start : start + PIECE]
            slope = np.square(piece, out=slopes[start : start + PIECE])
            slope *= -0.5
            np.exp(slope, out=slope)
            slope *= 1 / math.sqrt(2 * math.pi)
            slope *= piece
            slope += normal_distribution(piece)
    dx *= dy
    return dx


def normal_distribution(x: Array) -> Array:
    """Φ(x) = ½ (1 + tanh(x P(x²))).        x: (...)  ->  (...)"""
    square = x * x
    gate = square * P[0]
    for coefficient in P[1:-1]:
        gate += coefficient
        gate *= square
    gate += P[-1]
    gate *= x
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5
    return gate
