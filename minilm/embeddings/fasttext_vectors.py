"""The vectors of fastText: every word of the text has one, and so has nearly every other word.

A word that was never read is the mean of those of its n-grams' rows that the text did fill. A
misspelt word shares most of its n-grams with the intended one, so the two come out side by side.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minilm.embeddings.keyed_vectors import Key, KeyedVectors
from minilm.embeddings.saved_vectors import load_vectors, save_vectors
from minilm.embeddings.subwords import Subwords
from minilm.embeddings.unknown_word import UnknownWordError
from minilm.types import Array


class FastTextKeyedVectors(KeyedVectors):
    """V words, and any word that shares an n-gram with one of them: wv["mispelt"].

    index_to_key and vectors (V, D): as in KeyedVectors; table: (V + G, D), the rows of words and
    n-grams; subwords: which of them make up each word. Both tables may be compressed.

    Every query takes an unseen word where it takes a word to ask with; its answers are always among
    the V words. "word" in wv: has it a vector? wv.has_index_for("word"): is it one of the V? A word
    that is not, and of whose n-grams none is in the table, raises KeyError; so does the empty one.
    """

    def __init__(
        self, index_to_key: Sequence[str], vectors: Any, table: Any, subwords: Subwords,
        counts: Array | None = None,
    ) -> None:  # fmt: skip
        super().__init__(index_to_key, vectors, counts)
        if subwords.word_count != len(self) or tuple(table.shape) != (
            subwords.row_count, self.vector_size
        ):  # fmt: skip
            raise ValueError(
                f"table must have the {subwords.row_count} rows of subwords and the width "
                f"{self.vector_size} of vectors, and subwords the {len(self)} words, got table "
                f"{tuple(table.shape)} and {subwords.word_count} words"
            )
        self.table, self.subwords = table, subwords

    def __contains__(self, key: Key) -> bool:
        return self.has_index_for(key) or len(self._rows_of_unseen(key)) > 0

    def add_vectors(self, keys: Sequence[str], weights: Any, replace: bool = False) -> None:
        """Refused, TypeError: every word's vector is the mean of its n-grams' rows."""
        raise TypeError("a word's vector is made of its n-grams here, and none can be added")

    def save(self, fname: str | os.PathLike[str]) -> None:
        """Words, counts and both tables in minilm's own file: see `saved_vectors`."""
        parts = [self.subwords.min_n, self.subwords.max_n, self.subwords.bucket]
        save_vectors(fname, self, {"vectors": self.vectors, "table": self.table}, subwords=parts)

    @classmethod
    def load(cls, fname: str | os.PathLike[str], mmap: str | None = None) -> "FastTextKeyedVectors":
        """What `save` wrote; ValueError naming any other file. mmap is taken for gensim's sake."""
        header, tables = load_vectors(fname, cls.__name__)
        words = header["words"]
        subwords = Subwords(words, *header["subwords"])
        return cls(words, tables["vectors"], tables["table"], subwords, header["counts"])

    def vectors_of(self, keys: Sequence[Key]) -> Array:
        """(n, D): the vectors of these words, read or not."""
        index = [self.get_index(key, -1) for key in keys]
        found = self.vectors[np.array(index, np.intp)]
        for i, key in enumerate(keys):
            if index[i] < 0:
                rows = self._rows_of_unseen(key)
                if not len(rows):
                    raise UnknownWordError(key, self.index_to_key)
                found[i] = self.table[rows].mean(axis=0)
        return found

    def _rows_of_unseen(self, key: Any) -> Array:
        spelt = isinstance(key, str) and key != ""
        return self.subwords.rows_of_unseen(key) if spelt else np.zeros(0, np.intp)
