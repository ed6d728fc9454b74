"""Windows over a run of text: which words stand near which, for many centres at once.

A run is M centres in a row and w tokens more on each side, so M + 2w tokens are in sight (w: the
window). It is cut into blocks of b centres; a block has b + 2w tokens in sight, and what its
centres have to do with them is one (b, b + 2w) matrix, a band 0 < |i − j| <= w of which counts:

    pair_weights: (M/b, b, b + 2w)          weight of centre i with token j in its block's sight

Word2vec narrows each window to a random width in 1..w. A word at distance d is then inside with
chance (w − d + 1)/w. Skip-gram's gradient is a sum over pairs, so the chance is the pair's weight;
CBOW's is not (a mean stands inside σ), so there the widths are drawn.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minilm.types import Array

RUN = 256  # centres of one step; with 1,024, skip-gram solves fewer analogies at equal epochs
PATH_RUN = 64  # where paths are learned, a dozen rows for each centre: more miss the cache
BLOCK = 32  # centres of one product of scores, more where the window is wide


def distances(window: int, block: int) -> Array:
    """How far token j in sight of a block stands from its centre i: (b, b + 2w) integers."""
    return np.abs(np.arange(block + 2 * window) - window - np.arange(block)[:, None])


def full_windows(distance: Array, window: int) -> Array:
    """1 for every token within w of the centre, windows not being narrowed: (b, b + 2w) float32."""
    return ((distance > 0) & (distance <= window)).astype(np.float32)


def window_chance(distance: Array, window: int) -> Array:
    """The chance that a token at each distance d is in the window: (w − d + 1)/w for d = 1..w."""
    chance = np.maximum(window + 1 - distance, 0) / window
    return np.where(distance > 0, chance, 0).astype(np.float32)


def draw_windows(distance: Array, window: int, blocks: int, rng: np.random.Generator) -> Array:
    """Whether token j is in the window of centre i, its width drawn from 1..w: (M/b, b, b + 2w)."""
    width = rng.integers(1, window, (blocks, len(distance), 1), endpoint=True)
    return (distance > 0) & (distance <= width)


def same_sentence(sentence_of: Array, window: int, block: int) -> Array:
    """Whether centre i and token j are in one sentence: numbers (M + 2w,) -> (M/b, b, b + 2w)."""
    centres = sentence_of[window : len(sentence_of) - window].reshape(-1, block, 1)
    return centres == windows_of(sentence_of, block, block + 2 * window)[:, None]


def windows_of(rows: Array, block: int, sight: int) -> Array:
    """The tokens that each block has in sight: (M + 2w, …) -> (M/b, b + 2w, …), not copied."""
    blocks = (len(rows) - sight) // block + 1
    strides = (block * rows.strides[0], *rows.strides)
    return as_strided(rows, (blocks, sight, *rows.shape[1:]), strides, writeable=False)


def sum_of_windows(windows: Array, block: int) -> Array:
    """The transpose of windows_of: (M/b, b + 2w, D) -> (M + 2w, D), shared rows added."""
    blocks, sight, width = windows.shape
    shifts = range(0, sight, block)
    rows = np.zeros((blocks + len(shifts) - 1, block, width), windows.dtype)
    for k, start in enumerate(shifts):
        piece = windows[:, start : start + block]
        rows[k : k + blocks, : piece.shape[1]] += piece
    return rows.reshape(-1, width)[: (blocks - 1) * block + sight]


def window_means(rows: Array, pair_weights: Array, mean: bool = True) -> Array:
    """CBOW's h of every centre: the mean of its window's rows, or their sum (mean=False).

    rows: (M + 2w, D); pair_weights: 1 inside a window, else 0  ->  (M, D), 0 for an empty window
    """
    _, block, sight = pair_weights.shape
    shares = shares_of_windows(pair_weights, mean)
    return (shares @ windows_of(rows, block, sight)).reshape(-1, rows.shape[1])


def window_means_backward(dh: Array, pair_weights: Array, mean: bool = True) -> Array:
    """The gradient of the rows, (M + 2w, D): to each word its share of dh (M, D)."""
    blocks, block, _ = pair_weights.shape
    shares = shares_of_windows(pair_weights, mean).transpose(0, 2, 1)
    return sum_of_windows(shares @ dh.reshape(blocks, block, -1), block)


def shares_of_windows(pair_weights: Array, mean: bool) -> Array:
    """1/n for each of a window's n words, or 1 (mean=False)."""
    if not mean:
        return pair_weights
    return pair_weights / np.maximum(pair_weights.sum(axis=-1, keepdims=True), 1)


def runs(
    ids: Array, sentence_of: Array, length: int, window: int
) -> Iterator[tuple[float, Array, Array]]:
    """A piece of text in runs of `length` centres: share done before, ids and sentences in sight.

    Both are (length + 2w,): w tokens more at each end. Beyond the piece stands word 0, each in a
    sentence of its own (numbers −1, −2, …), so that it is in nobody's window.
    """
    starts = range(0, len(ids), length)
    padded = len(starts) * length + 2 * window
    all_ids, numbers = np.zeros(padded, ids.dtype), -1 - np.arange(padded)
    all_ids[window : window + len(ids)] = ids
    numbers[window : window + len(ids)] = sentence_of
    for start in starts:
        sight = slice(start, start + length + 2 * window)
        yield start / len(ids), all_ids[sight], numbers[sight]
