"""Word2vec: vectors of words that are near when the words' company is alike.

The text is read once for its words (`build_vocab`) and `epochs` times to learn (`train`), each
time from its source and piece by piece, so a text larger than the memory will do. Arguments and
life cycle are those of gensim 4's Word2Vec, and code written for it runs here with another import.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minilm.embeddings.callbacks import check_callbacks
from minilm.embeddings.hierarchical_softmax import HuffmanTree, huffman_tree
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.line_sentence import LineSentence, check_rereadable
from minilm.embeddings.skip_gram_model import SkipGram
from minilm.embeddings.vocabulary import Vocabulary, choose_words, count_words, fewest_counted
from minilm.embeddings.word2vec_settings import (
    SETTINGS,
    check_settings,
    check_totals,
    settings_of,
)
from minilm.embeddings.word2vec_training import Training
from minilm.types import Params
from minilm.weights import load, read_header, save

Sentences = Iterable[Sequence[str]]
STATE = ("corpus_count", "corpus_total_words", "effective_min_count", "train_count")


class Word2Vec:
    """Skip-gram (sg=1) or CBOW (sg=0), trained when it is made if it is given sentences.

        model = Word2Vec(sentences, vector_size=100, sg=1)
        model.wv["word"]; model.wv.most_similar("word")

    sentences: lists of words; no window crosses from one to another. They are read epochs + 1
    times: what can be read only once (a generator) is refused. corpus_file: the path of a text, a
    sentence a line, instead. Without either, call build_vocab and train.

    What is learned: vector_size: D; window: the largest distance w of a pair; shrink_windows: each
    window is narrowed to a random width in 1..w; negative: K drawn words for each pair (0: none),
    drawn by count^ns_exponent; hs: hierarchical softmax, beside the negatives if both are set (as
    in gensim: take negative=0 with it); cbow_mean: CBOW's mean, or sum (0); bias: a bias for every
    word, for skip-gram with negatives (see `word_bias`).
    Which words: those of at least min_count, and of those no more than the max_final_vocab most
    frequent; sample: frequent words, of a share above this, are thinned out (0: not);
    max_vocab_size bounds the memory of counting (see `count_words`).
    How: epochs; alpha -> min_alpha: learning rate, falling in a line; compute_loss, callbacks: see
    `train`. workers is taken for gensim's sake and changes nothing: the work is in matrix products,
    whose threads are BLAS's own, and the same seed gives the same vectors.

    wv: the input table as KeyedVectors; vocabulary: words and counts; params: the tables as `fit`,
    `quantize` and `save` take them, float32: input_embedding (V, D), output_embedding (V, D) of
    negative sampling, node_embedding (V − 1, D) of hierarchical softmax, input_bias (V,).

    Raises TypeError for strings in the place of token lists; ValueError for settings out of range,
    no word left, or no two words in one sentence; FloatingPointError where training diverged.
    Mikolov et al. 2013a, 2013b.
    """

    training: type[Training] = Training  # FastText has others
    settings: tuple[str, ...] = SETTINGS

    def __init__(
        self,
        sentences: Sentences | None = None,
        corpus_file: str | os.PathLike[str] | None = None,
        vector_size: int = 100,
        alpha: float = 0.025,
        window: int = 5,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        sample: float = 1e-3,
        seed: int = 1,
        workers: int = 3,
        min_alpha: float = 1e-4,
        sg: int = 0,
        hs: int = 0,
        negative: int = 5,
        ns_exponent: float = 0.75,
        cbow_mean: int = 1,
        *,
        epochs: int = 5,
        compute_loss: bool = False,
        callbacks: Iterable[Any] = (),
        max_final_vocab: int | None = None,
        shrink_windows: bool = True,
        bias: bool = False,
    ) -> None:
        self.vector_size, self.window, self.min_count = vector_size, window, min_count
        self.max_vocab_size, self.max_final_vocab = max_vocab_size, max_final_vocab
        self.alpha, self.min_alpha, self.epochs, self.seed = alpha, min_alpha, epochs, seed
        self.sample, self.ns_exponent, self.negative = sample, ns_exponent, negative
        self.sg, self.hs, self.cbow_mean, self.bias = sg, hs, cbow_mean, bias
        self.shrink_windows, self.workers, self.compute_loss = shrink_windows, workers, compute_loss
        check_settings(self)
        vars(self).update(settings_of(self))  # NumPy's numbers are Python's from here on

        self.vocabulary = Vocabulary([], np.zeros(0, np.int64))
        self.params: Params = {}
        self.tree: HuffmanTree | None = None
        self.corpus_count = self.corpus_total_words = self.train_count = 0
        self.effective_min_count = min_count
        self.running_training_loss = 0.0
        callbacks = check_callbacks(callbacks)
        if sentences is not None or corpus_file is not None:
            text = one_source(sentences, corpus_file)
            check_rereadable(text, epochs + 1)
            self.build_vocab(text)
            self.train(
                text, total_words=self.corpus_total_words, epochs=epochs,
                compute_loss=compute_loss, callbacks=callbacks,
            )  # fmt: skip

    def build_vocab(
        self,
        corpus_iterable: Sentences | None = None,
        corpus_file: str | os.PathLike[str] | None = None,
        *,
        update: bool = False,
        progress_per: int = 10_000,
    ) -> None:
        """Read the text once for its words, and make the tables, untrained.

        update: keep the words and vectors there are and add this text's: its counts are added, and
        new words of at least effective_min_count come in behind, with new vectors. A tree has other
        nodes then: the vectors of hierarchical softmax's nodes start again at 0.
        corpus_count and corpus_total_words are this text's sentences and words. progress_per is
        taken for gensim's sake: no log is written.
        """
        if update and not self.params:
            raise RuntimeError("update needs a vocabulary: call build_vocab(sentences) first")
        counts = count_words(one_source(corpus_iterable, corpus_file), self.max_vocab_size)
        if update:
            fewest = fewest_counted(counts, self.effective_min_count, self.max_final_vocab)
            self.vocabulary = self.vocabulary.extended(counts, fewest)
        else:
            self.vocabulary = choose_words(counts, self.min_count, self.max_final_vocab)
            fewest = fewest_counted(counts, self.min_count, self.max_final_vocab)
            self.params, self.train_count = {}, 0
        self.effective_min_count = fewest
        self.corpus_count, self.corpus_total_words = counts.sentences, counts.words
        self._make_tables()

    def _make_tables(self) -> None:
        """Rows for every word: those that there are, and behind them new ones."""
        old, size = self.params, len(self.vocabulary)
        fresh = SkipGram(size, self.vector_size).init(self.seed)
        if self.bias:
            fresh["input_bias"] = np.zeros(size, np.float32)
        if not self.negative:
            del fresh["output_embedding"]
        for name, table in old.items():
            if name in fresh:
                fresh[name][: len(table)] = table
        if self.hs:
            self.tree = huffman_tree(self.vocabulary.counts)
            fresh["node_embedding"] = np.zeros((size - 1, self.vector_size), np.float32)
        self.params = fresh
        self._publish()

    def train(
        self,
        corpus_iterable: Sentences | None = None,
        corpus_file: str | os.PathLike[str] | None = None,
        total_examples: int | None = None,
        total_words: int | None = None,
        epochs: int | None = None,
        start_alpha: float | None = None,
        end_alpha: float | None = None,
        *,
        compute_loss: bool = False,
        callbacks: Iterable[Any] = (),
        report_delay: float = 1.0,
    ) -> tuple[int, int]:
        """Read the text `epochs` times, learning -> (words learned from, words read), all epochs.

            model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs)

        total_examples or total_words: the text's sentences or words, by which the learning rate
        falls from start_alpha to end_alpha (default: alpha, min_alpha). callbacks: see
        `CallbackAny2Vec`. compute_loss: add up the loss, at about a third more time: see
        get_latest_training_loss. report_delay is taken for gensim's sake: no log is written.
        """
        if not self.params:
            raise RuntimeError("train needs a vocabulary: call build_vocab(sentences) first")
        epochs, total = check_totals(epochs, total_examples, total_words)
        sentences, callbacks = one_source(corpus_iterable, corpus_file), check_callbacks(callbacks)
        check_rereadable(sentences, epochs)
        first = self.alpha if start_alpha is None else start_alpha
        last = self.min_alpha if end_alpha is None else end_alpha
        check_settings(self, alpha=first, min_alpha=last)
        self.epochs, self.compute_loss, self.running_training_loss = epochs, compute_loss, 0.0
        # the tables were drawn from the seed alone
        rng = np.random.default_rng([self.seed, 1, self.train_count])
        training = self.training(self, first, rng, want_loss=compute_loss)

        trained = read = 0
        notify(callbacks, "on_train_begin", self)
        for epoch in range(epochs):
            notify(callbacks, "on_epoch_begin", self)
            slope = (last - first) / epochs
            rates = first + slope * epoch, first + slope * (epoch + 1)
            reading = training.read(sentences, rates, total, total_examples is not None)
            if not reading.paired:
                raise ValueError(
                    "sentences must have two known words in one, "
                    f"got {reading.words} words, each alone"
                )
            self.running_training_loss += reading.loss
            trained, read = trained + reading.trained, read + reading.words
            self._publish()
            notify(callbacks, "on_epoch_end", self)
        self.train_count += 1
        notify(callbacks, "on_train_end", self)
        return trained, read

    def get_latest_training_loss(self) -> float:
        """Nats, the sum over all pairs of the latest `train` (all its epochs) of what is lowered.

        0 without compute_loss. A pair is weighed as in training: by its window's chance in
        skip-gram, and with it the K negatives it is owed; hierarchical softmax's −log p is added.
        It is the loss of each run before its step. gensim's sum is over the pairs of its drawn
        windows, without scores beyond ±6, and of hierarchical softmax it adds log σ of the wrong
        sign; so its figures are near these for negative sampling only.
        """
        return self.running_training_loss

    def predict_output_word(
        self, context_words_list: Sequence[str], topn: int = 10
    ) -> list[tuple[str, float]] | None:
        """The topn likeliest centres of these words by softmax(h·u), h their mean (or sum).

        Unknown words are left out; None if all are. Negative sampling does not learn these
        probabilities (the scores come to PMI, not to log p), so they are a rough guide.
        Raises RuntimeError for a model without negative sampling.
        """
        if "output_embedding" not in self.params:
            raise RuntimeError("predict_output_word needs a model trained with negative > 0")
        index = self.vocabulary.index
        known = [index[word] for word in context_words_list if word in index]
        if not known:
            return None
        h = self.params["input_embedding"][known].sum(axis=0)
        scores = self.params["output_embedding"] @ (h / len(known) if self.cbow_mean else h)
        chance = np.exp(scores - scores.max())
        chance /= chance.sum()
        best = np.argsort(-chance, kind="stable")[:topn]
        return [(self.vocabulary.words[i], float(chance[i])) for i in best]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Everything that more training needs, in one file; nothing in it is pickled."""
        header = {
            "settings": settings_of(self), "words": self.vocabulary.words,
            "counts": self.vocabulary.counts.tolist(),
            "state": {name: getattr(self, name) for name in STATE},
        }  # fmt: skip
        save(path, self.params, header=header)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Word2Vec":
        """The model that `save` wrote; ValueError naming the file for any other file."""
        header, params = read_header(path), load(path)
        if set(header.get("settings", ())) != set(cls.settings) or "words" not in header:
            raise ValueError(f"{os.fspath(path)} holds no {cls.__name__} model")
        model = cls(**header["settings"])
        for name in STATE:
            setattr(model, name, header["state"][name])
        model.vocabulary = Vocabulary(header["words"], np.array(header["counts"], np.int64))
        if params:
            model.params = params
            model.tree = huffman_tree(model.vocabulary.counts) if model.hs else None
            model._publish()
        return model

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}<vocab={len(self.vocabulary)}, vector_size={self.vector_size}, "
            f"alpha={self.alpha}>"
        )

    def _publish(self) -> None:
        """wv over the table as it is now; FloatingPointError if that is no longer numbers."""
        if not all(np.isfinite(np.vdot(table, table)) for table in self.params.values()):
            raise FloatingPointError(f"training diverged: take alpha below {self.alpha}")
        self.wv = KeyedVectors(
            self.vocabulary.words, self.params["input_embedding"], self.vocabulary.counts
        )


def one_source(sentences: Any, corpus_file: Any) -> Sentences:
    """The sentences, or those of the file: exactly one of the two."""
    if (sentences is None) == (corpus_file is None):
        raise TypeError(
            "exactly one of sentences (corpus_iterable) and corpus_file must be given, got "
            + ("neither" if sentences is None else "both")
        )
    return LineSentence(corpus_file) if sentences is None else sentences


def notify(callbacks: Iterable[Any], event: str, model: Word2Vec) -> None:
    for callback in callbacks:
        getattr(callback, event)(model)
