"""PMI by hand and by a double loop; the truncated SVD is NumPy's; topics are found."""

import math

import numpy as np
import pytest

from minilm.embeddings import ppmi as module
from minilm.embeddings.cooccurrence import Cooccurrences
from minilm.embeddings.ppmi import PPMI, ppmi, shifted_pmi, times, transposed_times, truncated_svd


def two_topics(sentences=100, seed=0):
    rng = np.random.default_rng(seed)
    return [[f"{'ab'[n % 2]}{k}" for k in rng.integers(0, 10, 6)] for n in range(sentences)]


def random_counts(V=40, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (V, V)) * (rng.random((V, V)) < 0.6)
    counts[0] = counts[:, 0] = 7  # no row and no column is empty
    return counts


def test_pmi_by_hand():
    x = Cooccurrences.from_dense(np.array([[4, 2], [2, 0]]))
    # 8 pairs; word 0 has 6 of them, word 1 two: log 4·8/36, log 2·8/12
    assert shifted_pmi(x).tolist() == pytest.approx([math.log(8 / 9), *[math.log(4 / 3)] * 2])
    assert shifted_pmi(x, negative=3)[0] == pytest.approx(math.log(8 / 27))
    # P_½ is √6 to √2: 0.634 and 0.366
    smooth = shifted_pmi(x, ns_exponent=0.5)
    assert smooth[0] == pytest.approx(math.log(4 / 6 * (1 + math.sqrt(2 / 6))))
    kept = ppmi(x)
    assert kept.rows.tolist() == [0, 1] and kept.columns.tolist() == [1, 0]
    assert kept.values == pytest.approx(math.log(4 / 3))
    with pytest.raises(ValueError, match="negative=2 leaves no pair"):
        ppmi(x, negative=2)


@pytest.mark.parametrize("ns_exponent", [0.75, 1.0])
def test_pmi_is_the_double_loops(ns_exponent):
    counts = random_counts()
    got = np.full(counts.shape, np.nan)
    x = Cooccurrences.from_dense(counts)
    got[x.rows, x.columns] = shifted_pmi(x, 5, ns_exponent)
    total = sum(counts[:, j].sum() ** ns_exponent for j in range(40))
    for i in range(40):
        for j in range(40):
            if counts[i, j]:
                share = counts[:, j].sum() ** ns_exponent / total
                expected = math.log(counts[i, j] / counts[i].sum() / share / 5)
                assert got[i, j] == pytest.approx(expected)
            else:
                assert np.isnan(got[i, j])


def test_products_run_over_panels(monkeypatch):
    monkeypatch.setattr(module, "PANEL", 7)  # 40 rows: the last panel is of 5
    dense = random_counts()
    dense[11:25] = 0  # and one panel is empty
    x = np.random.default_rng(1).standard_normal((40, 3))
    matrix = Cooccurrences.from_dense(dense)
    np.testing.assert_allclose(times(matrix, x), dense @ x)
    np.testing.assert_allclose(transposed_times(matrix, x), dense.T @ x)
    assert times(matrix, x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("rank", [1, 5, 40])
def test_truncated_svd_is_numpys(rank):
    dense = random_counts().astype(np.float64)
    u, sigma = truncated_svd(Cooccurrences.from_dense(dense), rank, np.random.default_rng(0))
    assert u.shape == (40, rank) and u.dtype == sigma.dtype == np.float32
    full_u, full_sigma, _ = np.linalg.svd(dense)
    np.testing.assert_allclose(sigma, full_sigma[:rank], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(u.T @ u, np.eye(rank), atol=1e-5)
    # the same subspace: a singular vector's sign is free
    kept = np.linalg.norm(full_u[:, :rank].T @ u, axis=0)
    np.testing.assert_allclose(kept, 1, atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(dense.T @ u, axis=0), sigma, rtol=1e-3, atol=1e-3)


def test_truncated_svd_of_a_slow_spectrum():
    """As PPMI's: singular values that hardly fall, of which only a tenth is asked for."""
    rng = np.random.default_rng(0)
    a, _ = np.linalg.qr(rng.standard_normal((300, 300)))
    b, _ = np.linalg.qr(rng.standard_normal((300, 300)))
    values = 1 / np.sqrt(np.arange(1, 301))
    rows, columns = np.indices((300, 300)).reshape(2, -1)
    matrix = Cooccurrences(rows, columns, ((a * values) @ b.T).ravel(), 300)
    u, sigma = truncated_svd(matrix, 30, np.random.default_rng(1))
    np.testing.assert_allclose(sigma, values[:30], rtol=0.01)
    error = np.linalg.norm((a * values) - u @ (u.T @ (a * values)))
    assert error < 1.003 * np.linalg.norm(values[30:])  # Eckart and Young's least


def test_two_topics_are_found():
    model = PPMI(iter(two_topics(400)), vector_size=2)
    words = model.wv.index_to_key
    assert words == model.vocabulary.words and model.wv.vectors.shape == (20, 2)
    assert model.wv.vectors.dtype == np.float32
    for word, near in zip(words, model.wv.nearest(words, topn=9), strict=True):
        assert {other[0] for other in near} == {word[0]}


def test_the_power_of_the_singular_values():
    models = [PPMI(two_topics(), vector_size=6, eigenvalue_exponent=p) for p in (0, 0.5, 1)]
    sigma = models[0].singular_values
    assert (np.diff(sigma) <= 0).all() and sigma[-1] > 0
    for model, p in zip(models, (0, 0.5, 1), strict=True):
        np.testing.assert_allclose(np.linalg.norm(model.wv.vectors, axis=0), sigma**p, rtol=1e-4)
    again, other = (PPMI(two_topics(), vector_size=6, seed=seed).wv.vectors for seed in (1, 2))
    assert np.array_equal(again, models[1].wv.vectors) and not np.array_equal(again, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vector_size": 0}, "vector_size"),
        ({"vector_size": 21}, "at most the number of words, 20, got 21"),
        ({"window": 0}, "window"),
        ({"negative": 0}, "negative"),
        ({"min_count": 10_000}, "leaves no word"),
        ({"negative": 10_000}, "negative=10000 leaves no pair"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        PPMI(two_topics(), **{"vector_size": 4, **options})


def test_bad_sentences():
    with pytest.raises(TypeError, match="split it first"):
        PPMI(["the cat sat on the mat"], min_count=1)
    with pytest.raises(ValueError, match="two words of one sentence"):
        PPMI([["a"], ["b"], ["a"]], min_count=1)
