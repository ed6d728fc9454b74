"""The scale whose codes have a given entropy.

    H(Δ) = −Σ p_q·log2 p_q,     p_q: the share of the numbers with round(x / Δ) = q

falls as Δ grows, so bisection finds the Δ with H(Δ) = `grid.rate` bits.
"""

import numpy as np

from minilm.compression.coding.entropy import entropy_of
from minilm.compression.quantization.affine import in_scales
from minilm.compression.quantization.grids import Grid
from minilm.compression.quantization.grids.entropy_coded import EntropyCoded
from minilm.compression.quantization.scales.from_ranges import Range, Stored, side_by_side
from minilm.types import Array

CODES = 1 << 12  # codes from −CODES to CODES are told apart
SAMPLE = 1 << 18  # numbers of a row that are looked at; of more, so many are drawn
HALVINGS = 30
ROWS = 64


def rate(
    x: Array, ends: Range, grid: Grid, percent: float = 100.0, stored: Stored = None
) -> Range:
    """± reach·Δ, such that the codes of each scale have an entropy of at most grid.rate bits.

    ValueError for a grid that has no rate, or where scales are too few to meet it (`stored`).
    """
    if not isinstance(grid, EntropyCoded):
        raise ValueError("objective 'rate' is that of grid 'entropy_coded', and of no other")
    if stored is not None:
        raise ValueError("grid 'entropy_coded' meets its rate by the scale, which a power of two "
                         "is too coarse for: pass another scale_format")
    rows = side_by_side(x)
    if rows.shape[1] > SAMPLE:
        # drawn, and not every so many: those might be columns of one kind
        rows = rows[:, np.random.default_rng(0).integers(rows.shape[1], size=SAMPLE)]
    largest = np.maximum(-ends[0], ends[1]).reshape(-1, 1).astype(np.float64)
    # log2 of Δ, in units of the largest number: from all codes different to all of them 0
    low, high = np.full(largest.shape, -np.log2(CODES)), np.full(largest.shape, 2.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fine = entropies(rows, largest * 2.0**middle) > grid.rate
        low, high = np.where(fine, middle, low), np.where(fine, high, middle)
    reach = (largest * 2.0**high * grid.reach).reshape(ends[0].shape)
    return -reach, reach


def entropies(rows: Array, step: Array) -> Array:
    """H of each row's codes, in bits: (S, n), (S, 1) -> (S, 1)."""
    found = []
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        codes = np.rint(in_scales(rows[part], step[part].astype(np.float32)))
        codes = np.clip(codes, -CODES, CODES).astype(np.intp) + CODES
        codes += (2 * CODES + 1) * np.arange(len(codes))[:, None]
        counts = np.bincount(codes.ravel(), minlength=(2 * CODES + 1) * len(codes))
        found.append(entropy_of(counts.reshape(len(codes), -1)))
    return np.concatenate(found)[:, None]
