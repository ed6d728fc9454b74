"""Vectors under their words: look-up, nearest words, and the queries that people know from gensim.

    cos(a, b) = a·b / (|a| |b|)

Every query is `E[ids]` and `x @ E.T`, which an array answers and a compressed table too: nearest
words are searched on the packed bytes. A zero vector has cosine 0 to everything.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from minilm.embeddings.added_words import with_words
from minilm.embeddings.analogies import word_analogies
from minilm.embeddings.mean_vector import KEY, Key, checked, mean_vector, similarity_of_means
from minilm.embeddings.neighbours import doesnt_match, most_similar, most_similar_cosmul, nearest
from minilm.embeddings.saved_vectors import load_vectors, save_vectors
from minilm.embeddings.table_rows import batches, row_norms, unit_rows
from minilm.embeddings.unknown_word import UnknownWordError
from minilm.embeddings.word2vec_format import read_word2vec, write_word2vec
from minilm.embeddings.word_pairs import WordPairScores, word_pair_scores
from minilm.types import Array


class KeyedVectors:
    """V words and their vectors: wv["word"], "word" in wv, len(wv). Rows go by number, too: wv[0].

    index_to_key: the words; vectors: (V, D), an array or a compressed table (taken as it is, not
    copied); key_to_index: the words' rows; counts: (V,) how often the text had each word, where
    that is known. norms: (V,) lengths of the vectors, measured at once; who changes the vectors
    calls fill_norms(force=True) or sets norms to None.
    Every query raises KeyError for an unknown word. Here: ValueError for a word given twice,
    another number of vectors than words, or vectors that are not finite.
    """

    def __init__(
        self, index_to_key: Sequence[str], vectors: Any, counts: Array | None = None
    ) -> None:
        self.index_to_key = list(index_to_key)
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        self.vectors, self.counts = vectors, counts
        if len(self.key_to_index) != len(self.index_to_key):
            raise ValueError("index_to_key must hold every word once, got a word twice")
        if not hasattr(vectors, "ndim"):
            raise TypeError(f"vectors must be an array or a weight, got {type(vectors).__name__}")
        if vectors.ndim != 2 or vectors.shape[0] != len(self.index_to_key):
            raise ValueError(
                f"vectors must have shape (V, D), a row for each of the {len(self.index_to_key)} "
                f"words, got {tuple(vectors.shape)}"
            )
        if counts is not None and counts.shape != (len(self),):
            raise ValueError(f"counts must have shape ({len(self)},), got {counts.shape}")
        self.norms: Array | None = None
        self.fill_norms()

    # -- look-up ----------------------------------------------------------------------------------

    @property
    def vector_size(self) -> int:
        return int(self.vectors.shape[1])

    def __repr__(self) -> str:
        return f"{type(self).__name__}<vector_size={self.vector_size}, {len(self)} keys>"

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __iter__(self) -> Iterator[Array]:
        """The vectors, row after row (the words are in index_to_key)."""
        return (row for ids in batches(len(self)) for row in self.vectors[ids])

    def __contains__(self, key: Key) -> bool:
        return self.has_index_for(key)

    def has_index_for(self, key: Key) -> bool:
        """Has the key a row? (A table of word pieces has vectors for words without one.)"""
        return self.get_index(key, -1) >= 0

    def get_index(self, key: Key, default: int | None = None) -> int:
        """The row of a word, or of a row's number; for an unknown one default, if given."""
        if key in self.key_to_index:
            return self.key_to_index[key]  # type: ignore[index]
        if isinstance(key, int | np.integer) and 0 <= key < len(self):
            return int(key)
        if default is None:
            raise UnknownWordError(key, self.index_to_key)
        return default

    def vectors_of(self, keys: Sequence[Key]) -> Array:
        """(n, D): the vectors of these words; all queries by word come here."""
        return self.vectors[np.array([self.get_index(key) for key in keys], np.intp)]

    def __getitem__(self, keys: Key | Sequence[Key]) -> Array:
        """The vector of one word (D,), or of a list of words (n, D)."""
        return self.get_vector(keys) if isinstance(keys, KEY) else self.vectors_of(keys)

    def get_vector(self, key: Key, norm: bool = False) -> Array:
        """The vector of one word (D,), of length 1 with norm=True."""
        vector = self.vectors_of([key])
        return unit_rows(vector)[0] if norm else vector[0]

    def unit_vectors(self, ids: Array) -> Array:
        """E[ids] / |E[ids]|: rows (n,) -> (n, D)."""
        return unit_rows(self.vectors[ids])

    def get_normed_vectors(self) -> Array:
        """The whole table as floats, every row of length 1: (V, D)."""
        return self.unit_vectors(np.arange(len(self)))

    def fill_norms(self, force: bool = False) -> Array:
        """The lengths of the vectors, (V,): measured if need be, or again with force=True."""
        if self.norms is None or force:
            self.norms = row_norms(self.vectors)
        return self.norms

    def get_mean_vector(
        self,
        keys: Sequence[Key | Array],
        weights: Sequence[float] | Array | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> Array:
        """Σ w_i x_i / Σ |w_i| over words and vectors: (D,).

        pre_normalize: each word's vector (not a vector given as such) at length 1;
        post_normalize: the mean, too; ignore_missing: unknown words are left out.
        """
        return mean_vector(self, keys, weights, pre_normalize, post_normalize, ignore_missing)

    def get_vecattr(self, key: Key, attr: str) -> int:
        """How often the text had the word, attr="count"; KeyError where that is not known."""
        if attr != "count":
            raise KeyError(f"attr must be 'count', got {attr!r}")
        if self.counts is None:
            raise KeyError("no counts are known of these vectors, which were not trained here")
        return int(self.counts[self.get_index(key)])

    def add_vectors(self, keys: Sequence[str], weights: Any, replace: bool = False) -> None:
        """Rows for more words: weights (n, D). What a word has already stays, unless replace=True.

        The table is made anew, a model's own is left as it is: train first, then add. New words
        have count 0. TypeError for a compressed table.
        """
        # checked before anything is changed
        vars(self).update(vars(KeyedVectors(*with_words(self, keys, weights, replace))))

    def add_vector(self, key: str, vector: Any) -> int:
        """A row for one more word -> its number."""
        self.add_vectors([key], np.asarray(vector)[None])
        return self.key_to_index[key]

    # -- cosines ----------------------------------------------------------------------------------

    def cosines(self, x: Array, count: int | None = None) -> Array:
        """cos of each query with every word, or with the first `count`: (n, D) -> (n, V)."""
        norms = self.fill_norms()[:count]
        if len(norms) == len(self):
            products = unit_rows(x) @ self.vectors.T
        else:
            parts = [unit_rows(x) @ self.vectors[ids].T for ids in batches(len(norms))]
            products = np.concatenate(parts, axis=1)
        return products * (1 / np.where(norms > 0, norms, 1))

    def similarity(self, w1: Key, w2: Key) -> float:
        """cos of the two words' vectors."""
        x, y = unit_rows(self.vectors_of([w1, w2]))
        return float(x @ y)

    def distance(self, w1: Key, w2: Key) -> float:
        """1 − cos."""
        return 1 - self.similarity(w1, w2)

    def distances(self, word_or_vector: Key | Array, other_words: Sequence[Key] = ()) -> Array:
        """1 − cos with each of the other words, (n,), or with every word of the table, (V,)."""
        x = word_or_vector
        x = checked(x, self.vector_size) if isinstance(x, np.ndarray) else self.get_vector(x)
        if len(other_words):
            return 1 - unit_rows(self.vectors_of(other_words)) @ unit_rows(x[None])[0]
        return 1 - self.cosines(x[None])[0]

    def n_similarity(self, ws1: Sequence[Key], ws2: Sequence[Key]) -> float:
        """cos of the two lists' mean vectors."""
        return similarity_of_means(self, ws1, ws2)

    def closer_than(self, key1: Key, key2: Key) -> list[str]:
        """The words that are nearer to key1 than key2 is, in the table's order."""
        distance = self.distances(key1)
        nearer = np.flatnonzero(distance < distance[self.get_index(key2)])
        return [self.index_to_key[i] for i in nearer if i != self.get_index(key1, -1)]

    def rank(self, key1: Key, key2: Key) -> int:
        """The place of key2 among the neighbours of key1: 1 for the nearest."""
        return len(self.closer_than(key1, key2)) + 1

    def most_similar_to_given(self, key1: Key, keys_list: Sequence[Key]) -> Key:
        """The one of keys_list that is nearest to key1."""
        if isinstance(keys_list, str) or not len(keys_list):
            raise ValueError(f"keys_list must be a list of at least one word, got {keys_list!r}")
        return keys_list[int(self.distances(key1, keys_list).argmin())]

    def doesnt_match(self, words: Sequence[Key]) -> Key:
        """The word that is farthest from the mean of all; unknown ones are left out and named."""
        return doesnt_match(self, words)

    # -- neighbours -------------------------------------------------------------------------------

    def most_similar(
        self, positive: Any = (), negative: Any = (), topn: int | None = 10, *,
        restrict_vocab: int | None = None,
    ) -> Any:  # fmt: skip
        """The topn words of highest cosine with the mean of positive and −negative: [(word, cos)].

        Each side: a word, a vector, or a list of these and of (word, weight); words count at length
        1, vectors as they are. The words asked with are not answered. restrict_vocab: only so many
        first words are searched. topn=None: the cosine of each of them instead, (V,).
        So a : b = c : ? is most_similar(positive=[b, c], negative=[a]).
        """
        return most_similar(self, positive, negative, topn, restrict_vocab)

    def most_similar_cosmul(
        self, positive: Any = (), negative: Any = (), topn: int | None = 10,
        restrict_vocab: int | None = None,
    ) -> Any:  # fmt: skip
        """most_similar by a product, Π (1 + cos)/2 over positive / the same over negative, all
        keys at length 1 and without weights: see `neighbours`."""
        return most_similar_cosmul(self, positive, negative, topn, restrict_vocab)

    def similar_by_word(
        self, word: Key, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Any:
        """most_similar to one word."""
        return self.most_similar([word], topn=topn, restrict_vocab=restrict_vocab)

    similar_by_key = similar_by_word  # gensim has both names

    def similar_by_vector(
        self, vector: Array, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Any:
        """most_similar to one vector: no word is left out."""
        return self.most_similar([vector], topn=topn, restrict_vocab=restrict_vocab)

    def nearest(self, words: Sequence[Key], topn: int = 10) -> list[set[str]]:
        """The topn nearest words of each word, itself left out."""
        return nearest(self, words, topn)

    # -- agreement with people --------------------------------------------------------------------

    def evaluate_word_pairs(
        self, pairs: str | os.PathLike[str] | Iterable[tuple[str, str, float]], **how: Any
    ) -> WordPairScores:
        """Do the cosines rank word pairs as people do? Correlations with p-values, % unknown.

        pairs: (word, word, score) triples, or a file of them, one a line, parted by tabs or
        spaces (or `delimiter`); lines that begin with # are comments, the first may be a heading.
        how: restrict_vocab=300_000, only so many first words are known; case_insensitive=True: of
        words that differ only in case, the first counts; dummy4unknown=False: True gives pairs of
        unknown words the cosine 0, else they are left out. A correlation with a constant is nan.
        Raises ValueError for a line of another form, or fewer than two pairs of known words.
        """
        return word_pair_scores(self, pairs, **how)

    def evaluate_word_analogies(
        self, analogies: str | os.PathLike[str], **how: Any
    ) -> tuple[float, list[dict[str, Any]]]:
        """The share of analogies that are solved, and for each section of the file which ones.

        analogies: a file of lines "a b c d" in sections, each begun by a line ": name".
        how: as in `evaluate_word_pairs`; questions with an unknown word are left out, or count as
        wrong with dummy4unknown=True.  ->  share of all, 0 where no question is known,
        [{"section": name, "correct": [(a, b, c, d), …], "incorrect": […]}, …, the same of all as
        "Total accuracy"].
        Raises ValueError for a line of another form, or no questions.
        """
        return word_analogies(self, analogies, **how)

    # -- files ------------------------------------------------------------------------------------

    def save(self, fname: str | os.PathLike[str]) -> None:
        """Words, counts and vectors in minilm's own file: see `saved_vectors`."""
        save_vectors(fname, self, {"vectors": self.vectors})

    @classmethod
    def load(cls, fname: str | os.PathLike[str], mmap: str | None = None) -> "KeyedVectors":
        """What `save` wrote; ValueError naming any other file. mmap is taken for gensim's sake."""
        header, tables = load_vectors(fname, cls.__name__)
        return cls(header["words"], tables["vectors"], header["counts"])

    def save_word2vec_format(
        self, fname: str | os.PathLike[str], *, binary: bool = False, write_header: bool = True
    ) -> None:
        """Write the file that word2vec programs exchange: see `write_word2vec`."""
        write_word2vec(fname, self.index_to_key, self.vectors, binary=binary, header=write_header)

    @staticmethod
    def load_word2vec_format(
        fname: str | os.PathLike[str], *, binary: bool = False,
        unicode_errors: str = "strict", limit: int | None = None, no_header: bool = False,
    ) -> "KeyedVectors":  # fmt: skip
        """Read such a file: see `read_word2vec`. no_header: a text file as GloVe's program writes.

        Raises EOFError for a truncated file, ValueError for one of another form.
        """
        return KeyedVectors(*read_word2vec(
            fname, binary=binary, header=not no_header, limit=limit, unicode_errors=unicode_errors
        ))  # fmt: skip
