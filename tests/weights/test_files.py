import dataclasses
import errno
import functools
import gc
import io
import json
import os
import pathlib
import pickle
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minilm.weights import (
    HalfTensor,
    Product,
    ProductQuantizedTensor,
    QuantizedTensor,
    Weight,
    files,
    flatten,
    load,
    nbytes,
    read_header,
    replacing,
    save,
)


def same(a, b):
    """Equal parameters: the same parts under the same names, bit for bit."""
    (arrays, kinds), (others, other_kinds) = flatten(a), flatten(b)
    return json.dumps(kinds) == json.dumps(other_kinds) and all(
        array.dtype == others[name].dtype and array.tobytes() == others[name].tobytes()
        for name, array in arrays.items()
    )


@pytest.fixture
def params(make):
    return {
        "token_embedding": make.quantized((50, 16), 3, axis=0, groups=2),
        "head.w": make.quantized((16, 50), 4).T.T,
        "b:step": np.float32(0.5),
        "b": np.arange(3.0),
        "empty": np.zeros((0, 4), np.float32),
    }


def test_every_leaf_comes_back_identical(make, tmp_path):
    leaves = make.every_leaf()
    leaves |= {f"{name} turned": leaf.T for name, leaf in leaves.items()}
    save(tmp_path / "all", leaves)
    back = load(tmp_path / "all")
    assert list(back) == list(leaves)
    assert same(leaves, back)
    x = make.normal(3, 24)
    for name, leaf in leaves.items():
        assert type(back[name]) is type(leaf)
        assert back[name].nbytes == leaf.nbytes
        if leaf.shape[0] == 24:
            np.testing.assert_array_equal(x @ back[name], x @ leaf)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i4", "i8", "?", ">f4"])
def test_arrays_of_every_kind(tmp_path, dtype):
    x = np.arange(12).reshape(3, 4).astype(dtype)
    saved = {"c": x, "f": x.T, "strided": x[::2, ::3], "0-d": x[1:2, 1].reshape(()), "none": x[:0]}
    save(tmp_path / "f", saved)
    for name, array in load(tmp_path / "f").items():
        assert array.dtype == dtype
        assert array.shape == saved[name].shape
        np.testing.assert_array_equal(array, saved[name])


def test_header_and_path_as_given(tmp_path, params):
    header = {"model": {"width": 16, "layers": [1, 2]}, "tokens": "aä\n€", "none": None}
    save(str(tmp_path / "model.bin"), params, header)
    assert os.listdir(tmp_path) == ["model.bin"]
    assert read_header(tmp_path / "model.bin") == header
    save(tmp_path / "plain", {})
    assert load(tmp_path / "plain") == {}
    assert read_header(str(tmp_path / "plain")) == {}


def test_numpy_alone_can_look_inside(tmp_path, params):
    save(tmp_path / "f.npz", params)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["b"], params["b"])
        np.testing.assert_array_equal(archive["head.w/packed"], params["head.w"].packed)


def test_same_parameters_same_bytes(tmp_path, params):
    save(tmp_path / "1", params)
    save(tmp_path / "2", params)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_size_of_a_four_bit_model(make, tmp_path):
    """A two-layer Transformer of width 128: the file is its bytes and little more."""
    width, vocabulary = 128, 100
    shapes = {"token_embedding": (vocabulary, width)}
    for i in range(2):
        block = f"block.{i}"
        shapes |= {
            f"{block}.attention.w_qkv": (width, 3 * width),
            f"{block}.attention.w_out": (width, width),
            f"{block}.feed_forward.w_up": (width, 4 * width),
            f"{block}.feed_forward.w_down": (4 * width, width),
        }
        for name, n in (("b_qkv", 3), ("b_out", 1), ("b_up", 4), ("b_down", 1)):
            shapes[f"{block}.{name}"] = (n * width,)
        for name in ("norm_1.gain", "norm_1.bias", "norm_2.gain", "norm_2.bias"):
            shapes[f"{block}.{name}"] = (width,)
    shapes |= {"norm.gain": (width,), "norm.bias": (width,), "head.b": (vocabulary,)}
    floats = {name: make.normal(*shape) for name, shape in shapes.items()}
    packed = {
        name: make.quantized(
            w.shape, 4, axis=0 if "embedding" in name else -1,
            groups=(w.shape[1] if "embedding" in name else w.shape[0]) // 64,
        )
        if w.ndim == 2
        else w
        for name, w in floats.items()
    }  # fmt: skip
    save(tmp_path / "floats", floats)
    save(tmp_path / "packed", packed)
    float_bytes, packed_bytes = (os.path.getsize(tmp_path / f) for f in ("floats", "packed"))
    weights = sum(w.size for w in floats.values() if w.ndim == 2)
    vectors = sum(w.size for w in floats.values() if w.ndim == 1)
    assert nbytes(packed) == weights * (4 + 16 / 64) / 8 + 4 * vectors
    members = len(flatten(packed)[0])
    assert nbytes(packed) < packed_bytes <= nbytes(packed) + 290 * members + 2000
    assert packed_bytes <= 0.15 * float_bytes


