"""GloVe: vectors whose products are the logarithms of how often words stand near each other.

    J = ½ Σ_ij f(X_ij) (v_i·u_j + b_i + c_j − log X_ij)²,      f(x) = min(1, (x / x_max)^α)

over the entries X_ij > 0 of the co-occurrence matrix (Pennington et al. 2014, eq. 8; the ½ is the
published program's). f lets frequent pairs count more, but none more than 1. The biases take up
what is due to a word's own frequency, and v·u is left with what a PMI measures. Pairs that never
met are no entries: that they are apart, GloVe is not told.

One pair's gradients are one line each, `pair_gradients`. To take many at once the words are dealt
into groups of GROUP at random, and a tile, all entries between one group of rows and one of
columns, is a step. Its scores are one product (R, D) @ (D, C), of which only the places of entries
are used; its gradients are two more, in which the pairs that share a word are added up by the
product itself. So all V² pairs are multiplied, of which a few per cent are entries. With some ten
thousand words that is still cheaper than to fetch, sort and add two vectors for every entry.

A step's length is AdaGrad's: every number has its own, which shrinks by the gradients it has seen.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from minilm.embeddings.cooccurrence import Cooccurrences, cooccurrences, inverse_distance
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.vocabulary import read_corpus
from minilm.models.language_model import check_positive
from minilm.types import Array, Cache, Params

GROUP = 512  # words of a tile's rows, and of its columns


class Tile(NamedTuple):
    """The n entries between R words and C others.

    rows: (R,), columns: (C,) word ids, each once; places: (n,) = row of the tile · C + column;
    log_counts: (n,) log X; weights: (n,) f(X).
    """

    rows: Array
    columns: Array
    places: Array
    log_counts: Array
    weights: Array


class GloVe:
    """GloVe trained when it is made, from the sentences that Word2Vec takes.

        model = GloVe(sentences, vector_size=100)
        model.wv["word"]; model.wv.most_similar("word")

    sentences: lists of words, read once (a generator will do); no window crosses from one to
    another. vector_size: D; window: the largest distance of a pair, which counts 1/distance; words
    occurring fewer than min_count times are left out; epochs: times the entries are gone through;
    learning_rate: AdaGrad's first; x_max, exponent: f(x) = min(1, (x / x_max)^exponent).

    The published x_max is 100, for texts of 10^9 words; its demonstration with 10^7 words takes 10.

    wv: v + u as KeyedVectors, as in the paper; params: {"input_embedding", "output_embedding"}
    (V, D) and {"input_bias", "output_bias"} (V,), float32; vocabulary: words and counts; losses:
    the mean of J's terms in each epoch, before each step.

    Raises TypeError for strings in the place of token lists; ValueError for settings out of range,
    no word left, or no two words in one sentence.
    """

    def __init__(
        self,
        sentences: Iterable[Sequence[str]],
        vector_size: int = 100,
        window: int = 10,
        min_count: int = 5,
        epochs: int = 25,
        learning_rate: float = 0.05,
        x_max: float = 10.0,
        exponent: float = 0.75,
        seed: int = 1,
    ) -> None:
        check_positive(vector_size=vector_size, window=window, min_count=min_count, epochs=epochs)
        if not 0 < learning_rate <= 1:
            raise ValueError(f"learning_rate must be in (0, 1], got {learning_rate!r}")
        if not 0 < x_max < math.inf:
            raise ValueError(f"x_max must be a number above 0, got {x_max!r}")
        if not 0 <= exponent < math.inf:
            raise ValueError(f"exponent must be a number of at least 0, got {exponent!r}")
        self.vocabulary, ids, sentence_of = read_corpus(sentences, min_count)
        V = len(self.vocabulary)
        counts = cooccurrences(ids, sentence_of, V, inverse_distance(window))
        rng = np.random.default_rng(seed)
        entries = tiles(counts, x_max, exponent, rng)
        del counts, ids, sentence_of
        self.params = initial(V, vector_size, rng)
        self.losses = train(self.params, entries, epochs, learning_rate, rng)
        both = self.params["input_embedding"] + self.params["output_embedding"]
        self.wv = KeyedVectors(self.vocabulary.words, both, self.vocabulary.counts)


def pair_gradients(
    v: Array, u: Array, b: float, c: float, count: float, weight: float
) -> tuple[Array, Array, float]:
    """The naive form: one pair's dv (D,), du (D,), and its db, which is dc as well."""
    error = weight * (v @ u + b + c - math.log(count))
    return error * u, error * v, error


