"""Fixed point: to multiply an integer by a real number with integers alone.

    M = M0 · 2^−shift,   M0 a 31-bit integer in [2³⁰, 2³¹)
    round(acc · M) = (acc · M0 + 2^(shift−1)) >> shift          in int64: |acc · M0| < 2⁶²

    M = 0.1:   M0 = 1717986918, shift = 34,   acc = 100, 7, −4 become 10, 1, 0

A sum of int8 products, acc, counts in units of both codes' scales, S1·S2; the next layer's codes q3
have a scale S3 and a zero point Z3. So M = S1·S2 / S3 is known before anything is run, and this is
all that happens to a sum on its way to its code (Jacob et al. 2018, section 2.2):

    q3 = clip(Z3 + round(acc · M), low, high)

`>>` rounds down, so adding half a unit first rounds to the nearest, **half-way up** (−0.5 → 0, 0.5
→ 1). One rounding, where gemmlowp has two: it keeps the upper 32 bits of 2·acc·M0, rounded, and
rounds these again, half-way away from zero; its codes may differ from these by 1. 31 bits of M0 are
enough that |acc · (M − M0·2^−shift)| < 1 for every 32-bit acc, where |M| < 1.
"""

from typing import NamedTuple

import numpy as np

from minilm.types import Array

BITS = 31
MAX_SHIFT = 62  # acc·M0 is below 2⁶²: shifted further than this, it is 0


class Multiplier(NamedTuple):
    """M ≈ M0 · 2^−shift. M0: int32, negative where M is; shift: int8, 1 … 62. Of M's shape."""

    M0: Array
    shift: Array

    @property
    def value(self) -> Array:
        """The real number that this stands for, float64."""
        return np.ldexp(self.M0.astype(np.float64), -self.shift.astype(np.int64))


def to_fixed_point(M: Array | float) -> Multiplier:
    """The nearest M0 · 2^−shift to each M, to a relative error of 2^−31.

    M: real numbers of any shape, |M| < 2³⁰; those below 2^−32 make every product 0, and are.
    ValueError where M is larger, or not finite.
    """
    M = np.asarray(M, np.float64)
    if not (np.abs(M) < 2.0 ** (BITS - 1)).all():  # also where it is NaN
        raise ValueError(f"M must be finite and within ±2^{BITS - 1}, got {M}")
    fraction, exponent = np.frexp(M)
    M0 = np.rint(np.ldexp(fraction, BITS)).astype(np.int64)
    full = np.abs(M0) == 1 << BITS  # rounded up to the next power of two
    M0, exponent = np.where(full, M0 >> 1, M0), exponent + full
    shift = BITS - exponent
    vanishes = (shift > MAX_SHIFT) | (M0 == 0)
    M0, shift = np.where(vanishes, 0, M0), np.where(vanishes, 1, shift)
    return Multiplier(M0.astype(np.int32), shift.astype(np.int8))


def scaled(acc: Array, M0: Array | int, shift: Array | int) -> Array:
    """round(acc · M0 · 2^−shift), half-way up, with integers alone.

    acc: integers within 32 bits; M0, shift: as `to_fixed_point` makes them; they broadcast -> int64
    TypeError for an acc of floats, whose fractions would be cut off.
    """
    if acc.dtype.kind not in "iu":
        raise TypeError(f"acc must hold integers, got {acc.dtype}")
    # int64 on all sides: frexp's exponents are int32, in which 1 << 40 is lost without a word
    shift = np.asarray(shift, np.int64)
    product = acc.astype(np.int64) * np.asarray(M0, np.int64)
    product += np.left_shift(np.int64(1), shift - 1)
    product >>= shift
    return product


def requantize(
    acc: Array,
    M0: Array | int,
    shift: Array | int,
    zero_point: int = 0,
    low: int = -128,
    high: int = 127,
) -> Array:
    """q = clip(zero_point + round(acc · M0 · 2^−shift), low, high), with integers alone.

    acc: integers within 32 bits  ->  codes of its shape, in the smallest of int8, uint8, int16 and
    int32 that holds low and high. M0, shift: as in `scaled`, one each or one a channel.
    """
    q = scaled(acc, M0, shift)
    if zero_point:
        q += zero_point
    return np.clip(q, low, high).astype(code_type(low, high))


def code_type(low: int, high: int) -> type[np.signedinteger] | type[np.unsignedinteger]:
    """The smallest type of codes in [low, high]. ValueError where 32 bits are not enough."""
    for kind in (np.int8, np.uint8, np.int16, np.int32):
        if np.iinfo(kind).min <= low < high <= np.iinfo(kind).max:
            return kind
    raise ValueError(f"low must be below high, both within 32 bits, got {low} and {high}")
