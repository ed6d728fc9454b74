"""All that a safetensors file's header may say, checked before a single number is looked at.

Whoever believes a header reads where it points. So nothing in it is believed:

    the header's length        at most 10 MB, and at most what is there
    its text                   UTF-8, JSON, "{" first; no name twice, which readers take differently
    each tensor                a known dtype, a shape and a [begin, end) that agree on the bytes
    all tensors together       one begins where another ends: no hole, no overlap, no rest

The rules are the format's. Where its own library is laxer, these are refused: headers of up to
100 MB, spaces before the "{", names that stand twice, other keys beside a tensor's three, shapes
that no array can have.
"""

import json
import math
import mmap
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from minilm.text.tokenizers.json_files import shown  # shortened: a name may have megabytes

# How the bytes of each dtype are read, in the order of the format's own list: writers put the last
# of them first, so that every tensor begins at a multiple of its item's size.
DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
}
NAMES = {code: name for name, code in DTYPES.items() if name != "BF16"}
ORDER = {name: place for place, name in enumerate(DTYPES)}

# bytes, enough for 50,000 tensors. The format allows ten times as many, which could be so written
# that a minute and gigabytes go into reading them.
LARGEST_HEADER = 10_000_000
MOST_DIMENSIONS = 32  # of an array, in NumPy 1
LARGEST_SIZE = 2**63 - 1
METADATA = "__metadata__"
KEYS = {"dtype", "shape", "data_offsets"}


class Entry(NamedTuple):
    """What the header says of a tensor; begin and end count from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def header_bytes(file: bytes | mmap.mmap) -> tuple[bytes, int]:
    """The header's text, and the byte at which the numbers begin."""
    if len(file) < 8:
        raise ValueError(f"it has {len(file)} bytes, fewer than the 8 of the header's length")
    n, there = int.from_bytes(file[:8], "little"), len(file) - 8
    if n > LARGEST_HEADER or n > there:
        raise ValueError(
            f"its header claims {n} bytes, at most {LARGEST_HEADER} are allowed "
            f"and {there} are there"
        )
    return file[8 : 8 + n], 8 + n


def parsed_header(text: bytes) -> dict[str, Any]:
    """The header as a dict. ValueError for what is not JSON as the format wants it."""
    if not text.startswith(b"{"):
        raise ValueError(f"its header begins with {text[:8]!r}, expected '{{'")
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=distinct,
            parse_int=counted,
            parse_float=refused_number,
            parse_constant=refused_number,
        )
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of which no name stands twice: two readers could take different ones."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"name {shown(name)} stands twice in its header")
        name.encode("utf-8")  # half a surrogate pair is no text
        found[name] = value
    return found


def counted(digits: str) -> int:
    """A number of the header. Checked as text: thousands of digits would take long to convert."""
    if len(digits) > 19 or not digits.isdigit() or int(digits) > LARGEST_SIZE:
        refused_number(digits)
    return int(digits)


def refused_number(text: str) -> NoReturn:
    raise ValueError(f"number {text[:40]} in its header, expected whole numbers from 0 to 2^63 - 1")


def checked_metadata(found: Any) -> dict[str, str]:
    """`__metadata__`: strings by name, or nothing."""
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError(f"{METADATA} is {shown(found)}, expected an object of strings")
    for text in found.values():
        text.encode("utf-8")
    return found


def checked_entry(name: str, found: Any) -> Entry:
    """A tensor's entry, if its bytes are as many as its shape and dtype say."""
    if not isinstance(found, dict) or found.keys() != KEYS:
        raise ValueError(f"tensor {shown(name)} is {shown(found)}, expected an object of "
                         f"dtype, shape and data_offsets")
    dtype, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {shown(name)} has dtype {shown(dtype)}, "
                         f"readable are {', '.join(DTYPES)}")
    if not is_counts(shape) or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"tensor {shown(name)} has shape {shown(shape)}, "
                         f"expected a list of at most {MOST_DIMENSIONS} whole numbers")
    if not is_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {shown(name)} has data_offsets {shown(offsets)}, "
                         f"expected two whole numbers")
    itemsize = np.dtype(DTYPES[dtype]).itemsize
    # NumPy counts so, too: an axis of length 0 does not make room for another too long
    if itemsize * math.prod(length or 1 for length in shape) > LARGEST_SIZE:
        raise ValueError(f"tensor {shown(name)} has shape {shown(shape)}, too large for any memory")
    begin, end = offsets
    expected = itemsize * math.prod(shape)
    if end - begin != expected:
        raise ValueError(f"tensor {shown(name)} has data_offsets {offsets}: {end - begin} bytes, "
                         f"but {dtype} of shape {shown(shape)} takes {expected}")
    return Entry(dtype, tuple(shape), begin, end)


def is_counts(found: Any) -> bool:
    """A list of ints; JSON's true and false are none."""
    return isinstance(found, list) and all(type(number) is int for number in found)


def check_cover(entries: dict[str, Entry], length: int) -> None:
    """The tensors, in the order of their bytes, fill the data: no hole, no overlap, no rest."""
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != place:
            what = "a hole" if entry.begin > place else "an overlap"
            raise ValueError(f"tensor {shown(name)} begins at {entry.begin}, expected {place}: "
                             f"there is {what} before it")
        place = entry.end
    if place != length:
        raise ValueError(f"its tensors take {place} bytes, but {length} follow the header")


def header_text(entries: dict[str, Entry], metadata: Mapping[str, str] | None) -> bytes:
    """The header's bytes: the inverse of `parsed_header`, with spaces up to a multiple of 8."""
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
            raise TypeError(f"metadata must hold strings by name, got {shown(dict(metadata))}")
        header[METADATA] = dict(sorted(metadata.items()))
    for name, (dtype, shape, begin, end) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"header of {len(text)} bytes, at most {LARGEST_HEADER} are allowed")
    return text
