import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minilm.compression import keep_masks, prune, quantize
from minilm.weights import SparseTensor

few_values = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0])
tensors = arrays(np.float32, array_shapes(max_dims=3, max_side=8), elements=few_values)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def zeroed(x, pruned):
    """How many elements the mask left out, whether or not they were zero before."""
    return x.size - pruned.values.size


def test_by_hand():
    w = np.array([[1, -5, 2], [-3, 4, 6]], np.float32)
    assert prune(w, 0.5).dense().tolist() == [[0, -5, 0], [0, 4, 6]]
    assert prune(w, threshold=3).dense().tolist() == [[0, -5, 0], [-3, 4, 6]]  # 3 is not below 3
    assert prune(w, 0.5, structure="row").dense().tolist() == [[0, 0, 0], [-3, 4, 6]]
    assert prune(w, 0.3, structure="column").dense().tolist() == [[0, -5, 2], [0, 4, 6]]
    assert isinstance(prune(w, 0.5), SparseTensor)


def test_row_scores_are_root_mean_squares():
    w = np.array([[3, 4], [3, 3]], np.float32)  # √12.5 = 3.54 and 3
    assert prune(w, threshold=3.5, structure="row").dense().tolist() == [[3, 4], [0, 0]]
    assert prune(w, threshold=3.6, structure="row").dense().tolist() == [[0, 0], [0, 0]]


@given(tensors, st.floats(0, 1))
def test_exactly_k_are_pruned_ties_and_zeros_or_not(x, sparsity):
    pruned = prune(x, sparsity)
    k = round(sparsity * x.size)
    assert zeroed(x, pruned) == k
    mask = keep_masks({"x": x}, sparsity)["x"]
    if 0 < k < x.size:  # nothing kept is smaller than anything pruned
        assert np.abs(x[mask]).min() >= np.abs(x[~mask]).max()
    np.testing.assert_array_equal(pruned.dense(), x * mask)


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_where_a_threshold_would_go_wrong(sparsity):
    constant = np.ones((10, 10), np.float32)
    assert np.count_nonzero(prune(constant, sparsity).dense()) == round(100 * (1 - sparsity))
    nearly_zero = np.zeros((10, 10), np.float32)
    nearly_zero.flat[::10] = normal(10)
    kept = np.count_nonzero(prune(nearly_zero, sparsity).dense())
    assert kept == min(10, round(100 * (1 - sparsity)))  # 50 % of what is 90 % zero costs nothing


@pytest.mark.parametrize("structure", ["row", "column"])
def test_rows_and_columns(structure):
    w = normal(12, 8)
    axis = 0 if structure == "row" else 1
    lines = prune(w, 0.25, structure=structure).dense().any(axis=1 - axis)
    assert lines.sum() == w.shape[axis] * 3 / 4
    norms = np.linalg.norm(w, axis=1 - axis)
    assert norms[lines].min() > norms[~lines].max()


def test_huge_rows_do_not_overflow():
    w = np.array([[1e30, 1e30], [2e30, 2e30]], np.float32)
    assert prune(w, 0.5, structure="row").dense().tolist() == [[0, 0], w[1].tolist()]


def test_scopes():
    params = {"a": normal(10, 10), "b": 100 * normal(10, 10), "bias": normal(10)}
    local = prune(params, 0.5)
    assert [local[name].values.size for name in "ab"] == [50, 50]
    assert local["bias"] is params["bias"]
    together = prune(params, 0.5, scope="global")
    sizes = [together[name].values.size for name in "ab"]
    assert sum(sizes) == 100
    assert sizes[1] > 95  # the larger weights stay, wherever they are
    assert list(together) == list(params)


def test_companions_and_embeddings():
    params = {"token_embedding": normal(6, 4), "w:mask": normal(6, 4)}
    pruned = prune(params, 0.5)
    assert pruned["w:mask"] is params["w:mask"]
    assert pruned["token_embedding"].values.size == 12
    assert prune({"bias": normal(3)}, 0.5, scope="global").keys() == {"bias"}


