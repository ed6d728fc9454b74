"""Grids: the numbers that codes stand for, before any scale.

A tensor divided by its scale is rounded to a grid. A grid says three things, and knows nothing of
how the scale was chosen or of how one rounds:

    position(v)   where v lies, counted so that the grid's levels stand at whole numbers
    code(i)       the code q of the level at position i
    value(q)      the level that code q stands for
    inside(v)     where the grid does not clip v

so that rounding, of whatever kind, is a map from positions to whole numbers. Codes lie in
[low, high]; `reach` is the level that the end of a symmetric range is laid on; an `affine` grid
counts from 0 and needs a zero point beside its scale. For some grids only one scale is right: they
name its `objective` themselves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from minilm.types import Array
from minilm.weights.packing import check_bits

EDGE = 2.0**-22  # relative slack of `inside`, a rounding error or two of float32


@dataclass(frozen=True)
class Integers:
    """The levels are the integers low … high themselves: x̂ = s·(q − z), with z = 0 unless affine.

    Jacob et al. 2018, eq. 1.
    """

    low: int
    high: int
    affine: bool = False
    levels: ClassVar[None] = None
    objective: ClassVar[None] = None

    @property
    def reach(self) -> float:
        return float(self.high)

    def position(self, v: Array) -> Array:
        return v

    def code(self, position: Array) -> Array:
        return position

    def value(self, code: Array) -> Array:
        return code

    def inside(self, v: Array) -> Array:
        # the end of the range itself may be beyond the grid's by a rounding error of x / s
        slack = EDGE * self.high
        return (self.low - slack <= v) & (v <= self.high + slack)


@dataclass(frozen=True)
class Signs:
    """One bit: −1 and +1. The best scale is the mean magnitude (Rastegari et al. 2016, eq. 6)."""

    low: ClassVar[int] = -1
    high: ClassVar[int] = 1
    affine: ClassVar[bool] = False
    levels: ClassVar[None] = None
    objective: ClassVar[str] = "mean_magnitude"
    reach: ClassVar[float] = 1.0

    def position(self, v: Array) -> Array:
        return (v - 1) / 2

    def code(self, position: Array) -> Array:
        return 2 * position + 1

    def value(self, code: Array) -> Array:
        return code

    def inside(self, v: Array) -> Array:
        return np.ones(v.shape, np.bool_)


@dataclass(frozen=True, eq=False)
class Codebook:
    """Any increasing levels: code q stands for levels[q]. levels: (2^bits,) float32."""

    levels: Array
    low: ClassVar[int] = 0
    affine: ClassVar[bool] = False
    objective: ClassVar[None] = None

    @property
    def high(self) -> int:
        return len(self.levels) - 1

    @property
    def reach(self) -> float:
        return float(np.abs(self.levels).max())

    def position(self, v: Array) -> Array:
        # straight lines from level to level: half-way between two levels is half-way in position
        return np.interp(v, self.levels, np.arange(len(self.levels)))

    def code(self, position: Array) -> Array:
        return position

    def value(self, code: Array) -> Array:
        return np.take(self.levels, code.astype(np.intp))

    def inside(self, v: Array) -> Array:
        # its outer cells have no end, and their levels are the means of all that lies in them
        return np.ones(v.shape, np.bool_)


Grid: TypeAlias = Integers | Signs | Codebook


def integers(bits: int, symmetric: bool) -> Grid:
    """±(2^(b−1) − 1), at one bit the two signs; asymmetric 0 … 2^b − 1 with a zero point."""
    if not symmetric:
        return Integers(0, 2**bits - 1, affine=True)
    return Integers(1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if bits > 1 else Signs()


def gaussian_levels(bits: int, symmetric: bool) -> Grid:
    """Nearly the best levels for N(0, 1): quantiles of N(0, 3), the shape of φ^(1/3).

    Panter and Dite 1951: the best density of many levels goes as the cube root of the data's.
    """
    if not symmetric:
        raise ValueError("symmetric=False needs a grid of integers: a codebook has no zero point")
    wide = NormalDist(0, math.sqrt(3))
    levels = [wide.inv_cdf((i + 0.5) / 2**bits) for i in range(2**bits)]
    return Codebook(np.array(levels, np.float32))


def lloyd_max(
    x: Array, bits: int, *, weights: Array | None = None, max_iterations: int = 2000
) -> Array:
    """The levels that x is rounded to with the least Σ weight·(x − level)².

    x: any shape, finite; weights: of x's shape, default 1  ->  (2^bits,) float32, rising
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
    order = np.argsort(values)
    values, mass = values[order], mass[order]
    distinct = values[np.append(True, values[1:] > values[:-1])]
    if len(distinct) <= 2**bits:
        return np.append(distinct, np.full(2**bits - len(distinct), distinct[-1]))
    # float64: a prefix sum of a million float32 numbers would lose the small cells
    total_mass = np.append(0.0, np.cumsum(mass, dtype=np.float64))
    total = np.append(0.0, np.cumsum(values * mass, dtype=np.float64))
    levels, cuts = _cube_root_levels(values, total_mass, 2**bits), None
    for _ in range(max_iterations):
        thresholds = ((levels[1:] + levels[:-1]) / 2).astype(np.float32)  # as values: no copy
        inner = np.searchsorted(values, thresholds)
        if cuts is not None and (inner == cuts[1:-1]).all():
            break
        cuts = np.concatenate([[0], inner, [len(values)]])
        cell_mass, cell_sum = np.diff(total_mass[cuts]), np.diff(total[cuts])
        levels = np.where(cell_mass > 0, cell_sum / np.where(cell_mass > 0, cell_mass, 1), levels)
    return levels.astype(np.float32)


def _cube_root_levels(values: Array, total_mass: Array, count: int) -> Array:
    """A start close to the end: levels as dense as the cube root of the data (Panter, Dite 1951).

    Between quantiles the mass is equal, so over a gap of width d the density is as 1 / d, and the
    gap deserves levels as d·(1 / d)^(1/3).
    """
    shares = np.linspace(0, total_mass[-1], 64 * count + 1)
    quantiles = np.interp(shares, total_mass, np.append(values, values[-1]))
    below = np.append(0.0, np.cumsum(np.diff(quantiles) ** (2 / 3)))
    return np.interp((np.arange(count) + 0.5) / count * below[-1], below, quantiles)


class GridKind(NamedTuple):
    """A row of the table: a grid for (bits, symmetric), by which the scale is chosen; and, where
    the levels follow the data, the function that fits them to x / scale afterwards."""

    start: Callable[[int, bool], Grid]
    fit: Callable[..., Array] | None = None


GRIDS = {
    "int": GridKind(integers),
    "lloyd_max": GridKind(gaussian_levels, fit=lloyd_max),
}