# What goes wrong while writing


def full_after(limit):
    """An `open` whose files take `limit` bytes and then say that the disk is full."""

    class Full(io.FileIO):
        def write(self, data):
            if self.tell() + len(data) > limit:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    return lambda path, mode: Full(path, mode.replace("b", ""))


@pytest.mark.parametrize("limit", [0, 10, 300, 900])
def test_full_disk_leaves_the_earlier_file(tmp_path, params, monkeypatch, limit):
    target = tmp_path / "model.npz"
    save(target, {"old": np.ones(3)})
    before = target.read_bytes()
    monkeypatch.setattr(files, "open", full_after(limit), raising=False)
    with pytest.raises(OSError) as caught:
        save(target, params)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ["model.npz"]
    assert target.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_full_disk_as_the_kernel_says_it(tmp_path, params, monkeypatch):
    save(tmp_path / "model.npz", params)
    before = (tmp_path / "model.npz").read_bytes()
    full = functools.partial(io.FileIO, "/dev/full")
    monkeypatch.setattr(files, "open", lambda _, mode: io.BufferedWriter(full("w")), raising=False)
    for grown in (params, {"w": np.zeros(100_000)}):  # fails when closing, and when writing
        with pytest.raises(OSError) as caught:
            save(tmp_path / "model.npz", grown)
        assert caught.value.errno == errno.ENOSPC
        assert os.listdir(tmp_path) == ["model.npz"]
        assert (tmp_path / "model.npz").read_bytes() == before


@pytest.mark.parametrize("failing", ["replace", "interrupt"])
def test_other_failures_leave_nothing_behind(tmp_path, params, monkeypatch, failing):
    save(tmp_path / "model.npz", {"old": np.ones(3)})

    def fail(*_, **__):
        raise PermissionError("in use") if failing == "replace" else KeyboardInterrupt

    if failing == "replace":
        monkeypatch.setattr(files.os, "replace", fail)
    else:
        monkeypatch.setattr(files.np.lib.format, "write_array", fail)
    with pytest.raises((PermissionError, KeyboardInterrupt)):
        save(tmp_path / "model.npz", params)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["model.npz"]
    np.testing.assert_array_equal(load(tmp_path / "model.npz")["old"], np.ones(3))


def test_what_cannot_be_saved_touches_no_file(tmp_path, params):
    target = tmp_path / "f"
    for bad, header, error in (
        ({"a/b": np.ones(1)}, None, ValueError),
        ({"a": object()}, None, TypeError),
        (params, {"x": np.ones(1)}, TypeError),
        (params, {"x": {1, 2}}, TypeError),
        (params, [1], TypeError),
    ):
        with pytest.raises(error):
            save(target, bad, header)
    assert os.listdir(tmp_path) == []


def test_only_files_are_replaced(tmp_path, params):
    with pytest.raises(ValueError, match="path must name a file"):
        save(tmp_path, params)
    if os.path.exists("/dev/null"):
        with pytest.raises(ValueError, match="path must name a file, got '/dev/null'"):
            save("/dev/null", params)
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "no such folder" / "f", params)


def test_a_link_stays_a_link(tmp_path, params):
    (tmp_path / "real").write_bytes(b"old")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real")
    except OSError:
        pytest.skip("this system makes no links")
    save(tmp_path / "link", params)
    assert (tmp_path / "link").is_symlink()
    assert same(load(tmp_path / "real"), params)


def test_replacing_any_file(tmp_path):
    with replacing(tmp_path / "f") as file:
        file.write(b"new")
        assert not (tmp_path / "f").exists()
    assert (tmp_path / "f").read_bytes() == b"new"


