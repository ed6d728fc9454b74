"""Which words there are, how often each is read, and how often each is drawn as noise.

Three numbers of word2vec depend on the counts alone (Mikolov et al. 2013b, sections 2.2 and 2.3):

    words kept          count >= min_count, the most frequent first
    read with chance    min(1, √(t/f) + t/f)      f: the word's share of the text, t: `sample`
    drawn as noise      count^0.75 / Σ count^0.75
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from minilm.types import Array


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a corpus and their counts (int64, (V,)), most frequent first."""

    words: list[str]
    counts: Array

    def __len__(self) -> int:
        return len(self.words)

    def keep_probability(self, sample: float = 1e-3) -> Array:
        """The chance that one occurrence of each word is read: (V,) float64; all 1 for sample=0.

        Frequent words say little about their neighbours; this thins them out. It is the form of
        the published program; the paper prints √(t/f), by dropping with chance 1 − √(t/f).
        """
        if not sample >= 0:
            raise ValueError(f"sample must be 0 (read every word) or a share above, got {sample!r}")
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
        index = {word: i for i, word in enumerate(self.words)}
        ids: list[int] = []
        lengths = []
        for sentence in sentences:
            known = [index[word] for word in checked(sentence) if word in index]
            ids.extend(known)
            lengths.append(len(known))
        return np.array(ids, np.int32), np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)


def draw_noise(cdf: Array, shape: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Word ids drawn from the noise distribution: int array of that shape."""
    return np.searchsorted(cdf, rng.random(shape), side="right")


def read_corpus(
    sentences: Iterable[Sequence[str]], min_count: int = 5
) -> tuple[Vocabulary, Array, Array]:
    """One pass over the sentences -> vocabulary, ids (N,), sentence numbers (N,) (int32).

    Words that occur fewer than min_count times are taken out before any window is laid, so that
    their neighbours on both sides become neighbours of each other.
    Raises TypeError for strings in the place of token lists, ValueError where no word is left.
    """
    if isinstance(sentences, str):
        raise TypeError(f"sentences must be lists of words, got one string {preview(sentences)}")
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, got {min_count}")
    first_seen: dict[str, int] = {}
    ids: list[int] = []
    lengths = []
    for sentence in sentences:
        ids.extend([first_seen.setdefault(word, len(first_seen)) for word in checked(sentence)])
        lengths.append(len(sentence))
    if not ids:
        raise ValueError(f"sentences must hold at least one word, got {len(lengths)} empty ones")

    seen = np.array(ids, np.int32)
    counts = np.bincount(seen)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count]
    if not len(order):
        word = max(first_seen, key=lambda w: counts[first_seen[w]])
        raise ValueError(
            f"min_count={min_count} leaves no word: the most frequent, {word!r}, "
            f"occurs {counts.max()} times"
        )
    rank = np.full(len(counts), -1, np.int32)
    rank[order] = np.arange(len(order))
    names = list(first_seen)
    new_ids, sentence_of = rank[seen], np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    known = new_ids >= 0
    return Vocabulary([names[i] for i in order], counts[order]), new_ids[known], sentence_of[known]


def checked(sentence: Sequence[str]) -> Sequence[str]:
    """The sentence itself, if it is a list of words and not a string (a "list" of characters)."""
    if isinstance(sentence, str):
        raise TypeError(
            f"each sentence must be a list of words, got the string {preview(sentence)}: its "
            "'words' would be single characters; split it first, e.g. sentence.split()"
        )
    if len(sentence) and not isinstance(sentence[0], str):
        raise TypeError(f"words must be strings, got {type(sentence[0]).__name__} {sentence[0]!r}")
    return sentence


def preview(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
