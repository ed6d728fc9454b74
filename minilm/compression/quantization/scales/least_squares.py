"""The range with the least squared error, found by trying.

    least over f of  Σ(x − x̂_f)²,     x̂_f: rounded to the grid that is laid over f·[low, high]

low and high: the smallest and the largest of the numbers that share a scale. All scales are
searched at the same time, and each finds its own f. S: how many scales there are, F: how many
factors f are tried.
"""

import numpy as np

from minilm.compression.quantization.affine import codes_of, in_scales, values_of
from minilm.compression.quantization.grids import Grid
from minilm.compression.quantization.scales.from_ranges import (
    Range,
    Stored,
    affine_scale,
    chunks,
    side_by_side,
)
from minilm.types import Array

ROW_CHUNK = 1 << 15  # numbers worked on at once: a search keeps more of them than others do
# The search of `mse`, as factors on the range: first every 19 % down to 1/215, then around the best
# of them every 4.4 %, then every 1.1 %.
SEARCH = (
    2.0 ** (-np.arange(32) / 4),
    2.0 ** (np.array([0, 1, -1, 2, -2, 3, -3]) / 16),
    2.0 ** (np.array([0, 1, -1, 2, -2]) / 64),
)


def mse(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """The multiple of the absmax range with the least Σ(x − x̂)², each scale its own.

    Clipping a few large numbers pays when the others then get a finer grid. All rows try the same
    factors at the same time, coarse ones first (SEARCH); both ends of the range move together.
    """
    x, (low, high) = side_by_side(x), (end.reshape(-1, 1) for end in ends)
    best = np.ones(high.shape)
    for factors in SEARCH:
        tried = best * factors[:, None, None]                                    # (F, S, 1)
        error = _squared_errors(x, tried, low, high, grid, stored)               # (F, S, 1)
        best = np.take_along_axis(tried, error.argmin(axis=0)[None], axis=0)[0]
    return (low * best).reshape(ends[0].shape), (high * best).reshape(ends[0].shape)


def _squared_errors(
    x: Array, factors: Array, low: Array, high: Array, grid: Grid, stored: Stored
) -> Array:
    """Σ(x − x̂)² of each row at each factor on its range, in units of the row's first scale.

    Those units, unlike the squares of tiny or huge numbers, neither vanish nor overflow.
    """
    error = np.zeros(factors.shape)
    laid = [affine_scale(low * factor, high * factor, grid, stored) for factor in factors]
    for rows, columns, _ in chunks((*x.shape, 1), ROW_CHUNK):
        part = x[rows, columns]
        for i, (scale, zero_point) in enumerate(laid):
            z = zero_point[rows]
            v = in_scales(part, scale[rows])
            v -= values_of(codes_of(v, z, grid), 1, z, grid)
            error[i, rows, 0] += np.einsum("sn,sn->s", v, v)
    scales = np.stack([scale for scale, _ in laid]).astype(np.float64)           # (F, S, 1)
    return error * np.square(in_scales(scales, scales[0]))