@given(tensors, st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_what_is_sparse_already_is_pruned_to_exactly_k(x, once, twice, turned):
    first = prune(x, once)
    first = first.T if turned else first
    again = prune(first, twice)
    assert zeroed(x, again) == round(twice * x.size)
    dense, before = again.dense(), first.dense()
    np.testing.assert_array_equal(dense[again.kept], before[again.kept])
    lost = np.count_nonzero(before) - np.count_nonzero(dense)  # no more than has to go
    assert lost == max(0, round(twice * x.size) - np.count_nonzero(before == 0))


@pytest.mark.parametrize("how", [{}, {"axis": -1}, {"grid": "fp16", "bits": 16}], ids=str)
def test_what_is_quantized_is_not_pruned_behind_its_back(how):
    q = quantize(prune(normal(8, 8), 0.5), **{"bits": 4, **how})
    for x in (q, {"w": q}):
        with pytest.raises(TypeError, match=r"must be .*; dense\(\) gives its floats"):
            prune(x, 0.75)
    if isinstance(q, SparseTensor):
        with pytest.raises(TypeError, match=r"w must be of floats, got a SparseTensor of a .*: "
                                            r"prune first, then quantize"):
            keep_masks({"w": q}, 0.75)


def test_masks_of_other_kinds_of_weights():
    """−128 has no magnitude in eight bits, and is the largest all the same."""
    kept = keep_masks({"w": np.array([[-128, 3], [2, 1]], np.int8)}, 0.75)["w"]
    assert kept.tolist() == [[True, False], [False, False]]
    rows = keep_masks({"w": np.array([[1, 2], [3, 4]])}, 0.5, structure="row")["w"]
    assert rows.tolist() == [[False, False], [True, True]]
    w = normal(6, 5)
    np.testing.assert_array_equal(keep_masks({"w": prune(w, 0.5)}, 0.8)["w"],
                                  keep_masks({"w": w}, 0.8)["w"])
    for bad, message in ((w * np.nan, "w must be finite"), (w[:0], "w must have numbers")):
        with pytest.raises(ValueError, match=message):
            keep_masks({"w": bad}, 0.5)


@pytest.mark.parametrize("kind", [float, np.float64, np.float32])
def test_a_threshold_is_met_by_the_number_it_names(kind):
    w = np.array([[0.7, 0.6], [0.8, -0.7]], np.float32)
    assert prune(w, threshold=kind(0.7)).dense().tolist() == [[w[0, 0], 0], [w[1, 0], w[1, 1]]]
    assert prune(w, threshold=0).values.size == 4  # nothing is below 0
    assert prune(w, threshold=1e300).values.size == 0
    given = {"w": np.array([[0, 1], [1, 2]])}
    assert prune({"w": w}, threshold=0.5, score=given)["w"].values.size == 3


def test_masks_are_the_callers_own():
    for structure in ("element", "row", "column"):
        mask = keep_masks({"w": normal(4, 4)}, 0.5, structure=structure)["w"]
        assert mask.flags.c_contiguous and mask.flags.writeable


def test_pruning_further():
    once = prune(normal(10, 10), 0.5)
    twice = prune(once, 0.8)
    assert twice.values.size == 20
    kept = twice.dense() != 0
    np.testing.assert_array_equal(twice.dense()[kept], once.dense()[kept])


def test_other_kinds_of_input():
    w = normal(6, 8)
    kept = w.copy()
    np.testing.assert_array_equal(prune(w.T, 0.5).dense(), prune(w, 0.5).dense().T)
    np.testing.assert_array_equal(w, kept)
    assert prune(w.astype(np.float64), 0.5).dense().dtype == np.float64
    assert prune(np.array([[1, 2]]), 0.5).dense().tolist() == [[0, 2]]
    assert prune(np.array([1.0, 2]), 0.5).dense().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("x", "how", "error", "message"),
    [
        (np.ones((2, 2)), {}, ValueError, "one of sparsity and threshold"),
        (np.ones((2, 2)), {"sparsity": 0.5, "threshold": 1.0}, ValueError, "one of sparsity"),
        (np.ones((2, 2)), {"sparsity": 1.1}, ValueError, "sparsity"),
        (np.ones((2, 2)), {"sparsity": float("nan")}, ValueError, "sparsity"),
        (np.ones((2, 2)), {"threshold": -1.0}, ValueError, "threshold"),
        (np.ones((2, 2)), {"sparsity": 0.5, "structure": "head"}, ValueError, "structure"),
        (np.ones((2, 2)), {"sparsity": 0.5, "scope": "layer"}, ValueError, "scope"),
        (np.array([[1, np.nan]]), {"sparsity": 0.5}, ValueError, "^x must be finite"),
        (np.array([[1, np.inf]]), {"sparsity": 0.5, "score": "random"}, ValueError, "^x must be"),
        (np.ones((2, 2)), {"sparsity": 0.5, "seed": -1}, ValueError, "seed must"),
        (np.ones((2, 2)), {"sparsity": 0.5, "seed": None}, ValueError, "seed must be an int"),
        (np.ones((0, 2)), {"sparsity": 0.5}, ValueError, "x must have numbers"),
        (np.array([["a"]]), {"sparsity": 0.5}, TypeError, "real numbers"),
        (quantize(np.ones((2, 2)), 4), {"sparsity": 0.5}, TypeError, "QuantizedTensor"),
        ({"w": quantize(np.ones((2, 2)), 4)}, {"sparsity": 0.5}, TypeError, "w must .* Quantized"),
        (np.ones((2, 2)), {"sparsity": True}, ValueError, "sparsity must lie in .*, got True"),
        (np.ones((2, 2)), {"threshold": np.inf}, ValueError, "threshold must be a finite number"),
        (np.ones((2, 2)), {"threshold": "1"}, ValueError, "threshold must be a finite number"),
        (np.array(1.0), {"sparsity": 0.5}, ValueError, r"x must have numbers .* got shape \(\)"),
        (np.ones((2, 2), bool), {"sparsity": 0.5}, TypeError, "real numbers, got dtype bool"),
        (np.ones((2, 2)), {"sparsity": 0.5, "structure": ["row"]}, ValueError, "structure must be"),
        (np.ones((2, 2)), {"sparsity": 0.5, "scope": ["local"]}, ValueError, "scope must be one"),
        (np.ones((2, 2)), {"sparsity": 0.5, "score": np.ones((2, 2), bool)}, TypeError,
         "score of x must be an array of real numbers, got dtype bool"),
    ],
)
def test_bad_input(x, how, error, message):
    with pytest.raises(error, match=message):
        prune(x, **how)
