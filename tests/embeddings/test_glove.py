"""One pair by hand, tiles as the sum of their pairs, AdaGrad's step, and vectors from sentences."""

import math

import numpy as np
import pytest

from minilm.embeddings import glove
from minilm.embeddings.cooccurrence import Cooccurrences
from minilm.embeddings.glove import (
    GloVe,
    Tile,
    adagrad_step,
    pair_gradients,
    tiles,
    weighted_squares,
    weighted_squares_backward,
)
from minilm.nn import check_gradient

ENTRIES = [(0, 1, 4.0), (0, 2, 0.5), (2, 1, 30.0), (2, 2, 1.0), (4, 0, 9.0)]  # row, column, X


def two_topics(sentences=100, seed=0):
    """Sentences of six words, each a0 … a9 or b0 … b9, five in six of them from one topic.

    Not all: pairs that never met are no entries, so GloVe would not know that they are apart.
    """
    rng = np.random.default_rng(seed)
    topic = (np.arange(sentences)[:, None] + (rng.random((sentences, 6)) < 1 / 6)) % 2
    words = np.char.add(np.array(["a", "b"])[topic], rng.integers(0, 10, topic.shape).astype(str))
    return words.tolist()


def weight_of(count, x_max=10, exponent=0.75):
    return (count / x_max) ** exponent if count < x_max else 1.0


@pytest.fixture
def tile():
    """ENTRIES as a tile of 5 rows and 3 columns."""
    return Tile(
        np.arange(5), np.arange(3),
        np.array([i * 3 + j for i, j, _ in ENTRIES]),
        np.log([x for *_, x in ENTRIES]),
        np.array([weight_of(x) for *_, x in ENTRIES]),
    )  # fmt: skip


