import json
import math
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minilm
from minilm.compression import METHODS, prune, quantize, true_bits
from minilm.compression.coding import save_coded
from minilm.compression.coding.arrays import CODERS, take_apart
from minilm.compression.coding.files import MAGIC, packed_codes
from minilm.models import TransformerLanguageModel
from minilm.weights import (
    Product,
    ProductQuantizedTensor,
    QuantizedTensor,
    SparseTensor,
    flatten,
    load,
    pack,
    read_header,
    save,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same(a, b):
    """Equal parameters: the same parts under the same names, bit for bit, laid out alike."""
    (arrays, kinds), (others, other_kinds) = flatten(a), flatten(b)
    return json.dumps(kinds) == json.dumps(other_kinds) and list(arrays) == list(others) and all(
        array.dtype == others[name].dtype
        and array.shape == others[name].shape
        and array.flags.f_contiguous == others[name].flags.f_contiguous
        and array.tobytes() == others[name].tobytes()
        for name, array in arrays.items()
    )


@pytest.fixture(scope="module")
def floats():
    """A small Transformer's parameters."""
    return TransformerLanguageModel(40, width=32, layers=1, heads=2, context=16).init(0)


def file_size(path):
    return os.path.getsize(path)


# What comes back


@pytest.mark.parametrize(
    "method", ["least squares in groups", "entropy-coded", "HQQ", "trellis", "rotation", "MXFP4",
               "NVFP4", "binary", "bf16"],
)  # fmt: skip
def test_every_leaf_comes_back_identical(floats, tmp_path, method):
    bits = 3 if 3 in METHODS[method].bits else METHODS[method].bits[0]
    arguments = METHODS[method].arguments
    if method in ("least squares in groups", "HQQ"):
        arguments |= {"group_size": 16}
    params = quantize(floats, bits, **arguments)
    save(tmp_path / "npz", params)
    for coder in CODERS:
        save_coded(tmp_path / "f", params, {"steps": 3}, coder)
        assert same(load(tmp_path / "f"), params)
        assert read_header(tmp_path / "f") == {"steps": 3}
        assert file_size(tmp_path / "f") < file_size(tmp_path / "npz")


@pytest.mark.parametrize("coder", CODERS)
def test_leaves_inside_leaves_and_pruned_ones(tmp_path, coder):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (40, 6)).astype(np.uint8)
    params = {
        "product": Product(normal(64, 8), quantize(normal(8, 96), 3)),
        "sparse": prune(normal(32, 48), 0.95),
        "denser": SparseTensor.from_dense(normal(50, 20), rng.random((50, 20)) < 0.4),
        "subvectors": ProductQuantizedTensor.from_codes(
            codes, normal(6, 16, 4), 4, array_shape=(40, 24)
        ),
        "turned": quantize(normal(64, 16), 4).T,
        "w:step": np.float32(0.5),
    }
    save_coded(tmp_path / "f", params, coder=coder)
    assert same(load(tmp_path / "f"), params)
    names = dict(packed_codes(params))
    assert names["product/b/packed"] == (3, 8) and names["turned/packed"] == (4, 64)
    assert names["denser/mask"] == (1, 20) and names["subvectors/packed"] == (4, 6)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "u2", "i8", "?", ">f4", "c8"])
def test_arrays_of_every_kind(tmp_path, dtype):
    x = np.arange(1200).reshape(30, 40).astype(dtype)
    saved = {"c": x, "f": x.T, "strided": x[::2, ::3], "0-d": x[1:2, 1].reshape(()), "none": x[:0],
             "cube": x.reshape(5, 6, 40).transpose(2, 1, 0)}  # fmt: skip
    for coder in CODERS:
        save_coded(tmp_path / "f", saved, coder=coder)
        for name, array in load(tmp_path / "f").items():
            assert array.dtype == dtype and array.shape == saved[name].shape
            assert array.flags.writeable
            np.testing.assert_array_equal(array, saved[name])
    assert load(tmp_path / "f")["f"].flags.f_contiguous


