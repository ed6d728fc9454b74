"""PPMI and SVD: word vectors by counting alone, the baseline that training must beat.

    PMI_ij  = log P(i, j) / (P(i) P(j))          how much oftener together than by chance
    PPMI_ij = max(0, PMI_ij − log k)
    PPMI    ≈ U_D Σ_D V_Dᵀ,    vectors = U_D Σ_D^p

Skip-gram with negative sampling meets the same matrix: with k negatives drawn by count^α its loss
is least where v_i·u_j = log P(i, j) / (P(i) P_α(j)) − log k (Levy & Goldberg 2014). So PPMI has
these two settings of Word2Vec, and `minilm.embeddings.optimum` tries that statement.

What pairs that never met have, −∞, no product can give: hence the max with 0, which keeps the
matrix sparse too. The power p matters (Levy, Goldberg & Dagan 2015): with p = 1 the vectors' own
products are as near as D numbers can come to those of PPMI's rows; p = 1/2 shares Σ evenly between
words and contexts, as trained tables do, and finds related words better.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from minilm.embeddings.cooccurrence import Cooccurrences, cooccurrences, window_share
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.vocabulary import read_corpus
from minilm.models.language_model import check_positive
from minilm.types import Array

PANEL = 512  # rows of the matrix that are laid out dense at a time: 2048 bytes for each word
OVERSAMPLING, ITERATIONS = 16, 6  # PPMI's singular values fall slowly: fewer iterations mix them


class PPMI:
    """Vectors from a truncated SVD of PPMI, from the sentences that Word2Vec takes.

        wv = PPMI(sentences, vector_size=100).wv

    vector_size: D <= V; window: the largest distance w of a pair, which counts (w − d + 1)/w, as
    Word2Vec's dynamic window does on average; words occurring fewer than min_count times are left
    out; negative: k; ns_exponent: chance is P(i) P_α(j), P_α by count^α, which lowers the PMI of
    rare words; eigenvalue_exponent: p; seed: of the random start of the SVD.

    wv: KeyedVectors; singular_values: (D,), the largest first; vocabulary: words and counts.
    Raises TypeError for strings in the place of token lists; ValueError for settings out of range,
    no word left, no two words in one sentence, or no pair oftener together than by chance.
    """

    def __init__(
        self,
        sentences: Iterable[Sequence[str]],
        vector_size: int = 100,
        window: int = 5,
        min_count: int = 5,
        negative: int = 1,
        ns_exponent: float = 0.75,
        eigenvalue_exponent: float = 0.5,
        seed: int = 1,
    ) -> None:
        check_positive(
            vector_size=vector_size, window=window, min_count=min_count, negative=negative
        )
        self.vocabulary, ids, sentence_of = read_corpus(sentences, min_count)
        V = len(self.vocabulary)
        counts = cooccurrences(ids, sentence_of, V, window_share(window))
        matrix = ppmi(counts, negative, ns_exponent)
        u, self.singular_values = truncated_svd(matrix, vector_size, np.random.default_rng(seed))
        vectors = u * self.singular_values**eigenvalue_exponent
        self.wv = KeyedVectors(self.vocabulary.words, vectors, self.vocabulary.counts)


def shifted_pmi(counts: Cooccurrences, negative: int = 1, ns_exponent: float = 1.0) -> Array:
    """log P(i, j) / (P(i) P_α(j)) − log k of each entry, in the entries' order: (P,) float64.

    P(i) and P(j) are X's row and column sums, P_α(j) = (Σ_i X_ij)^α / Σ_j (Σ_i X_ij)^α.
    """
    row_sums, column_sums = counts.marginals()
    chance = column_sums**ns_exponent
    chance /= chance.sum()
    given_row = counts.values / row_sums[counts.rows]  # P(j | i)
    return np.log(given_row / (negative * chance[counts.columns]))


def ppmi(counts: Cooccurrences, negative: int = 1, ns_exponent: float = 1.0) -> Cooccurrences:
    """max(0, PMI − log k), of which only the entries above 0 are kept."""
    values = shifted_pmi(counts, negative, ns_exponent)
    kept = values > 0
    if not kept.any():
        raise ValueError(f"negative={negative} leaves no pair whose PMI is above log {negative}")
    return replace(
        counts, rows=counts.rows[kept], columns=counts.columns[kept], values=values[kept]
    )


def truncated_svd(
    matrix: Cooccurrences, rank: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """The first singular vectors and values: U (V, rank), Σ (rank,), float32.

    Orthogonal iteration from a random start: M Mᵀ, applied again and again, turns any subspace
    towards that of the largest singular values; QR keeps its directions apart, and a few more
    than are asked for make it quick. Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1.
    """
    V = matrix.vocab_size
    if rank > V:
        raise ValueError(f"vector_size must be at most the number of words, {V}, got {rank}")
    width = min(rank + OVERSAMPLING, V)
    q = rng.standard_normal((V, width), dtype=np.float32)
    for _ in range(ITERATIONS):
        q, _ = np.linalg.qr(transposed_times(matrix, q))
        q, _ = np.linalg.qr(times(matrix, q))
    rotation, sigma, _ = np.linalg.svd(transposed_times(matrix, q).T, full_matrices=False)
    return (q @ rotation)[:, :rank], sigma[:rank]


def times(matrix: Cooccurrences, x: Array) -> Array:
    """M x: (V, V), (V, n) -> (V, n)."""
    return np.concatenate([panel @ x for _, panel in panels(matrix, x.dtype)])


def transposed_times(matrix: Cooccurrences, x: Array) -> Array:
    """Mᵀ x: (V, V), (V, n) -> (V, n)."""
    y = np.zeros_like(x)
    for rows, panel in panels(matrix, x.dtype):
        y += panel.T @ x[rows]
    return y


def panels(matrix: Cooccurrences, dtype: np.dtype) -> Iterator[tuple[slice, Array]]:
    """Some rows of the matrix after others, dense: where they stand, and (<= PANEL, V) of them."""
    V = matrix.vocab_size
    for start in range(0, V, PANEL):
        rows = slice(start, min(start + PANEL, V))
        mine = slice(*np.searchsorted(matrix.rows, (rows.start, rows.stop)))
        panel = np.zeros((rows.stop - start, V), dtype)
        panel[matrix.rows[mine] - start, matrix.columns[mine]] = matrix.values[mine]
        yield rows, panel