@pytest.fixture
def vectors():
    """v (5, D), u (3, D), b (5,), c (3,)."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in ((5, 4), (3, 4), (5,), (3,))]


def test_one_pair_by_hand():
    v, u = np.array([1.0, 2.0]), np.array([3.0, 0.5])
    # v·u + b + c − log e² = 4 + 1 + 0 − 2 = 3, weighted by ½
    dv, du, db = pair_gradients(v, u, 1.0, 0.0, math.exp(2), 0.5)
    assert dv == pytest.approx([4.5, 0.75]) and du == pytest.approx([1.5, 3]) and db == 1.5
    here = Tile(np.arange(1), np.arange(1), np.array([0]), np.array([2.0]), np.array([0.5]))
    loss, _ = weighted_squares(v[None], u[None], np.ones(1), np.zeros(1), tile=here)
    assert loss == pytest.approx(0.5 * 9 / 2)


def test_gradient_of_a_tile(vectors, tile):
    assert check_gradient(weighted_squares, weighted_squares_backward, *vectors, tile=tile) < 1e-5


def test_a_tile_is_the_sum_of_its_pairs(vectors, tile):
    v, u, b, c = vectors
    expected = [np.zeros_like(x) for x in vectors]
    total = 0.0
    for i, j, count in ENTRIES:  # words 0 and 2 come twice, columns 1 and 2 too
        dv, du, db = pair_gradients(v[i], u[j], b[i], c[j], count, weight_of(count))
        total += weight_of(count) * (v[i] @ u[j] + b[i] + c[j] - math.log(count)) ** 2 / 2
        for gradient, row, part in zip(expected, (i, j, i, j), (dv, du, db, db), strict=True):
            gradient[row] += part
    loss, cache = weighted_squares(*vectors, tile=tile)
    assert loss == pytest.approx(total)
    for got, want in zip(weighted_squares_backward(1.0, cache), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-12)


def test_no_number_is_widened(vectors, tile):
    narrow = [x.astype(np.float32) for x in vectors]
    tile = tile._replace(
        log_counts=tile.log_counts.astype(np.float32), weights=tile.weights.astype(np.float32)
    )
    _, cache = weighted_squares(*narrow, tile=tile)
    assert {g.dtype for g in weighted_squares_backward(1.0, cache)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("group", [2, 3, 5, 512])
def test_every_entry_is_in_one_tile(group, monkeypatch):
    monkeypatch.setattr(glove, "GROUP", group)
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 30, (11, 11)) * (rng.random((11, 11)) < 0.5)
    counts = Cooccurrences.from_dense(dense)
    found, weights = np.zeros((11, 11)), np.zeros((11, 11))
    for t in tiles(counts, 10, 0.75, np.random.default_rng(1)):
        assert len(t.rows) <= group and len(t.columns) <= group and len(t.places)
        i, j = t.rows[t.places // len(t.columns)], t.columns[t.places % len(t.columns)]
        assert not found[i, j].any()
        found[i, j], weights[i, j] = np.exp(t.log_counts), t.weights
    np.testing.assert_allclose(found, dense, rtol=1e-5)
    expected = [[weight_of(x) if x else 0 for x in row] for row in dense]
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_adagrad_by_hand():
    table, squares = np.ones((3, 2)), np.ones((3, 2))
    rows, gradient = np.array([2, 0]), np.array([[30.0, 0.0], [0.0, -40.0]])
    adagrad_step(table, squares, rows, gradient, rate=0.1)
    assert squares.tolist() == [[1, 17], [1, 1], [10, 1]]
    assert table[1].tolist() == [1, 1] and table[2, 1] == table[0, 0] == 1
    assert table[2, 0] == pytest.approx(1 - 3 / math.sqrt(10))
    assert table[0, 1] == pytest.approx(1 + 4 / math.sqrt(17))
    adagrad_step(table, squares, rows[:1], gradient[:1], rate=0.1)
    assert squares[2, 0] == 19
    assert table[2, 0] == pytest.approx(1 - 3 / math.sqrt(10) - 3 / math.sqrt(19))


def test_two_topics_are_found():
    model = GloVe(iter(two_topics(300)), vector_size=4, epochs=60, learning_rate=0.3)
    words = model.wv.index_to_key
    assert words == model.vocabulary.words and model.wv.vectors.shape == (20, 4)
    untrained = GloVe(two_topics(300), vector_size=4, epochs=1, learning_rate=1e-9).wv

    def agreement(wv):
        near = zip(words, wv.nearest(words, topn=9), strict=True)
        return np.mean([other[0] == word[0] for word, found in near for other in found])

    assert agreement(model.wv) > 0.95 > 0.7 > agreement(untrained)
    assert len(model.losses) == 60 and model.losses[-1] < 0.3 * model.losses[0]


def test_scores_become_the_logarithms(monkeypatch):
    """With as many numbers as words, J can be 0: v·u + b + c = log X, by tiles of any size."""
    monkeypatch.setattr(glove, "GROUP", 8)
    counts = np.exp(np.random.default_rng(0).standard_normal((20, 20)))
    entries = tiles(Cooccurrences.from_dense(counts), 1.0, 0.75, np.random.default_rng(1))
    assert len(entries) == 9
    params = glove.initial(20, 20, np.random.default_rng(2))
    losses = glove.train(params, entries, 400, 0.3, np.random.default_rng(3))
    scores = params["input_embedding"] @ params["output_embedding"].T
    scores += params["input_bias"][:, None] + params["output_bias"]
    assert losses[-1] < 1e-4 < 0.1 < losses[0]
    np.testing.assert_allclose(scores, np.log(counts), atol=0.1)


def test_vectors_are_the_sum_of_both_tables():
    model = GloVe(two_topics(), vector_size=3, epochs=1)
    v, u = model.params["input_embedding"], model.params["output_embedding"]
    assert np.array_equal(model.wv.vectors, v + u)
    assert {(name, p.shape, p.dtype.name) for name, p in model.params.items()} == {
        ("input_embedding", (20, 3), "float32"), ("output_embedding", (20, 3), "float32"),
        ("input_bias", (20,), "float32"), ("output_bias", (20,), "float32"),
    }  # fmt: skip


def test_the_same_seed_gives_the_same_bits():
    a, b, c = (GloVe(two_topics(), vector_size=3, epochs=2, seed=s).wv.vectors for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_highest_rate_does_not_diverge():
    model = GloVe(two_topics(), vector_size=8, epochs=50, learning_rate=1.0, x_max=1e-3)
    assert np.abs(model.wv.vectors).max() < 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vector_size": 0}, "vector_size must be an integer of at least 1, got 0"),
        ({"window": 0}, "window"),
        ({"epochs": 0}, "epochs"),
        ({"min_count": 0}, "min_count"),
        ({"min_count": 10_000}, "min_count=10000 leaves no word"),
        ({"learning_rate": 0.0}, r"learning_rate must be in \(0, 1\], got 0\.0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"x_max": 0}, "x_max must be a number above 0, got 0"),
        ({"x_max": float("inf")}, "x_max"),
        ({"exponent": -0.5}, "exponent must be a number of at least 0, got -0.5"),
        ({"exponent": float("nan")}, "exponent"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        GloVe(two_topics(10), **{"vector_size": 4, "min_count": 1, "epochs": 1, **options})


def test_bad_sentences():
    with pytest.raises(TypeError, match="split it first"):
        GloVe(["the cat sat on the mat"], min_count=1)
    with pytest.raises(ValueError, match="at least one word"):
        GloVe([])
    with pytest.raises(ValueError, match="two words of one sentence"):
        GloVe([["a"], ["b"], ["a"]], min_count=1)
