"""Files that somebody damaged, by accident or on purpose: a ValueError or a sound reading."""

import json
import math
import os
import random
import struct
import subprocess
import sys
import time

import pytest

from minilm.pretrained import SafetensorsFile

ITEMSIZE = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
            "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8}

# What stands in for a value, or for a part of the header's text
NASTY = [
    "-1", "-0", "0", "1", "7", "2.0", "1e3", "1e400", "-1e-400", "NaN", "Infinity", "-Infinity",
    "true", "false", "null", '""', '"F32"', '"BF16"', '"F8_E4M3"', '"I128"', '"\\ud800"', '"é"',
    '"\\u0000"', "[]", "{}", "[0]", "[0, 0]", "[0, 8]", "[8, 0]", "[1, [2]]", '{"a": 1}',
    str(2**31), str(2**32), str(2**62), str(2**63 - 1), str(2**63), str(2**64), "9" * 5000,
    "[" * 3000, '{"a":' * 3000, "[" * 3000 + "]" * 3000, f"[{2**62}, 4]", f"[0, {2**62}, 4]",
    "[" + ", ".join(["1"] * 40) + "]", "[4294967296, 4294967296]", '"a": 1, "a"', "\0", "\n", " ",
    ",", ":", "}", "]", '"', "\\",
]


def sound(rng):
    """A header and the bytes it speaks of: up to six tensors in any order."""
    entries, data = {}, b""
    for number in range(rng.randrange(7)):
        dtype = rng.choice(list(ITEMSIZE))
        shape = [rng.randrange(rng.random() > 0.1, 4) for _ in range(rng.randrange(4))]
        size = ITEMSIZE[dtype] * math.prod(shape)
        entries[f"layer.{number}.w"] = {
            "dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]
        }
        data += bytes(rng.randrange(2) for _ in range(size)) if dtype == "BOOL" else (
            rng.randbytes(size))
    names = rng.sample(list(entries), len(entries))
    header = {"__metadata__": {"format": "pt"}} if rng.random() < 0.3 else {}
    return header | {name: entries[name] for name in names}, data


def places(value, path=()):
    """The paths to all values inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in inside:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))


def mutated_header(rng, header):
    """One change that knows the header's structure. Returns its text."""
    header = json.loads(json.dumps(header))
    paths = list(places(header))
    if not paths:
        return rng.choice(NASTY)
    path = rng.choice(paths)
    parent = header
    for key in path[:-1]:
        parent = parent[key]
    what = rng.randrange(5)
    if what == 0:
        del parent[path[-1]]
    elif what == 1 and isinstance(parent[path[-1]], int):
        parent[path[-1]] += rng.randrange(-9, 10)
    elif what == 2 and isinstance(parent, dict):
        name = rng.choice(list(parent))
        parent[name] = parent.pop(path[-1])
    elif what == 3:
        other = header
        for key in rng.choice(paths):
            other = other[key]
        parent[path[-1]] = json.loads(json.dumps(other))
    else:
        parent[path[-1]] = "@"
        return json.dumps(header).replace('"@"', rng.choice(NASTY))
    return json.dumps(header)


def mutated_text(rng, text):
    """One change that knows no structure: a piece of the text goes, comes or is doubled."""
    start = rng.randrange(len(text))
    piece = text[start : start + rng.randrange(40)]
    changed = rng.choice(["", rng.choice(NASTY), piece * 2, piece[::-1]])
    return text[:start] + changed + text[start + len(piece) :]


def mutated(rng):
    """The bytes of a file with one to three things wrong, some of them harmless."""
    header, data = sound(rng)
    text = json.dumps(header)
    what = rng.randrange(7)
    if what < 2:
        text = mutated_header(rng, header)
    elif what == 2:
        text = mutated_text(rng, text)
    elif what == 3:
        data = data[: rng.randrange(len(data) + 1)] + bytes(rng.randrange(3))
    raw = text.encode("utf-8", "surrogatepass")
    raw += b" " * rng.randrange(9)
    length = len(raw)
    if what == 4:
        length = rng.choice([0, 1, length - 1, length + 1, length + len(data), 10**8, 2**32,
                             2**63, 2**64 - 1, rng.randrange(2**64)])
    content = bytearray(struct.pack("<Q", length) + raw + data)
    if what == 5:
        for _ in range(rng.randrange(1, 5)):
            content[rng.randrange(len(content))] = rng.randrange(256)
    elif what == 6:
        del content[rng.randrange(len(content)) :]
    return bytes(content)


