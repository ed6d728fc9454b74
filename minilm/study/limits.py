"""What theory allows: signal-to-noise ratios of a Gaussian, by any code and by each quantizer.

Shannon's rate–distortion function of a source N(0, σ²) is D(R) = σ²·2^(−2R), that is
10·log10(σ²/D) = 20·log10(2)·R ≈ 6.02 dB a bit, for any code of any length. Among codes that round
one weight at a time to one of 2^R levels, Lloyd–Max is the best (Max 1960; Lloyd 1982); with an
entropy coder behind it, evenly spaced levels come within a quarter of a bit of Shannon.

No random numbers here. Between two thresholds a < b, N(0, 1) has the integrals

    mass P = Φ(b) − Φ(a)     first moment M = φ(a) − φ(b)     ∫(x − l)²φ = ∫x²φ − 2·l·M + l²·P

and ∫x²φ over all cells is 1. Blocks with a scale of their own are averaged over the distribution
of their largest magnitude m, of which P(m) = (2Φ(m) − 1)^size is known: given m, the others are a
Gaussian cut off at ±m.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import NormalDist

import numpy as np

from minilm.compression.coding.entropy import entropy_of
from minilm.types import Array

NORMAL = NormalDist()
Levels = Sequence[float] | Array
Phi = np.vectorize(NORMAL.cdf, otypes=[float])


def phi(x: Array) -> Array:
    """The density of N(0, 1)."""
    return np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)


def decibels(distortion: float) -> float:
    """The SQNR of a source of variance 1."""
    return -10 * math.log10(distortion)


def shannon_sqnr(rate: Array) -> Array:
    """20·log10(2)·R in dB, for R bits a weight."""
    return 20 * math.log10(2) * rate


# --- one scale for all


def cells(thresholds: Array) -> tuple[Array, Array]:
    """P and M of each cell. thresholds: (n + 1,) rising, infinite ones allowed -> (n,), (n,)."""
    return np.diff(Phi(thresholds)), -np.diff(phi(thresholds))


def midpoints(levels: Array) -> Array:
    """The thresholds at which the nearest level changes, and ±∞ around them."""
    return np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])


@cache
def lloyd_max_sqnr(bits: int) -> float:
    """SQNR in dB of the Lloyd–Max quantizer with 2^bits levels on a Gaussian.

    The two conditions are iterated to their fixed point: a threshold is the midpoint of its two
    levels, a level the mean of the Gaussian between its thresholds, (φ(a) − φ(b)) / (Φ(b) − Φ(a)).
    There D = 1 − Σ p·level², because E[x̂(x − x̂)] = 0.
    """
    count = 2**bits
    # Panter and Dite: for many levels the best density of levels goes as the cube root of φ,
    # which is a Gaussian of standard deviation √3. A start that is nearly right.
    wide = NormalDist(0, math.sqrt(3))
    levels = np.array([wide.inv_cdf((i + 0.5) / count) for i in range(count)])
    for _ in range(400):
        mass, moment = cells(midpoints(levels))
        levels = moment / mass
    return decibels(1 - float(np.sum(mass * levels**2)))


def nearest_sqnr(levels: Levels) -> float:
    """SQNR in dB of rounding N(0, 1) to the nearest of these levels, in any order."""
    levels = np.unique(np.asarray(levels, float))
    mass, moment = cells(midpoints(levels))
    return decibels(1 + float(np.sum(levels * (levels * mass - 2 * moment))))


def best_scale(levels: Levels) -> float:
    """The s with the most SQNR of s·levels: for x / s rounded to the nearest of fixed levels.

    Tried every 2 %, from all of the Gaussian outside to all inside, then by golden section.
    """
    levels = np.asarray(levels, float)
    tried = np.geomspace(0.05, 20, 300) / np.abs(levels).max()
    middle = int(np.argmax([nearest_sqnr(s * levels) for s in tried]))
    low, high = tried[max(middle - 1, 0)], tried[min(middle + 1, len(tried) - 1)]
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(30):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if nearest_sqnr(left * levels) > nearest_sqnr(right * levels):
            high = right
        else:
            low = left
    return float((low + high) / 2)


def best_scale_sqnr(levels: Levels) -> float:
    """SQNR in dB of fixed levels at their best scale: integers with their best clip, NF, e2m1."""
    return nearest_sqnr(best_scale(levels) * np.asarray(levels, float))


def ternary_sqnr(threshold: float, level: float) -> float:
    """SQNR in dB of −level, 0, level, with 0 for what lies within ±threshold.

    BitNet b1.58 has level = E|x| = √(2/π) and half of it as the threshold. TWN has
    threshold = 0.7·E|x|, and the mean of what lies beyond it as the level.
    """
    mass, moment = cells(np.array([threshold, np.inf]))
    return decibels(1 + 2 * float((level**2 * mass - 2 * level * moment)[0]))


# --- one scale for all, and an entropy coder


def uniform_cells(step: float) -> tuple[Array, Array]:
    """P and M of the cells around all multiples of a step, as far as there is a Gaussian."""
    most = math.ceil(12 / step)
    return cells((np.arange(-most, most + 2) - 0.5) * step)


def ecsq_sqnr(rate: float) -> float:
    """SQNR in dB at `rate` bits of entropy: evenly spaced thresholds, one cell around 0, centroids.

    For small steps this is Shannon's bound less 10·log10(πe/6) = 1.53 dB, a quarter of a bit
    (Gish and Pierce 1968). The step follows from the rate by bisection.
    """
    low, high = 2.0 ** -(rate + 4), 8.0
    for _ in range(60):
        step = math.sqrt(low * high)
        if entropy_of(uniform_cells(step)[0]) > rate:
            low = step
        else:
            high = step
    mass, moment = uniform_cells(step)
    kept = mass > 0
    return decibels(1 - float(np.sum(moment[kept] ** 2 / mass[kept])))


# --- a scale for each block


def block_sqnr(
    levels: Levels, size: int, scale: Callable[[float], float], points: int = 512
) -> float:
    """SQNR in dB of blocks of `size` numbers, rounded to the nearest of scale(m)·levels.

    m: the block's largest magnitude; it is the positive end, for grids that are not symmetric the
    sign of the scale can always make it so. The mean over m is taken at `points` quantiles of it.
    """
    levels = np.unique(np.asarray(levels, float))
    quantiles = ((np.arange(points) + 0.5) / points) ** (1 / size)
    total = 0.0
    for m in (NORMAL.inv_cdf((1 + q) / 2) for q in quantiles):
        scaled = scale(m) * levels
        mass, moment = cells(np.clip(midpoints(scaled), -m, m))
        inside = math.erf(m / math.sqrt(2))                         # P(|x| < m)
        square = inside - 2 * m * float(phi(np.array(m)))           # ∫x²φ from −m to m
        others = (square + float(np.sum(scaled * (scaled * mass - 2 * moment)))) / inside
        largest = float(np.min(np.abs(scaled - m))) ** 2
        total += ((size - 1) * others + largest) / size
    return decibels(total / points)


def absmax(reach: float) -> Callable[[float], float]:
    """The scale that lays the largest magnitude on the level `reach`."""
    return lambda m: m / reach


def power_of_two(reach: float) -> Callable[[float], float]:
    """MX: 2^(⌊log2 m⌋ − ⌊log2 reach⌋), a scale that is an exponent alone."""
    return lambda m: 2.0 ** (math.floor(math.log2(m)) - math.floor(math.log2(reach)))


def small_float(reach: float, largest: float, levels: Levels) -> Callable[[float], float]:
    """NVFP4: the scale m / reach rounded to one of the levels of a small float (e4m3), of which the
    last one belongs to the largest magnitude of the whole tensor."""
    levels = np.asarray(levels, float)
    unit = largest / reach / levels.max()
    return lambda m: unit * float(levels[np.argmin(np.abs(levels - m / reach / unit))])
