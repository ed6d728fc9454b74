"""The range that keeps the shape of the histogram: least KL(P ‖ Q) (Migacz 2017, for TensorRT).

    P    the histogram of x, cut off at the range: what lies beyond is counted in its last bins
    Q    the same through the grid: the numbers inside, each level's share spread evenly over those
         bins that are rounded to it and are not empty

    KL(P ‖ Q) = Σ P·log(P / Q)

A wide range makes the cells of the grid wide, and Q flat where P is not; a narrow one puts into
P's last bins what Q does not have there. Unlike the squared error this does not ask how far a
clipped number was moved. Meant for activations and large tensors: a histogram of a few numbers has
no shape.
"""

import numpy as np

from minilm.compression.quantization.affine import codes_of, in_scales
from minilm.compression.quantization.grids import Grid
from minilm.compression.quantization.scales.from_ranges import (
    Range,
    Stored,
    affine_scale,
    side_by_side,
)
from minilm.types import Array

BINS = 2048
FACTORS = 2.0 ** (-np.arange(64) / 16)  # of the whole range, every 4.4 % down to 1/15
LITTLE = 1e-9  # of the mass, where Q has none: a logarithm must be of something
SCALES = 16  # histograms worked on at once


def entropy(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """The multiple of the absmax range with the least KL divergence, each scale its own."""
    rows, (low, high) = side_by_side(x), (end.reshape(-1, 1).astype(np.float64) for end in ends)
    if not grid.affine:
        high = np.maximum(high, -low)
        low = -high
    best = np.ones_like(high)
    for start in range(0, len(rows), SCALES):
        part = slice(start, start + SCALES)
        counts = histograms(rows[part], low[part], high[part])
        best[part] = best_factors(counts, low[part], high[part], grid, stored)
    return (low * best).reshape(ends[0].shape), (high * best).reshape(ends[0].shape)


def histograms(rows: Array, low: Array, high: Array) -> Array:
    """Counts of each row's numbers in BINS bins from low to high (S, 1): (S, n) -> (S, BINS)."""
    width = np.where(high > low, high - low, 1) / BINS
    bins = np.minimum((rows - low) / width, BINS - 1).astype(np.intp)
    bins += BINS * np.arange(len(rows))[:, None]
    return np.bincount(bins.ravel(), minlength=len(rows) * BINS).reshape(len(rows), BINS)


def best_factors(counts: Array, low: Array, high: Array, grid: Grid, stored: Stored) -> Array:
    """The factors on [low, high] with the least divergence: (S, BINS), (S, 1) -> (S, 1)."""
    divergence = np.stack([
        divergences(counts, low, high, factor, grid, stored) for factor in FACTORS
    ])
    return FACTORS[divergence.argmin(axis=0)][:, None]


def divergences(
    counts: Array, low: Array, high: Array, factor: float, grid: Grid, stored: Stored
) -> Array:
    """KL(P ‖ Q) of each row with the range factor·[low, high]: (S, BINS), (S, 1) -> (S,)."""
    centres = low + (high - low) * ((np.arange(BINS) + 0.5) / BINS)               # (S, BINS)
    inside = (factor * low <= centres) & (centres <= factor * high)
    if not inside.any(axis=1).all():
        return np.full(len(counts), np.inf)
    Q = np.where(inside, counts, 0)
    outside = counts - Q
    P = Q.copy()
    rows, first = np.arange(len(counts)), inside.argmax(axis=1)
    last = BINS - 1 - inside[:, ::-1].argmax(axis=1)
    below = np.arange(BINS) < first[:, None]
    np.add.at(P, (rows, first), (outside * below).sum(axis=1))
    np.add.at(P, (rows, last), (outside * ~below).sum(axis=1))

    scale, z = affine_scale(factor * low, factor * high, grid, stored)
    codes = codes_of(in_scales(centres.astype(np.float32), scale), z, grid) - grid.low
    cells = int(grid.high - grid.low + 1) * rows[:, None] + codes.astype(np.intp)
    size = int(grid.high - grid.low + 1) * len(rows)
    held = np.bincount(cells.ravel(), Q.ravel(), minlength=size)
    used = np.bincount(cells.ravel(), (Q > 0).ravel(), minlength=size)
    Q = np.where(Q > 0, (held / np.maximum(used, 1))[cells], 0)

    P, Q = (mass / mass.sum(axis=1, keepdims=True).clip(1) for mass in (P, Q))
    return np.sum(P * np.log(np.maximum(P, LITTLE) / np.maximum(Q, LITTLE)), axis=1)