@st.composite
def skewed(draw):
    """Arrays whose bytes come in every way: alike, in runs, rare, random; of any kind and shape."""
    dtype = np.dtype(draw(st.sampled_from(["u1", "i2", "u4", "i8", "f2", "f4", "f8", ">f4", "?"])))
    shape = tuple(draw(st.lists(st.integers(0, 40), max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    raw = rng.geometric(draw(st.sampled_from([1.0, 0.999, 0.5, 0.01])),
                        math.prod(shape) * dtype.itemsize) % 256  # fmt: skip
    array = raw.astype(np.uint8).view(dtype).reshape(shape)
    return array.T if draw(st.booleans()) else array


@settings(max_examples=40)
@given(st.lists(skewed(), max_size=4), st.sampled_from(sorted(CODERS)))
def test_any_arrays_come_back_bit_for_bit(tmp_path_factory, arrays, coder):
    path = tmp_path_factory.mktemp("coded") / "f"
    params = {f"a{number}": array for number, array in enumerate(arrays)}
    save_coded(path, params, coder=coder)
    assert same(load(path), params)


@settings(max_examples=30)
@given(st.sampled_from([*range(1, 9), 16]), st.integers(1, 12), st.integers(0, 40),
       st.sampled_from([1.0, 0.9, 0.3, 0.001]), st.sampled_from(sorted(CODERS)))
def test_any_codes_come_back(tmp_path_factory, bits, rows, n, p, coder):
    path = tmp_path_factory.mktemp("coded") / "f"
    half = 2 ** (bits - 1)
    codes = np.random.default_rng(n).geometric(p, (rows, n)) % 2**bits - half
    q = QuantizedTensor.from_codes(codes, np.ones((rows, 1), np.float32), bits=bits,
                                   array_shape=codes.shape, axis=0)  # fmt: skip
    save_coded(path, {"w": q}, coder=coder)
    assert same(load(path), {"w": q})


def test_floats_that_are_odd(tmp_path):
    x = np.array([0.0, -0.0, np.nan, np.inf, 1e-45] * 100, np.float32)
    save_coded(tmp_path / "f", {"x": x})
    assert load(tmp_path / "f")["x"].tobytes() == x.tobytes()


def test_nothing_at_all(tmp_path):
    save_coded(tmp_path / "f", {})
    assert load(tmp_path / "f") == {} and read_header(tmp_path / "f") == {}
    assert file_size(tmp_path / "f") < 200


def test_codes_of_every_distribution(symbols, tmp_path):
    if symbols.max(initial=0) < 256:
        q = QuantizedTensor.from_codes(
            symbols[None], np.ones((1, 1), np.float32), np.zeros((1, 1), np.uint8), bits=8,
            array_shape=(1, len(symbols)), axis=0,
        )  # fmt: skip
    else:
        q = QuantizedTensor.from_codes(
            symbols[None] - 5000, np.ones((1, 1), np.float32), bits=16,
            array_shape=(1, len(symbols)), axis=0,
        )  # fmt: skip
    for coder in CODERS:
        save_coded(tmp_path / "f", {"w": q}, coder=coder)
        assert same(load(tmp_path / "f"), {"w": q})


def test_rows_padded_with_anything_stay_so(tmp_path):
    q = quantize(normal(61, 300), 3)
    q.packed[:, -1] |= 0x80  # 61 · 3 = 183 of 184 bits
    save_coded(tmp_path / "f", {"w": q})
    assert same(load(tmp_path / "f"), {"w": q})


def test_more_symbols_than_a_coder_takes(tmp_path):
    codes = np.arange(-(2**14), 2**14)[None] % 2**15
    q = QuantizedTensor.from_codes(codes, np.ones((1, 1), np.float32), bits=16,
                                   array_shape=codes.shape, axis=0)  # fmt: skip
    save_coded(tmp_path / "f", {"w": q})
    assert same(load(tmp_path / "f"), {"w": q})


def test_same_parameters_same_bytes(floats, tmp_path):
    for name in "12":
        save_coded(tmp_path / name, quantize(floats, 3))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_read_where_nobody_asked_for_coding(tmp_path):
    save_coded(tmp_path / "f", {"w": quantize(normal(64, 64), 2)}, {"a": 1})
    program = ("import sys; from minilm.weights import load, read_header; "
               "print(load(sys.argv[1])['w'].bits, read_header(sys.argv[1]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "f"], check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout == "2 {'a': 1}\n"


# How many bytes


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("method", ["entropy-coded", "codebook, coded"])
def test_the_file_is_what_entropy_says(tmp_path, method, bits):
    params = {f"w.{i}": normal(100, 300, seed=i) for i in range(2)}
    small = quantize(params, bits, **METHODS[method].arguments)
    save_coded(tmp_path / "f", small)
    size = file_size(tmp_path / "f")
    assert size < 1.01 * true_bits(small, "entropy") / 8 + 350  # the index
    save_coded(tmp_path / "f", small, coder="huffman")
    assert size < file_size(tmp_path / "f") < 1.1 * true_bits(small, "entropy") / 8 + 350


def test_what_an_array_costs(tmp_path):
    few = {f"block.{i}.norm.gain": np.full(3, i, np.float32) for i in range(40)}
    save_coded(tmp_path / "f", few)
    assert file_size(tmp_path / "f") < 40 * 12 + 40 * 15 + 150
    save(tmp_path / "npz", few)
    assert file_size(tmp_path / "npz") > 40 * 250


def test_a_mask_is_coded(tmp_path):
    mask = np.random.default_rng(0).random((200, 300)) < 0.2
    s = SparseTensor(pack(mask.view(np.uint8), 1), np.ones(int(mask.sum()), "f4"), mask.shape)
    save_coded(tmp_path / "f", {"w": s})
    assert same(load(tmp_path / "f"), {"w": s})
    assert file_size(tmp_path / "f") < 0.73 * s.mask.nbytes + 400  # H(0.2) = 0.722


def test_exponents_are_coded(tmp_path):
    x = normal(5000)
    entry, kept, [coded] = take_apart(x, None, CODERS["rans"])
    assert entry["parts"][:3] == [None] * 3 and len(kept) == 3 * 5000
    assert coded.table.tolist() == entry["parts"][3][1]
    save_coded(tmp_path / "f", {"x": x})
    assert file_size(tmp_path / "f") < 0.87 * x.nbytes
    x = np.random.default_rng(0).integers(0, 2**32, 999)  # int64: four bytes are 0
    save_coded(tmp_path / "f", {"x": x})
    assert file_size(tmp_path / "f") < 999 * 4 + 250


def test_as_many_symbols_as_a_coder_takes():
    most = CODERS["rans"].most
    for different, coded in ((most, True), (most + 1, False)):
        codes = np.arange(different, dtype=np.uint16)[None]
        entry, kept, streams = take_apart(pack(codes, 16), (16, different), CODERS["rans"])
        assert ("parts" in entry) == coded == (kept == b"") == (len(streams) == 1)
    apart = np.array([[0, most] * 999], np.uint16)  # two, however far apart
    assert len(take_apart(pack(apart, 16), (16, 1998), CODERS["rans"])[2]) == 1


def test_a_table_begins_with_the_least_symbol():
    x = np.array([200, 201, 203, 201] * 99, np.uint8)
    for coder in CODERS.values():
        entry, _, [coded] = take_apart(x, None, coder)
        [[first, table]] = entry["parts"]
        assert first == 200 and len(table) == 4 and table[2] == 0
        assert coded.symbols.tolist() == [0, 1, 3, 1] * 99


# What goes wrong


def test_what_cannot_be_saved_touches_no_file(tmp_path):
    for bad, how, error in (
        ({"a/b": np.ones(1)}, {}, ValueError),
        ({"a": object()}, {}, TypeError),
        ({"a": np.array(["text"])}, {}, TypeError),
        ({"a": np.ones(1)}, {"header": {"x": {1, 2}}}, TypeError),
        ({"a": np.ones(1)}, {"header": [1]}, TypeError),
        ({"a": np.ones(1)}, {"coder": "zip"}, ValueError),
    ):
        with pytest.raises(error):
            save_coded(tmp_path / "f", bad, **how)
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match="coder must be one of 'rans', 'huffman', got 'zip'"):
        save_coded(tmp_path / "f", {}, coder="zip")
    with pytest.raises(FileNotFoundError):
        save_coded(tmp_path / "none" / "f", {})


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    save_coded(tmp_path / "f", {"a": np.ones(3)})
    old = (tmp_path / "f").read_bytes()
    # of that file alone: others, such as what pytest's processes talk by, use the module too
    monkeypatch.setattr("minilm.compression.coding.files.struct", SimpleNamespace(pack=full))
    with pytest.raises(OSError, match="no space left"):
        save_coded(tmp_path / "f", {"a": np.zeros(9)})
    assert (tmp_path / "f").read_bytes() == old and os.listdir(tmp_path) == ["f"]


def small():
    return {"w": quantize(normal(20, 40), 3, axis=-1, group_size=20),
            "s": prune(normal(10, 40), 0.9), "b": np.arange(100.0)}  # fmt: skip


@pytest.mark.parametrize("coder", CODERS)
def test_truncated_anywhere(tmp_path, coder):
    save_coded(tmp_path / "f", small(), coder=coder)
    whole = (tmp_path / "f").read_bytes()
    for length in [*range(20), *range(20, len(whole), 197), len(whole) - 1]:
        (tmp_path / "f").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="f cannot be loaded: it is truncated"):
            load(tmp_path / "f")
    (tmp_path / "f").write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="f cannot be loaded: it is truncated or damaged"):
        load(tmp_path / "f")


def test_a_damaged_byte_is_refused_or_harmless(tmp_path):
    save_coded(tmp_path / "f", small())
    whole, (_, body) = (tmp_path / "f").read_bytes(), parts_of(tmp_path / "f")
    rng = np.random.default_rng(0)
    for where in [*range(20), *rng.integers(len(whole), size=120)]:
        damaged = bytearray(whole)
        damaged[where] ^= 1 << rng.integers(8)
        (tmp_path / "f").write_bytes(damaged)
        try:
            back = load(tmp_path / "f")
        except ValueError as error:
            assert str(error).startswith(f"{tmp_path / 'f'} cannot be loaded: ")
        else:  # bits of the deflated index that say nothing: how hard zlib tried, the last padding
            assert len(MAGIC) + 4 <= where < len(whole) - len(body) and same(back, small())


def parts_of(path):
    """The index and the body of a file."""
    data = path.read_bytes()
    assert data.startswith(MAGIC)
    (length,) = struct.unpack_from("<I", data, 8)
    return json.loads(zlib.decompress(data[12 : 12 + length])), data[12 + length :]


def write_parts(path, index, body):
    text = zlib.compress(json.dumps({**index, "crc32": zlib.crc32(body)}).encode())
    path.write_bytes(MAGIC + struct.pack("<I", len(text)) + text + body)


def places(tree, path=()):
    """Every place in nested dicts and lists."""
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


def changed(tree, path, value):
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = changed(tree[path[0]], path[1:], value)
    return copy


KEYS = "arrays", "coder", "coded", "kinds"
NASTY = [
    None, True, -1, 0, 1, 7, 2**14, 2**31, 2**40, 2**63, 2**80, 1e300, 0.5, float("nan"),
    "", "O", "|u1", "<f8", "V9999999999", "rans", "huffman", {}, {"class": "array"},
    [], [[]], [0], [1] * 3000, [2**40, 2**40], [16384], [8192, 8192],
]  # fmt: skip


@pytest.mark.parametrize("coder", CODERS)
def test_a_hostile_index_is_refused_quickly(tmp_path, coder):
    @settings(max_examples=60, database=None)
    @given(st.data())
    def check(data):
        path = data.draw(st.sampled_from(everywhere))
        write_parts(target, changed(index, path, data.draw(st.sampled_from(NASTY))), body)
        try:
            load(target)
        except ValueError as error:
            assert str(error).startswith(f"{target} cannot be loaded: ")

    target = tmp_path / "f"
    save_coded(target, small(), coder=coder)
    index, body = parts_of(target)
    everywhere = [path for path in places(index) if path and path[0] in KEYS]
    check()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"shape": [10**13]}, "need 40000000000008 bytes, there are 40"),
        ({"shape": [10**13, 10**13]}, "there are 40"),
        ({"shape": [10**13, 0]}, "need 8 bytes, there are 40"),
        ({"dtype": "|u1", "shape": [33]}, "need 41 bytes, there are 40"),
        ({"shape": [-1]}, "shape must be"),
        ({"dtype": "|O"}, "dtype must be"),
        ({"dtype": "<U5"}, "dtype must be"),
        ({"dtype": {"a": "f4"}}, "dtype must be"),
        ({"parts": [None] * 3}, "float32 must have 4 parts"),
        ({"shape": [10**13], "parts": [[0, [16384]]] * 4}, "8 of 40 bytes cannot be 4000000000000"),
        ({"shape": [4000], "parts": [[0, [16384]]] * 4}, "8 bytes .* cannot be 16000 symbols"),
        ({"shape": [10**13], "parts": [*[None] * 3, [0, [16384]]]}, "8 of 40 bytes cannot be"),
        ({"parts": [[0, [16383]]] * 4}, "sum to 16384, got 16383"),
        ({"parts": [[0, [2**40] * 9]] * 4}, "sum to 16384"),
        ({"parts": [[250, [2048] * 8]] * 4}, "must be below 256, got up to 257"),
        ({"parts": [[249, [2048] * 8]] * 4}, "must be below 256, got up to 256"),
        ({"shape": [True]}, "shape must be"),
        ({"parts": [[0, [16384.0]]] * 4}, "a table must be a list of whole numbers"),
        ({"parts": [[0, [-1, 16385]]] * 4}, "a table must be a list of whole numbers"),
        ({"parts": [[0, []]] * 4}, "empty table"),
        ({"parts": [[-1, [16384]]] * 4}, "a table must be a list of whole numbers from 0 on"),
        ({"parts": [None] * 4}, "need 48 bytes, there are 40"),
        ({"parts": 4}, "must have 4 parts"),
        ({"parts": [[0, [16384], 1]] * 4}, "too many values"),
        ({"dtype": "|u1", "shape": [1, 2**40], "codes": [1, 2**43],
          "parts": [[0, [16384]]]}, "8 of 40 bytes cannot be 8796093022208"),
        ({"dtype": "|u1", "shape": [1, 5], "codes": [3, 10], "parts": [[0, [16384]]]},
         "10 codes of 3 bits do not make"),
        ({"dtype": "|u1", "shape": [4], "codes": [3, 10], "parts": [[0, [16384]]]},
         "10 codes of 3 bits do not make"),
        ({"dtype": "|u1", "shape": [1, 4, 2], "codes": [3, 10], "parts": [[0, [16384]]]},
         "10 codes of 3 bits do not make"),
        ({"shape": [1, 4], "codes": [3, 10], "parts": [[0, [16384]]] * 4},
         "10 codes of 3 bits do not make"),
        ({"dtype": "|u1", "shape": [5, 0], "codes": [3, -1], "parts": [[0, [16384]]]},
         "-1 codes of 3 bits do not make"),
        ({"dtype": "|u1", "shape": [1, 4], "codes": [3, 10], "parts": [None]}, "NoneType"),
        ({"dtype": "|u1", "shape": [1, 4], "codes": [99, 10], "parts": [[0, [16384]]]},
         "bits must be an integer"),
    ],
)  # fmt: skip
def test_hostile_entries(tmp_path, entry, message):
    save_coded(tmp_path / "f", {"a": np.zeros(0, np.float32)})
    index, _ = parts_of(tmp_path / "f")
    index["arrays"], index["coded"] = {"a": {"dtype": "<f4", "shape": [10], **entry}}, 8
    write_parts(tmp_path / "f", index, bytes([1, 0, 0, 0]) * 10)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"f cannot be loaded: .*{message}"):
        load(tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("coded", [41, 10**9, -1, 8.0, None])
def test_more_coded_bytes_than_there_are(tmp_path, coder, coded):
    save_coded(tmp_path / "f", {"a": np.zeros(0, np.float32)}, coder=coder)
    index, _ = parts_of(tmp_path / "f")
    table = [16384] if coder == "rans" else [0]
    entry = {"dtype": "|u1", "shape": [10**9], "parts": [[0, table]]}
    write_parts(tmp_path / "f", {**index, "arrays": {"a": entry}, "coded": coded}, bytes(40))
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"f cannot be loaded: {coded} of 40 bytes cannot be"):
        load(tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_an_index_that_is_none(tmp_path):
    for text in (b"", b"[]", b"3", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": "other"}'):
        packed = zlib.compress(text)
        (tmp_path / "f").write_bytes(MAGIC + struct.pack("<I", len(packed)) + packed)
        with pytest.raises(ValueError, match="f cannot be loaded"):
            load(tmp_path / "f")
    save_coded(tmp_path / "f", {})
    packed = zlib.compress(json.dumps(parts_of(tmp_path / "f")[0]).encode()) + b"more"
    (tmp_path / "f").write_bytes(MAGIC + struct.pack("<I", len(packed)) + packed)
    with pytest.raises(ValueError, match="its index does not end where it should"):
        load(tmp_path / "f")
    (tmp_path / "f").write_bytes(MAGIC + b"\xff" * 4)
    tracemalloc.start()
    with pytest.raises(ValueError, match="it is truncated or damaged"):
        load(tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 1e8  # not the 4 GB that it claims
    tracemalloc.stop()


def test_an_index_that_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("minilm.compression.coding.files.LONGEST_INDEX", 10_000)
    packed = zlib.compress(b" " * 10_000_000)
    (tmp_path / "f").write_bytes(MAGIC + struct.pack("<I", len(packed)) + packed)
    with pytest.raises(ValueError, match="its index does not end where it should"):
        load(tmp_path / "f")
    with pytest.raises(ValueError, match="header must fit into an index of 10000 bytes"):
        save_coded(tmp_path / "g", {}, {"text": "a" * 10_000})
    assert not (tmp_path / "g").exists()


def test_an_unknown_coder_and_what_is_missing(tmp_path):
    save_coded(tmp_path / "f", small())
    index, body = parts_of(tmp_path / "f")
    write_parts(tmp_path / "f", {**index, "coder": "zip"}, body)
    with pytest.raises(ValueError, match="its coder is 'zip', known are rans, huffman"):
        load(tmp_path / "f")
    for wrong in (None, 3, [], "a"):
        write_parts(tmp_path / "f", {**index, "arrays": wrong}, body)
        with pytest.raises(ValueError, match="its arrays must be entries by name"):
            load(tmp_path / "f")
    for key in ("coder", "arrays"):
        write_parts(tmp_path / "f", {k: v for k, v in index.items() if k != key}, body)
        with pytest.raises(ValueError, match="f cannot be loaded"):
            load(tmp_path / "f")
    del index["arrays"]["b"]
    write_parts(tmp_path / "f", index, body)
    with pytest.raises(ValueError, match="bytes are not 800 symbols of these shares"):
        load(tmp_path / "f")
    write_parts(tmp_path / "f", parts_of(tmp_path / "f")[0], body + b"more")
    with pytest.raises(ValueError, match="f cannot be loaded"):
        load(tmp_path / "f")


def test_minilm_load_is_the_one_that_reads(tmp_path):
    save_coded(tmp_path / "f", small())
    assert same(minilm.load(tmp_path / "f"), small())
