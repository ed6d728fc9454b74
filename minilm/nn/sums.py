"""Sums and means over rows and over columns; as matrix products, faster than with `.sum`."""

import math

import numpy as np

from minilm.types import Array


def flat(x: Array) -> Array:
    """All leading axes as one, (..., D) -> (N, D), so that one matrix product serves them all."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def sum_to_last(x: Array) -> Array:
    """Sum over every axis but the last: (..., D) -> (D,)."""
    rows = flat(x)
    return np.ones(len(rows), x.dtype) @ rows


def row_sum(x: Array) -> Array:
    """Sum over the last axis, which stays with length 1: (..., D) -> (..., 1)."""
    rows = flat(x)
    return (rows @ np.ones(rows.shape[1], x.dtype)).reshape(*x.shape[:-1], 1)


def row_mean(x: Array) -> Array:
    """Mean over the last axis, which stays with length 1: (..., D) -> (..., 1)."""
    total = row_sum(x)
    total /= x.shape[-1]
    return total


def row_dot(x: Array, y: Array) -> Array:
    """Dot product of each row of x with the same row of y: (..., D), (..., D) -> (..., 1)."""
    return np.einsum("...i,...i->...", x, y)[..., None]
