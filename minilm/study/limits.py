"""What theory allows: signal-to-noise ratios that no quantizer of a Gaussian source can pass.

Shannon's rate–distortion function of a source N(0, σ²) is D(R) = σ²·2^(−2R), that is
10·log10(σ²/D) = 20·log10(2)·R ≈ 6.02 dB a bit, for any code of any length. Among codes that round
one weight at a time, Lloyd–Max is the best (Max 1960; Lloyd 1982).
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np

from minilm.types import Array


def shannon_sqnr(rate: Array) -> Array:
    """20·log10(2)·R in dB, for R bits a weight."""
    return 20 * math.log10(2) * rate


@cache
def lloyd_max_sqnr(bits: int) -> float:
    """SQNR in dB of the Lloyd–Max quantizer with 2^bits levels on a Gaussian.

    The two conditions are iterated to their fixed point: a threshold is the midpoint of its two
    levels, a level the mean of the Gaussian between its thresholds, (φ(a) − φ(b)) / (Φ(b) − Φ(a)).
    There D = 1 − Σ p·level², because E[x̂(x − x̂)] = 0.
    """
    normal = NormalDist()
    count = 2**bits
    # Panter and Dite: for many levels the best density of levels goes as the cube root of φ,
    # which is a Gaussian of standard deviation √3. A start that is nearly right.
    wide = NormalDist(0, math.sqrt(3))
    levels = np.array([wide.inv_cdf((i + 0.5) / count) for i in range(count)])
    mass = np.ones(count)
    for _ in range(400):
        thresholds = [-math.inf, *((levels[1:] + levels[:-1]) / 2), math.inf]
        density = np.array([0.0, *(normal.pdf(t) for t in thresholds[1:-1]), 0.0])
        below = np.array([0.0, *(normal.cdf(t) for t in thresholds[1:-1]), 1.0])
        mass = np.diff(below)
        levels = -np.diff(density) / mass
    return -10 * math.log10(1 - float(np.sum(mass * levels**2)))
