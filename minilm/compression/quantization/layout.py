"""Where the numbers that share a scale lie in memory.

To be quantized an array is not moved. It is seen as (A, n, B), in the order of its memory, and the
n numbers along the middle share a scale:

    channels last      (groups, size, channels)         a weight (in, out), a channel is a column
    channels first     (channels · groups, size, 1)     a table (V, D), a channel is a row
    one scale          (1, size, 1)

So n is `size` here, and in (channels, n) the length of a whole channel: one or more groups.

For example w (4, 3) with two numbers to a scale is w.reshape(2, 2, 3): two groups of two numbers in
each of three channels. Its scales are (2, 1, 3) beside it, and kept as (3, 2).

Scales stand beside them as (A, 1, B). Only what is kept is turned, so that a channel's numbers are
neighbours: scales (channels, groups), and codes (channels, n), a byte or two each where a float has
four (minilm/weights/rows.py).
"""

from typing import NamedTuple

import numpy as np

from minilm.types import Array
from minilm.weights.rows import from_rows, rows_shape, to_rows


class Layout(NamedTuple):
    """How an array of `shape`, its channels along `axis`, has so many numbers to a scale."""

    shape: tuple[int, ...]
    axis: int | None
    size: int

    @property
    def channels_last(self) -> bool:
        """Whether a channel's numbers are far apart in memory: a column of a matrix."""
        if self.axis is None:
            return len(self.shape) == 2
        return len(self.shape) > 1 and self.axis % len(self.shape) == len(self.shape) - 1

    @property
    def length(self) -> int:
        """How many numbers a channel has: n of (channels, n)."""
        return rows_shape(self.shape, self.axis)[1]

    def by_scale(self, x: Array) -> Array:
        """x as (A, n, B) float32, contiguous; a view where it can be."""
        with np.errstate(over="ignore"):  # a float64 beyond float32 is refused later, by name
            rows = to_rows(np.ascontiguousarray(x, np.float32), self.axis)
        return self.laid(rows)

    def laid(self, rows: Array) -> Array:
        """(channels, n) -> (A, n, B), contiguous: the inverse of `rows`."""
        channels, length = rows.shape
        if self.size == rows.size:
            laid = 1, self.size, 1
        elif self.channels_last:
            laid = length // self.size, self.size, channels
        else:
            laid = channels * length // self.size, self.size, 1
        return np.ascontiguousarray(rows.T if self.channels_last else rows).reshape(laid)

    def rows(self, laid: Array) -> Array:
        """(A, n, B) -> (channels, n) as they are stored: a view, its columns first in memory."""
        channels, length = rows_shape(self.shape, self.axis)
        if self.channels_last:
            return laid.reshape(length, channels).T
        return laid.reshape(channels, length)

    def scales(self, beside: Array) -> Array:
        """(A, 1, B) -> (channels, groups) as they are stored; (1, 1) if there is one for all."""
        if beside.size == 1:
            return beside.reshape(1, 1)
        depth, _, width = beside.shape
        if self.channels_last:
            return np.ascontiguousarray(beside.reshape(depth, width).T)
        return beside.reshape(rows_shape(self.shape, self.axis)[0], -1)

    def beside_rows(self, beside: Array) -> Array:
        """(A, 1, B) -> what broadcasts against (channels, n): a scale for each number of a group,
        (channels, 1) where a channel has one, (1, 1) where the array has."""
        kept = self.scales(beside)
        return kept if kept.shape[1] == 1 else np.repeat(kept, self.size, axis=1)

    def array(self, laid: Array) -> Array:
        """(A, n, B) -> the array's own shape, contiguous: the inverse of `by_scale`."""
        return np.ascontiguousarray(from_rows(self.rows(laid), self.shape, self.axis))
