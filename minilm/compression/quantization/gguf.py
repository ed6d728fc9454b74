"""The block formats of gguf files, bit for bit: Q8_0, Q4_0, Q4_1, Q5_0, MXFP4.

Each cuts rows into blocks of 32 numbers, which share a scale d. r = 1/d, a product, not a quotient;
⌊·⌋ cuts the fraction off; the scale that is stored is d as float16, the codes follow from d itself:

    Q8_0    d = max|x| / 127         q = x·r, from half-way away from 0           x̂ = d·q
    Q4_0    d = m / −8               q = min(15, ⌊x·r + 8½⌋)                      x̂ = d·(q − 8)
    Q5_0    d = m / −16              q = min(31, ⌊x·r + 16½⌋)                     x̂ = d·(q − 16)
    Q4_1    d = (max − min) / 15     q = min(15, ⌊(x − min)·r + ½⌋)               x̂ = d·q + min
    MXFP4   d = 2^(⌊log2 max|x|⌋ − 2)    q: e2m1 nearest to x / d, half to the smaller

m is the number of the largest magnitude, with its sign: it gets the lowest code exactly, −8·d = m,
and the other sign has one level less. Bytes of a block, in order:

    Q8_0    d (2)             32 codes of a byte                       34 bytes   8.5 bits a number
    Q4_0    d (2)             16 bytes of two codes                    18         4.5
    Q5_0    d (2)   fifth bits (4)   16 bytes of two codes             22         5.5
    Q4_1    d (2)   min (2)   16 bytes of two codes                    20         5
    MXFP4   exponent + 127 (1)   16 bytes of two codes                 17         4.25

In a byte of two codes, number i of the block is in the low half, number i + 16 in the high one.
MXFP4 is of OCP Microscaling Formats 1.0, section 5.3 and 6.3; the others are ggml's own.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minilm.compression.parameters import check_finite, plain_array
from minilm.compression.quantization.grids.float_formats import E2M1
from minilm.types import Array

BLOCK = 32
TINY = np.finfo(np.float32).tiny


class Format(NamedTuple):
    """A row of the table: bytes a block, blocks (k, 32) -> bytes (k, nbytes), and back."""

    nbytes: int
    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array]


def to_gguf(x: Array, kind: str) -> Array:
    """x in the bytes of a gguf format.

    x: (..., n) real numbers, taken as float32, n a multiple of 32  ->  (..., n/32·nbytes) uint8
    ValueError: no such format, n that 32 does not divide, numbers that are not finite, or so large
    that float16 does not hold their scale. TypeError: not real numbers.
    """
    form, x = _row(kind), plain_array("x", x)
    if x.shape[-1] % BLOCK:
        raise ValueError(f"x must have a last axis of a multiple of {BLOCK} for {kind}, "
                         f"got shape {x.shape}")
    check_finite("x", x, float(np.finfo(np.float32).max) / 2)  # max − min must not overflow
    blocks = np.ascontiguousarray(x, np.float32).reshape(-1, BLOCK)
    return form.encode(blocks).reshape(*x.shape[:-1], x.shape[-1] // BLOCK * form.nbytes)


def from_gguf(data: Array, kind: str) -> Array:
    """The inverse of to_gguf. data: (..., k·nbytes) uint8  ->  (..., k·32) float32."""
    form, data = _row(kind), np.asarray(data)
    if data.dtype != np.uint8 or not data.ndim or data.shape[-1] % form.nbytes:
        raise ValueError(f"data must be uint8 with a last axis of a multiple of {form.nbytes} for "
                         f"{kind}, got {data.dtype} {data.shape}")
    values = form.decode(np.ascontiguousarray(data).reshape(-1, form.nbytes))
    return values.reshape(*data.shape[:-1], data.shape[-1] // form.nbytes * BLOCK)


def gguf_of_codes(kind: str, scales: Array, codes: Array, least: Array | None = None) -> Array:
    """Codes that are blocks already, in the bytes of Q8_0, Q4_0 or Q4_1: nothing is rounded anew.

    scales: (k, 1), what float16 holds, codes: (k, 32) whole numbers, of Q8_0 in [−128, 127], of
    Q4_0 in [−8, 7], of Q4_1 in [0, 15] over `least` (k, 1), rounded to float16  ->  (k, nbytes)
    """
    if kind == "Q8_0":
        return np.hstack([_half(scales), codes.astype(np.int8).view(np.uint8)])
    if kind == "Q4_0":
        return np.hstack([_half(scales), _nibbles((codes + 8).astype(np.uint8))])
    assert kind == "Q4_1" and least is not None
    return np.hstack([_half(scales), _half(least), _nibbles(codes.astype(np.uint8))])


def _row(kind: str) -> Format:
    if kind not in FORMATS:
        raise ValueError(f"kind must be one of {', '.join(FORMATS)}, got {kind!r}")
    return FORMATS[kind]


def _q8_0(x: Array) -> Array:
    d = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    v = x * _inverse(d)
    magnitude = np.abs(v)
    whole = np.floor(magnitude)
    q = np.sign(v) * (whole + (magnitude - whole >= 0.5))
    return np.hstack([_half(d), q.astype(np.int8).view(np.uint8)])


def _q8_0_values(data: Array) -> Array:
    return _float(data[:, :2]) * data[:, 2:].view(np.int8)


def _q4_0(x: Array) -> Array:
    d, q = _signed_range(x, 8)
    return np.hstack([_half(d), _nibbles(q)])


def _q4_0_values(data: Array) -> Array:
    return _float(data[:, :2]) * (_codes(data[:, 2:]) - np.float32(8))


def _q5_0(x: Array) -> Array:
    d, q = _signed_range(x, 16)
    return np.hstack([_half(d), np.packbits(q >> 4, axis=1, bitorder="little"), _nibbles(q & 15)])


def _q5_0_values(data: Array) -> Array:
    fifth = np.unpackbits(data[:, 2:6], axis=1, bitorder="little")
    return _float(data[:, :2]) * ((_codes(data[:, 6:]) | fifth << 4) - np.float32(16))


def _q4_1(x: Array) -> Array:
    least = x.min(axis=1, keepdims=True)
    d = (x.max(axis=1, keepdims=True) - least) / np.float32(15)
    q = np.minimum(np.trunc((x - least) * _inverse(d) + np.float32(0.5)), 15).astype(np.uint8)
    return np.hstack([_half(d), _half(least), _nibbles(q)])


def _q4_1_values(data: Array) -> Array:
    return _float(data[:, :2]) * _codes(data[:, 4:]) + _float(data[:, 2:4])


def _mxfp4(x: Array) -> Array:
    largest = np.abs(x).max(axis=1, keepdims=True)
    # in float32, as ggml has it: just below a power of two the logarithm is already whole
    exponent = np.floor(np.log2(np.maximum(largest, TINY))) - 2 + 127
    exponent = np.where(largest > 0, np.maximum(exponent, 0), 0).astype(np.uint8)
    levels = E2M1.levels[: E2M1.last + 1]
    midpoints = (levels[1:] + levels[:-1]) / 2
    magnitude = np.searchsorted(midpoints, np.abs(x) / _power(exponent))  # half-way: the smaller
    q = magnitude + np.where((x < 0) & (magnitude > 0), 8, 0)
    return np.hstack([exponent, _nibbles(q.astype(np.uint8))])


def _mxfp4_values(data: Array) -> Array:
    return _power(data[:, :1]) * E2M1.levels[_codes(data[:, 1:])]


FORMATS = {
    "Q8_0": Format(34, _q8_0, _q8_0_values),
    "Q4_0": Format(18, _q4_0, _q4_0_values),
    "Q4_1": Format(20, _q4_1, _q4_1_values),
    "Q5_0": Format(22, _q5_0, _q5_0_values),
    "MXFP4": Format(17, _mxfp4, _mxfp4_values),
}


def _signed_range(x: Array, half: int) -> tuple[Array, Array]:
    """d and the codes 0 … 2·half − 1 of Q4_0 and Q5_0."""
    furthest = np.abs(x).argmax(axis=1)[:, None]
    d = np.take_along_axis(x, furthest, axis=1) / np.float32(-half)
    q = np.trunc(x * _inverse(d) + np.float32(half + 0.5))
    return d, np.minimum(q, 2 * half - 1).astype(np.uint8)


def _inverse(d: Array) -> Array:
    """1 / d; 0 for blocks of zeros, and where d has lost its digits, so that all codes are 0's."""
    usable = np.abs(d) >= TINY
    return np.where(usable, np.float32(1) / np.where(usable, d, np.float32(1)), np.float32(0))


def _power(exponent: Array) -> Array:
    """2^(e − 127), an e8m0 scale. e: uint8."""
    return np.ldexp(np.float32(1), exponent.astype(np.int32) - 127)


def _half(number: Array) -> Array:
    """float16 as two bytes, the low one first. (k, 1) -> (k, 2)."""
    largest = float(np.finfo(np.float16).max)
    if number.size and np.abs(number).max() > largest:
        raise ValueError(f"x must have scales and minima within float16's ±{largest:g}, "
                         f"got {np.abs(number).max():g}")
    return number.astype("<f2").view(np.uint8)


def _float(data: Array) -> Array:
    """(k, 2) uint8 -> (k, 1) float32."""
    return np.ascontiguousarray(data).view("<f2").astype(np.float32)


def _nibbles(q: Array) -> Array:
    """Codes of 4 bits (k, 32) -> (k, 16): number i low, number i + 16 high."""
    low, high = q[:, : BLOCK // 2], q[:, BLOCK // 2 :]
    return (low & 15) | high << 4


def _codes(data: Array) -> Array:
    """(k, 16) -> (k, 32) uint8."""
    return np.hstack([data & 15, data >> 4])
