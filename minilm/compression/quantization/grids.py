"""Grids: the numbers that codes stand for, before any scale.

v = x / s, a tensor divided by its scale, is rounded to a grid of levels. A grid says four things,
and knows nothing of how the scale was chosen or of how one rounds:

    position(v)   where v lies, counted so that the grid's levels stand at whole numbers
    code(i)       the code q of the level at position i
    value(q)      the level that code q stands for
    inside(v)     where the grid does not clip v

so that rounding, of whatever kind, is a map from positions to whole numbers. On the levels 0, 1, 2,
4, say, v = 3.5 lies at position 2.75, which is rounded to 3: the level 4. A grid has besides

    low, high     the lowest and the highest code
    levels        the table by which stored codes are read; None where a code is its own level
    reach         the level that the end of a symmetric range is laid on
    affine        codes count from 0, and a zero point stands beside the scale
    real_zero     the zero point is any number, and not a code
    objective     how its scale is chosen, where only one way is right (objectives.py); else None

Here are the grids of evenly spaced levels, and the table of all; the others are in

    float_formats.py   e2m1, e4m3, e5m2, fp16, bf16; powers of two
    codebooks.py       normal floats, logarithmic
    lloyd_max.py       fitted to the data
    entropy_coded.py   integers as fine as a coder of their entropy allows

The integers of two bits are the ternary grid −1, 0, 1; of one bit, the signs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from minilm.compression.quantization.codebooks import Codebook, logarithmic, normal_float
from minilm.compression.quantization.entropy_coded import EntropyCoded, entropy_coded, fit_gain
from minilm.compression.quantization.float_formats import (
    BF16,
    E2M1,
    E4M3,
    E5M2,
    EDGE,
    FP16,
    FloatFormat,
    check_symmetric,
    float_grid,
    half_tensor,
    power_of_two,
)
from minilm.compression.quantization.lloyd_max import gaussian_levels, lloyd_max
from minilm.types import Array


@dataclass(frozen=True)
class Integers:
    """The levels are the integers low … high themselves: x̂ = s·(q − z), with z = 0 unless affine.

    real_zero: z may lie between codes; else it is one, and 0 stays exactly 0.
    Jacob et al. 2018, eq. 1.
    """

    low: int
    high: int
    affine: bool = False
    real_zero: bool = False
    levels: ClassVar[None] = None
    objective: ClassVar[None] = None

    @property
    def reach(self) -> float:
        # where the ends differ, as −8 and 7, half-way: both are then missed by half a step
        return (self.high - self.low) / 2

    def position(self, v: Array) -> Array:
        return v

    def code(self, position: Array) -> Array:
        return position

    def value(self, code: Array) -> Array:
        return code

    def inside(self, v: Array) -> Array:
        # The range may end beyond the grid: by a rounding error of x / s, and by half a step where
        # a zero point was rounded or one side has a level less.
        slack = EDGE * self.high + (0.5 if self.low != -self.high else 0)
        return (self.low - slack <= v) & (v <= self.high + slack)


@dataclass(frozen=True)
class Signs:
    """One bit: −1 and +1. The best scale is the mean magnitude (Rastegari et al. 2016, eq. 6)."""

    low: ClassVar[int] = -1
    high: ClassVar[int] = 1
    affine: ClassVar[bool] = False
    real_zero: ClassVar[bool] = False
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


@dataclass(frozen=True)
class MidRise:
    """±½, ±1½, … ±(2^b − 1)/2: evenly spaced, and zero lies between two levels.

    All 2^b cells are used, and the range ±2^(b−1) is their union: on a Gaussian 2 dB better than
    the integers at 2 bits, 1 dB at 3. But nothing is ever exactly 0. One bit: the signs.
    """

    bits: int
    low: ClassVar[int] = 0
    affine: ClassVar[bool] = False
    real_zero: ClassVar[bool] = False
    objective: ClassVar[None] = None

    @property
    def high(self) -> int:
        return 2**self.bits - 1

    @property
    def levels(self) -> Array:
        return self.value(np.arange(2**self.bits, dtype=np.float32))

    @property
    def reach(self) -> float:
        return float(2 ** (self.bits - 1))

    def position(self, v: Array) -> Array:
        return v + self.high / 2

    def code(self, position: Array) -> Array:
        return position

    def value(self, code: Array) -> Array:
        return code - self.high / 2

    def inside(self, v: Array) -> Array:
        return np.abs(v) <= self.reach * (1 + EDGE)


Grid: TypeAlias = Integers | Signs | MidRise | Codebook | FloatFormat | EntropyCoded


def integers(bits: int, symmetric: bool) -> Grid:
    """±(2^(b−1) − 1), at one bit the two signs; asymmetric 0 … 2^b − 1 with a zero point."""
    if not symmetric:
        return Integers(0, 2**bits - 1, affine=True)
    return Integers(1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if bits > 1 else Signs()


def integers_real_zero(bits: int, symmetric: bool) -> Grid:
    """0 … 2^b − 1 with a zero point that is any number."""
    if symmetric:
        raise ValueError("grid 'int_real_zero' has a zero point: pass symmetric=False")
    if bits > 8:  # half-way up the codes of 16 bits float16 goes in steps of 16
        raise ValueError("bits must be at most 8 for grid 'int_real_zero', whose zero points have "
                         f"half precision, got {bits}")
    return Integers(0, 2**bits - 1, affine=True, real_zero=True)


def all_integers(bits: int, symmetric: bool) -> Grid:
    """−2^(b−1) … 2^(b−1) − 1: a b-bit integer's full range, one level more below."""
    check_symmetric(symmetric)
    if bits < 2:
        raise ValueError(f"bits must be at least 2 for integers of both signs, got {bits}")
    return Integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def mid_rise(bits: int, symmetric: bool) -> Grid:
    """±½ … ±(2^b − 1)/2."""
    check_symmetric(symmetric)
    return MidRise(bits)


