"""Scales: how far apart the levels stand, chosen by an objective.

    absmax            everything is inside: from the smallest number to the largest
    percentile        p % of the numbers are inside; the others are clipped
    mse               the range, shrunk or stretched, that makes Σ(x − x̂)² least
    mean_magnitude    ± mean|x|, for a grid of two signs
    norm              ± ‖x‖, which no single number exceeds, however it is rounded: for gradients
    lsq               where a step that is then learned begins
    unit              whatever x is, a scale of 1: for floats, that need none

An objective picks a range low ≤ 0 ≤ high; `affine_scale` lays it on a grid:

    symmetric     s = max(−low, high) / reach
    asymmetric    s = (high − low) / (2^b − 1),   z = round(−low / s)

The range always includes 0, so that z lies on the grid and 0 stays exactly 0.

Objectives see the numbers as they lie in memory, (A, n, B): the n along the middle share a scale
(layout.py). They loop over no scales.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from minilm.compression.quantization.affine import codes_of, in_scales, values_of
from minilm.compression.quantization.grids import Grid
from minilm.types import Array

Range: TypeAlias = tuple[Array, Array]
Place: TypeAlias = tuple[slice, slice, slice]
Objective: TypeAlias = Callable[..., Range]  # (x, the ends of its range, grid, percent)

CHUNK = 1 << 18  # numbers worked on at once: the temporaries stay in the processor's cache
ROW_CHUNK = 1 << 15  # the same in a search, which keeps more of them
# A scale below float32's normal numbers has lost its digits; one above this would overflow at the
# grid's end.
SMALLEST = float(np.finfo(np.float32).tiny)
LARGEST = float(np.finfo(np.float32).max) * (1 - 2.0**-20)
# The search of `mse`, as factors on the range: first every 19 % down to 1/215, then around the best
# of them every 4.4 %, then every 1.1 %.
SEARCH = (
    2.0 ** (-np.arange(32) / 4),
    2.0 ** (np.array([0, 1, -1, 2, -2, 3, -3]) / 16),
    2.0 ** (np.array([0, 1, -1, 2, -2]) / 64),
)


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


def absmax(x: Array, ends: Range, grid: Grid, percent: float = 100.0) -> Range:
    """From the smallest to the largest number. x: (A, n, B), its extremes (A, 1, B) -> the same."""
    return ends


def percentile(x: Array, ends: Range, grid: Grid, percent: float) -> Range:
    """The range that holds `percent` % of the numbers: of |x|, or on an affine grid of both tails.

    Numbers that are nearly all zero would get no range at all; they keep their absmax.
    """
    low, high = ends
    if grid.affine:
        tail = (100 - percent) / 2
        inner = np.percentile(x, [tail, 100 - tail], axis=1, keepdims=True)
        inner_low, inner_high = np.minimum(inner[0], 0), np.maximum(inner[1], 0)
    else:
        inner_high = np.percentile(np.abs(x), percent, axis=1, keepdims=True)
        inner_low = -inner_high
    empty = inner_high == inner_low
    return (
        np.where(empty, low, inner_low).astype(x.dtype),
        np.where(empty, high, inner_high).astype(x.dtype),
    )


def mean_magnitude(x: Array, ends: Range, grid: Grid, percent: float = 100.0) -> Range:
    """± mean|x|: what makes Σ(x − s·sign x)² least."""
    mean = np.abs(side_by_side(x)).mean(axis=-1, dtype=np.float64).astype(x.dtype)
    mean = mean.reshape(ends[0].shape)
    return -mean, mean


def norm(x: Array, ends: Range, grid: Grid, percent: float = 100.0) -> Range:
    """± ‖x‖ = ± √Σx²: Alistarh et al. 2017, section 3.1."""
    lengths = np.sqrt(np.square(side_by_side(x), dtype=np.float64).sum(axis=-1))
    high = np.maximum(lengths.reshape(ends[0].shape), np.maximum(-ends[0], ends[1]))
    return -high, high


def lsq(x: Array, ends: Range, grid: Grid, percent: float = 100.0) -> Range:
    """± 2·mean|x|·√Q_P, so that s = 2·mean|x| / √Q_P: Esser et al. 2020, section 2.1."""
    _, mean = mean_magnitude(x, ends, grid)
    high = 2 * mean * np.float32(grid.reach**0.5)
    return -high, high


def mse(x: Array, ends: Range, grid: Grid, percent: float = 100.0) -> Range:
    """The multiple of the absmax range with the least Σ(x − x̂)², each scale its own.

    Clipping a few large numbers pays when the others then get a finer grid. All rows try the same
    factors at the same time, coarse ones first (SEARCH); both ends of the range move together.
    """
    x, (low, high) = side_by_side(x), (end.reshape(-1, 1) for end in ends)
    best = np.ones(high.shape)
    for factors in SEARCH:
        tried = best * factors[:, None, None]                                    # (F, S, 1)
        error = _squared_errors(x, tried, low, high, grid)                       # (F, S, 1)
        best = np.take_along_axis(tried, error.argmin(axis=0)[None], axis=0)[0]
    return (low * best).reshape(ends[0].shape), (high * best).reshape(ends[0].shape)


def unit(x: Array, ends: Range, grid: Grid, percent: float = 100.0) -> Range:
    """The grid's own range: a scale of 1."""
    high = np.full_like(ends[1], grid.reach)
    return -high, high


