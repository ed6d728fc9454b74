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
def constant(length: int, value: float, dtype: np.dtype) -> Array:
    """A vector of nothing but `value`, (length,), made once; not to be written to."""
    full = np.full(length, value, dtype)
    full.flags.writeable = False
    return full


def row_sum(x: Array) -> Array:
    """Sum over the last axis, which stays with length 1: (..., D) -> (..., 1)."""
    return (x @ constant(x.shape[-1], 1.0, x.dtype))[..., None]


def row_mean(x: Array) -> Array:
    """Mean over the last axis, which stays with length 1: (..., D) -> (..., 1), (D,) -> number."""
    weights = constant(x.shape[-1], 1 / x.shape[-1], x.dtype)
    return x.dot(weights) if x.ndim == 1 else (x @ weights)[..., None]


def row_dot(x: Array, y: Array) -> Array:
    """Dot product of each row of x with the same row of y: (..., D) -> (..., 1), (D,) -> number."""
    return x.dot(y) if x.ndim == 1 else (x[..., None, :] @ y[..., None])[..., 0]
