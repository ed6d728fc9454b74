"""Objectives: over which range of numbers the grid is laid.

    absmax            everything is inside: from the smallest number to the largest
    percentile        p % of the numbers are inside; the others are clipped
    mse               the range, shrunk or stretched, that makes Σ(x − x̂)² least
    entropy           the range, shrunk, that keeps the shape of the histogram best
    hqq               the absmax range, moved until few numbers are far from their levels
    mean_magnitude    ± mean|x|, for a grid of two signs
    absmean           ± mean|x| for each step of the grid: BitNet b1.58's, on the levels −1, 0, 1
    twn               ± the mean of those |x| that are not rounded to 0, on the same levels
    norm              ± ‖x‖, which no single number exceeds, however it is rounded: for gradients
    lsq               where a step that is then learned begins
    unit              whatever x is, a scale of 1: for floats, which need none
    rate              the scale whose codes have the entropy that the grid asks for

A row of OBJECTIVES is a function

    objective(x, ends, grid, percent, stored) -> low, high

    x          (A, n, B) float32; the n along the middle share a range
    ends       the smallest and the largest of them, (A, 1, B) each, 0 included
    percent    asked for by whoever uses `percentile`
    stored     how scales are rounded, for a search among scales that are few; or None

-> low ≤ 0 ≤ high like `ends` (hqq: any), of float32 or float64. None loops over scales.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minilm.compression.quantization.grids import Grid
from minilm.compression.quantization.scales.entropy import entropy
from minilm.compression.quantization.scales.from_ranges import Range, Stored, side_by_side
from minilm.compression.quantization.scales.half_quadratic import hqq
from minilm.compression.quantization.scales.least_squares import mse
from minilm.compression.quantization.scales.rate import rate
from minilm.types import Array

Objective: TypeAlias = Callable[..., Range]


def absmax(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """From the smallest to the largest number. x: (A, n, B), its extremes (A, 1, B) -> the same."""
    return ends


def percentile(
    x: Array, ends: Range, grid: Grid, percent: float, stored: Stored = None
) -> Range:
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


def mean_magnitude(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """± mean|x|: what makes Σ(x − s·sign x)² least."""
    mean = np.abs(side_by_side(x)).mean(axis=-1, dtype=np.float64).astype(x.dtype)
    mean = mean.reshape(ends[0].shape)
    return -mean, mean


def absmean(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """A scale of mean|x|: Ma et al. 2024 (BitNet b1.58), eq. 1–3, for the levels −1, 0, 1."""
    low, high = mean_magnitude(x, ends, grid)
    # float64: beyond float32's largest number they would be infinite
    return low.astype(np.float64) * grid.reach, high.astype(np.float64) * grid.reach


def twn(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """± mean of the |x| > Δ, Δ = 0.7·mean|x|: Li et al. 2016 (ternary weight networks), eq. 5–6.

    The others are to be 0. Rounded to nearest is what exceeds half the scale, not Δ: of Gaussian
    numbers 0.59σ and not 0.56σ, which is nearer to the best there is, 0.61σ.
    """
    magnitude = np.abs(side_by_side(x))
    large = magnitude > 0.7 * magnitude.mean(axis=-1, keepdims=True, dtype=np.float64)
    total = np.einsum("sn,sn->s", magnitude, large, dtype=np.float64)
    mean = total / np.maximum(np.count_nonzero(large, axis=-1), 1)
    high = mean.astype(x.dtype).reshape(ends[0].shape)
    return -high, high


def norm(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """± ‖x‖ = ± √Σx²: Alistarh et al. 2017, section 3.1."""
    high = np.sqrt(np.square(side_by_side(x), dtype=np.float64).sum(axis=-1))
    high = high.reshape(ends[0].shape)
    return -high, high


def lsq(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """± 2·mean|x|·√Q_P, so that s = 2·mean|x| / √Q_P: Esser et al. 2020, section 2.1."""
    _, mean = mean_magnitude(x, ends, grid)
    high = 2 * mean.astype(np.float64) * grid.reach**0.5
    return -high, high


def unit(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """The grid's own range: a scale of 1."""
    high = np.full_like(ends[1], grid.reach)
    return -high, high


OBJECTIVES: dict[str, Objective] = {
    "absmax": absmax,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
    "hqq": hqq,
    "mean_magnitude": mean_magnitude,
    "absmean": absmean,
    "twn": twn,
    "norm": norm,
    "lsq": lsq,
    "unit": unit,
    "rate": rate,
}