def side_by_side(x: Array) -> Array:
    """(A, n, B) -> (A·B, n), a row for each scale: for sums, which their order would change."""
    return np.ascontiguousarray(np.moveaxis(x, 1, 2)).reshape(-1, x.shape[1])


def _squared_errors(x: Array, factors: Array, low: Array, high: Array, grid: Grid) -> Array:
    """Σ(x − x̂)² of each row at each factor on its range, in units of the row's first scale.

    Those units, unlike the squares of tiny or huge numbers, neither vanish nor overflow.
    """
    error = np.zeros(factors.shape)
    laid = [affine_scale(low * factor, high * factor, grid) for factor in factors]
    for rows, columns, _ in chunks((*x.shape, 1), ROW_CHUNK):
        part = x[rows, columns]
        for i, (scale, zero_point) in enumerate(laid):
            z = zero_point[rows]
            v = in_scales(part, scale[rows])
            v -= values_of(codes_of(v, z, grid), 1, z, grid)
            error[i, rows, 0] += np.einsum("sn,sn->s", v, v)
    scales = np.stack([scale for scale, _ in laid]).astype(np.float64)           # (F, S, 1)
    return error * np.square(in_scales(scales, scales[0]))


OBJECTIVES: dict[str, Objective] = {
    "absmax": absmax,
    "percentile": percentile,
    "mse": mse,
    "mean_magnitude": mean_magnitude,
    "norm": norm,
    "lsq": lsq,
    "unit": unit,
}


def reach_of(grid: Grid) -> float:
    """How many scales the range is wide: one side of it, or with a zero point the whole."""
    return grid.high if grid.affine else grid.reach


def affine_scale(
    low: Array, high: Array, grid: Grid, stored: Callable[[Array, float], Array] | None = None
) -> tuple[Array, Array]:
    """The scale and zero point that lay the range [low, high] on the grid.

    low ≤ 0 ≤ high  ->  scale, and zero_point of whole floats, all 0 unless affine; of their shape
    stored: rounds the scale as it will be kept (scale_formats.py), before the zero point follows
        from it.
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
    zero_point = np.zeros(scale.shape)
    if grid.affine:  # a scale that was rounded down could put it beyond the grid
        zero_point = np.minimum(np.rint(in_scales(-low.astype(np.float32), scale)), grid.high)
    return scale, zero_point.astype(np.float32)


def chunks(shape: tuple[int, ...], most: int = CHUNK) -> Iterator[Place]:
    """Cut (A, n, B) into pieces of at most so many numbers, each as long as can be in memory.

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
