"""The rows of a table, an array or a compressed one: a part at a time, their lengths, the highest.

A compressed table gives rows as floats when it is asked for them, `E[ids]`; asked for a part at a
time, it never stands in memory whole.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilm.types import Array

BATCH = 1024  # rows of a table unpacked, or compared with all others, at a time
CELLS = 1 << 24  # numbers of one such comparison: 64 MB


def batches(count: int) -> Iterator[Array]:
    """0 … count − 1 in parts."""
    return (np.arange(i, min(i + BATCH, count)) for i in range(0, count, BATCH))


def rows_at_once(columns: int) -> int:
    """How many rows of so many numbers to hold at a time."""
    return max(1, min(BATCH, CELLS // max(columns, 1)))


def row_norms(table: Any) -> Array:
    """|E_i| of every row, (V,) float32, from `E[ids]` alone; ValueError if a row is not finite."""
    parts = batches(table.shape[0])
    norms = [np.linalg.norm(table[ids], axis=1).astype(np.float32) for ids in parts]
    result = np.concatenate(norms) if norms else np.zeros(0, np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"vectors must be finite, row {np.isfinite(result).argmin()} is not")
    return result


def unit_rows(x: Array) -> Array:
    """x / |x| row by row; a zero row stays zero."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def highest(x: Array, count: int) -> Array:
    """The places of the `count` highest values of x, the highest first; of equals, the first."""
    places = np.arange(len(x))
    if 0 < count < len(x):  # only what may be among them is sorted: more, if several equal the last
        places = np.flatnonzero(x >= np.partition(x, -count)[-count])
    return places[np.argsort(-x[places], kind="stable")[:count]]
