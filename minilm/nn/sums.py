"""Sums and means over rows and over columns; as matrix products, faster than with `.sum`."""

import math
from functools import lru_cache

import numpy as np

from minilm.types import Array


def flat(x: Array) -> Array:
    """All leading axes as one, (..., D) -> (N, D), so that one matrix product serves them all."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def sum_to_last(x: Array) -> Array:
    """Sum over every axis but the last: (..., D) -> (D,)."""
    rows = flat(x)
    return np.ones(len(rows), x.dtype) @ rows


@lru_cache(maxsize=64)
def ones(length: int, dtype: np.dtype) -> Array:
    """(length,) ones, made once; not to be written to."""
    made = np.ones(length, dtype)
    made.flags.writeable = False
    return made


def row_sum(x: Array) -> Array:
    """Sum over the last axis, which stays with length 1: (..., D) -> (..., 1)."""
    return (x @ ones(x.shape[-1], x.dtype))[..., None]


def row_mean(x: Array) -> Array:
    """Mean over the last axis, which stays with length 1: (..., D) -> (..., 1), (D,) -> number."""
    width = x.dtype.type(x.shape[-1])
    # Divided after the sum: the mean of D times the same number is that number.
    return x.dot(ones(x.shape[-1], x.dtype)) / width if x.ndim == 1 else row_sum(x) / width


def row_dot(x: Array, y: Array) -> Array:
    """Dot product of each row of x with the same row of y: (..., D) -> (..., 1), (D,) -> number."""
    return x.dot(y) if x.ndim == 1 else (x[..., None, :] @ y[..., None])[..., 0]
