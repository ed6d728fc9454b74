"""Words by their parts: character n-grams, hashed, as rows of one table.

A word is set between < and >, so that beginnings and ends differ from middles, and cut into all its
runs of min_n to max_n characters:

    she, 3 to 4   ->   <sh  <she  she  she>  he>

Each n-gram has a number, its bucket: the hash of its UTF-8 bytes, modulo `bucket`. Two n-grams with
one bucket share a row; that is rare while `bucket` is large against the n-grams there are. A word's
vector is the mean of its rows, its own and its n-grams':

    v_w = 1/|R_w| Σ_{r ∈ R_w} z_r                             Bojanowski et al. 2017, section 3.2

(The paper prints the sum; the published program divides by |R_w|.) For many words at once this is
one product with a sparse matrix of averages, kept as the list of all their rows and where each
word's part of it starts. A word that was never read has no row of its own, but n-grams that other
words have.

The published program counts two million buckets and holds a row for each, of which a text of ten
thousand words fills one in forty. Here a bucket that no known word falls into has no row. Such a
row would only hold the random numbers it began with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilm.models.language_model import check_positive
from minilm.types import Array

OFFSET, PRIME = 2166136261, 16777619  # of the 32-bit hash


def character_ngrams(word: str, min_n: int = 3, max_n: int = 6) -> list[str]:
    """All runs of min_n to max_n characters of <word>, those that begin first the first.

    < and > alone are none. Duplicates stay: "aaaa" has "aaa" twice.
    """
    text = f"<{word}>"
    return [
        text[start : start + n]
        for start in range(len(text))
        for n in range(min_n, min(max_n, len(text) - start) + 1)
        if not (n == 1 and start in (0, len(text) - 1))
    ]


def fnv1a(ngram: str) -> int:
    """The 32-bit FNV-1a hash of the UTF-8 bytes: h = (h xor byte) · 16777619, byte by byte.

    As in the published program, a byte of 128 or more counts as a negative number, −128 … −1, whose
    upper 24 bits are ones. Only so do characters beyond ASCII fall into the same buckets.
    """
    h = OFFSET
    for byte in ngram.encode():
        h = (h ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * PRIME & 0xFFFFFFFF
    return h


class Subwords:
    """The rows that make up each of V words, in a table of V + G rows.

    Row i < V is word i's own. The others belong to the G buckets that some word falls into.

    rows: (S,) all words' rows, one word after the other, its own first; starts: (V + 1,), word i
    has rows[starts[i] : starts[i + 1]]; buckets: (G,), ascending, the g-th has row V + g.

    Raises ValueError unless 1 <= min_n <= max_n and bucket >= 1, all integers.
    """

    def __init__(
        self, words: Sequence[str], min_n: int = 3, max_n: int = 6, bucket: int = 2_000_000
    ) -> None:
        check_positive(min_n=min_n, max_n=max_n, bucket=bucket)
        if min_n > max_n:
            raise ValueError(f"min_n must be at most max_n, got min_n={min_n} and max_n={max_n}")
        self.min_n, self.max_n, self.bucket = min_n, max_n, bucket
        hashed = [self.buckets_of(word) for word in words]
        self.starts = np.zeros(len(words) + 1, np.intp)
        np.cumsum([1 + len(found) for found in hashed], out=self.starts[1:])

        of_ngrams = np.array([b for found in hashed for b in found], np.int64)
        self.buckets, which = np.unique(of_ngrams, return_inverse=True)
        self.rows = np.empty(self.starts[-1], np.int32)
        own = np.zeros(len(self.rows), bool)
        own[self.starts[:-1]] = True
        self.rows[own] = np.arange(len(words))
        self.rows[~own] = len(words) + which

    @property
    def word_count(self) -> int:
        """V."""
        return len(self.starts) - 1

    @property
    def row_count(self) -> int:
        """V + G."""
        return self.word_count + len(self.buckets)

    def buckets_of(self, word: str) -> list[int]:
        """The buckets of a word's n-grams."""
        ngrams = character_ngrams(word, self.min_n, self.max_n)
        return [fnv1a(ngram) % self.bucket for ngram in ngrams]

    def rows_of(self, ids: Array) -> tuple[Array, Array]:
        """The rows of some words, one word after the other, and where each word's start.

        ids: (n,), 0 <= ids < V  ->  rows (s,), starts (n,)
        """
        size = self.starts[ids + 1] - self.starts[ids]
        ends = np.cumsum(size)
        places = np.arange(ends[-1]) + np.repeat(self.starts[ids] - (ends - size), size)
        return self.rows[places], ends - size

    def rows_of_buckets(self, buckets: Sequence[int] | Array) -> Array:
        """The rows of those of the buckets that have one: (n,), may be empty."""
        wanted = np.asarray(buckets, np.int64)
        place = np.searchsorted(self.buckets, wanted)
        there = np.append(self.buckets, -1)[place] == wanted
        return self.word_count + place[there]

    def rows_of_unseen(self, word: str) -> Array:
        """The rows of those of a word's n-grams that some known word shares: (n,), may be empty."""
        return self.rows_of_buckets(self.buckets_of(word))


def mean_rows(table: Any, rows: Array, starts: Array) -> Array:
    """v_i = the mean of table[rows[starts_i : starts_{i+1}]], no part empty: -> (n, D)."""
    sums = np.add.reduceat(table[rows], starts)
    return sums / np.diff(starts, append=len(rows))[:, None].astype(sums.dtype)


def add_to_rows(table: Array, rows: Array, changes: Array) -> None:
    """table[rows] += changes, in place; a row that is named several times takes them all."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    first = np.flatnonzero(np.diff(ascending, prepend=-1))
    table[ascending[first]] += np.add.reduceat(changes[order], first)