def fit_levels(v: Array, grid: Codebook, weights: Array) -> tuple[Grid, float]:
    """As many levels as the grid has, by Lloyd and Max."""
    bits = len(grid.levels).bit_length() - 1
    return Codebook(lloyd_max(v, bits, weights=weights)), 1.0


class GridKind(NamedTuple):
    """A row of the table.

    start(bits, symmetric): the grid by which the scale is chosen.
    fit(v, grid, weights): None, or for a grid that follows the data: v = x / scale and what a
        squared error costs, (channels, n) both -> the grid, and a factor on the scale.
    largest: numbers beyond it are refused.
    tensor(on_grid, scheme, rng): what makes the leaf, where it is not a QuantizedTensor.
    """

    start: Callable[[int, bool], Grid]
    fit: Callable[..., tuple[Grid, float]] | None = None
    largest: float = float("inf")
    tensor: Callable[..., Any] | None = None


GRIDS = {
    "int": GridKind(integers),
    "int_full": GridKind(all_integers, largest=2.0**127),  # its lowest level lies beyond its reach
    "int_real_zero": GridKind(integers_real_zero),
    "mid_rise": GridKind(mid_rise),
    "power_of_two": GridKind(power_of_two),
    "logarithmic": GridKind(logarithmic),
    "nf": GridKind(normal_float),
    "lloyd_max": GridKind(gaussian_levels, fit=fit_levels),
    "entropy_coded": GridKind(entropy_coded, fit=fit_gain),
    "e2m1": GridKind(float_grid("e2m1", E2M1)),
    "e4m3": GridKind(float_grid("e4m3", E4M3)),
    "e5m2": GridKind(float_grid("e5m2", E5M2)),
    "fp16": GridKind(float_grid("fp16", FP16), largest=FP16.reach, tensor=half_tensor("fp16")),
    "bf16": GridKind(float_grid("bf16", BF16), largest=BF16.reach, tensor=half_tensor("bf16")),
}
