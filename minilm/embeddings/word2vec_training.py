"""Reading a text once for word2vec: in pieces, thinned out, run by run, with a falling rate.

Only a piece of the text is in memory: about PIECE words, as strings and as ids. Frequent words are
thinned out, what is left is cut into runs of RUN centres or so, and each run is one step of
gradient descent on the few rows that it touches (`word2vec_steps`).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minilm.embeddings import negative_sampling
from minilm.embeddings.hierarchical_softmax import HuffmanTree
from minilm.embeddings.line_sentence import pieces
from minilm.embeddings.vocabulary import draw_noise
from minilm.embeddings.windows import (
    BLOCK,
    PATH_RUN,
    RUN,
    distances,
    draw_windows,
    full_windows,
    runs,
    same_sentence,
    window_chance,
)
from minilm.embeddings.word2vec_steps import (
    Run,
    biased_skip_gram_step,
    cbow_path_step,
    cbow_step,
    skip_gram_path_step,
    skip_gram_step,
)
from minilm.types import Array

PIECE = 100_000  # words read at a time


@dataclass
class Reading:
    """What one reading of the text came to: sentences and words read, words trained on, the loss;
    paired: whether two known words stood in one sentence.
    """

    sentences: int = 0
    words: int = 0
    trained: int = 0
    loss: float = 0.0
    paired: bool = False


@dataclass
class Training:
    """One call of Word2Vec.train: what stays the same from run to run.

    model: the Word2Vec; alpha: its first learning rate; rng: of everything that is drawn.
    """

    model: Any
    alpha: float
    rng: np.random.Generator
    want_loss: bool = False
    keep: Array = field(init=False)
    noise: Array = field(init=False)
    drawn: int = field(init=False)

    def __post_init__(self) -> None:
        model = self.model
        window, shrink = model.window, model.shrink_windows
        self.keep = model.vocabulary.keep_probability(model.sample)
        self.noise = model.vocabulary.noise_cdf(model.ns_exponent)
        # a window's paths are a product for each centre: hierarchical skip-gram has blocks of one
        self.block = 1 if model.sg and model.hs else max(BLOCK, 2 * window)
        self.blocks = max(1, (PATH_RUN if model.hs else RUN) // self.block)
        self.distance = distances(window, self.block)
        weights = window_chance if shrink else full_windows
        self.weights = weights(self.distance, window)
        self.mean_size = window + 1 if shrink else 2 * window
        owed = self.blocks * self.block * model.negative * (self.mean_size if model.sg else 1)
        # each drawn one stands for at most LIMIT / alpha negatives
        self.drawn = math.ceil(owed * self.alpha / negative_sampling.LIMIT)

    def read(
        self,
        sentences: Iterable[Sequence[str]],
        rates: tuple[float, float],
        total: int,
        count_sentences: bool,
    ) -> Reading:
        """Read the text once, with learning rates from the first to the last of `rates`; total: its
        size, in sentences or in words.
        """
        first, last = rates
        model, reading = self.model, Reading()
        for piece in pieces(sentences, PIECE):
            size = sum(map(len, piece))
            before, amount = reading.words, size
            if count_sentences:
                before, amount = reading.sentences, len(piece)
            ids, sentence_of = model.vocabulary.encode(piece)
            reading.paired |= bool((sentence_of[1:] == sentence_of[:-1]).any())
            kept = self.rng.random(len(ids)) < self.keep[ids]
            text = runs(ids[kept], sentence_of[kept], self.blocks * self.block, model.window)
            with np.errstate(over="ignore", invalid="ignore"):  # divergence is said by train
                for done, sight, numbers in text:
                    share = min(1.0, (before + done * amount) / total)
                    rate = first + (last - first) * share
                    reading.loss += self.step(sight, numbers, rate)
            reading.sentences += len(piece)
            reading.words += size
            reading.trained += int(np.count_nonzero(kept))
        return reading

    def step(self, sight: Array, numbers: Array, rate: float) -> float:
        """One run: words and sentence numbers in sight, (M + 2w,) each  ->  its loss, if wanted."""
        model, rng = self.model, self.rng
        inside = self.weights
        if model.shrink_windows and not model.sg:
            inside = draw_windows(self.distance, model.window, self.blocks, rng)
        together = same_sentence(numbers, model.window, self.block)
        pairs = np.multiply(inside, together, dtype=np.float32)
        run = Run(sight, pairs, self.mean_size, bool(model.cbow_mean))
        loss = 0.0
        if model.hs:
            path_step = skip_gram_path_step if model.sg else cbow_path_step
            tree: HuffmanTree = model.tree
            loss += path_step(model.params, run, tree, rate, self.want_loss)
        if model.negative:
            step = skip_gram_step if model.sg else cbow_step
            if model.bias:
                step = biased_skip_gram_step
            negatives = draw_noise(self.noise, self.drawn, rng)
            loss += step(model.params, run, negatives, model.negative, rate, self.want_loss)
        return loss
