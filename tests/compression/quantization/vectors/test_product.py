import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression.quantization import k_means, product_quantize
from minilm.compression.quantization.vectors import clusters, product
from minilm.weights import ProductQuantizedTensor

quick = settings(max_examples=40)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def error_of(q, x):
    return float(np.square(q.dense() - x).mean())


def test_two_heaps_by_hand():
    x = np.array([[0, 0], [0, 2], [10, 10], [10, 12], [10, 14]])
    found = k_means(x, 2, rng())
    assert sorted(found.centroids.tolist()) == [[0, 1], [10, 12]]
    assert len(set(found.codes[:2])) == len(set(found.codes[2:])) == 1
    assert found.errors[-1] == (1 + 1 + 4 + 0 + 4) / 5


def test_it_may_stop_where_no_step_helps():
    """0, 1, 2, 3 in two: halves are best (¼), but {0, 1, 2} and {3} also stay (½): 2 is as near
    to 1 as to 3, and the first of equals keeps it."""
    errors = {k_means(np.arange(4.0)[:, None], 2, rng(seed)).errors[-1] for seed in range(20)}
    assert errors == {0.25, 0.5}


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.integers(1, 4))
@quick
def test_lloyds_steps_never_raise_the_error(seed, n, K, d):
    # whole numbers: many equal rows, and empty clusters
    x = rng(seed).integers(-3, 4, (n, d)).astype(np.float32)
    found = k_means(x, K, rng(seed))
    errors = np.array(found.errors)
    assert (np.diff(errors) <= 1e-12 * (1 + errors[0])).all()
    distances = np.square(x[:, None] - found.centroids).sum(axis=-1)
    np.testing.assert_allclose(
        distances[np.arange(n), found.codes], distances.min(axis=1), rtol=1e-9, atol=1e-9
    )
    assert errors[-1] == pytest.approx(distances.min(axis=1).mean(), abs=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 10), st.integers(1, 8))
@quick
def test_few_different_rows_are_met_exactly(seed, different, d):
    heaps = normal(different, d, seed=seed)
    x = heaps[rng(seed).integers(0, different, 200)]
    assert k_means(x, 10, rng(seed)).errors[-1] < 1e-25


def test_near_and_far_rows_are_told_apart():
    """Neighbours 1e-6 apart at 1000: |x|² − 2xc + |c|² in float32 would not see the difference."""
    x = np.array([[1000, 0], [1000, 1e-3], [-1000, 5], [-1000, 5.001]], np.float32)
    assert k_means(x, 4, rng()).errors[-1] == 0


def test_an_empty_cluster_moves_to_the_worst_row():
    x = np.array([[0.0], [1], [10], [50]])
    codes = np.array([0, 0, 0, 2])
    centroids = np.array([[3.0], [99], [50]])
    filled = clusters.fill_empty(x, centroids, codes)
    assert filled.tolist() == [[3], [10], [50]]
    assert centroids[1] == 99  # not in place
    two = clusters.fill_empty(x, np.array([[3.0], [99], [50], [99]]), codes)
    assert two.tolist() == [[3], [10], [50], [0]]


def test_more_centroids_than_rows():
    found = k_means(normal(3, 2), 8, rng())
    assert found.centroids.shape == (8, 2) and found.errors[-1] == 0


def test_start_draws_far_rows():
    """Of 1000 equal rows and one far away, both are in the start."""
    x = np.append(np.zeros((1000, 2)), [[5.0, 5]], axis=0)
    for seed in range(5):
        assert sorted(clusters.spread_start(x, 2, rng(seed)).sum(axis=1).tolist()) == [0, 10]


@pytest.mark.parametrize(("x", "K", "iterations"),
                         [(np.zeros((0, 2)), 2, 5), (np.zeros(4), 2, 5), (np.zeros((4, 1)), 0, 5),
                          (np.zeros((4, 1)), 2, 0)])  # fmt: skip
def test_k_means_refuses(x, K, iterations):
    with pytest.raises(ValueError, match="must"):
        k_means(x, K, rng(), iterations)


