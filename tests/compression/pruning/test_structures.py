"""Structures and scopes: exactly so many, in exactly the pattern."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.compression import keep_masks, prune
from minilm.compression.pruning import keep_highest

few_values = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_two_of_four_by_hand():
    w = np.array([[1, 1], [-3, 1], [2, 1], [0, 1], [5, 0], [6, 0], [-7, 0], [8, 0]], np.float32)
    kept = keep_masks({"w": w}, structure="2:4")["w"]
    assert kept[:, 0].tolist() == [False, True, True, False, False, False, True, True]
    assert kept[:4, 1].sum() == kept[4:, 1].sum() == 2  # of equals, too


@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 5))
@settings(max_examples=40)
def test_the_pattern_is_exact_down_the_inputs(data, n, more, groups, out):
    m = n + more
    w = data.draw(arrays(np.float32, (groups * m, out), elements=few_values))
    for name, x in (("w", w), ("token_embedding", np.ascontiguousarray(w.T))):
        mask = keep_masks({name: x}, structure=f"{n}:{m}")[name]
        by_output = (mask if name == "w" else mask.T).reshape(groups, m, out)
        assert (by_output.sum(axis=1) == n).all()
        sizes = np.abs(w).reshape(groups, m, out)
        least_kept = np.where(by_output, sizes, np.inf).min(axis=1)
        assert (least_kept >= np.where(by_output, 0, sizes).max(axis=1)).all()


def test_the_pattern_of_a_vector_and_of_three_axes():
    assert prune(np.array([4.0, 1, 2, 3]), structure="2:4").dense().tolist() == [4, 0, 0, 3]
    kept = keep_masks({"w": normal(3, 4, 5)}, structure="1:2")["w"]
    assert (kept.reshape(6, 2, 5).sum(axis=1) == 1).all()


def test_the_pattern_says_the_sparsity():
    w = normal(8, 3)
    np.testing.assert_array_equal(prune(w, 0.75, structure="1:4").dense(),
                                  prune(w, structure="1:4").dense())


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=few_values),
       st.floats(0, 1))  # fmt: skip
@settings(max_examples=40)
def test_exactly_k_of_each_output_ties_and_zeros_or_not(w, sparsity):
    k = round(sparsity * len(w))
    kept = keep_masks({"w": w}, sparsity, scope="output")["w"]
    assert ((~kept).sum(axis=0) == k).all()
    table = keep_masks({"embedding": w.T.copy()}, sparsity, scope="output")["embedding"]
    assert ((~table).sum(axis=1) == k).all()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"structure": "2:4", "sparsity": 0.4}, "sparsity of structure 2:4 is 0.5, got 0.4"),
        ({"structure": "2:4", "threshold": 1.0}, "threshold and structure 2:4 exclude"),
        ({"structure": "2:4", "scope": "global"}, "scope 'global' is not for structure 2:4"),
        ({"structure": "2:5"}, "needs inputs in groups of 5, but an output of w has 12"),
        ({"structure": "4:4"}, "structure must be .* n:m with 0 < n < m, as 2:4, got '4:4'"),
        ({"structure": "0:4"}, "structure must be"),
        ({"structure": "2:4:8"}, "structure must be"),
        ({"structure": "-1:4"}, "structure must be"),
        ({"structure": 4}, "structure must be"),
        ({"structure": "row", "scope": "output", "sparsity": 0.5}, "scope 'output' is for element"),
        ({"sparsity": "half"}, "sparsity must lie in"),
        ({"within": {}, "sparsity": 0.5}, "within must hold a bool mask of w"),
        ({"within": {"w": np.ones((3, 12), bool)}, "sparsity": 0.5}, "within must hold"),
        ({"within": {"w": [[True]]}, "sparsity": 0.5}, "within must hold"),
        ({"structure": "２:４"}, "structure must be"),
    ],
)
def test_bad_input_is_refused_by_name(how, message):
    with pytest.raises(ValueError, match=message):
        keep_masks({"w": normal(12, 3)}, **how)


@pytest.mark.parametrize("structure", ["element", "row", "column", "2:4"])
@pytest.mark.parametrize("scope", ["local", "output", "global"])
def test_within_leaves_out_what_was_left_out(structure, scope):
    if (structure, scope) in {("row", "output"), ("column", "output"), ("2:4", "global")}:
        return  # refused
    first, second = {"w": normal(12, 8)}, {"w": normal(12, 8, seed=1)}
    once = keep_masks(first, 0.5, structure=structure, scope=scope)
    again = keep_masks(second, 0.5, structure=structure, scope=scope, within=once)["w"]
    np.testing.assert_array_equal(again, once["w"])  # as many: none of these comes back
    less = keep_masks(second, *(() if structure == "2:4" else (0.25,)), structure=structure,
                      scope=scope, within=once)["w"]  # fmt: skip
    np.testing.assert_array_equal(less, once["w"])
    if structure != "2:4":
        more = keep_masks(second, 0.75, structure=structure, scope=scope, within=once)["w"]
        assert not (more & ~once["w"]).any()
        assert more.sum() == 24


def test_within_of_scores_that_are_negative_and_of_zeros():
    """What was left out goes first, whatever it scores; of n scores k are out with it."""
    within = {"w": np.array([[False, True, True, True]])}
    given = {"w": np.array([[9.0, -1, -2, -3]])}
    kept = keep_masks({"w": np.ones((1, 4))}, 0.5, score=given, within=within)["w"]
    assert kept.tolist() == [[False, True, True, False]]
    kept = keep_masks({"w": np.array([[9.0, 0, 0, 0]])}, 0.25, within=within)["w"]
    assert kept.tolist() == within["w"].tolist()


def test_within_of_single_numbers_does_not_come_back_with_its_row():
    within = {"w": np.array([[True, False], [True, True], [False, False]])}
    w = {"w": np.array([[5.0, 5], [1, 1], [9, 9]])}
    kept = keep_masks(w, 1 / 3, structure="row", within=within)["w"]
    assert kept.tolist() == [[True, False], [True, True], [False, False]]
    kept = keep_masks(w, 2 / 3, structure="row", within=within)["w"]
    assert kept.tolist() == [[True, False], [False, False], [False, False]]


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3),
       st.floats(0, 1), st.booleans(), st.integers(0, 99))  # fmt: skip
@settings(max_examples=40)
def test_exactly_k_of_all_weights_together(shapes, sparsity, by_row, seed):
    rng = np.random.default_rng(seed)
    weights = {f"w{i}": rng.integers(-2, 3, shape) / 1.0 for i, shape in enumerate(shapes)}
    structure = "row" if by_row else "element"
    kept = keep_masks(weights, sparsity, scope="global", structure=structure)
    groups = [mask.any(axis=1) if by_row else mask.ravel() for mask in kept.values()]
    flat = np.concatenate(groups)
    assert (~flat).sum() == round(sparsity * flat.size)


@pytest.mark.parametrize("sparsity", [-0.1, 1.5, np.nan])
def test_keep_highest_refuses_what_is_no_share(sparsity):
    with pytest.raises(ValueError, match="sparsity must lie in"):
        keep_highest(np.ones(3), sparsity)
