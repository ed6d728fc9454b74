import numpy as np
import pytest

from minilm.training import SGD, AdamW
from minilm.training.flat import Flat


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


def test_the_arrays_become_slices_of_one_vector_a_kind():
    given, run = arrays(), arrays()
    flat = Flat(run, {}, AdamW())
    flat.lay_out(TRAINED)
    assert {name: vector.shape for name, vector in flat.vectors.items()} == {
        "float32/matrices": (1, 22), "float32/vectors": (9,), "float64/matrices": (1, 4),
    }  # fmt: skip
    for name, array in given.items():
        np.testing.assert_array_equal(run[name], array)
        assert run[name].dtype == array.dtype
        assert any(np.shares_memory(run[name], v) for v in flat.vectors.values()) == (
            name in TRAINED
        )
    assert list(run) == list(given)
    flat.vectors["float32/matrices"][0, 12] = 7
    assert run["table"][0, 0] == 7


def test_the_same_names_change_nothing():
    flat = Flat(arrays(), {}, SGD())
    flat.lay_out(TRAINED)
    vectors = flat.vectors
    flat.lay_out(set(TRAINED))
    assert flat.vectors is vectors


def test_gradients_are_gathered_scaled_and_zero_where_there_are_none():
    flat = Flat(arrays(), {}, SGD())
    flat.lay_out(TRAINED)
    flat.gather(gradients(TRAINED), 1.0)
    grads = {**gradients(["b", "double"]), "w": np.ones((4, 3), np.float64).T}
    flat.gather(grads, 0.5)
    np.testing.assert_array_equal(flat.gradients["float32/vectors"][:4], grads["b"] / 2)
    np.testing.assert_array_equal(flat.grads["w"], np.full((3, 4), 0.5))
    np.testing.assert_array_equal(flat.grads["double"], grads["double"] / 2)
    assert not flat.grads["table"].any() and not flat.grads["scalar"].any()
    assert flat.grads["w"].dtype == np.float32


class ByName:
    """The same optimizer, but one that does not say that it is elementwise."""

    def __init__(self, optimizer):
        self.update = optimizer.update


@pytest.mark.parametrize("optimizer", [AdamW(), SGD(momentum=0.9), SGD()])
def test_vectors_change_nothing_even_when_others_are_trained_from_some_step_on(optimizer):
    """Of an array not trained for a while neither the value nor the state moves."""
    whole, named = (
        Flat(arrays(), {}, by) for by in (optimizer, ByName(optimizer))
    )
    for step, names in enumerate([TRAINED[:3], TRAINED, TRAINED[2:], TRAINED[2:], TRAINED]):
        for flat in (whole, named):
            flat.lay_out(names)
            flat.gather(gradients(names, step), 0.1)
            flat.update(0.1, step)
        for name, array in whole.arrays.items():
            np.testing.assert_array_equal(array, named.arrays[name], err_msg=name)
        ours, theirs = whole.state_by_name(), named.state_by_name()
        assert ours.keys() >= theirs.keys()
        for name, value in ours.items():
            assert value.shape == whole.arrays[name.partition(":")[2]].shape
            np.testing.assert_array_equal(value, theirs.get(name, np.zeros_like(value)))


def test_a_state_by_name_is_taken_up_again():
    first = Flat(arrays(), {}, AdamW())
    for step in range(2):
        first.lay_out(TRAINED)
        first.gather(gradients(TRAINED, step), 1.0)
        first.update(0.1, step)
    kept = {name: value.copy() for name, value in first.state_by_name().items()}
    second = Flat({name: a.copy() for name, a in first.arrays.items()}, kept, AdamW())
    for flat in (first, second):
        flat.lay_out(TRAINED)
        flat.gather(gradients(TRAINED, 2), 1.0)
        flat.update(0.1, 2)
    for name in TRAINED:
        np.testing.assert_array_equal(first.arrays[name], second.arrays[name])
