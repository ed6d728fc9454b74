"""Vectors under their words: look-up, nearest words, and how well they agree with people.

    cos(a, b) = a·b / (|a| |b|)

Every query is `E[ids]` and `x @ E.T`, which an array answers and a compressed table too: nearest
words are searched on the packed bytes. A zero vector has cosine 0 to everything.
"""

import difflib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilm.types import Array

BATCH = 1024  # rows unpacked, or words compared with all others, at a time


class WordPairScores(NamedTuple):
    """Correlations of cosine and people's score over the known pairs; the share of unknown ones."""

    pearson: float
    spearman: float
    oov_ratio: float


class KeyedVectors:
    """V words and their vectors: wv["word"], "word" in wv, len(wv).

    index_to_key: the words; vectors: (V, D), an array or a compressed table (taken as it is, not
    copied; norms are measured once); key_to_index: the words' rows.
    Raises ValueError for a word given twice, another number of vectors than words, or vectors
    that are not finite.
    """

    def __init__(self, index_to_key: Sequence[str], vectors: Any) -> None:
        self.index_to_key = list(index_to_key)
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        self.vectors = vectors
        if len(self.key_to_index) != len(self.index_to_key):
            raise ValueError("index_to_key must hold every word once, got a word twice")
        if vectors.ndim != 2 or vectors.shape[0] != len(self.index_to_key):
            raise ValueError(
                f"vectors must have shape (V, D), a row for each of the {len(self.index_to_key)} "
                f"words, got {tuple(vectors.shape)}"
            )
        self.norms = row_norms(vectors)

    @property
    def vector_size(self) -> int:
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, word: str) -> bool:
        return word in self.key_to_index

    def __getitem__(self, words: str | Sequence[str]) -> Array:
        """The vector of one word (D,), or of a list of words (n, D); KeyError for unknown ones."""
        if isinstance(words, str):
            return self.vectors[np.array([self.index(words)])][0]
        return self.vectors[np.array([self.index(word) for word in words], np.intp)]

    def index(self, word: str) -> int:
        """The row of a word; KeyError with near spellings where there is none."""
        if word in self.key_to_index:
            return self.key_to_index[word]
        near = difflib.get_close_matches(str(word), self.index_to_key, n=3)
        hint = f"; near spellings: {', '.join(near)}" if near else ""
        raise KeyError(f"no vector for the word {word!r}{hint}")

    def similarity(self, a: str, b: str) -> float:
        """cos of the two words' vectors."""
        (x, y), norms = self[[a, b]], self.norms[[self.index(a), self.index(b)]]
        return float(x @ y) / (float(norms[0] * norms[1]) or 1.0)

    def cosines(self, x: Array) -> Array:
        """cos of each query with every word: (n, D) -> (n, V)."""
        scale = 1 / np.where(self.norms > 0, self.norms, 1)
        return unit_rows(x) @ self.vectors.T * scale

    def most_similar(
        self,
        positive: str | Array | Sequence[str | Array] = (),
        negative: str | Array | Sequence[str | Array] = (),
        topn: int = 10,
    ) -> list[tuple[str, float]]:
        """The topn words of highest cosine with Σ positive − Σ negative (of unit vectors).

        Each side: a word, a vector, or a list of these; the words asked with are not answered.
        So a : b = c : ? is most_similar(positive=[b, c], negative=[a]).
        """
        if topn < 1:
            raise ValueError(f"topn must be at least 1, got {topn}")
        plus, minus = as_list(positive), as_list(negative)
        if not plus and not minus:
            raise ValueError("positive or negative must hold a word or a vector, got neither")
        rows = [self[k] if isinstance(k, str) else np.asarray(k, np.float32) for k in plus + minus]
        signs = np.array([1] * len(plus) + [-1] * len(minus), np.float32)
        cosine = self.cosines((signs @ unit_rows(np.stack(rows)))[None])[0]
        asked = {self.index(key) for key in plus + minus if isinstance(key, str)}
        best = np.argsort(-cosine, kind="stable")[: topn + len(asked)]
        found = [(self.index_to_key[i], float(cosine[i])) for i in best if i not in asked]
        return found[:topn]

    def nearest(self, words: Sequence[str], topn: int = 10) -> list[set[str]]:
        """The topn nearest words of each word, itself left out."""
        if not 1 <= topn < len(self):
            raise ValueError(f"topn must be from 1 to {len(self) - 1} (all others), got {topn}")
        found = []
        for start in range(0, len(words), BATCH):
            ids = np.array([self.index(word) for word in words[start : start + BATCH]])
            cosine = self.cosines(self.vectors[ids])
            cosine[np.arange(len(ids)), ids] = -np.inf
            for row in np.argpartition(-cosine, topn - 1, axis=1)[:, :topn]:
                found.append({self.index_to_key[i] for i in row})
        return found

    def evaluate_word_pairs(
        self, pairs: str | os.PathLike[str] | Iterable[tuple[str, str, float]]
    ) -> WordPairScores:
        """Do the cosines rank word pairs as people do?

        pairs: (word, word, score) triples, or a file of them, one a line, parted by tabs or
        spaces; lines that begin with # are comments. Case is ignored: of words that differ only in
        case, the first in the table counts. A correlation with a constant is nan.
        Raises ValueError for a line of another form, or fewer than two pairs of known words.
        """
        if isinstance(pairs, str | os.PathLike):
            pairs = read_pairs(pairs)
        known = {word.lower(): word for word in reversed(self.index_to_key)}
        people, cosine, total = [], [], 0
        for a, b, score in pairs:
            total += 1
            if a.lower() in known and b.lower() in known:
                people.append(float(score))
                cosine.append(self.similarity(known[a.lower()], known[b.lower()]))
        if len(people) < 2:
            raise ValueError(
                f"pairs must hold at least two of known words, got {len(people)} among {total}"
            )
        gold, ours = np.array(people), np.array(cosine)
        spearman = correlation(average_ranks(gold), average_ranks(ours))
        return WordPairScores(correlation(gold, ours), spearman, 1 - len(people) / total)


