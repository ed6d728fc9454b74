"""Which words there are, how often each is read, and how often each is drawn as noise.

Three numbers of word2vec depend on the counts alone (Mikolov et al. 2013b, sections 2.2 and 2.3):

    words kept          count >= min_count, the most frequent first
    read with chance    min(1, √(t/f) + t/f)      f: the word's share of the text, t: `sample`
    drawn as noise      count^0.75 / Σ count^0.75
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat

import numpy as np

from minilm.types import Array


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a corpus and their counts (int64, (V,)), most frequent first.

    (Words that a later text added stand after those that were there.)
    """

    words: list[str]
    counts: Array

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of every word."""
        return {word: i for i, word in enumerate(self.words)}

    def keep_probability(self, sample: float = 1e-3) -> Array:
        """The chance that one occurrence of each word is read: (V,) float64; all 1 for sample=0.

        Frequent words say little about their neighbours; this thins them out. It is the form of
        the published program; the paper prints √(t/f), by dropping with chance 1 − √(t/f).
        """
        if not 0 <= sample < 1:
            raise ValueError(f"sample must be 0 (read every word) or a share < 1, got {sample!r}")
        if sample == 0:
            return np.ones(len(self))
        ratio = sample * self.counts.sum() / self.counts
        return np.minimum(1.0, np.sqrt(ratio) + ratio)

    def noise_cdf(self, exponent: float = 0.75) -> Array:
        """Running sum of the noise distribution, (V,) float64, ending at 1.

        A draw is `searchsorted(cdf, u)` with u uniform in [0, 1): see `draw_noise`.
        """
        cdf = np.cumsum(self.counts.astype(np.float64) ** exponent)
        cdf /= cdf[-1]
        return cdf

    def encode(self, sentences: Iterable[Sequence[str]]) -> tuple[Array, Array]:
        """Sentences -> (ids, sentence numbers), both (N,) int32; unknown words are left out."""
        texts = [checked(sentence) for sentence in sentences]
        lengths = [len(text) for text in texts]
        words = chain.from_iterable(texts)
        ids = np.fromiter(map(self.index.get, words, repeat(-1)), np.int32, sum(lengths))
        known = ids >= 0
        return ids[known], np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[known]

    def extended(self, counts: "WordCounts", min_count: int) -> "Vocabulary":
        """These words, the new text's counts added; then its other words of min_count or more."""
        more = [counts.of.get(word, 0) for word in self.words]
        new = sorted(
            (word for word, n in counts.of.items() if n >= min_count and word not in self.index),
            key=lambda word: -counts.of[word],
        )
        added = np.array([counts.of[word] for word in new], np.int64)
        return Vocabulary(self.words + new, np.concatenate((self.counts + more, added)))


def draw_noise(cdf: Array, shape: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Word ids drawn from the noise distribution: int array of that shape."""
    return np.searchsorted(cdf, rng.random(shape), side="right")


@dataclass(frozen=True, eq=False)
class WordCounts:
    """How often each word stands in a text, in the order of first places; the text's size."""

    of: dict[str, int]
    sentences: int
    words: int


def count_words(
    sentences: Iterable[Sequence[str]], max_vocab_size: int | None = None
) -> WordCounts:
    """One pass over the sentences.

    max_vocab_size bounds the memory: whenever a sentence leaves more different words than that,
    the rarest are forgotten, first those seen once, the next time those seen once or twice, and so
    on. (The first such time forgets nothing, as in gensim.) Counts are then lower bounds.

    Raises TypeError for strings in the place of token lists, ValueError where there is no word.
    """
    if isinstance(sentences, str):
        raise TypeError(
            f"sentences must be lists of words, got one string {preview(sentences)}; "
            "LineSentence(path) reads a file"
        )
    if not isinstance(sentences, Iterable):
        raise TypeError(f"sentences must be lists of words, got {type(sentences).__name__}")
    counts: Counter[str] = Counter()
    number, words, fewest = 0, 0, 1
    for sentence in sentences:
        counts.update(checked(sentence))
        words += len(sentence)
        number += 1
        if max_vocab_size is not None and len(counts) > max_vocab_size:
            counts = Counter({word: n for word, n in counts.items() if n >= fewest})
            fewest += 1
    if not counts:
        raise ValueError(f"sentences must hold at least one word, got {number} empty ones")
    other = next((word for word in counts if not isinstance(word, str)), "")
    checked([other])
    return WordCounts(dict(counts), number, words)


def choose_words(
    counts: WordCounts, min_count: int = 5, max_final_vocab: int | None = None
) -> Vocabulary:
    """The words that occur at least `fewest_counted` times; ValueError where that leaves none."""
    fewest = fewest_counted(counts, min_count, max_final_vocab)
    kept = [word for word, n in counts.of.items() if n >= fewest]
    if not kept:
        word = max(counts.of, key=counts.of.__getitem__)
        limit = "" if fewest == min_count else f" with max_final_vocab={max_final_vocab}"
        raise ValueError(
            f"min_count={min_count}{limit} leaves no word: the most frequent, {word!r}, "
            f"occurs {counts.of[word]} times"
        )
    kept.sort(key=lambda word: -counts.of[word])  # stable: equal counts by first place
    return Vocabulary(kept, np.array([counts.of[word] for word in kept], np.int64))


def fewest_counted(counts: WordCounts, min_count: int, max_final_vocab: int | None) -> int:
    """min_count, or what it takes to leave at most max_final_vocab words, if that is more."""
    if min_count < 0:
        raise ValueError(f"min_count must be at least 0, got {min_count}")
    if max_final_vocab is None or max_final_vocab >= len(counts.of):
        return min_count
    first_left_out = sorted(counts.of.values(), reverse=True)[max_final_vocab]
    return max(min_count, first_left_out + 1)


def read_corpus(
    sentences: Iterable[Sequence[str]], min_count: int = 5
) -> tuple[Vocabulary, Array, Array]:
    """A text that fits into memory -> vocabulary, ids (N,), sentence numbers (N,) (int32).

    The sentences are read once. Words that occur fewer than min_count times are taken out before
    any window is laid, so that their neighbours on both sides become neighbours of each other.
    Raises TypeError for strings in the place of token lists, ValueError where no word is left.
    """
    if not isinstance(sentences, str) and iter(sentences) is sentences:
        sentences = list(sentences)
    vocabulary = choose_words(count_words(sentences), min_count)
    return vocabulary, *vocabulary.encode(sentences)


def checked(sentence: Sequence[str]) -> Sequence[str]:
    """The sentence itself, if it is a list of words and not a string (a "list" of characters)."""
    if isinstance(sentence, str):
        raise TypeError(
            f"each sentence must be a list of words, got the string {preview(sentence)}: its "
            "'words' would be single characters; split it first, e.g. sentence.split()"
        )
    if not hasattr(sentence, "__len__"):
        raise TypeError(f"each sentence must be a list of words, got {type(sentence).__name__}")
    if len(sentence) and not isinstance(next(iter(sentence)), str):
        word = next(iter(sentence))
        raise TypeError(f"words must be strings, got {type(word).__name__} {word!r}")
    return sentence


def preview(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
