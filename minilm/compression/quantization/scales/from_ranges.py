"""Scales: a range, laid on a grid.

    symmetric     s = max(−low, high) / reach           reach: the level at the end of the range
    asymmetric    s = (high − low) / (2^b − 1),   z = round(−low / s)

    x = (0.1, −0.4, 0.75), b = 4:   s = 1.15/15 = 0.077,  z = 5,  q = round(x / s) + z = (6, 0, 15)

The range is chosen by an objective (objectives.py). It always includes 0, so that z lies on the
grid and 0 stays exactly 0. On a grid whose zero point may be any number z is not rounded, and the
range may lie anywhere.

Numbers are seen as they lie in memory, (A, n, B): the n along the middle share a scale (layout.py).
Nothing here loops over scales.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from minilm.compression.quantization.affine import in_scales
from minilm.compression.quantization.grids import Grid
from minilm.types import Array

Range: TypeAlias = tuple[Array, Array]
Stored: TypeAlias = Callable[[Array, float], Array] | None  # a row of SCALE_FORMATS
Place: TypeAlias = tuple[slice, slice, slice]

CHUNK = 1 << 18  # numbers worked on at once: the temporaries stay in the processor's cache
# A scale below float32's normal numbers has lost its digits; one above this would overflow at the
# grid's end.
SMALLEST = float(np.finfo(np.float32).tiny)
LARGEST = float(np.finfo(np.float32).max) * (1 - 2.0**-20)
HALF_MAX = float(np.finfo(np.float16).max)


def extremes(x: Array) -> Range:
    """The smallest and the largest number that share a scale, 0 included; NaN where there is one.

    x: (A, n, B)  ->  (A, 1, B) each. Both in one pass, while a chunk is in the cache.
    """
    low = np.zeros((x.shape[0], 1, x.shape[2]), x.dtype)
    high = np.zeros_like(low)
    for place in chunks(x.shape):
        shared = sharing(place)
        np.minimum(low[shared], x[place].min(axis=1, keepdims=True), out=low[shared])
        np.maximum(high[shared], x[place].max(axis=1, keepdims=True), out=high[shared])
    return low, high


def side_by_side(x: Array) -> Array:
    """(A, n, B) -> (A·B, n), a row for each scale: for sums, which their order would change."""
    return np.ascontiguousarray(np.moveaxis(x, 1, 2)).reshape(-1, x.shape[1])


def reach_of(grid: Grid) -> float:
    """The range in scales: max(−low, high) / s, or with a zero point (high − low) / s."""
    return grid.high if grid.affine else grid.reach


def affine_scale(
    low: Array, high: Array, grid: Grid, stored: Stored = None
) -> tuple[Array, Array]:
    """The scale and zero point that lay the range [low, high] on the grid.

    low ≤ 0 ≤ high  ->  scale, and zero_point of whole floats, all 0 unless affine; of their shape.
    stored: rounds the scale as it will be kept (formats.py), before the zero point follows from
        it.
    """
    # float64 here: high − low may exceed float32's largest number
    low, high = low.astype(np.float64), high.astype(np.float64)
    if grid.affine:
        # the span as float32: so 8 bits are ONNX's DynamicQuantizeLinear, to the last bit
        scale = (high - low).astype(np.float32).astype(np.float64) / reach_of(grid)
    else:
        scale = np.minimum(np.maximum(-low, high), LARGEST) / reach_of(grid)
    scale = np.where(scale > 0, np.maximum(scale, SMALLEST), 0).astype(np.float32)
    if stored is not None:
        scale = stored(scale, reach_of(grid))
    return scale, zero_point_of(low, scale, grid).astype(np.float32)


def zero_point_of(low: Array, scale: Array, grid: Grid) -> Array:
    """Where 0 lies on the grid when its lowest level is `low`; 0 if the grid has no zero point."""
    if not grid.affine:
        return np.zeros(scale.shape)
    z = in_scales(-low.astype(np.float32), scale)
    if grid.real_zero:
        return np.clip(z, -HALF_MAX, HALF_MAX).astype(np.float16)  # as it is stored
    # a scale that was rounded down could put it beyond the grid
    return np.minimum(np.rint(z), grid.high)


def chunks(shape: tuple[int, ...], most: int = CHUNK) -> Iterator[Place]:
    """Cut (A, n, B) into pieces of at most `most` numbers, in runs of memory as long as can be.

    Pieces that share scales follow each other; the first of them starts at 0 along n.
    """
    depth, n, width = shape
    b = min(width, most)
    i = min(n, most // b)
    a = most // (b * i) if i == n else 1
    for first in range(0, depth, a):
        for left in range(0, width, b):
            for top in range(0, n, i):
                yield slice(first, first + a), slice(top, top + i), slice(left, left + b)


def sharing(place: Place) -> Place:
    """Where the scales of a piece stand in (A, 1, B)."""
    return place[0], slice(None), place[2]
