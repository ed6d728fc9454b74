"""A histogram of numbers whose range is not known beforehand.

    counts[i] numbers lie in [i·w, (i + 1)·w) − limit,     w = limit / BINS,  i = 0 … 2·BINS − 1

`limit` is the smallest power of two above every |number| seen. When a larger one comes, the limit
doubles and bins are joined two by two, left and right of 0, so that no number ever changes sides of
an edge: in whatever order and pieces numbers come, the counts are those of all of them at once.
"""

import math

import numpy as np

from minilm.types import Array

BINS = 2048  # on each side of 0: 11 bits, finer than any grid of 8


class Histogram:
    """counts: (2·BINS,) int64, limit: see above; 0 as long as there was nothing but zeros."""

    def __init__(self) -> None:
        self.counts = np.zeros(2 * BINS, np.int64)
        self.limit = 0.0

    @property
    def edges(self) -> Array:
        """The 2·BINS + 1 edges of the bins, from −limit to limit, exact."""
        return np.arange(-BINS, BINS + 1) * (self.limit / BINS)

    def add(self, x: Array) -> None:
        """Take in numbers of any shape. ValueError for NaN, or a magnitude of 2^1023 or more."""
        if not x.size:
            return
        largest = max(float(x.max()), -float(x.min()))
        if not largest < 2.0**1023:  # the limit above it is a number, too
            raise ValueError("x must be finite to be counted, got NaN, infinity or a number beyond "
                             "2^1023")
        if largest >= self.limit and largest > 0:
            self._widen(math.ldexp(1.0, math.frexp(largest)[1]))
        # a quotient of a float and a power of two is exact: no number slips over an edge
        width = self.limit / BINS or 1.0
        places = np.floor(np.asarray(x, np.float64).reshape(-1) / width).astype(np.int64)
        self.counts += np.bincount(places + BINS, minlength=2 * BINS)

    def _widen(self, limit: float) -> None:
        """Join bins until they reach to ±limit, a power of two above the one there is."""
        # zeros alone lie in the bin that begins at 0, whatever its width
        joined = min(int(limit / self.limit), BINS) if self.limit else 1
        outer = BINS // joined
        counts = np.zeros_like(self.counts)
        counts[BINS - outer : BINS + outer] = self.counts.reshape(-1, joined).sum(axis=1)
        self.counts, self.limit = counts, limit
