"""Word2vec: vectors of words that are near when the words' company is alike.

The text is read `epochs` times. Each time frequent words are thinned out, and what is left is cut
into runs of about 500 centres; each run is one step of gradient descent (`negative_sampling`) on
the few rows that it touches. The learning rate falls in a line from alpha to min_alpha.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.negative_sampling import (
    LIMIT,
    cbow_gradients,
    descend,
    distances,
    draw_windows,
    same_sentence,
    skip_gram_gradients,
    window_chance,
)
from minilm.embeddings.skip_gram_model import SkipGram
from minilm.embeddings.vocabulary import draw_noise, read_corpus
from minilm.models.language_model import check_positive
from minilm.types import Array, Params

RUN = 512  # centres of one step; with twice as many, vectors are worse at equal epochs
BLOCK = 32  # centres of one product of scores, more where the window is wide


class Word2Vec:
    """Skip-gram (sg=1) or CBOW (sg=0) with negative sampling, trained when it is made.

        model = Word2Vec(sentences, vector_size=100, sg=1)
        model.wv["word"]; model.wv.most_similar("word")

    sentences: lists of words, read once (a generator will do); no window crosses from one to
    another. vector_size: D; window: the largest distance w of a pair; words occurring fewer than
    min_count times are left out; negative: K drawn words for each pair; epochs: times the text is
    read; alpha -> min_alpha: learning rate; sample: frequent words, of a share above this, are
    thinned out (0: not); ns_exponent: negatives are drawn by count^ns_exponent.

    wv: the input table as KeyedVectors; params: {"input_embedding", "output_embedding"}, (V, D)
    float32, the tables as `fit`, `quantize` and `save` take them; vocabulary: words and counts.

    Raises TypeError for strings in the place of token lists; ValueError for settings out of range,
    no word left, or no two words in one sentence; FloatingPointError where training diverged.
    Mikolov et al. 2013a, 2013b.
    """

    def __init__(
        self,
        sentences: Iterable[Sequence[str]],
        vector_size: int = 100,
        window: int = 5,
        min_count: int = 5,
        sg: int = 0,
        negative: int = 5,
        epochs: int = 5,
        alpha: float = 0.025,
        min_alpha: float = 1e-4,
        sample: float = 1e-3,
        ns_exponent: float = 0.75,
        seed: int = 1,
    ) -> None:
        check_positive(
            vector_size=vector_size, window=window, min_count=min_count,
            negative=negative, epochs=epochs,
        )  # fmt: skip
        if sg not in (0, 1):
            raise ValueError(f"sg must be 1 (skip-gram) or 0 (CBOW), got {sg!r}")
        if not (0 <= min_alpha <= alpha and 0 < alpha <= 1):
            raise ValueError(
                "alpha and min_alpha must satisfy 0 <= min_alpha <= alpha and 0 < alpha <= 1, "
                f"got {alpha!r} and {min_alpha!r}"
            )
        self.window, self.sg, self.negative, self.epochs = window, sg, negative, epochs
        self.alpha, self.min_alpha, self.seed = alpha, min_alpha, seed
        self.sample, self.ns_exponent = sample, ns_exponent

        self.vocabulary, ids, sentence_of = read_corpus(sentences, min_count)
        if not (sentence_of[1:] == sentence_of[:-1]).any():
            raise ValueError(
                f"sentences must have two known words in one, got {len(ids)} words, each alone"
            )
        self.params = SkipGram(len(self.vocabulary), vector_size).init(seed)
        with np.errstate(over="ignore", invalid="ignore"):  # said once, at the end of training
            self._train(ids, sentence_of)
        self.wv = KeyedVectors(self.vocabulary.words, self.params["input_embedding"])

    def _train(self, ids: Array, sentence_of: Array) -> None:
        """Gradient descent over the text (ids and sentence numbers, (N,) each)."""
        rng = np.random.default_rng([self.seed, 1])  # the tables were drawn from the seed alone
        keep = self.vocabulary.keep_probability(self.sample)[ids]
        noise = self.vocabulary.noise_cdf(self.ns_exponent)
        window, block = self.window, max(BLOCK, 2 * self.window)
        blocks = max(1, RUN // block)
        distance = distances(window, block)
        chance = window_chance(distance, window)
        owed = blocks * block * self.negative * (window + 1 if self.sg else 1)  # K for each pair
        drawn = math.ceil(owed * self.alpha / LIMIT)  # each stands for at most LIMIT / alpha
        step = skip_gram_step if self.sg else cbow_step

        for epoch in range(self.epochs):
            kept = rng.random(len(ids)) < keep
            text = runs(ids[kept], sentence_of[kept], blocks * block, window)
            for done, sight, numbers in text:
                progress = (epoch + done) / self.epochs
                rate = self.alpha + (self.min_alpha - self.alpha) * progress
                inside = chance if self.sg else draw_windows(distance, window, blocks, rng)
                pairs = np.multiply(inside, same_sentence(numbers, window, block), dtype=np.float32)
                negatives = draw_noise(noise, drawn, rng)
                step(self.params, sight, negatives, pairs, self.negative, rate)
        if not all(np.isfinite(np.vdot(table, table)) for table in self.params.values()):
            raise FloatingPointError(f"training diverged: take alpha below {self.alpha}")


def skip_gram_step(
    params: Params, sight: Array, negatives: Array, pairs: Array, negative: int, rate: float
) -> None:
    """One run: v of the centres, u of the tokens in sight (M + 2w,) and of the negatives (N,).

    A centre has w + 1 pairs on average (windows have the mean width (w + 1) / 2, on two sides),
    each with its K negatives.
    """
    v_table, u_table = params["input_embedding"], params["output_embedding"]
    window = (pairs.shape[2] - pairs.shape[1]) // 2
    centres, mean_pairs = sight[window:-window], window + 1
    dv, dcontext, dnoise = skip_gram_gradients(
        v_table[centres], u_table[sight], u_table[negatives], pairs, negative
    )
    descend(v_table, centres, dv, rate, mean_pairs * (1 + negative))
    descend(u_table, sight, dcontext, rate, mean_pairs)
    owed = len(centres) * mean_pairs * negative
    descend(u_table, negatives, dnoise, rate, owed / len(negatives))


def cbow_step(
    params: Params, sight: Array, negatives: Array, pairs: Array, negative: int, rate: float
) -> None:
    """One run: v of the tokens in sight (M + 2w,), u of the centres and of the negatives (N,).

    A word's share in a mean of n is 1/n, and so is its gradient. The published program leaves the
    1/n out, and its customary alpha counts on that. Here the gradient is the true one, and the
    input table's step is longer by the mean n, w + 1.
    """
    v_table, u_table = params["input_embedding"], params["output_embedding"]
    window = (pairs.shape[2] - pairs.shape[1]) // 2
    centres, mean_size = sight[window:-window], window + 1
    dcontext, du, dnoise = cbow_gradients(
        v_table[sight], u_table[centres], u_table[negatives], pairs, negative
    )
    descend(v_table, sight, dcontext, mean_size * rate, 1 + negative)
    descend(u_table, centres, du, rate, 1)
    descend(u_table, negatives, dnoise, rate, len(centres) * negative / len(negatives))


def runs(
    ids: Array, sentence_of: Array, length: int, window: int
) -> Iterator[tuple[float, Array, Array]]:
    """The text in runs of `length` centres: the share done before, ids and sentences in sight.

    Both are (length + 2w,): w tokens more at each end. Beyond the text stands word 0, each in a
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
