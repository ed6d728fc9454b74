"""Grids of evenly spaced levels: the integers, with and without a zero point; the signs; and the
half-integers.

Symmetric integers of two bits are the ternary grid −1, 0, 1; of one bit, the signs.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minilm.compression.quantization.grids.float_formats import EDGE, check_symmetric
from minilm.types import Array


@dataclass(frozen=True)
class Integers:
    """The levels are the integers low … high themselves: x̂ = s·(q − z), with z = 0 unless affine
    (asymmetric).

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


def integers(bits: int, symmetric: bool) -> Integers | Signs:
    """±(2^(b−1) − 1), at one bit the two signs; asymmetric 0 … 2^b − 1 with a zero point."""
    if not symmetric:
        return Integers(0, 2**bits - 1, affine=True)
    return Integers(1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if bits > 1 else Signs()


def integers_real_zero(bits: int, symmetric: bool) -> Integers:
    """0 … 2^b − 1 with a zero point that is any number."""
    if symmetric:
        raise ValueError("grid 'int_real_zero' has a zero point: pass symmetric=False")
    if bits > 8:  # half-way up the codes of 16 bits float16 goes in steps of 16
        raise ValueError("bits must be at most 8 for grid 'int_real_zero', whose zero points have "
                         f"half precision, got {bits}")
    return Integers(0, 2**bits - 1, affine=True, real_zero=True)


def all_integers(bits: int, symmetric: bool) -> Integers:
    """−2^(b−1) … 2^(b−1) − 1: a b-bit integer's full range, one level more below."""
    check_symmetric(symmetric)
    if bits < 2:
        raise ValueError(f"bits must be at least 2 for integers of both signs, got {bits}")
    return Integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def mid_rise(bits: int, symmetric: bool) -> MidRise:
    """±½ … ±(2^b − 1)/2."""
    check_symmetric(symmetric)
    return MidRise(bits)
