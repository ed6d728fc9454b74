"""The format's own library reads what we write and writes what we read; both refuse the same."""

import json
import random
import runpy
import struct
from pathlib import Path

import numpy as np
import pytest

from minilm.pretrained import SafetensorsFile, write_safetensors

pytestmark = pytest.mark.oracle

KINDS = ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "f8", "i8", "u8"]


def arrays_of(seed):
    """Arrays of every dtype, of shapes with zero to four axes, some empty, some transposed."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for number, kind in enumerate(KINDS * 2):
        shape = rng.integers(0 if number % 5 == 0 else 1, 5, rng.integers(0, 5)).tolist()
        size = np.dtype(kind).itemsize * int(np.prod(shape))
        bits = rng.integers(0, 2 if kind == "?" else 256, size, np.uint8)
        array = bits.view(kind).reshape(shape)
        arrays[f"layer.{rng.integers(1000)}.{number} é\n\"\\\x7f\u2028"] = array
    return arrays


def same(ours, theirs):
    alike = ours.dtype == theirs.dtype and ours.shape == theirs.shape
    return alike and ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metadata", [None, {}, {"format": "np \n é"}])
def test_the_same_bytes_are_written(tmp_path, seed, metadata):
    from safetensors.numpy import save_file

    arrays = arrays_of(seed)
    save_file(arrays, tmp_path / "theirs", metadata)
    write_safetensors(tmp_path / "ours", arrays, metadata)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    file = SafetensorsFile(tmp_path / "theirs")
    assert file.keys() == arrays.keys() and file.metadata == (metadata or {})
    assert all(same(file[name], array) for name, array in arrays.items())


@pytest.mark.parametrize("seed", range(5))
def test_it_reads_what_we_write_of_any_layout(tmp_path, seed):
    from safetensors import safe_open

    arrays = {}
    for name, array in arrays_of(seed).items():
        arrays[f"{name} turned"] = array.T
        arrays[f"{name} reversed"] = array[(slice(None, None, -1),) * array.ndim]
        arrays[f"{name} swapped"] = array.byteswap().view(array.dtype.newbyteorder())
    write_safetensors(tmp_path / "ours", arrays, {"b": "1", "a": "2"})
    with safe_open(tmp_path / "ours", framework="np") as theirs:
        assert set(theirs.keys()) == set(arrays) and theirs.metadata() == {"a": "2", "b": "1"}
        for name, array in arrays.items():
            assert same(array.astype(array.dtype.newbyteorder("=")), theirs.get_tensor(name))


def test_bfloat16_is_what_torch_takes_it_for(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(256, 256)
    save_file({"x": bits.view(torch.bfloat16)}, tmp_path / "theirs")
    ours = SafetensorsFile(tmp_path / "theirs")["x"]
    assert ours.tobytes() == bits.view(torch.bfloat16).float().numpy().tobytes()
    write_safetensors(tmp_path / "ours", {"x": bits.numpy()}, dtypes={"x": "BF16"})
    theirs = load_file(tmp_path / "ours")["x"]
    assert theirs.dtype == torch.bfloat16 and (theirs.view(torch.uint16) == bits).all()


# Why we refuse what the library reads, each on purpose: two programs could read it differently, or
# NumPy could not hold it
STRICTER = (
    "expected '{'",  # white space before it
    "stands twice",
    "an object of dtype, shape and data_offsets",  # other keys, or a list in place of the object
    "readable are BOOL",  # 8-bit and complex numbers
    "at most 32 whole numbers",
    "too large for any memory",
    "holds other than 0 and 1",
    "expected whole numbers from 0 to 2^63",  # inside a key that we do not know
)


def verdicts(path):
    """What we read, or the error; the same for the library."""
    from safetensors import SafetensorError, safe_open

    try:
        ours = dict(SafetensorsFile(path))
    except ValueError as error:
        ours = str(error)
    try:
        with safe_open(path, framework="np") as file:
            theirs = {}
            for name in file.keys():  # noqa: SIM118 - it is no dict
                half = file.get_slice(name).get_dtype() == "BF16"  # which it cannot give to NumPy
                theirs[name] = None if half else file.get_tensor(name)
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        theirs = str(error)
    return ours, theirs


def check_verdicts(path):
    ours, theirs = verdicts(path)
    if isinstance(ours, str):
        assert isinstance(theirs, str) or any(reason in ours for reason in STRICTER), ours
    else:
        assert not isinstance(theirs, str), theirs
        assert ours.keys() == theirs.keys()
        assert all(theirs[name] is None or same(ours[name], theirs[name]) for name in ours)
    return not isinstance(ours, str)


def test_damaged_files_get_the_same_verdict(tmp_path):
    mutated = runpy.run_path(str(Path(__file__).with_name("test_safetensors_fuzz.py")))["mutated"]
    read = 0
    for number in range(5000):
        path = tmp_path / str(number)
        path.write_bytes(mutated(random.Random(f"oracle {number}")))
        read += check_verdicts(path)
    assert read > 200


def test_the_cases_of_the_other_tests_get_the_same_verdict(tmp_path):
    cases = runpy.run_path(str(Path(__file__).with_name("test_safetensors.py")))
    contents = {name: content for name, (content, _) in cases["REFUSED"].items()}
    for number, (name, content) in enumerate({**contents, **cases["ACCEPTED"]}.items()):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert check_verdicts(path) == (name in cases["ACCEPTED"]), name


def test_white_space_is_refused_before_the_header_as_the_format_says(tmp_path):
    header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    for before, after in ((b"", b" "), (b" ", b"")):
        text = before + header + after
        (tmp_path / "f").write_bytes(struct.pack("<Q", len(text)) + text + b"7")
        ours, theirs = verdicts(tmp_path / "f")
        assert not isinstance(theirs, str) and isinstance(ours, str) == bool(before)
