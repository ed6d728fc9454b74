"""Tables of names: what is put where, turned, joined and widened, and what is refused."""

import mmap

import numpy as np
import pytest

from minilm.pretrained.safetensors import SafetensorsFile, write_safetensors
from minilm.pretrained.tensors import (
    Noted,
    check_finite,
    check_layers,
    plain,
    prefix_of,
    read_params,
    turned,
    zeros,
)

SIZES = {"D": 3, "Q": 4, "K": 2, "V": 5}


def numbers(*shape, start=0):
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def test_by_hand():
    theirs = {"q": numbers(4, 3), "k": numbers(2, 3, start=100), "b": numbers(4), "old": numbers(3)}
    table = {
        "w": (turned("q", "Q", "D"), turned("k", "K", "D")),
        "b": plain("b", "Q"),
        "gain": plain("new", "D", also="old"),
        "none": zeros("K", "D"),
    }
    params = read_params(table, theirs, SIZES)
    assert list(params) == ["w", "b", "gain", "none"]
    assert params["w"].tolist() == [
        [0, 3, 6, 9, 100, 103],
        [1, 4, 7, 10, 101, 104],
        [2, 5, 8, 11, 102, 105],
    ]
    assert params["b"].tolist() == [0, 1, 2, 3]
    assert params["gain"].tolist() == [0, 1, 2]
    assert params["none"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert all(array.dtype == np.float32 for array in params.values())


def test_what_is_turned_lies_row_by_row_and_the_rest_is_no_copy():
    theirs = {"w": numbers(4, 3), "table": numbers(5, 3)}
    table = {"w": turned("w", "Q", "D"), "table": plain("table", "V", "D")}
    params = read_params(table, theirs, SIZES)
    assert params["w"].flags.c_contiguous
    assert params["table"] is theirs["table"]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_floats_become_float32(dtype):
    b = plain("b", "Q")
    table = {"w": turned("w", "Q", "D"), "b": b, "c": (b, b)}
    theirs = {"w": numbers(4, 3).astype(dtype), "b": numbers(4).astype(dtype)}
    params = read_params(table, theirs, SIZES)
    assert all(array.dtype == np.float32 for array in params.values())
    assert params["w"].tolist() == numbers(4, 3).T.tolist()
    assert params["c"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_one_part_may_be_wider_than_the_others():
    """A checkpoint of mixed precision; float32 beside float16 is not rounded."""
    exact = np.float32([1 / 3, 2 / 3])
    theirs = {"a": exact, "b": np.float16([0.5, 1.5])}
    table = {"c": (plain("a", "K"), plain("b", "K"))}
    assert read_params(table, theirs, SIZES)["c"].tolist() == [*exact.tolist(), 0.5, 1.5]


def test_a_missing_tensor_is_named_with_those_like_it():
    theirs = {"layers.0.q_proj.weight": numbers(4, 3), "layers.0.k_proj.weight": numbers(2, 3)}
    with pytest.raises(ValueError, match=r"no tensor layers\.0\.v_proj.* like it: .*k_proj"):
        read_params({"w": plain("layers.0.v_proj.weight", "K", "D")}, theirs, SIZES)
    with pytest.raises(ValueError, match=r"no tensor zzz or aaa in .*are 2: layers\.0\.k_pro"):
        read_params({"w": plain("zzz", "K", also="aaa")}, theirs, SIZES)
    with pytest.raises(ValueError, match=r"no tensor h\.1\.w in .*; there are 0: nothing"):
        check_layers({}, "h.{}.w", 2)


def test_as_many_layers_as_config_says():
    tensors = {f"h.{layer}.w": numbers(1) for layer in range(3)}
    check_layers(tensors, "h.{}.w", 3)
    with pytest.raises(ValueError, match=r"no tensor h\.3\.w"):
        check_layers(tensors, "h.{}.w", 4)
    with pytest.raises(ValueError, match=r"says 2 layers, but the checkpoint holds h\.2\.w"):
        check_layers(tensors, "h.{}.w", 2)


def test_another_shape_is_named_with_what_config_says():
    with pytest.raises(ValueError, match=r"w must have shape \(4, 3\) = \(Q, D\).*got \(3, 4\)"):
        read_params({"w": turned("w", "Q", "D")}, {"w": numbers(3, 4)}, SIZES)
    with pytest.raises(ValueError, match=r"k must have shape \(2, 3\)"):
        parts = (turned("q", "Q", "D"), turned("k", "K", "D"))
        read_params({"w": parts}, {"q": numbers(4, 3), "k": numbers(4, 3)}, SIZES)


def test_what_is_no_float_is_refused():
    with pytest.raises(ValueError, match="b must hold floats, got int64"):
        read_params({"b": plain("b", "Q")}, {"b": np.arange(4)}, SIZES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("table", [
    {"w": plain("w", "Q", "D")}, {"w": turned("w", "Q", "D")},
    {"w": (turned("v", "Q", "D"), turned("w", "Q", "D"))},
])  # fmt: skip
def test_a_number_that_is_not_finite_is_refused(bad, dtype, table):
    theirs = {"v": numbers(4, 3), "w": numbers(4, 3).astype(dtype)}
    theirs["w"][2, 1] = bad
    with pytest.raises(ValueError, match="w holds 1 numbers that are not finite"):
        read_params(table, theirs, SIZES)


def test_a_float64_beyond_float32_is_refused():
    with pytest.raises(ValueError, match="w as float32 holds 1 numbers that are not finite"):
        read_params({"w": plain("w", "K")}, {"w": np.array([1.0, 1e39])}, SIZES)


def test_what_nobody_asked_for_is_known():
    tensors = Noted({"b": numbers(2), "a": numbers(2), "c": numbers(2)})
    assert "a" in tensors and "x" not in tensors
    assert tensors.unused == ("a", "b", "c")
    assert tensors["b"].tolist() == [0, 1]
    assert tensors.unused == ("a", "c")
    assert len(tensors) == 3 and sorted(tensors) == ["a", "b", "c"]
    with pytest.raises(KeyError):
        tensors["x"]


def test_the_prefix_with_which_a_name_is_there():
    assert prefix_of({"bert.w": 0}, ("bert.", ""), "w") == "bert."
    assert prefix_of({"w": 0}, ("bert.", ""), "w") == ""
    with pytest.raises(ValueError, match=r"no tensor bert\.w or w in the checkpoint.*: bort\.w"):
        prefix_of({"bort.w": 0}, ("bert.", ""), "w")


def test_a_tensor_that_is_there_by_two_names_must_be_the_same():
    table = {"w": plain("a", "K", also="b")}
    for names in (["a"], ["b"], ["a", "b"]):
        tensors = Noted({name: numbers(2, start=3) for name in names})
        assert read_params(table, tensors, SIZES)["w"].tolist() == [3, 4]
        assert tensors.unused == ()
    for other in (numbers(2, start=1), numbers(3)):
        with pytest.raises(ValueError, match="b must be the same as a: the two are one weight"):
            read_params(table, {"a": numbers(2), "b": other}, SIZES)


def test_checking_a_mapped_file_leaves_its_numbers(tmp_path):
    array = np.random.default_rng(0).normal(size=(300, 70)).astype(np.float32)
    write_safetensors(tmp_path / "w.safetensors", {"w": array})
    mapped = SafetensorsFile(tmp_path / "w.safetensors")["w"]
    base = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap | memoryview)
    check_finite("w", mapped)
    np.testing.assert_array_equal(mapped, array)
    check_finite("empty", np.zeros((0, 3), np.float32))


def test_what_was_written_to_a_private_map_is_not_dropped(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(5000, np.float32))
    private = np.load(tmp_path / "w.npy", mmap_mode="c")
    private[:] = 7
    check_finite("w", private)
    assert private[4999] == 7
