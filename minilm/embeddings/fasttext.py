"""FastText: word2vec with words that are made of parts.

Skip-gram and CBOW as they are, but v of a word is the mean of its own row and its n-grams' rows
(`subwords`). So words that look alike are alike from the start, rare words lean on frequent ones,
and words that were never read have vectors too.

A step is word2vec's own, on the vectors of the words in sight. Then every row of a word takes the
word's whole move:

    v_w = 1/|R_w| Σ_{r ∈ R_w} z_r        z_r −= rate · dv_w  for all r       so  v_w −= rate · dv_w

(and what other words that share its rows add). The gradient of z_r is dv_w / |R_w|: the rows' step
is |R_w| times as long, as in the published program. In CBOW, the words of a window count alike
here; there the mean goes over all rows of all its words at once, and long words count for more.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minilm.embeddings.fasttext_vectors import FastTextKeyedVectors
from minilm.embeddings.negative_sampling import row_limit
from minilm.embeddings.skip_gram_model import SkipGram
from minilm.embeddings.subwords import Subwords, add_to_rows, mean_rows
from minilm.embeddings.table_rows import batches
from minilm.embeddings.word2vec import Word2Vec
from minilm.embeddings.word2vec_training import Training
from minilm.types import Array


class SubwordTraining(Training):
    """Word2vec's training, each step on vectors made of rows, and handed on to the rows."""

    def step(self, sight: Array, numbers: Array, rate: float) -> float:
        """One run: words and sentence numbers in sight, (M + 2w,) each  ->  its loss, if wanted.

        Words that share rows move them together. To v_w comes, on average over its rows, what all
        centres ask for that have this row: those that are w (`count`) and others (`crowd`, with
        them). `descend` held w back where there is no room for `count`; here its move is shortened
        to what there is room for with the crowd.
        """
        params, subwords = self.model.params, self.model.subwords
        table, vectors = params["subword_embedding"], params["input_embedding"]
        words, count = np.unique(sight, return_counts=True)
        rows, starts = subwords.rows_of(words)
        vectors[words] = before = mean_rows(table, rows, starts)
        room = self.room(sight, rate)
        loss = super().step(sight, numbers, rate)

        size = np.diff(starts, append=len(rows))                        # |R_w|
        crowd = np.bincount(rows, np.repeat(count, size))
        crowd = np.add.reduceat(crowd[rows], starts) / size             # >= count
        shorter = np.minimum(1, room / crowd) / np.minimum(1, room / count)
        moves = (vectors[words] - before) * shorter[:, None].astype(table.dtype)
        add_to_rows(table, rows, np.repeat(moves, size, axis=0))
        return loss

    def room(self, sight: Array, rate: float) -> float:
        """How many centres of one word a step may have before `descend` holds the word back."""
        model, terms, limits = self.model, 0.0, []
        if model.negative:
            terms += 1 + model.negative
            limits.append(row_limit(model.params["output_embedding"][sight]))
        if model.hs:
            terms += np.average(model.tree.lengths, weights=model.vocabulary.counts)
            points, signs = model.tree.paths(sight)
            limits.append(row_limit(model.params["node_embedding"][points[signs != 0]]))
        if model.sg or model.cbow_mean:
            terms *= self.mean_size
        return min(limits) / (rate * terms)


class FastText(Word2Vec):
    """Word2Vec over words made of n-grams, under gensim's name and arguments.

        model = FastText(sentences, vector_size=100, sg=1)
        model.wv["word"]; model.wv["never read"]; model.wv.most_similar("mispelt")

    min_n, max_n: the lengths of n-grams, in characters; bucket: their hashes are taken modulo
    this; settings: those of Word2Vec, by name. Only buckets that some word falls into have a row,
    so memory does not grow with `bucket`: with two million, 8 000 words of English text have
    69 000 rows, 28 MB at D = 100, where two million rows would be 800 MB.

    wv: FastTextKeyedVectors; subwords: which rows make up each word; params: those of Word2Vec,
    its input_embedding (V, D) being the means, and subword_embedding (V + G, D), what they are the
    means of: the words' own rows, then the n-grams'.

    Raises as Word2Vec does; ValueError for min_n above max_n or any of the three below 1.
    Bojanowski et al. 2017.
    """

    training = SubwordTraining
    settings = (*Word2Vec.settings, "min_n", "max_n", "bucket")

    def __init__(
        self,
        sentences: Iterable[Sequence[str]] | None = None,
        corpus_file: str | os.PathLike[str] | None = None,
        *,
        min_n: int = 3,
        max_n: int = 6,
        bucket: int = 2_000_000,
        **settings: Any,
    ) -> None:
        self.subwords = Subwords([], min_n, max_n, bucket)  # of no words yet; looks at the three
        self.min_n, self.max_n, self.bucket = min_n, max_n, bucket
        super().__init__(sentences, corpus_file, **settings)

    def _make_tables(self) -> None:
        """Word2Vec's, and rows for every n-gram: those that there are keep what they learned."""
        old, known = self.params.get("subword_embedding"), self.subwords
        super()._make_tables()
        self.subwords = Subwords(self.vocabulary.words, self.min_n, self.max_n, self.bucket)
        start = SkipGram(self.subwords.row_count, self.vector_size).init(self.seed)
        table = start["input_embedding"]
        if old is not None:
            table[: known.word_count] = old[: known.word_count]
            table[self.subwords.rows_of_buckets(known.buckets)] = old[known.word_count :]
        self.params["subword_embedding"] = table
        self._publish()

    def _publish(self) -> None:
        """The words' vectors from their rows as they are now, and wv over both tables."""
        if "subword_embedding" not in self.params:  # Word2Vec has made its tables, not yet we ours
            return
        words, table = self.vocabulary.words, self.params["subword_embedding"]
        if self.subwords.word_count != len(words):  # loaded
            self.subwords = Subwords(words, self.min_n, self.max_n, self.bucket)
        self.params["input_embedding"] = word_means(table, self.subwords)
        super()._publish()
        self.wv: FastTextKeyedVectors = FastTextKeyedVectors(
            words, self.params["input_embedding"], table, self.subwords, self.vocabulary.counts
        )


def word_means(table: Any, subwords: Subwords) -> Array:
    """v of all V words, from an array or a compressed table of V + G rows: (V, D)."""
    parts = batches(subwords.word_count)
    return np.concatenate([mean_rows(table, *subwords.rows_of(ids)) for ids in parts])