def test_chunks_of_distances(monkeypatch):
    x, centroids = normal(50, 3), normal(7, 3, seed=1)
    whole = clusters.nearest(x, centroids)
    np.testing.assert_array_equal(whole, np.square(x[:, None] - centroids).sum(-1).argmin(1))
    monkeypatch.setattr(clusters, "CHUNK", 40)
    np.testing.assert_array_equal(clusters.nearest(x, centroids), whole)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_exact_where_every_subvector_is_a_codeword(bits):
    codebooks = normal(5, 2**bits, 3)
    codes = rng(1).integers(0, 2**bits, (400, 5))
    x = codebooks[np.arange(5), codes].reshape(400, 15)
    q = product_quantize(x, 3, bits)
    assert isinstance(q, ProductQuantizedTensor)
    np.testing.assert_allclose(q.dense(), x, rtol=1e-6)
    assert q.nbytes == 400 * ((5 * bits + 7) // 8) + 4 * 5 * 2**bits * 3


def test_error_falls_with_bits_and_with_subvectors():
    x = normal(600, 12)
    by_bits = [error_of(product_quantize(x, 4, bits), x) for bits in (1, 2, 4, 6, 8)]
    assert all(np.diff(by_bits) < 0)
    by_width = [error_of(product_quantize(x, width, 4), x) for width in (12, 6, 4, 3, 2, 1)]
    assert all(np.diff(by_width) < 0)


def test_one_number_a_code_is_near_lloyd_max():
    """16 levels for a Gaussian: 20.2 dB at best (9.5e-3); Lloyd stops near it."""
    x = normal(20_000, 1)
    assert 0.0085 < error_of(product_quantize(x, 1, 4), x) < 0.0115


def test_more_rounds_are_no_worse():
    x = normal(500, 8)
    errors = [error_of(product_quantize(x, 4, 4, iterations=n), x) for n in (1, 2, 5, 25)]
    assert all(np.diff(errors) <= 1e-9)


def test_rows_are_the_axis():
    x = normal(40, 12)
    rows, columns = product_quantize(x, 4, 3), product_quantize(x.T, 4, 3, axis=-1)
    np.testing.assert_array_equal(columns.dense(), rows.dense().T)
    assert columns.shape == (12, 40)
    strided = product_quantize(np.asfortranarray(x)[:, ::1].astype(np.float64), 4, 3)
    np.testing.assert_array_equal(strided.dense(), rows.dense())


def test_seed_and_inputs():
    x = normal(100, 8)
    kept = x.copy()
    first, same = product_quantize(x, 4, 3, seed=1), product_quantize(x, 4, 3, seed=1)
    np.testing.assert_array_equal(first.dense(), same.dense())
    assert (first.dense() != product_quantize(x, 4, 3, seed=2).dense()).any()
    np.testing.assert_array_equal(x, kept)
    assert first.dense().dtype == np.float32


def test_long_tables_are_learned_from_a_sample(monkeypatch):
    x = normal(500, 4)
    x[250:] += 100  # the first rows would not tell of these
    sizes = []
    monkeypatch.setattr(product, "SAMPLE", 200)
    monkeypatch.setattr(product, "k_means", lambda x, *a: sizes.append(len(x)) or k_means(x, *a))
    q = product_quantize(x, 2, 4)
    assert sizes == [200, 200] and q.shape == (500, 4)
    distances = np.square(x.reshape(500, 2, 1, 2) - q.codebooks).sum(axis=-1)
    np.testing.assert_array_equal(q.codes, distances.argmin(axis=-1))
    assert np.abs(x - q.dense()).max() < 5


def test_params():
    params = {
        "embedding": normal(30, 8), "w": normal(8, 20), "b": normal(8), "w:mask": normal(8, 20)
    }  # fmt: skip
    q = product_quantize(params, 4, 3)
    assert list(q) == list(params)
    assert q["b"] is params["b"] and q["w:mask"] is params["w:mask"]
    assert (q["embedding"].axis, q["w"].axis) == (0, -1)
    assert q["embedding"].shape == (30, 8) and q["w"].shape == (8, 20)
    alone = product_quantize(params["w"], 4, 3, axis=-1)
    np.testing.assert_array_equal(q["w"].dense(), alone.dense())
    some = product_quantize(params, 2, {"w": 2})
    assert some["embedding"] is params["embedding"] and some["w"].bits == 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((normal(4, 6), 4), ValueError, r"width must divide the 6 numbers of a row of x .* got 4"),
        ((normal(4, 6), 0), ValueError, "width must be a positive integer, got 0"),
        ((normal(4, 6), 2.0), ValueError, "width must be a positive integer"),
        ((normal(4, 6), True), ValueError, "width must be a positive integer"),
        ((normal(4, 6), 2, 9), ValueError, "bits must be an integer from 1 to 8, got 9"),
        ((normal(4, 6), 2, {"x": 4}), TypeError, "bits must be one number for an array"),
        ((np.full((4, 6), np.nan), 2), ValueError, "x must be finite"),
        ((np.full((4, 6), 1e300), 2), ValueError, "x must not exceed"),
        ((np.zeros((0, 6)), 2), ValueError, "x must have numbers"),
        ((np.array([["a"]]), 1), TypeError, "x must be an array of real numbers"),
        ((product_quantize(normal(4, 6), 2, 1), 2), TypeError, "compressed already"),
        (({"w": normal(4, 6)}, 3), ValueError, "numbers of a row of w"),
        (({"w": normal(4, 6)}, 2, {"v": 3}), ValueError, "bits must name weights"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        product_quantize(*arguments)


@pytest.mark.parametrize("axis", ["tensor", True, 1.0])
def test_an_axis_that_is_none_is_refused(axis):
    with pytest.raises(ValueError, match="axis must be None or an integer"):
        product_quantize(normal(4, 6), 2, axis=axis)


@pytest.mark.parametrize("x", [np.zeros((5, 4)), np.full((5, 4), -3e38), np.full((1, 4), 1e-40)])
def test_constant_huge_and_tiny(x):
    np.testing.assert_allclose(product_quantize(x, 2, 2).dense(), x.astype(np.float32), rtol=1e-6)
