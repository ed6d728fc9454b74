"""Weights quantized here whose codes are gguf's blocks already: they are written as they are.

    Q8_0   8 bits, symmetric      x̂ = s·q          d = s,  q
    Q4_0   4 bits, symmetric      x̂ = s·q          d = s,  q + 8
    Q4_1   4 bits, asymmetric     x̂ = s·(q − z)    d = s,  min = −z·s,  q

A block is 32 numbers that share a scale of float16. So is a group of 32 in which a method, GPTQ
say, chose the codes, and so is each half of a group of 64. Were they rounded anew, each block would
get another scale than the one that the codes were chosen for, and what the method had gained would
be lost. Only min is rounded, to float16.
"""

from typing import Any, NamedTuple

import numpy as np

from minilm.compression.quantization.gguf import BLOCK, gguf_of_codes
from minilm.types import Array
from minilm.weights import QuantizedTensor

HELD = {"Q8_0": (8, False), "Q4_0": (4, False), "Q4_1": (4, True)}  # bits, and zero points or none


class Codes(NamedTuple):
    """A weight's codes q and, for each, its scale s and −z·s: arrays of the weight's shape."""

    q: Array
    scale: Array
    least: Array


def codes_of(weight: Any, kind: str) -> Codes:
    """A weight's codes as float32, if they may be blocks of this kind, else NaN for all."""
    bits, asymmetric = HELD.get(kind, (0, False))
    fits = (
        isinstance(weight, QuantizedTensor)
        and len(weight.shape) == 2
        and weight.levels is None
        and weight.bits == bits
        and (weight.zero_points is not None) == asymmetric
    )
    if not fits:
        return Codes(*[np.broadcast_to(np.float32(np.nan), weight.shape)] * 3)  # takes no memory
    zero = weight.zero_point if asymmetric else np.float32(0)
    scale, least = (repeated(v, weight.shape) for v in (weight.scale, -zero * weight.scale))
    return Codes(weight.codes.astype(np.float32), scale, least)


def repeated(values: Array, shape: tuple[int, ...]) -> Array:
    """One number for each group -> one for each number of the groups."""
    values = np.asarray(values, np.float32)
    for axis, n in enumerate(shape if values.ndim else ()):  # per tensor there is no axis
        values = np.repeat(values, n // values.shape[axis], axis)
    return np.broadcast_to(values, shape)


def blocks_of(codes: Codes, kind: str) -> Array | None:
    """The bytes of a matrix (rows, n) whose codes are blocks of this kind, else None."""
    if codes.q.ndim != 2 or codes.q.shape[1] % BLOCK or not np.isfinite(codes.q).all():
        return None
    q, scale, least = (part.reshape(-1, BLOCK) for part in codes)
    first, least_first = scale[:, :1], least[:, :1]
    with np.errstate(over="ignore"):  # a scale beyond float16 becomes ∞, which it is not
        is_half = (first.astype(np.float16) == first).all()
    # two groups within a block may have the same scale, and yet other zero points
    if not is_half or (scale != first).any() or (least != least_first).any():
        return None
    return gguf_of_codes(kind, first, q, least_first).reshape(len(codes.q), -1)