def weighted_squares(v: Array, u: Array, b: Array, c: Array, *, tile: Tile) -> tuple[float, Cache]:
    """J = ½ Σ_n f_n (v_i·u_j + b_i + c_j − log X_n)² over a tile's entries.

    v: (R, D), u: (C, D), b: (R,), c: (C,): the rows of the tile's words  ->  J, cache
    """
    scores = v @ u.T + b[:, None] + c
    residual = scores.reshape(-1)[tile.places] - tile.log_counts
    weighted = tile.weights * residual
    error = np.zeros_like(scores)  # 0: not an entry
    error.reshape(-1)[tile.places] = weighted
    return float(weighted @ residual) / 2, (error, v, u)


def weighted_squares_backward(dy: float, cache: Cache) -> tuple[Array, Array, Array, Array]:
    """Gradients of weighted_squares, in its argument order: dv, du, db, dc."""
    error, v, u = cache
    error = dy * error
    return error @ u, error.T @ v, error.sum(axis=1), error.sum(axis=0)


def adagrad_step(table: Array, squares: Array, rows: Array, gradient: Array, rate: float) -> None:
    """s = s + (η g)²,   w = w − η g / √s,   in place on the given rows of w and s, each once.

    s begins at 1, so that small gradients go at the rate η and no step is longer than 1. The
    published program adds the square after its step: for one pair no difference to speak of, for
    the sum of a tile's it would let the first step go anywhere.  Duchi et al. 2011, with η inside.
    """
    step = rate * gradient
    sums = squares[rows] + step * step
    squares[rows] = sums
    table[rows] -= step / np.sqrt(sums)


def train(
    params: Params, entries: list[Tile], epochs: int, learning_rate: float, rng: np.random.Generator
) -> list[float]:
    """Go through all tiles, in a new order each time; in place. The mean of J's terms by epoch."""
    names = ("input_embedding", "output_embedding", "input_bias", "output_bias")
    squares = {name: np.ones_like(params[name]) for name in names}
    count, losses = sum(len(tile.places) for tile in entries), []
    for _ in range(epochs):
        total = 0.0
        for number in rng.permutation(len(entries)):
            tile = entries[number]
            ids = (tile.rows, tile.columns, tile.rows, tile.columns)
            rows = [params[name][i] for name, i in zip(names, ids, strict=True)]
            loss, cache = weighted_squares(*rows, tile=tile)
            total += loss
            for name, i, g in zip(names, ids, weighted_squares_backward(1.0, cache), strict=True):
                adagrad_step(params[name], squares[name], i, g, learning_rate)
        losses.append(total / count)
    return losses


def initial(vocab_size: int, width: int, rng: np.random.Generator) -> Params:
    """All numbers uniform in ±1/(2D), biases too, as in the published program; float32."""

    def drawn(*shape: int) -> Array:
        return (rng.random(shape, dtype=np.float32) - 0.5) / width

    return {
        "input_embedding": drawn(vocab_size, width), "output_embedding": drawn(vocab_size, width),
        "input_bias": drawn(vocab_size), "output_bias": drawn(vocab_size),
    }  # fmt: skip


def tiles(
    counts: Cooccurrences, x_max: float, exponent: float, rng: np.random.Generator
) -> list[Tile]:
    """Deal rows and columns into groups at random; the entries, tile by tile (12 bytes each)."""
    V = counts.vocab_size
    groups = -(-V // GROUP)
    row_place, column_place = rng.permutation(V), rng.permutation(V)
    row, column = row_place[counts.rows], column_place[counts.columns]
    number = row // GROUP * groups + column // GROUP
    order = np.argsort(number, kind="stable")
    ends = np.searchsorted(number[order], np.arange(groups**2 + 1))
    log_counts = np.log(counts.values).astype(np.float32)
    weights = np.minimum(1, (counts.values / x_max) ** exponent).astype(np.float32)
    words_of_row, words_of_column = np.argsort(row_place), np.argsort(column_place)
    found = []
    for which in range(groups**2):
        mine = order[ends[which] : ends[which + 1]]
        if len(mine):
            first, second = (group * GROUP for group in divmod(which, groups))
            rows = words_of_row[first : first + GROUP]
            columns = words_of_column[second : second + GROUP]
            places = (row[mine] - first) * len(columns) + column[mine] - second
            places = places.astype(np.int32)
            found.append(Tile(rows, columns, places, log_counts[mine], weights[mine]))
    return found
