"""HQQ: the zero point that leaves few numbers far from their levels (Badri and Shaji 2023).

    least over z of  Σ|x − s·(q − z)|^p,   p = 0.7,   s fixed, z any number

An ℓp norm with p < 1 does not mind a few large errors, as a sum of squares does. It is made easier
by an error e of its own for each number ("half-quadratic splitting"):

    e ← shrink(x/s − (q − z))       sign(v)·max(0, |v| − |v|^(p−1) / β):  what counts as large
    z ← mean(q − (x/s − e))         the best zero point, the large errors left aside
    q ← round(x/s + z)              and β grows

Here errors are counted in steps of the grid, so that nothing depends on the unit of x. Of all zero
points passed, the first one included, each scale keeps its best: it is never worse than absmax.
"""

import numpy as np

from minilm.compression.quantization.affine import codes_of, in_scales
from minilm.compression.quantization.grids import Grid
from minilm.compression.quantization.scales.from_ranges import (
    Range,
    Stored,
    affine_scale,
    reach_of,
    side_by_side,
)
from minilm.types import Array

P, BETA, GROWTH, ROUNDS = 0.7, 10.0, 1.01, 20
EDGE = 1e-6  # steps: an error below it is none
ROW_CHUNK = 1 << 15


def hqq(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """The range of absmax, moved to where the zero point is best. (A, n, B) -> (A, 1, B) each.

    ValueError for a grid whose zero point is no such number.
    """
    if not grid.real_zero:
        raise ValueError("objective 'hqq' moves the zero point: it needs grid 'int_real_zero'")
    scale, first = affine_scale(*ends, grid, stored)
    rows, s = side_by_side(x), scale.reshape(-1, 1).astype(np.float32)
    z = first.reshape(-1, 1)
    step = max(1, ROW_CHUNK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        z[part] = best_zero_point(in_scales(rows[part], s[part]), z[part], grid)
    # in float64: s·reach may exceed float32's largest number
    low = -z.reshape(scale.shape).astype(np.float64) * scale
    return low, low + scale.astype(np.float64) * reach_of(grid)


def best_zero_point(v: Array, z: Array, grid: Grid) -> Array:
    """v = x / s: (S, n), first z: (S, 1)  ->  z with the least Σ|v̂ − v|^p that was met, (S, 1)."""
    best, least, beta = z, np.full(z.shape, np.inf), BETA
    for _ in range(ROUNDS + 1):
        q = codes_of(v, z, grid)
        error = v - (q - z)
        size = np.abs(error)
        powers = size**P
        cost = powers.sum(axis=1, keepdims=True, dtype=np.float64)
        best, least = np.where(cost < least, z, best), np.minimum(cost, least)
        # |e|^(p−1) = |e|^p / |e|, and an error of 0 is not large
        large = np.maximum(size - powers / (beta * np.maximum(size, EDGE)), 0)
        z = (q - v + np.copysign(large, error)).mean(axis=1, keepdims=True, dtype=np.float64)
        # as it will be stored: then what was found best is what one gets
        z = z.astype(np.float16).astype(np.float32)
        beta *= GROWTH
    return best