# What goes wrong while reading


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


class Bomb:
    """Unpickling it makes a folder; nothing may ever do so."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def with_member(path, name, data):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, data)


def test_foreign_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    foreign = pathlib.Path("foreign")
    with foreign.open("wb") as file:
        np.savez(file, w=np.ones(3))
    with pytest.raises(ValueError, match="foreign cannot be loaded: it was not written by minilm"):
        load(foreign)
    with pytest.raises(ValueError, match="not written by minilm"):
        read_header(foreign)
    objects = np.empty(1, object)
    objects[0] = Bomb()
    for content in (b"", b"hello", b"PK\x03\x04", bytes(1000), pickle.dumps(Bomb())):
        foreign.write_bytes(content)
        with pytest.raises(ValueError, match="foreign cannot be loaded: it is truncated"):
            load(foreign)
    save(foreign, {"a": np.ones(1)})
    member = io.BytesIO()
    np.save(member, objects, allow_pickle=True)
    with_member(foreign, "w.npy", member.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load(foreign)
    save(foreign, {"a": np.ones(1)})
    with_member(foreign, "w.npy", pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="foreign cannot be loaded"):
        load(foreign)
    assert os.listdir() == ["foreign"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 2}, "it has version 2 of the format, this program reads 1"),
        ({"version": None}, "it has version None"),
        ({"format": "other"}, "does not say 'minilm weights'"),
        ({"kinds": []}, "lacks the kinds or the header"),
        ({"header": None}, "lacks the kinds or the header"),
        ({"kinds": {}}, "belong to no parameter: a"),
        ({"kinds": {"a": {"class": "array"}, "b": {"class": "array"}}}, "array b is missing"),
        ({"kinds": {"a": {"class": "os.system"}}}, "a is a 'os.system'"),
        ({"kinds": {"a": {"class": "Weight"}}}, "a is a 'Weight'"),
        ({"kinds": {"a": {"class": "Product", "a": {"class": "array"}}}}, "array a/a is missing"),
        ({"kinds": {"a": {"class": "Product", "a": 1, "b": 2}}}, "does not make a Product"),
    ],
)
def test_an_index_that_is_not_ours(tmp_path, changed, message):
    kinds = {"a": {"class": "array"}}
    index = {"format": "minilm weights", "version": 1, "kinds": kinds, "header": {}, **changed}
    path = tmp_path / "f"
    with path.open("wb") as file:
        np.savez(file, a=np.ones(1))
    with_member(path, "minilm.json", json.dumps(index))
    with pytest.raises(ValueError, match=f"f cannot be loaded: .*{message}"):
        load(path)


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b"{", b"\xff\xfe", b"[" * 100_000])
def test_an_index_that_is_no_index(tmp_path, text):
    with_member(tmp_path / "f", "minilm.json", text)
    with pytest.raises(ValueError, match="f cannot be loaded"):
        load(tmp_path / "f")


def test_an_array_that_claims_to_be_huge(tmp_path):
    save(tmp_path / "f", {})
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }\n"
    with_member(
        tmp_path / "f", "w.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    )
    with pytest.raises(ValueError, match="f cannot be loaded"):
        load(tmp_path / "f")


def test_truncated_anywhere(tmp_path, params):
    save(tmp_path / "f", params)
    whole = (tmp_path / "f").read_bytes()
    for length in range(0, len(whole), 37):
        (tmp_path / "f").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="f cannot be loaded: it is truncated"):
            load(tmp_path / "f")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_byte_is_refused_or_harmless(tmp_path, make, data):
    params = {"w": make.quantized((8, 6), 3), "s": make.sparse(4, 4), "b": np.arange(5.0)}
    save(tmp_path / "f", params)
    whole = bytearray((tmp_path / "f").read_bytes())
    where = data.draw(st.integers(0, len(whole) - 1))
    whole[where] ^= data.draw(st.integers(1, 255))
    (tmp_path / "f").write_bytes(whole)
    try:
        back = load(tmp_path / "f")
    except ValueError as error:
        assert str(error).startswith(f"{tmp_path / 'f'} cannot be loaded: ")
    else:
        assert same(back, params)


def test_loaded_parameters_are_weights_of_their_own(tmp_path, params):
    save(tmp_path / "f", params)
    first, second = load(tmp_path / "f"), load(tmp_path / "f")
    first["b"][:] = 0
    assert second["b"].tolist() == [0, 1, 2]
    assert isinstance(first["head.w"], Weight)


def codebook(levels, codes, scale=1.0, zero_points=None):
    return QuantizedTensor.from_codes(
        np.array([codes]), np.full((1, 1), scale, np.float32), zero_points, levels, bits=2,
        array_shape=(1, len(codes)), axis=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (codebook(np.array([0, 1, 2, np.nan], np.float32), [0, 3]), "codes must stand for finite"),
        (codebook(None, [0, 1], np.nan), "scales must be finite"),
        (codebook(None, [0, 1], -1), "not negative"),
        (codebook(None, [0, 1], zero_points=np.array([[4]], np.uint8)), r"lie in \[0, 3\]"),
        (codebook(None, [0, 1], zero_points=np.array([[np.inf]], np.float16)), "zero_points"),
        (HalfTensor(np.full((1, 1), np.inf, np.float16), (1, 1)), "halves must be finite, as fp16"),
        (HalfTensor(np.full((1, 1), 0x7FC0, np.uint16), (1, 1)), "halves must be finite, as bf16"),
        (
            ProductQuantizedTensor.from_codes(
                np.zeros((1, 1), np.uint8), np.full((1, 2, 1), np.nan, np.float32), 1,
                array_shape=(1, 1),
            ),
            "codebooks must be finite",
        ),
    ],
)
def test_codes_and_scales_that_stand_for_no_number_are_refused(tmp_path, leaf, message):
    for damaged in (leaf, Product(np.eye(1, dtype=np.float32), leaf)):
        save(tmp_path / "w.npz", {"w": damaged})
        with pytest.raises(ValueError, match=f"w.npz cannot be loaded: w: .*{message}"):
            load(tmp_path / "w.npz")


def test_a_direction_that_is_neither_is_refused(make, tmp_path):
    for name, leaf in make.every_leaf().items():
        if hasattr(leaf, "transposed"):
            save(tmp_path / "w.npz", {name: dataclasses.replace(leaf, transposed=1)})
            with pytest.raises(ValueError, match=f"{name}: transposed must be true or false"):
                load(tmp_path / "w.npz")


def test_a_level_that_is_no_number_may_stay_unused(tmp_path):
    leaf = codebook(np.array([0, 1, 2, np.nan], np.float32), [0, 2])
    save(tmp_path / "w.npz", {"w": leaf})
    np.testing.assert_array_equal(load(tmp_path / "w.npz")["w"].dense(), [[0, 2]])


def test_scales_of_one_byte_come_back(tmp_path):
    q = QuantizedTensor.from_codes(
        np.array([[1, -2]]), np.array([[56]], np.uint8), bits=4, array_shape=(1, 2), axis=0,
        scale_format="e4m3", tensor_scale=np.array([[3]], np.float32),
    )  # fmt: skip
    save(tmp_path / "w.npz", {"w": q})
    back = load(tmp_path / "w.npz")["w"]
    np.testing.assert_array_equal(back.dense(), [[3, -6]])
    assert (back.scale_format, back.nbytes) == ("e4m3", q.nbytes)


def test_a_folder_that_may_not_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    asked = []

    def refused(folder, mode):
        asked.append((folder, mode))
        return False

    files.check_target(tmp_path / "w.npz")
    monkeypatch.setattr(files.os, "access", refused)
    for write in (files.check_target, lambda path: save(path, {})):
        with pytest.raises(PermissionError, match="may not be written to"):
            write(tmp_path / "w.npz")
    assert asked == [(tmp_path.resolve(), os.W_OK)] * 2


def test_threads_may_load_at_once(tmp_path):
    # Python's own parser, which reads the arrays' headers, breaks off in Python 3.11.7 when a
    # thread is changed for another while it works: here as often as can be
    save(tmp_path / "w.npz", {"w": np.ones((1, 5, 7), np.float32), "v": np.ones(3, np.float32)})
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()

    def collected(phase, info):  # Python code inside a collection is where threads are changed
        sum(range(200))

    gc.callbacks.append(collected)
    gc.set_threshold(20)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            loaded = list(pool.map(lambda _: load(tmp_path / "w.npz"), range(1000)))
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collected)
    assert all(list(params) == ["w", "v"] for params in loaded)
