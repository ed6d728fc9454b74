"""Lloyd–Max: the levels that follow the data. Each is the centroid of what is rounded to it.

    threshold   t_k = (level_k + level_{k+1}) / 2
    level       level_k = Σ weight·x / Σ weight   over t_{k−1} ≤ x < t_k
    error       Σ weight·(x − level)²

Thresholds and levels are set in turns, and neither can raise the error. It is k-means of numbers
(vectors/clusters.py has that of vectors), but needs no draws to start: in one dimension the best
density of many levels is known, the cube root of the data's density (Panter and Dite 1951). A level
that no number is rounded to, as where outliers leave a gap, moves to the end of a cell with much
error.
"""

import math
from statistics import NormalDist

import numpy as np

from minilm.compression.quantization.grids.codebooks import Codebook
from minilm.compression.quantization.grids.float_formats import check_symmetric
from minilm.types import Array
from minilm.weights.packing import check_bits


def gaussian_levels(bits: int, symmetric: bool) -> Codebook:
    """Nearly the best levels for N(0, 1): quantiles of N(0, 3), whose density goes as φ^(1/3)."""
    check_symmetric(symmetric)
    wide = NormalDist(0, math.sqrt(3))
    levels = [wide.inv_cdf((i + 0.5) / 2**bits) for i in range(2**bits)]
    return Codebook(np.array(levels, np.float32))


def lloyd_max(
    x: Array, bits: int, *, weights: Array | None = None, max_iterations: int = 2000
) -> Array:
    """The levels that x is rounded to with the least Σ weight·(x − level)².

    x: any shape, finite; weights: of x's shape, 0 or more, default 1  ->  (2^bits,) float32, rising
    lloyd_max([1, 2, 3, 9], bits=1) is [2, 9].
    Lloyd 1982: a level is the centroid of what is rounded to it, a threshold the midpoint of two
    levels; repeated until neither moves. If there are no more distinct numbers than levels, they
    are the levels (the last one repeated). With x sorted once, a centroid is a difference of two
    prefix sums, so an iteration costs 2^bits look-ups, however long x is.
    """
    bits = check_bits(bits)
    x = np.asarray(x, np.float32)
    values = x.reshape(-1)
    if not values.size or not np.isfinite(values).all():
        raise ValueError("x must be finite numbers, at least one, to find its levels")
    mass = np.ones_like(values) if weights is None else np.broadcast_to(weights, x.shape).ravel()
    if not (np.isfinite(mass).all() and mass.min() >= 0 and mass.any()):
        raise ValueError("weights must be finite, not negative, and not all 0")
    if not mass.all():  # a number that costs nothing needs no level
        values, mass = values[mass > 0], mass[mass > 0]
    order = np.argsort(values)
    values, mass = values[order], mass[order]
    distinct = values[np.append(True, values[1:] > values[:-1])]
    if len(distinct) <= 2**bits:
        return np.append(distinct, np.full(2**bits - len(distinct), distinct[-1]))
    # float64: a prefix sum of a million float32 numbers would lose the small cells
    mass_below = np.append(0.0, np.cumsum(mass, dtype=np.float64))
    sum_below = np.append(0.0, np.cumsum(values * mass, dtype=np.float64))
    square_below = np.append(0.0, np.cumsum(np.square(values, dtype=np.float64) * mass))
    levels, cuts = _cube_root_levels(values, mass_below, 2**bits), None
    for _ in range(max_iterations):
        thresholds = ((levels[1:] + levels[:-1]) / 2).astype(np.float32)  # as values: no copy
        inner = np.searchsorted(values, thresholds)
        if cuts is not None and (inner == cuts[1:-1]).all():
            break
        cuts = np.concatenate([[0], inner, [len(values)]])
        cell_mass, cell_sum = np.diff(mass_below[cuts]), np.diff(sum_below[cuts])
        used = cell_mass > 0
        levels = np.where(used, cell_sum / np.where(used, cell_mass, 1), levels)
        if not used.all():
            errors = np.diff(square_below[cuts]) - cell_sum * levels  # Σ w·x² − (Σ w·x)² / Σ w
            levels = _fill_empty(levels, np.flatnonzero(~used), values, cuts, errors)
    return levels.astype(np.float32)


def fit_levels(v: Array, grid: Codebook, weights: Array) -> tuple[Codebook, float]:
    """As many levels as the grid has, by Lloyd and Max; where no number counts, all count alike."""
    bits = len(grid.levels).bit_length() - 1
    return Codebook(lloyd_max(v, bits, weights=weights if weights.any() else None)), 1.0


def _fill_empty(levels: Array, empty: Array, values: Array, cuts: Array, errors: Array) -> Array:
    """The levels, but those of empty cells moved into the cells of most error, rising again.

    There each takes the end that is further from the level: the error falls.
    """
    divisible = (errors > 0) & (np.diff(cuts) > 1)
    worst = np.argsort(-np.where(divisible, errors, 0), kind="stable")[: len(empty)]
    worst = worst[divisible[worst]]
    low, high = values[cuts[worst]], values[cuts[worst + 1] - 1]
    filled = levels.copy()
    filled[empty[: len(worst)]] = np.where(levels[worst] - low > high - levels[worst], low, high)
    return np.sort(filled)


def _cube_root_levels(values: Array, mass_below: Array, count: int) -> Array:
    """A start close to the end: levels as dense as the cube root of the data (Panter, Dite 1951).

    Between quantiles the mass is equal, so over a gap of width d the density is as 1 / d, and the
    gap deserves levels as d·(1 / d)^(1/3).
    """
    shares = np.linspace(0, mass_below[-1], 64 * count + 1)
    quantiles = np.interp(shares, mass_below, np.append(values, values[-1]))
    below = np.append(0.0, np.cumsum(np.diff(quantiles) ** (2 / 3)))
    return np.interp((np.arange(count) + 0.5) / count * below[-1], below, quantiles)
