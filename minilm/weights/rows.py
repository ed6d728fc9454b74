"""A tensor kept as packed rows: what packed codes and bitmasks have in common.

The array is stored row by row (row after row of codes, or of mask bits), so a table gives up the
rows it is asked for without touching the others. `axis` says which axis of the array the stored
rows are. For a weight (in, out) that is the last one: a stored row is an output channel. For an
embedding table (V, D) it is the first. `.T` only flips the flag `transposed`, so both directions
of a tied table share every byte.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.protocol import Weight, row_ids

WHOLE = 1 << 20  # up to this many numbers (4 MB of float32) are unpacked at once


def rows_shape(shape: tuple[int, ...], axis: int | None) -> tuple[int, int]:
    """(rows, n) of an array of this shape when its `axis` is stored as rows."""
    if axis is None and len(shape) == 2:
        axis = -1
    if axis is None:
        return 1, math.prod(shape)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis must be None or an axis of an array of shape {shape}, got {axis}")
    axis %= len(shape)
    return shape[axis], math.prod(shape[:axis] + shape[axis + 1 :])


def to_rows(x: Array, axis: int | None) -> Array:
    """The array with its `axis` first and the rest flattened: x -> (rows, n).

    axis None (one scale for all) stores a matrix like axis=-1, and anything else as one row.
    """
    shape = rows_shape(x.shape, axis)
    if axis is None:
        return (x.T if x.ndim == 2 else x).reshape(shape)
    return np.moveaxis(x, axis, 0).reshape(shape)


def from_rows(rows: Array, shape: tuple[int, ...], axis: int | None) -> Array:
    """The inverse of `to_rows`: (rows, n) -> an array of `shape`, a view where that can be."""
    if axis is None:
        return rows.T if len(shape) == 2 else rows.reshape(shape)
    axis %= len(shape)
    return np.moveaxis(rows.reshape((shape[axis], *shape[:axis], *shape[axis + 1 :])), 0, axis)


class PackedRows(Weight):
    """A leaf with fields `array_shape`, `axis` and `transposed`, and a way to `decode` its rows."""

    array_shape: tuple[int, ...]
    axis: int | None
    transposed: bool

    def decode(self, which: Any = slice(None)) -> Array:
        """The stored rows that `which` (a slice, or ids (k,)) picks, as floats: (k, n)."""
        raise NotImplementedError

    @property
    def stored_shape(self) -> tuple[int, int]:
        """(rows, n) as stored."""
        return rows_shape(self.array_shape, self.axis)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array_shape[::-1] if self.transposed else self.array_shape

    @property
    def T(self) -> "PackedRows":
        return dataclasses.replace(self, transposed=not self.transposed)  # type: ignore[type-var]

    def dense(self) -> Array:
        array = from_rows(self.decode(), self.array_shape, self.axis)
        return array.T if self.transposed else array

    @property
    def _rows_first(self) -> bool:
        """True when the stored rows are the rows of this matrix, False when its columns."""
        return (self.axis is not None and self.axis % 2 == 0) != self.transposed

    def __getitem__(self, ids: Array) -> Array:
        """Only the rows asked for are unpacked when rows are what is stored."""
        ids = row_ids(ids)
        if self.ndim != 2 or not self._rows_first:
            return self.dense()[ids]
        return self.decode(ids.reshape(-1)).reshape(*ids.shape, self.shape[1])

    def __rmatmul__(self, x: Array) -> Array:
        """Unpacks whole up to 4 MB of float32, and above that a few stored rows at a time."""
        x = np.asarray(x)
        if self.size <= WHOLE or self.ndim != 2:
            return x @ self.dense()
        if x.shape[-1:] != self.shape[:1]:
            raise ValueError(f"x must have shape (..., {self.shape[0]}), got {x.shape}")
        rows, n = self.stored_shape
        step = max(1, WHOLE // n)
        chunks = [slice(start, start + step) for start in range(0, rows, step)]
        if self._rows_first:  # a stored row meets one entry of x: y is a sum over the chunks
            return sum(x[..., chunk] @ self.decode(chunk) for chunk in chunks)
        # a stored row is one output channel
        return np.concatenate([x @ self.decode(chunk).T for chunk in chunks], axis=-1)
