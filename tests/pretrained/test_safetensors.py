import json
import mmap
import os
import struct
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.pretrained import SafetensorsFile, open_tensors, write_safetensors
from minilm.weights import HalfTensor

# By hand: 8 bytes of length, the header, 4 bytes of a float32 and 2 of a float16
HEADER = (b'{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
          b'"a":{"dtype":"F16","shape":[1,1],"data_offsets":[4,6]}}')
BY_HAND = bytes([len(HEADER), 0, 0, 0, 0, 0, 0, 0]) + HEADER + b"\x00\x00\xc0\x3f" + b"\x00\xc2"

KINDS = ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "f8", "i8", "u8"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


def file_of(header, data=b"", length=None):
    """The bytes of a file; header: bytes, or what JSON can carry."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def numbers(kind, shape, seed=0):
    rng = np.random.default_rng(seed)
    size = np.dtype(kind).itemsize * int(np.prod(shape))
    data = rng.integers(0, 2 if kind == "?" else 256, size, np.uint8)
    return data.view(kind).reshape(shape)


def test_a_file_written_by_hand(path):
    path.write_bytes(BY_HAND)
    file = SafetensorsFile(path)
    assert list(file) == ["b", "a"] and len(file) == 2 and "a" in file and "c" not in file
    np.testing.assert_array_equal(file["b"], np.array([1.5], np.float32), strict=True)
    np.testing.assert_array_equal(file["a"], np.array([[-3.0]], np.float16), strict=True)
    assert file.entries["a"] == ("F16", (1, 1), 4, 6)
    assert file.metadata == {}
    with pytest.raises(KeyError):
        file["c"]


def test_writing_gives_the_bytes_written_by_hand(path):
    write_safetensors(path, {"a": np.array([[-3]], np.float16), "b": np.array([1.5], np.float32)})
    padded = HEADER + b" " * (-len(HEADER) % 8)
    assert path.read_bytes() == file_of(padded, BY_HAND[-6:])


@pytest.mark.parametrize("kind", KINDS)
def test_every_dtype_and_layout_comes_back(path, kind):
    x = numbers(kind, (4, 6))
    arrays = {
        "c": x,
        "f": x.T,
        "strided": x[::2, ::-3],
        "swapped": x.byteswap().view(x.dtype.newbyteorder()),
        "fixed": np.broadcast_to(x[0], (3, 6)),
        "0-d": x[1:2, 1].reshape(()),
        "scalar": x[0, 0],
        "none": x[:0],
        "nothing of much": np.empty((3, 0, 2**40), kind),
        "": x[0],
        "naïve \"\n\0 名": x[:, 0],
    }
    write_safetensors(path, arrays, {"format": "np"})
    file = SafetensorsFile(path)
    assert sorted(file) == sorted(arrays) and file.metadata == {"format": "np"}
    for name, array in file.items():
        assert array.dtype == kind and array.dtype.isnative and type(array) is np.ndarray
        assert array.shape == np.shape(arrays[name])
        assert array.tobytes() == arrays[name].astype(kind).tobytes()  # NaN included
        assert not array.flags.writeable and array.flags.aligned and array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_tensors_are_mapped_where_they_begin_at_a_multiple_of_their_item(path):
    write_safetensors(path, {"x": np.arange(5, dtype=np.float32), "y": np.ones(3, np.uint8)})
    aligned = SafetensorsFile(path)["x"]
    assert not aligned.flags.owndata
    with pytest.raises(ValueError, match="WRITEABLE"):
        aligned.flags.writeable = True  # it is a map of the file, opened for reading

    header = {"y": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
              "x": entry(data_offsets=[1, 9])}
    text = json.dumps(header).encode()
    path.write_bytes(file_of(text + b" " * (-len(text) % 8), b"\7" + struct.pack("<2f", 1, 2)))
    copied = SafetensorsFile(path)["x"]
    assert copied.flags.aligned and copied.flags.owndata and not copied.flags.writeable
    assert copied.tolist() == [1, 2]


def test_bfloat16_is_widened_and_written(path):
    x = np.array([1.0, -2.5, 3.0e38, 1e-40, 0.0, -0.0], np.float32)
    halves = HalfTensor.from_dense(x).halves.reshape(-1)
    write_safetensors(path, {"x": halves, "n": np.array(0x7FC0, np.uint16), "u": halves},
                      dtypes={"x": "BF16", "n": "BF16"})
    file = SafetensorsFile(path)
    assert file.entries["x"].dtype == "BF16" and file["x"].dtype == np.float32
    np.testing.assert_array_equal(file["x"].view(np.uint32) >> 16, halves)
    np.testing.assert_array_equal(file["x"].view(np.uint32) & 0xFFFF, 0)
    assert file["n"].shape == () and np.isnan(file["n"])
    assert not file["x"].flags.writeable and not file["n"].flags.writeable
    np.testing.assert_array_equal(file["u"], halves, strict=True)


@given(st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter("__metadata__".__ne__),
    st.tuples(st.sampled_from(KINDS), st.lists(st.integers(0, 3), max_size=4)),
    max_size=6,
))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, kinds):
    path = tmp_path_factory.mktemp("f") / "f.safetensors"
    arrays = {name: numbers(*kind, seed) for seed, (name, kind) in enumerate(kinds.items())}
    write_safetensors(path, arrays)
    bytes_once = path.read_bytes()
    file = SafetensorsFile(path)
    assert set(file) == set(arrays)
    for name, array in arrays.items():
        assert file[name].dtype == array.dtype and file[name].shape == array.shape
        assert file[name].tobytes() == array.tobytes()
        if array.size:
            assert not file[name].flags.owndata, "each is aligned"
    write_safetensors(path, dict(reversed(arrays.items())))
    assert path.read_bytes() == bytes_once, "the order in which arrays are given does not matter"


def test_metadata_in_any_order_gives_the_same_bytes(path, tmp_path):
    write_safetensors(path, {}, {"b": "1", "a": "2"})
    write_safetensors(tmp_path / "other", {}, {"a": "2", "b": "1"})
    assert path.read_bytes() == (tmp_path / "other").read_bytes()
    assert SafetensorsFile(path).metadata == {"a": "2", "b": "1"}


@pytest.mark.parametrize(("array", "error"), [
    (np.array([1j]), "x: dtype complex128 cannot be written, only bool, uint8"),
    (np.array([None]), "x: dtype object cannot be written"),
    (np.array(["a"]), "x: dtype <U1 cannot be written"),
    (np.zeros(2, "f4,i4"), "x: dtype .* cannot be written"),
    (np.zeros(2, "M8[s]"), "x: dtype datetime64"),
    (np.array([b"abc"]), r"x: dtype \|S3 cannot be written"),
    ([1.0, 2.0], "x: must be a NumPy array, got list"),
    (HalfTensor.from_dense(np.ones((2, 2), np.float32)), "x: must be a NumPy array, got Half"),
])
def test_arrays_that_the_format_has_no_dtype_for(path, array, error):
    path.write_bytes(b"as it was")
    with pytest.raises(TypeError, match=error):
        write_safetensors(path, {"fine": np.ones(2), "x": array})
    assert path.read_bytes() == b"as it was"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(("names", "metadata", "dtypes", "error"), [
    (["__metadata__"], None, None, "'__metadata__' cannot name a tensor"),
    ([3], None, None, "3 cannot name a tensor"),
    (["\ud800"], None, None, "surrogates"),
    (["x"], {"a": 1}, None, r"metadata must hold strings by name, got \{'a': 1\}"),
    (["x"], {1: "a"}, None, "metadata must hold strings"),
    (["x"], None, {"y": "BF16"}, r"dtypes names \['y'\]"),
    (["x"], None, {"x": "BF16"}, "x: float64 cannot be written as 'BF16'"),
    (["x"], None, {"x": "F8_E4M3"}, "x: float64 cannot be written as 'F8_E4M3'"),
])
def test_what_cannot_be_written(path, names, metadata, dtypes, error):
    with pytest.raises((ValueError, TypeError), match=error):
        write_safetensors(path, {name: np.ones(2) for name in names}, metadata, dtypes)
    assert os.listdir(path.parent) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps what is mapped")
def test_a_file_may_be_written_over_itself_while_it_is_read(path):
    write_safetensors(path, {"x": np.arange(1000.0), "y": np.arange(3, dtype=np.int8)})
    file = SafetensorsFile(path)
    before = file["x"]
    write_safetensors(path, file, {"copy": "yes"})
    assert before.tolist() == list(range(1000))
    assert SafetensorsFile(path)["x"].tolist() == list(range(1000))
    assert before.tolist() == file["x"].tolist() == list(range(1000)), "the file that was opened"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps what is mapped")
def test_a_file_cut_after_it_was_opened_is_refused(path):
    write_safetensors(path, {"x": np.arange(1000.0)})
    file = SafetensorsFile(path)
    os.truncate(path, 4000)
    with pytest.raises(ValueError, match="another length than when it was opened"):
        file["x"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="open files are not listed here")
def test_many_tensors_hold_one_open_file(path):
    write_safetensors(path, {str(number): np.ones(2000, np.float32) for number in range(300)})
    opened = len(os.listdir("/dev/fd"))
    kept = dict(SafetensorsFile(path))
    assert len(os.listdir("/dev/fd")) == opened + 1
    del kept
    assert len(os.listdir("/dev/fd")) == opened


def test_two_arrays_of_one_tensor_live_apart(path):
    write_safetensors(path, {"x": np.arange(10_000), "y": np.arange(10_000, 20_000)})
    file = SafetensorsFile(path)
    first, second, neighbour = file["x"], file["x"][100:], file["y"]
    del first, file
    assert second.tolist() == list(range(100, 10_000))
    assert neighbour.tolist() == list(range(10_000, 20_000))


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        SafetensorsFile(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="folder or a device"):
        SafetensorsFile(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="folder or a device"):
        SafetensorsFile(tmp_path / "pipe")


HUGE = str(10**18)
REFUSED = {
    # the header's length
    "empty": (b"", "empty file"),
    "one byte": (b"1", "1 bytes, fewer than the 8"),
    "seven bytes": (b"1234567", "7 bytes, fewer than the 8"),
    "no header": (bytes(8), "begins with b'', expected"),
    "length beyond the file": (file_of({}, length=3), "claims 3 bytes, .* 2 are there"),
    "largest length": (b"\xff" * 16, "claims 18446744073709551615 bytes, at most 10000000"),
    # its text
    "not utf-8": (file_of(b'{"\xff": 1}'), "utf-8"),
    "utf-16": (file_of("{}".encode("utf-16")), "begins with"),
    "byte order mark": (file_of(b"\xef\xbb\xbf{}"), "begins with"),
    "space first": (file_of(b" {}"), "begins with b' {}'"),
    "a list": (file_of([]), "begins with"),
    "half an object": (file_of(b'{"a":'), "Expecting value"),
    "two objects": (file_of(b"{}{}"), "Extra data"),
    "zero at the end": (file_of(b"{}\0"), "Extra data"),
    "comment": (file_of(b"{}//"), "Extra data"),
    "line break in a name": (file_of(b'{"a\nb": 1}'), "control character"),
    "half a pair in a name": (file_of(b'{"\\ud800": 1}'), "surrogates not allowed"),
    "deep": (file_of(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "deep objects": (file_of(b'{"a":' * 100_000), "nested too deeply"),
    # numbers
    "NaN": (file_of(b'{"a": NaN}'), "number NaN in its header"),
    "Infinity": (file_of(b'{"a": -Infinity}'), "number -Infinity in its header"),
    "beyond all floats": (file_of(b'{"a": 1e400}'), "number 1e400 in its header"),
    "fraction": (file_of({"a": entry(shape=[2.0])}, bytes(8)), "number 2.0 in its header"),
    "exponent": (file_of(b'{"a": 2e0}'), "number 2e0 in its header"),
    "negative zero": (file_of(b'{"a": -0}'), "number -0 in its header"),
    "negative": (file_of({"a": entry(shape=[-2])}), "number -2 in its header"),
    "2 ** 63": (file_of({"a": entry(shape=[2**63])}), "number 9223372036854775808 in"),
    "a million digits": (file_of(b'{"a": ' + b"9" * 1_000_000 + b"}"), "number 9{40} in its"),
    # names
    "name twice": (file_of(b'{"a": 1, "a": 1}'), "name 'a' stands twice"),
    "key twice": (file_of(b'{"a": {"dtype": "F32", "dtype": "F32"}}'), "'dtype' stands twice"),
    "metadata twice": (file_of(b'{"__metadata__": {}, "__metadata__": {}}'), "stands twice"),
    # metadata
    "metadata a list": (file_of({"__metadata__": []}), r"__metadata__ is \[\], expected an object"),
    "metadata a number": (file_of({"__metadata__": {"a": 1}}), r"__metadata__ is \{'a': 1\}"),
    "metadata nested": (file_of({"__metadata__": {"a": {}}}), r"__metadata__ is \{'a': \{\}\}"),
    "metadata half a pair": (file_of({"__metadata__": {"a": "\udfff"}}), "surrogates not allowed"),
    # entries
    "entry a number": (file_of({"a": 1}), "tensor 'a' is 1, expected an object of dtype"),
    "entry a list": (file_of({"a": ["F32", [2], [0, 8]]}, bytes(8)), "tensor 'a' is .* expected"),
    "entry null": (file_of({"a": None}), "tensor 'a' is None"),
    "key missing": (file_of({"a": {"dtype": "F32", "shape": [0]}}), "dtype, shape and data_offs"),
    "key too many": (file_of({"a": entry(order="F")}, bytes(8)), "dtype, shape and data_offsets"),
    "dtype unknown": (file_of({"a": entry(dtype="f32")}, bytes(8)), "has dtype 'f32', readable"),
    "dtype a list": (file_of({"a": entry(dtype=["F32"])}, bytes(8)), r"has dtype \['F32'\]"),
    "8-bit float": (file_of({"a": entry(dtype="F8_E4M3")}, bytes(8)), "'F8_E4M3', readable are BO"),
    "shape a number": (file_of({"a": entry(shape=2)}, bytes(8)), "has shape 2, expected a list"),
    "shape null": (file_of({"a": entry(shape=None)}, bytes(8)), "has shape None"),
    "shape true": (file_of({"a": entry(shape=[True, 2])}, bytes(8)), r"shape \[True, 2\]"),
    "shape text": (file_of({"a": entry(shape=["2"])}, bytes(8)), r"has shape \['2'\]"),
    "shape nested": (file_of({"a": entry(shape=[[2]])}, bytes(8)), r"has shape \[\[2\]\]"),
    "33 dimensions": (file_of({"a": entry(shape=[2] + [1] * 32)}, bytes(8)), "at most 32 whole"),
    "a million dimensions": (file_of({"a": entry(shape=[10**18] * 10**5)}), "at most 32 whole"),
    "a great product": (file_of({"a": entry(shape=[10**18] * 32)}, bytes(8)), "too large"),
    "2 ** 64 bytes": (file_of({"a": entry(shape=[2**62], data_offsets=[0, 0])}), "too large"),
    "empty but too long": (
        file_of({"a": entry(shape=[0, 2**62], data_offsets=[0, 0])}), "too large for any memory"),
    "three offsets": (file_of({"a": entry(data_offsets=[0, 4, 8])}, bytes(8)), "two whole numbers"),
    "offsets a text": (file_of({"a": entry(data_offsets="08")}, bytes(8)), "two whole numbers"),
    "offsets false": (file_of({"a": entry(data_offsets=[False, 8])}, bytes(8)), "two whole"),
    "fewer bytes": (file_of({"a": entry(shape=[3])}, bytes(8)), r"8 bytes, but F32 .* takes 12"),
    "more bytes": (file_of({"a": entry(shape=[])}, bytes(8)), r"8 bytes, but F32 of shape \[\] ta"),
    "end before begin": (file_of({"a": entry(data_offsets=[8, 0])}, bytes(8)), "-8 bytes, but F32"),
    # all together
    "hole": (file_of({"a": entry(data_offsets=[4, 12])}, bytes(12)),
             "'a' begins at 4, expected 0: there is a hole"),
    "overlap": (file_of({"a": entry(), "b": entry(data_offsets=[4, 12])}, bytes(12)),
                "'b' begins at 4, expected 8: there is an overlap"),
    "twice the same bytes": (file_of({"a": entry(), "b": entry()}, bytes(8)), "an overlap"),
    "empty inside another": (
        file_of({"a": entry(), "b": entry(shape=[0], data_offsets=[4, 4])}, bytes(8)), "an overl"),
    "rest": (file_of({"a": entry()}, bytes(9)), "tensors take 8 bytes, but 9 follow"),
    "cut": (file_of({"a": entry()}, bytes(7)), "tensors take 8 bytes, but 7 follow"),
    "no tensors, some bytes": (file_of({}, b"1"), "tensors take 0 bytes, but 1 follow"),
    "beyond the file": (
        file_of({"a": {"dtype": "U8", "shape": [10**18], "data_offsets": [0, 10**18]}}, bytes(8)),
        f"tensors take {HUGE} bytes, but 8 follow"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_headers_that_are_refused(path, case):
    content, error = REFUSED[case]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=error) as raised:
        SafetensorsFile(path)
    assert str(raised.value).startswith(f"{path} is not a sound safetensors file: ")
    assert len(str(raised.value)) < len(str(path)) + 600, "nobody reads megabytes"


ACCEPTED = {
    "no tensors": file_of({}),
    "metadata alone": file_of({"__metadata__": {"": ""}}),
    "metadata null": file_of({"__metadata__": None, "a": entry()}, bytes(8)),
    "white space at the end": file_of(json.dumps({"a": entry()}).encode() + b" \n\r\t", bytes(8)),
    "a pair of escapes": file_of(b'{"\\ud83d\\ude00": ' + json.dumps(entry()).encode() + b"}",
                                 bytes(8)),
    "an empty one between": file_of(
        {"b": entry(data_offsets=[8, 16]), "a": entry(), "c": entry(shape=[0, 5],
                                                                    data_offsets=[8, 8])},
        bytes(16)),
    "32 dimensions": file_of({"a": entry(shape=[2] + [1] * 31)}, bytes(8)),
    "a long name": file_of({"a" * 1_000_000: entry()}, bytes(8)),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_headers_that_are_unusual_but_sound(path, case):
    path.write_bytes(ACCEPTED[case])
    assert all((array == 0).all() for array in SafetensorsFile(path).values())


def test_a_header_of_more_than_10_mb_is_not_even_read(path):
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 10_000_001))
        file.truncate(20_000_000)  # a hole: it takes no place on the disk
    with pytest.raises(ValueError, match="claims 10000001 bytes, at most 10000000 are allowed"):
        SafetensorsFile(path)


def test_an_empty_tensor_at_the_end_of_a_page(path):
    text = json.dumps({"a": entry(shape=[0, 3], data_offsets=[0, 0])}).encode()
    path.write_bytes(file_of(text.ljust(mmap.ALLOCATIONGRANULARITY - 8)))
    assert SafetensorsFile(path)["a"].shape == (0, 3)


def test_a_bool_is_0_or_1(path):
    path.write_bytes(file_of({"a": entry(dtype="BOOL", shape=[8])}, b"\1\0\1\0\1\0\1\2"))
    file = SafetensorsFile(path)
    with pytest.raises(ValueError, match="BOOL tensor 'a' holds other than 0 and 1"):
        file["a"]


# ---- folders


def sharded(folder, **weight_map):
    index = {"metadata": {"total_size": 8}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_folder_with_one_file(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", {"x": np.ones(2)})
    assert open_tensors(tmp_path)["x"].tolist() == [1, 1]
    assert open_tensors(str(tmp_path))["x"].tolist() == [1, 1]


def test_a_folder_with_shards(tmp_path):
    write_safetensors(tmp_path / "1.safetensors", {"x": np.ones(2), "z": np.ones(1)})
    write_safetensors(tmp_path / "2.safetensors", {"y": np.zeros(3)})
    sharded(tmp_path, x="1.safetensors", y="2.safetensors")
    tensors = open_tensors(tmp_path)
    assert isinstance(tensors, Mapping) and list(tensors) == ["x", "y"] and len(tensors) == 2
    assert tensors["x"].tolist() == [1, 1] and tensors["y"].tolist() == [0, 0, 0]
    assert "x" in tensors and "z" not in tensors
    with pytest.raises(KeyError):
        tensors["z"]


@pytest.mark.parametrize("name", [
    "../x.safetensors", "/etc/x.safetensors", "a/x.safetensors", "..\\x.safetensors",
    "c:x.safetensors", "x.bin", ".safetensors", "", "..", "x.safetensors\0.safetensors",
])
def test_shards_outside_the_folder(tmp_path, name):
    inside = tmp_path / "a"
    inside.mkdir()
    write_safetensors(tmp_path / "x.safetensors", {"x": np.ones(2)})
    sharded(inside, x=name)
    with pytest.raises(ValueError, match=r"expected the plain name of a .safetensors file"):
        open_tensors(inside)


def test_indices_that_are_wrong(tmp_path):
    write_safetensors(tmp_path / "1.safetensors", {"x": np.ones(2)})
    sharded(tmp_path, x="1.safetensors", y="1.safetensors")
    with pytest.raises(ValueError, match=r"index.json: tensor 'y' is not in 1.safetensors"):
        open_tensors(tmp_path)
    sharded(tmp_path, x="1.safetensors", y="2.safetensors")
    with pytest.raises(FileNotFoundError, match=r"lists 2.safetensors, .*: it holds 1.safetensors"):
        open_tensors(tmp_path)
    sharded(tmp_path, x=3)
    with pytest.raises(ValueError, match=r"weight_map is {'x': 3}, expected an object of file"):
        open_tensors(tmp_path)
    for content in (b"[]", b"{}", b"{", b"\xff", b"[" * 100_000, b'{"weight_map": []}'):
        (tmp_path / "model.safetensors.index.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"model.safetensors.index.json"):
            open_tensors(tmp_path)


def test_folders_without_weights_of_this_format(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing of that name"):
        open_tensors(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"index.json in '.*': it holds no files$"):
        open_tensors(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    (tmp_path / "config.json").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=(
        r"it holds config.json, pytorch_model.bin; pickled files are never read, .*save_pretrained"
    )):
        open_tensors(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is a file of that name"):
        open_tensors(tmp_path / "config.json")
