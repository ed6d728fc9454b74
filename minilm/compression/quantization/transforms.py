"""Transforms: a weight x = left @ x', exactly, where x' is easier to round.

    v @ x = (v @ left) @ x'        v: a vector that multiplies the weight; only x' is rounded

    awq        left = diag(1/s)    s_j = mean|v_j|^α: what is multiplied by much is rounded finely
    smooth     left = diag(1/s)    s_j = max|v_j|^α / max|x_j|^(1−α): the outliers of v become x's
    hadamard   left = a rotation   each number is spread over many, and none sticks out

The answer is Product(left, Q(x')). A transform sees a matrix as (in, out), each column a channel;
an embedding table (V, D) is turned for it, as in h @ E.T, and the answer is turned back:
Product(Q(E'), left.T).

A row of TRANSFORMS is None (x as it is), or a function

    transform(name, x, seen, quantized) -> left, x', seen'

    name        what errors call the array
    x           (in, out) float
    seen        Seen of the vectors that multiply x (width in), or None where there is no
                calibration: ValueError by `needed`, if the transform cannot do without
    quantized   (in, out) -> its x̂ by the same grid and scales, rounded to nearest: to search with
    left        a leaf (in, in), or None where x is left as it is
    seen'       of the vectors v @ left, which multiply x', or None

Scales are searched over α, and s = 1 is tried first: on the calibration data no search ends worse
than without a transform.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from minilm.compression.parameters import check_finite, float_type, needed
from minilm.types import Array
from minilm.weights import Diagonal, Hadamard, Seen
from minilm.weights.hadamard import largest_block

Quantized: TypeAlias = Callable[[Array], Array]
Transformed: TypeAlias = tuple[Any, Array, Seen | None]
Transform: TypeAlias = Callable[[str, Array, Seen | None, Quantized], Transformed]

ALPHAS = np.arange(1, 21) / 20  # 0 is s = 1
LARGEST = 1e30  # of a weight that is scaled or rotated: what that makes must fit into float32
SMALLEST = 1e-4  # channels below this part of the largest count as so large: s stays finite


def awq(name: str, x: Array, seen: Seen | None, quantized: Quantized) -> Transformed:
    """s_j = mean|v_j|^α with the least ‖V(x̂ − x)‖² = tr((x̂ − x)ᵀ VᵀV (x̂ − x)) over all V seen.

    The weights are rounded and v is not: channels that matter get finer steps, at the cost of the
    others in their column. VᵀV is `Seen.cost`, in which rows that are taken from a table count too.
    Lin et al. 2023, eq. 4 and 5.
    """
    known, x = needed(seen, name, "transform 'awq'"), floats(name, x)
    gram = (known.cost / (np.trace(known.cost) or 1)).astype(x.dtype)
    magnitude, size = relative(known.mean_magnitude), float(np.abs(x).max()) or 1.0

    def error(inverse: Array, rounded: Array) -> float:
        wrong = inverse[:, None] * rounded
        wrong -= x
        wrong /= size  # the square of what is huge or tiny is no number
        return float(np.vdot(wrong, gram @ wrong))

    return searched((magnitude**alpha for alpha in ALPHAS), error, x, known, quantized)


def smooth(name: str, x: Array, seen: Seen | None, quantized: Quantized) -> Transformed:
    """s_j = max|v_j|^α / max|x_j|^(1−α) with the least ‖V̂ x̂ − V x‖², V̂ and x̂ both rounded.

    For weights that will be multiplied by vectors of 8-bit integers, each with one scale: with a
    few large entries in v, all others would round to 0. Xiao et al. 2022, eq. 4; V is the sample.
    """
    known, x = needed(seen, name, "transform 'smooth'"), floats(name, x)
    # of immaterial sizes: the square of what is huge or tiny is no number
    v = (known.sample / (known.absmax.max() or 1)).astype(x.dtype, copy=False)
    exact, size = v @ x, float(np.abs(x).max()) or 1.0
    in_v, in_x = relative(known.absmax), relative(np.abs(x).max(axis=1))

    def error(inverse: Array, rounded: Array) -> float:
        wrong = eight_bits(v * inverse) @ rounded
        wrong -= exact
        wrong /= size
        return float(np.vdot(wrong, wrong))

    alphas = np.append(0, ALPHAS)
    return searched((in_v**a / in_x ** (1 - a) for a in alphas), error, x, known, quantized)


def hadamard(name: str, x: Array, seen: Seen | None, quantized: Quantized) -> Transformed:
    """x' = Rᵀ x, R a random rotation of one bit a row, the same for all x of one height.

    Each column of x' is nearly Gaussian, whatever x is (Chee et al. 2023; Ashkboos et al. 2024).
    An odd height has no block to turn: x is left as it is.
    """
    if largest_block(len(x)) == 1:
        return None, x, seen
    left = Hadamard.random(len(x), np.random.default_rng(len(x)))
    turned = (floats(name, x).T @ left).T
    return left, turned, None if seen is None else seen.through(left)


TRANSFORMS: dict[str, Transform | None] = {
    "none": None,
    "awq": awq,
    "smooth": smooth,
    "hadamard": hadamard,
}


def searched(
    candidates: Iterable[Array],
    error: Callable[[Array, Array], float],
    x: Array,
    seen: Seen,
    quantized: Quantized,
) -> Transformed:
    """The s with the least error: left = diag(1/s), x' = s ⊙ x; left None where it is s = 1.

    candidates: scales (in,); error(1/s, x̂'), both as they will be stored.
    """
    least, best, scaled = error(np.ones(len(x), np.float32), quantized(x)), None, x
    for s in candidates:
        inverse = (np.sqrt(s.max() * s.min()) / s).astype(np.float32)  # between 1/√r and √r
        tried = x / inverse[:, None]
        found = error(inverse, quantized(tried))
        if found < least:
            least, best, scaled = found, inverse, tried
    if best is None:
        return None, x, seen
    left = Diagonal(best)
    return left, scaled, seen.through(left)


def floats(name: str, x: Array) -> Array:
    """x as floats; ValueError if they are not finite, or so large that a sum of them may not be."""
    x = x.astype(float_type(x), copy=False)
    check_finite(name, x, LARGEST)
    return x


def relative(sizes: Array) -> Array:
    """Sizes of channels as parts of the largest, at least SMALLEST; 1 if all are 0."""
    largest = float(sizes.max())
    return np.maximum(sizes / largest, SMALLEST) if largest > 0 else np.ones_like(sizes)


def eight_bits(v: Array) -> Array:
    """Each row as 8-bit integers times its own scale, max|v| / 127.   v: (k, n) -> (k, n)"""
    scale = np.abs(v).max(axis=1, keepdims=True) / 127
    scale[scale == 0] = 1
    return np.rint(v / scale) * scale