def neighbour_agreement(
    wv_a: KeyedVectors, wv_b: KeyedVectors, topn: int = 10, words: Sequence[str] | None = None
) -> float:
    """The share of a word's topn nearest words that both tables name, the mean over `words`.

    1: the same neighbours; topn/(V − 1): chance. words: default, all that both tables have.
    """
    if words is None:
        words = [word for word in wv_a.index_to_key if word in wv_b]
    if not words:
        raise ValueError("words must hold at least one word that both tables have, got none")
    both = zip(wv_a.nearest(words, topn), wv_b.nearest(words, topn), strict=True)
    return sum(len(a & b) for a, b in both) / (topn * len(words))


def read_pairs(path: str | os.PathLike[str]) -> Iterator[tuple[str, str, float]]:
    """(word, word, score) from a file in the form of WordSim-353 and SimLex-999."""
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            try:
                a, b, score = line.split("\t") if "\t" in line else line.split()
                yield a.strip(), b.strip(), float(score)
            except ValueError:
                raise ValueError(
                    f"{path}, line {number}: must be two words and a score, got {line!r}"
                ) from None


def row_norms(table: Any) -> Array:
    """|E_i| of every row, (V,) float32, from `E[ids]` alone; ValueError if a row is not finite."""
    starts = range(0, table.shape[0], BATCH)
    ids = (np.arange(start, min(start + BATCH, table.shape[0])) for start in starts)
    norms = [np.linalg.norm(table[chunk], axis=1).astype(np.float32) for chunk in ids]
    result = np.concatenate(norms) if norms else np.zeros(0, np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"vectors must be finite, row {np.isfinite(result).argmin()} is not")
    return result


def unit_rows(x: Array) -> Array:
    """x / |x| row by row; a zero row stays zero."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def average_ranks(x: Array) -> Array:
    """Ranks from 1; equal values share the mean of their ranks: [5, 7, 7] -> [1, 2.5, 2.5]."""
    _, which, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[which]


def correlation(x: Array, y: Array) -> float:
    """Pearson's Σ x'y' / √(Σ x'² Σ y'²), x' = x − mean; nan if either is constant."""
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else math.nan


def as_list(keys: Any) -> list[Any]:
    """A word or a vector on its own as a list of one."""
    alone = isinstance(keys, str) or (isinstance(keys, np.ndarray) and keys.ndim == 1)
    return [keys] if alone else list(keys)