def check_reading(content, path):
    """Whether the file is read; ValueError is the one way to refuse it. What is read is there."""
    path.unlink(missing_ok=True)  # much faster than to write over it
    path.write_bytes(content)
    try:
        file = SafetensorsFile(path)
        arrays = dict(file)
    except ValueError as error:
        assert str(error).startswith(str(path)) and len(str(error)) < len(str(path)) + 1000
        return False
    n = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + n]), content[8 + n :]
    assert header.pop("__metadata__", None) in (file.metadata, None)
    assert header.keys() == arrays.keys()
    for name, told in header.items():
        raw = data[slice(*told["data_offsets"])]
        array = arrays[name]
        if told["dtype"] == "BF16":
            raw = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw), 2))
        assert array.tobytes() == raw and list(array.shape) == told["shape"]
    assert sum(end - begin for _, _, begin, end in file.entries.values()) == len(data)
    return True


def fuzz(count, folder, seed=0):
    """How many of `count` damaged files were read all the same, and the longest time for one."""
    read, longest = 0, 0.0
    for number in range(count):
        content = mutated(random.Random(f"{seed} {number}"))
        start = time.perf_counter()
        read += check_reading(content, folder / "f.safetensors")
        longest = max(longest, time.perf_counter() - start)
    return read, longest


def test_two_thousand_damaged_files(tmp_path):
    read, _ = fuzz(2000, tmp_path)
    assert 100 < read < 700, "some changes are harmless, most are not"


def test_every_truncation(tmp_path):
    header = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    content = struct.pack("<Q", len(json.dumps(header))) + json.dumps(header).encode() + bytes(8)
    assert [end for end in range(len(content) + 1)
            if check_reading(content[:end], tmp_path / "f.safetensors")] == [len(content)]


def monsters():
    """Headers that take much more time or memory than they have bytes, if one is careless."""
    def text(raw):
        return struct.pack("<Q", len(raw)) + raw

    yield text(b"[" * 10**6)
    yield text(b'{"a":' * 10**6)
    yield text(b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}")
    yield text(b'{"a":' + b"9" * 10**7 + b"}")
    yield text(b'{"a":0.' + b"9" * 10**7 + b"}")
    yield text(b'{"' + b"a" * 10**7 + b'":1}')
    yield text(b'{"a":"' + b"\\u0041" * 10**6 + b'"}')
    yield text(b'{"a":[' + b"1," * 10**6 + b"1]}")
    yield text(b'{"a":[' + b"[]," * 10**6 + b"1]}")
    yield text(b'{"a":{"dtype":"F32","shape":[' + b"1000000000000000000," * 10**5
               + b'1],"data_offsets":[0,4]}}')
    yield text(b'{"a":{"dtype":"F64","shape":[1000000000000],"data_offsets":[0,8000000000000]}}')
    yield text(b"{" + b",".join(b'"%d":1' % number for number in range(10**5)) + b"}")
    yield text(b" " * 10**7)
    yield struct.pack("<Q", 10**8)
    yield struct.pack("<Q", 2**64 - 1) + bytes(100)


LIMITED = """
import pathlib, resource, runpy, sys
tests = runpy.run_path(sys.argv[1])
folder = pathlib.Path(sys.argv[2])
held = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 300_000_000,) * 2)
for number, content in enumerate(tests["monsters"]()):
    start = tests["time"].perf_counter()
    try:
        tests["check_reading"](content, folder / "f.safetensors")
    except ValueError:
        pass
    seconds = tests["time"].perf_counter() - start
    assert seconds < 5, (number, seconds)
read, longest = tests["fuzz"](20_000, folder, seed=1)
print(read, longest)
assert 1000 < read < 7000 and longest < 3
"""


def in_a_process(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", script, __file__, *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_twenty_thousand_damaged_files_and_monsters_within_300_mb_and_seconds(tmp_path):
    in_a_process(LIMITED, tmp_path)
