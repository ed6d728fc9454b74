import numpy as np
import pytest

from minilm.training import SGD, AdamW
from minilm.training.vectors import Vectors
from minilm.training.workers import Workers


def arrays():
    rng = np.random.default_rng(0)
    shapes = {"w": (3, 4), "b": (4,), "table": (5, 2), "w:step": (1, 4), "scalar": ()}
    made = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**made, "double": rng.standard_normal((2, 2)), "mask": np.ones(3, bool)}


TRAINED = ["w", "b", "table", "w:step", "scalar", "double"]


def gradients(names, seed=1):
    rng = np.random.default_rng(seed)
    like = arrays()
    return {name: rng.standard_normal(like[name].shape).astype(like[name].dtype) for name in names}


def taken(vectors, grads, count=10):
    """One step of the optimizer's input: sums of `count` terms, by one worker."""
    return vectors.take_means(3.0, grads, count, Workers())


def test_the_arrays_become_slices_of_one_vector_a_kind():
    given, run = arrays(), arrays()
    vectors = Vectors(run, {}, AdamW())
    taken(vectors, gradients(TRAINED))
    long = vectors.vectors
    assert {name: vector.shape for name, vector in long.items()} == {
        "float32/matrices": (1, 22), "float32/vectors": (9,), "float64/matrices": (1, 4),
    }  # fmt: skip
    for name, array in given.items():
        np.testing.assert_array_equal(run[name], array)
        assert run[name].dtype == array.dtype
        assert any(np.shares_memory(run[name], v) for v in long.values()) == (name in TRAINED)
    assert list(run) == list(given)
    long["float32/matrices"][0, 0] = 7  # by name: table, w, w:step
    assert run["table"][0, 0] == 7


def test_sums_become_means_and_the_vectors_stay():
    vectors = Vectors(arrays(), {}, SGD())
    assert taken(vectors, gradients(TRAINED), 1) == 3
    long, kept = vectors.vectors, vectors.gradient_vectors
    grads = {**gradients(TRAINED, 2), "w": np.ones((4, 3), np.float64).T}
    assert taken(vectors, grads, 2) == 1.5
    assert vectors.vectors is long
    assert vectors.gradient_vectors is kept
    np.testing.assert_array_equal(kept["float32/vectors"][:4], grads["b"] / 2)
    np.testing.assert_array_equal(vectors.gradients["w"], np.full((3, 4), 0.5))
    np.testing.assert_array_equal(vectors.gradients["double"], grads["double"] / 2)
    assert vectors.gradients["w"].dtype == np.float32
    assert taken(vectors, gradients(TRAINED), 0) == 3  # nothing counted: as it is


@pytest.mark.parametrize("later", [TRAINED[1:], [*TRAINED, "more"]])
def test_other_names_later_are_refused(later):
    run = {**arrays(), "more": np.ones(2, np.float32)}
    vectors = Vectors(run, {}, SGD())
    taken(vectors, gradients(TRAINED))
    grads = {name: np.ones_like(run[name]) for name in later}
    (changed,) = set(TRAINED) ^ set(later)
    with pytest.raises(ValueError, match=rf"same at every step, and is not for {changed}:"):
        taken(vectors, grads)


class ByName:
    """The same optimizer, but one that does not say that it is elementwise."""

    def __init__(self, optimizer):
        self.update = optimizer.update


@pytest.mark.parametrize("optimizer", [AdamW(), SGD(momentum=0.9), SGD()])
@pytest.mark.parametrize("names", [TRAINED, TRAINED[:3], ["scalar"]])
def test_vectors_change_nothing(optimizer, names):
    whole, named = (Vectors(arrays(), {}, by) for by in (optimizer, ByName(optimizer)))
    for step in range(3):
        for vectors in (whole, named):
            taken(vectors, gradients(names, step))
            vectors.update(0.1, step)
        for name, array in whole.arrays.items():
            np.testing.assert_array_equal(array, named.arrays[name], err_msg=name)
    ours, theirs = whole.state_by_name(), named.state_by_name()
    assert ours.keys() == theirs.keys() == named.state.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], strict=True)


class Counting(SGD):
    """An optimizer with a state that belongs to no array."""

    def update(self, arrays, grads, state, learning_rate, step):
        state["count"] = state.get("count", np.zeros(1)) + 1
        super().update(arrays, grads, state, learning_rate, step)


@pytest.mark.parametrize("optimizer", [AdamW(), SGD(0.9), SGD(), Counting(0.9), Counting()])
def test_a_state_by_name_is_taken_up_again(optimizer):
    first = Vectors(arrays(), {}, optimizer)
    for step in range(2):
        taken(first, gradients(TRAINED, step))
        first.update(0.1, step)
    kept = {name: value.copy() for name, value in first.state_by_name().items()}
    second = Vectors({name: a.copy() for name, a in first.arrays.items()}, kept, optimizer)
    for vectors in (first, second):
        taken(vectors, gradients(TRAINED, 2))
        vectors.update(0.1, 2)
    for name in TRAINED:
        np.testing.assert_array_equal(first.arrays[name], second.arrays[name])
    assert first.state.keys() == second.state.keys()
    for key, value in first.state.items():
        np.testing.assert_array_equal(second.state[key], value)


@pytest.mark.parametrize("names", [TRAINED[1:], [*TRAINED, "more"]])
def test_a_state_of_others_is_refused(names):
    run = {**arrays(), "more": np.ones(2, np.float32)}
    first = Vectors(run, {}, AdamW())
    taken(first, gradients(TRAINED))
    first.update(0.1, 0)
    second = Vectors(run, first.state_by_name(), AdamW())
    (changed,) = set(TRAINED) ^ set(names)
    with pytest.raises(ValueError, match=f"is not for {changed}:"):
        taken(second, {name: np.ones_like(run[name]) for name in names})


def test_a_class_derived_from_adamw_sees_names_unless_it_says_otherwise():
    class FrozenTable(AdamW):
        def update(self, arrays, grads, state, learning_rate, step):
            grads = {name: grad for name, grad in grads.items() if name != "table"}
            super().update(arrays, grads, state, learning_rate, step)

    given, run = arrays(), arrays()
    vectors = Vectors(run, {}, FrozenTable())
    taken(vectors, gradients(TRAINED))
    vectors.update(0.1, 0)
    np.testing.assert_array_equal(run["table"], given["table"])
    assert (run["w"] != given["w"]).all()
