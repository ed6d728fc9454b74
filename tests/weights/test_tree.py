import json

import numpy as np
import pytest

from minilm.weights import Product, Weight, flatten, nbytes, thaw, unflatten


def same(a, b):
    """Equal in class, fields, dtypes and bits, however deep."""
    if isinstance(a, Weight):
        return type(a) is type(b) and all(same(v, vars(b)[k]) for k, v in vars(a).items())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a == b or a != a)


def test_by_hand(make):
    q = make.quantized((3, 2), 4)
    params = {"z": Product(np.ones((4, 3)), q.T.T), "a:step": np.float32(0.5), "b": np.zeros(2)}
    arrays, kinds = flatten(params)
    assert list(arrays) == ["z/a", "z/b/packed", "z/b/scales", "a:step", "b"]
    assert list(kinds) == ["z", "a:step", "b"]
    assert kinds["b"] == {"class": "array"}
    assert kinds["z"]["class"] == "Product"
    assert kinds["z"]["b"] == {
        "class": "QuantizedTensor",
        "packed": {"class": "array"},
        "scales": {"class": "array"},
        "zero_points": None,
        "levels": None,
        "bits": 4,
        "array_shape": (3, 2),
        "axis": -1,
        "transposed": False,
        "largest_error": 0.25,
        "scale_format": None,
        "tensor_scale": None,
    }
    assert arrays["z/b/packed"] is q.packed  # nothing is copied
    assert arrays["a:step"].shape == ()


def test_there_and_back_through_json(leaf):
    params = {"w": leaf, "b": np.zeros(3, np.float32), "t": leaf.T}
    arrays, kinds = flatten(params)
    back = unflatten(arrays, json.loads(json.dumps(kinds)))
    assert list(back) == list(params)
    assert all(same(back[name], params[name]) for name in params)
    assert back["w"].nbytes == leaf.nbytes


def test_changed_arrays_make_changed_leaves(make):
    arrays, kinds = flatten({"w": make.quantized((4, 4))})
    doubled = unflatten({**arrays, "w/scales": 2 * arrays["w/scales"]}, kinds)["w"]
    np.testing.assert_array_equal(doubled.dense(), 2 * make.quantized((4, 4)).dense())


@pytest.mark.parametrize("name", ["a/b", "", "a\\b", "a\0b", 3, None, "a\nb"])
def test_bad_names(name):
    with pytest.raises(ValueError, match="name must be text without slashes"):
        flatten({name: np.zeros(1)})


@pytest.mark.parametrize(
    "value", [None, 1.0, [1, 2], {"a": np.zeros(1)}, np.array([None]), np.array([{}, "x"])]
)
def test_what_is_no_weight(value):
    with pytest.raises(TypeError, match=r"^w must"):
        flatten({"w": value})


def test_what_does_not_fit_together(make):
    arrays, kinds = flatten({"w": make.quantized((3, 2), 4)})
    with pytest.raises(ValueError, match="the array w/scales is missing"):
        unflatten({"w/packed": arrays["w/packed"]}, kinds)
    with pytest.raises(ValueError, match="belong to no parameter: v"):
        unflatten({**arrays, "v": np.zeros(1)}, kinds)
    with pytest.raises(ValueError, match=r"w is a 'Unheard', known are array, .*QuantizedTensor"):
        unflatten(arrays, {"w": {**kinds["w"], "class": "Unheard"}})
    with pytest.raises(ValueError, match="w does not make a QuantizedTensor"):
        unflatten(arrays, {"w": {**kinds["w"], "more": 1}})
    with pytest.raises(ValueError, match="w does not make a QuantizedTensor"):
        unflatten({"w/packed": arrays["w/packed"]}, {"w": {**kinds["w"], "scales": None}})
    with pytest.raises(ValueError, match="bits"):
        unflatten(arrays, {"w": {**kinds["w"], "bits": 99}})


def test_thaw(leaf, make):
    bias = make.normal(20)
    params = {"w": leaf, "b": bias}
    thawed = thaw(params)
    np.testing.assert_array_equal(thawed["w"], leaf.dense())
    assert thawed["b"] is bias
    assert params["w"] is leaf
    assert nbytes(thawed) == 4 * (480 + 20)


def test_thawed_arrays_lie_row_by_row(leaf, make):
    by_columns = make.quantized((24, 20), 4, axis=-1)
    assert not by_columns.dense().flags.c_contiguous  # so there is something to turn
    for array in thaw({"w": leaf, "turned": leaf.T, "columns": by_columns}).values():
        assert array.flags.c_contiguous


def test_thaw_within_a_budget(make):
    params = {name: make.quantized((32, 32), 4) for name in "abc"}
    packed, dense = params["a"].nbytes, 4 * 32 * 32
    assert nbytes(params) == 3 * packed
    kinds = [type(w) for w in thaw(params, budget=dense + 2 * packed).values()]
    assert kinds == [np.ndarray] + 2 * [type(params["a"])]
    assert all(isinstance(w, Weight) for w in thaw(params, budget=0).values())
    assert nbytes(thaw(params, budget=3 * dense)) == 3 * dense
