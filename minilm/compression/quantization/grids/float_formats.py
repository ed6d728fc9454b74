"""Floats as grids: a sign, an exponent E of e bits and a mantissa M of m bits.

    normal       x = ±2^(E − bias) · (1 + M / 2^m)          E = 1 … 2^e − 1
    subnormal    x = ±2^(1 − bias) · (M / 2^m)              E = 0: the step of E = 1, down to zero

The bits E and M behind each other, read as one whole number k = E·2^m + M, count the magnitudes
from 0 up: k = 0 is zero, k + 1 the next larger. So a float's position among its levels is its own
bit pattern, with straight lines between whole numbers, and rounding the position, half-way to even,
is IEEE 754's rounding. For example e2m1 (bias 1), all its magnitudes:

    k       0     1     2     3     4     5     6     7
    E M    0 0   0 1   1 0   1 1   2 0   2 1   3 0   3 1
    x       0    ½     1    1½     2     3     4     6

5 has the position 6.5, which becomes 6: the level 4.
Beyond the largest finite number the grid ends: it saturates there, and makes no infinity.
Sources: IEEE 754-2019 (fp16); Micikevicius et al. 2022 (e4m3, e5m2); OCP Microscaling Formats 1.0
(e2m1). A format without mantissa has the powers of two as its magnitudes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np

from minilm.types import Array
from minilm.weights import HalfTensor

EDGE = 2.0**-22  # relative slack of `inside`, a rounding error or two of float32


@dataclass(frozen=True)
class FloatFormat:
    """The finite numbers of a float of 1 + exponent_bits + mantissa_bits bits; a code is its bits.

    reserved: so many of the largest bit patterns are no finite numbers, but infinity and NaN.
    objective: the only right scale, if there is one.
    """

    exponent_bits: int
    mantissa_bits: int
    bias: int
    reserved: int = 0
    objective: str | None = None
    low: ClassVar[int] = 0
    affine: ClassVar[bool] = False
    real_zero: ClassVar[bool] = False

    @property
    def bits(self) -> int:
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def high(self) -> int:
        return 2**self.bits - 1

    @property
    def last(self) -> int:
        """The bit pattern of the largest finite number, without its sign."""
        return 2 ** (self.bits - 1) - 1 - self.reserved

    @property
    def reach(self) -> float:
        return float(self.levels[self.last])

    @property
    def levels(self) -> Array:
        """What each bit pattern stands for, (2^bits,) float32; NaN for the reserved ones."""
        return _levels(self)

    def position(self, v: Array) -> Array:
        """± the bit pattern of |v|, with a fraction: float64, which holds 16 bits and 24 more."""
        magnitude = np.minimum(np.abs(v, dtype=np.float64), self.reach)
        smallest = 1 - self.bias  # the exponent of subnormal numbers
        exponent = np.frexp(np.maximum(magnitude, 2.0**smallest))[1] - 1     # ⌊log2|v|⌋
        steps = np.ldexp(magnitude, self.mantissa_bits - exponent)  # |v| in steps of its binade
        return np.copysign((exponent - smallest) * 2**self.mantissa_bits + steps, v)

    def code(self, position: Array) -> Array:
        # what is rounded to zero becomes +0: there is one zero
        return np.where(position < 0, 2 ** (self.bits - 1) - position, position)

    def value(self, code: Array) -> Array:
        return np.take(self.levels, code.astype(np.intp))

    def inside(self, v: Array) -> Array:
        return np.abs(v) <= self.reach * (1 + EDGE)


@cache
def _levels(kind: FloatFormat) -> Array:
    pattern = np.arange(2 ** (kind.bits - 1))
    E, M = pattern >> kind.mantissa_bits, pattern % 2**kind.mantissa_bits
    mantissa = M + np.where(E > 0, 2**kind.mantissa_bits, 0)
    magnitudes = np.ldexp(mantissa.astype(np.float64), np.maximum(E, 1) - kind.bias
                          - kind.mantissa_bits)
    magnitudes[pattern > kind.last] = np.nan
    levels = np.concatenate([magnitudes, -magnitudes]).astype(np.float32)
    levels.flags.writeable = False  # one array for all
    return levels


E2M1 = FloatFormat(2, 1, bias=1)
E4M3 = FloatFormat(4, 3, bias=7, reserved=1)  # its last pattern is NaN, and there is no infinity
E5M2 = FloatFormat(5, 2, bias=15, reserved=4)
# Half precision covers what weights are without a scale: E = 2^e − 1 is infinity and NaN.
FP16 = FloatFormat(5, 10, bias=15, reserved=2**10, objective="unit")
BF16 = FloatFormat(8, 7, bias=127, reserved=2**7, objective="unit")


def float_grid(name: str, kind: FloatFormat) -> Callable[[int, bool], FloatFormat]:
    """What GRIDS asks for: the format, once bits and symmetric have been seen to fit it."""

    def start(bits: int, symmetric: bool) -> FloatFormat:
        if bits != kind.bits:
            raise ValueError(f"bits must be {kind.bits} for grid {name!r}, got {bits}")
        check_symmetric(symmetric)
        return kind

    return start


def half_tensor(kind: str) -> Callable[..., HalfTensor]:
    """What makes the leaf of numbers on the grid of "fp16" or "bf16": no scale, no table."""

    def make(on_grid: Any, scheme: Any, rng: np.random.Generator) -> HalfTensor:
        x, x_hat = on_grid.layout.array(on_grid.numbers), on_grid.values(scheme, rng)
        largest_error = float(np.abs(x - x_hat).max())
        return replace(HalfTensor.from_dense(x_hat, kind), largest_error=largest_error)

    return make


def power_of_two(bits: int, symmetric: bool) -> FloatFormat:
    """0 and ±2^−k, k = 0 … 2^(b−1) − 2: a float that is all exponent, its largest number 1.

    Zhou et al. 2017 (INQ), eq. 1. Multiplying by such a weight is a shift.
    """
    check_symmetric(symmetric)
    if not 2 <= bits <= 8:  # more would be powers below float32's smallest number
        raise ValueError(f"bits must be at least 2 for powers of two and zero, and at most 8, "
                         f"got {bits}")
    return FloatFormat(bits - 1, 0, bias=2 ** (bits - 1) - 1)


def check_symmetric(symmetric: bool) -> None:
    """Refuse a zero point for levels that are not evenly spaced."""
    if not symmetric:
        raise ValueError("symmetric=False needs a grid of integers: a codebook has no zero point")
