"""What skip-gram with negative sampling learns: PMI − log k, on a text where that is known exactly.

A pair (i, j) is seen X_ij times, and drawn as a negative k · X_i · P(j) times on average, X_i being
the number of i's pairs. So the loss of a pair, a function of its own s = v_i·u_j alone,

    −X_ij log σ(s) − k X_i P(j) log σ(−s),     is least at     s = log X_ij / (X_i P(j)) − log k,

and with P the words' share of the text this is PMI − log k (Levy & Goldberg 2014, eqs. 4 to 7). It
is exact, and training ends there, only if

- ns_exponent=1: else the noise is P_α, and log P(i, j) / (P(i) P_α(j)) takes the place of the PMI;
- sample=0: thinning out frequent words changes X;
- D is large enough: with D >= V any matrix is a product v uᵀ; less gives a weighted compromise;
- every pair is seen (for X_ij = 0 the optimum is −∞), and often, at a rate that falls to 0: what
  rare pairs still lack, and the noise that the last rate leaves, are the distance that remains.

X is known without a window's arithmetic where each sentence is two words.
"""

from typing import NamedTuple

import numpy as np

from minilm.embeddings.cooccurrence import Cooccurrences
from minilm.embeddings.ppmi import shifted_pmi
from minilm.embeddings.word2vec import Word2Vec
from minilm.models.language_model import check_positive
from minilm.types import Array


class Products(NamedTuple):
    """v_i·u_j as learned, what they should be, and how often the pair was there: (V, V) each."""

    learned: Array
    optimum: Array
    counts: Array

    @property
    def correlation(self) -> float:
        """Pearson's, over all V² pairs, each counted once."""
        return float(np.corrcoef(self.learned.ravel(), self.optimum.ravel())[0, 1])


def sentence_counts(
    vocab_size: int = 24, sentences: int = 40_000, spread: float = 0.6, seed: int = 0
) -> Array:
    """How often each sentence "i j" is to stand in the text: (V, V) integers, symmetric, all >= 1.

    In proportion to exp(f_i + f_j + g_ij): f, uniform in 0..2, makes words frequent or rare; g,
    Gaussian with standard deviation `spread`, makes pairs that seek or avoid each other.
    """
    check_positive(vocab_size=vocab_size, sentences=sentences)
    rng = np.random.default_rng(seed)
    frequency = 2 * rng.random(vocab_size)
    affinity = spread * np.tril(rng.standard_normal((vocab_size, vocab_size)))
    affinity += np.tril(affinity, -1).T
    law = np.exp(frequency[:, None] + frequency + affinity)
    return np.maximum(1, np.rint(law * (sentences / law.sum()))).astype(np.int64)


def two_word_text(counts: Array, seed: int = 0) -> list[list[str]]:
    """The sentence ["w<i>", "w<j>"] counts_ij times, for all i and j, shuffled.

    So X_ij = counts_ij + counts_ji, for any window: the text is drawn from this law without any
    noise of sampling.
    """
    pairs = np.repeat(np.indices(counts.shape).reshape(2, -1).T, counts.ravel(), axis=0)
    return [[f"w{i}", f"w{j}"] for i, j in np.random.default_rng(seed).permutation(pairs)]


def skip_gram_products(
    counts: Array,
    vector_size: int | None = None,
    negative: int = 2,
    ns_exponent: float = 1.0,
    epochs: int = 40,
    alpha: float = 0.1,
    seed: int = 1,
) -> Products:
    """Train Word2Vec on `two_word_text(counts)` and lay its products beside their optimum.

    vector_size: default V, so that every matrix can be reached. The optimum is that of the noise
    that ns_exponent gives. Products are returned in the order of `counts`: (V, V).
    """
    text = two_word_text(counts, seed)
    model = Word2Vec(
        text, vector_size=vector_size or len(counts), window=1, min_count=1, sg=1, sample=0,
        negative=negative, ns_exponent=ns_exponent, epochs=epochs, alpha=alpha, seed=seed,
    )  # fmt: skip
    rows = np.array([model.wv.key_to_index[f"w{i}"] for i in range(len(counts))])
    v, u = (model.params[f"{side}_embedding"][rows] for side in ("input", "output"))
    both = counts + counts.T
    optimum = shifted_pmi(Cooccurrences.from_dense(both), negative, ns_exponent)
    return Products(v @ u.T, optimum.reshape(both.shape), both)
