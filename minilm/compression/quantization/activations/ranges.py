"""How far static codes of activations reach, from what calibration has seen.

    absmax           from the smallest to the largest number
    percentile       `percentile` % of the numbers inside, the rest is clipped
    moving_average   of the batches' ranges: one odd batch does not set it (Jacob et al. 2018, §3.1)
    mse              the range, shrunk, that makes Σ(x − x̂)² least
    entropy          ±t that keeps the shape of the histogram best: least KL(P ‖ Q), told in
                     scales/entropy.py

Each answers (low, high) from a Seen; percentile, mse and entropy need one with a histogram.

Entropy counts how many numbers are clipped, and not how far. Where nearly all are near 0, as after
GELU, few levels for the others cost it little and the model much: compare before using it there.
"""

from collections.abc import Callable

import numpy as np

from minilm.compression.quantization.grids import GRIDS
from minilm.compression.quantization.scales.entropy import BINS, best_factors
from minilm.types import Array
from minilm.weights import Seen

Ends = tuple[float, float]
SHRUNK = 2.0 ** (-np.arange(40) / 8)  # factors on the range, down to 1/29
SMALLEST = float(np.finfo(np.float32).tiny)


def absmax(name: str, seen: Seen, bits: int, symmetric: bool, percent: float) -> Ends:
    """From the smallest to the largest number."""
    return float(seen.minimum.min()), float(seen.maximum.max())


def moving_average(name: str, seen: Seen, bits: int, symmetric: bool, percent: float) -> Ends:
    """Moving averages of the ends of each batch."""
    return seen.moving_range()


def percentile(name: str, seen: Seen, bits: int, symmetric: bool, percent: float) -> Ends:
    """The range of `percent` % of the |x|, or, if not symmetric, of x with equal tails."""
    counts, width = histogram_of(name, seen)
    bins = len(counts) // 2
    if symmetric:
        t = float(np.searchsorted(np.cumsum(magnitudes(counts)), percent / 100 * counts.sum())) + 1
        return -t * width, t * width
    tail = (100 - percent) / 200 * counts.sum()
    low = float(np.searchsorted(np.cumsum(counts), tail, side="right")) - bins
    high = bins - float(np.searchsorted(np.cumsum(counts[::-1]), tail, side="right"))
    return low * width, high * width


def mse(name: str, seen: Seen, bits: int, symmetric: bool, percent: float) -> Ends:
    """The multiple of the absmax range with the least Σ(x − x̂)², every x in the middle of its bin.
    """
    counts, width = histogram_of(name, seen)
    middles = (np.arange(len(counts)) - len(counts) // 2 + 0.5) * width
    low, high = (end * SHRUNK[:, None] for end in absmax(name, seen, bits, symmetric, percent))
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    scale, zero_point = scale_of(low, high, bits, symmetric)
    first, last = code_ends(bits, symmetric)
    position = middles / np.where(scale == 0, 1, scale)                          # (factors, bins)
    codes = np.clip(np.rint(position) + zero_point, first, last)
    best = int((np.square(scale * (codes - zero_point) - middles) @ counts).argmin())
    return float(low[best, 0]), float(high[best, 0])


def entropy(name: str, seen: Seen, bits: int, symmetric: bool, percent: float) -> Ends:
    """±t (scales/entropy.py), or what of it lies between the smallest and the largest number."""
    counts, width = histogram_of(name, seen)
    pairs = counts.reshape(BINS, -1).sum(axis=1)
    limit = np.array([[width * len(counts) / 2]])
    grid = GRIDS["int"].start(bits, True)
    factors = best_factors(pairs[None], -limit, limit, grid, None)
    t = float((limit * factors)[0, 0])
    low, high = absmax(name, seen, bits, symmetric, percent)
    return max(-t, low), min(t, high)


RANGES: dict[str, Callable[..., Ends]] = {
    "absmax": absmax,
    "percentile": percentile,
    "moving_average": moving_average,
    "mse": mse,
    "entropy": entropy,
}


def scale_of(low: Array, high: Array, bits: int, symmetric: bool) -> tuple[Array, Array]:
    """Scale and zero point that lay [low, high] on b-bit codes; low ≤ 0 ≤ high."""
    if symmetric:
        scale = np.maximum(-low, high) / (2 ** (bits - 1) - 1)
        zero_point = np.zeros_like(scale)
    else:
        scale = (high - low) / (2**bits - 1)
        zero_point = np.rint(-low / np.where(scale == 0, 1, scale))
    return np.where(scale == 0, scale, np.maximum(scale, SMALLEST)), zero_point


def code_ends(bits: int, symmetric: bool) -> tuple[int, int]:
    """The lowest and the highest code: ±(2^(b−1) − 1), or 0 and 2^b − 1."""
    most = 2 ** (bits - 1) - 1
    return (-most, most) if symmetric else (0, 2**bits - 1)


def histogram_of(name: str, seen: Seen) -> tuple[Array, float]:
    """Counts of both sides of 0, and the width of a bin."""
    if seen.histogram is None:
        raise ValueError(f"calibration of {name} has no histogram: calibrate(…, histograms=True)")
    counts = seen.histogram.counts
    return counts, 2 * seen.histogram.limit / len(counts)


def magnitudes(counts: Array) -> Array:
    """Counts of |x| from those of x."""
    half = len(counts) // 2
    return counts[half:] + counts[:half][::-1]
