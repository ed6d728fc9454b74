"""How often two words stand near each other: the matrix that GloVe and PPMI are made from.

    X_ij = Σ over the places where j stands at a distance d = 1..w from i, on either side, of g_d

The weights g say what near means: 1/d in GloVe; 1 in most count models; (w − d + 1)/w is the chance
that word2vec's window, whose width is drawn from 1..w, reaches as far as d.

Few of the V² entries are not 0, so they are kept as a list, sorted by row and then by column. The
text is read in pieces of about PIECE pairs. A piece is sorted by the number i·V + j of the entry,
equal numbers are added, and the sums are merged into those of the text before. So memory follows
the entries and not the pairs: 16 bytes for each in the end, about 80 while a piece is merged, and
as many for each of the PIECE pairs (170 MB), beside the text's 8 bytes a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minilm.models.language_model import check_positive
from minilm.types import Array

PIECE = 2**21  # pairs sorted at a time; fewer are merged more often


@dataclass(frozen=True, eq=False)
class Cooccurrences:
    """The entries X_ij > 0 of a (V, V) matrix, by row and then by column, each once.

    rows, columns: (P,) int32; values: (P,) float64.
    """

    rows: Array
    columns: Array
    values: Array
    vocab_size: int

    @classmethod
    def from_dense(cls, counts: Array) -> "Cooccurrences":
        """The entries of a matrix that are not 0: (V, V) of numbers >= 0."""
        if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
            raise ValueError(f"counts must have shape (V, V), got {counts.shape}")
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise ValueError("counts must be finite and not below 0")
        rows, columns = np.nonzero(counts)
        values = counts[rows, columns].astype(np.float64)
        return cls(rows.astype(np.int32), columns.astype(np.int32), values, len(counts))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.columns.nbytes + self.values.nbytes

    def dense(self) -> Array:
        """X, (V, V) float64: 8 V² bytes."""
        x = np.zeros((self.vocab_size, self.vocab_size))
        x[self.rows, self.columns] = self.values
        return x

    def marginals(self) -> tuple[Array, Array]:
        """Σ_j X_ij and Σ_i X_ij, (V,) float64 each."""
        return (
            np.bincount(self.rows, self.values, self.vocab_size),
            np.bincount(self.columns, self.values, self.vocab_size),
        )


def inverse_distance(window: int) -> Array:
    """g_d = 1/d for d = 1..w, as in GloVe: (w,)."""
    check_positive(window=window)
    return 1 / np.arange(1, window + 1)


def window_share(window: int) -> Array:
    """g_d = (w − d + 1)/w for d = 1..w, word2vec's dynamic window on average: (w,)."""
    check_positive(window=window)
    return np.arange(window, 0, -1) / window


def cooccurrences(
    ids: Array, sentence_of: Array, vocab_size: int, distance_weights: Array
) -> Cooccurrences:
    """Count a text's pairs; no window crosses from one sentence to another.

    ids, sentence_of: (N,) integers, words and sentence numbers, as `read_corpus` answers;
    distance_weights: (w,), g_1 … g_w. X is symmetric; a word beside itself counts from both ends.
    Raises ValueError where no two words stand in one sentence within the window.
    """
    if ids.shape != sentence_of.shape or ids.ndim != 1:
        raise ValueError(
            f"ids and sentence_of must be (N,) each, got {ids.shape} and {sentence_of.shape}"
        )
    if len(ids) and not 0 <= ids.min() <= ids.max() < vocab_size:
        raise ValueError(f"ids must be in [0, {vocab_size}), got {ids.min()} to {ids.max()}")
    keys, values = np.zeros(0, np.int64), np.zeros(0)
    for piece_keys, piece_values in pieces(ids, sentence_of, vocab_size, distance_weights):
        both = np.concatenate((keys, piece_keys)), np.concatenate((values, piece_values))
        keys, values = add_equal(*both)
    if not len(keys):
        raise ValueError(f"ids must hold two words of one sentence, got {len(ids)} words")
    rows, columns = np.divmod(keys, vocab_size)
    return Cooccurrences(rows.astype(np.int32), columns.astype(np.int32), values, vocab_size)


def pieces(
    ids: Array, sentence_of: Array, vocab_size: int, distance_weights: Array
) -> Iterator[tuple[Array, Array]]:
    """The text's entries i·V + j and their sums, a piece of about PIECE pairs at a time."""
    window = len(distance_weights)
    length = max(1, PIECE // (2 * window))
    for start in range(0, len(ids), length):
        keys, weights = [], []
        for distance, weight in enumerate(distance_weights.tolist(), start=1):
            left = np.arange(start, min(start + length, len(ids) - distance))
            left = left[sentence_of[left] == sentence_of[left + distance]]
            a, b = ids[left].astype(np.int64), ids[left + distance].astype(np.int64)
            keys += [a * vocab_size + b, b * vocab_size + a]
            weights.append(np.full(2 * len(left), weight))
        yield add_equal(np.concatenate(keys), np.concatenate(weights))


def add_equal(keys: Array, values: Array) -> tuple[Array, Array]:
    """Each key once, in order, with the sum of its values: (n,), (n,) -> (m,), (m,)."""
    order = np.argsort(keys, kind="stable")  # quick on the sorted runs that a merging joins
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[starts], np.add.reduceat(values[order], starts) if len(keys) else values
