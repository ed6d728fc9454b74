"""An array as streams of symbols, each coded where that makes it less, and put together again.

    packed codes     one stream: the codes themselves, whatever their bits
    anything else    a stream for each byte of a number: all lowest bytes, …, all highest. The low
                     bytes of floats look random and stay as they are; the high ones, sign and
                     exponent, are alike

What puts an array together again is its *entry*, plain JSON:

    dtype, shape     of the array; "fortran": its axes are the other way round in memory
    codes            [bits, codes in a row], for packed codes
    parts            for each stream [first, table]: symbol s is coded as s − first, by this table
                     of shares (rans.py) or lengths (huffman.py); or null: kept as it is, a byte a
                     symbol. Without any parts, the bytes of the array are kept as they are
"""

import json
import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.coding import huffman, rans
from minilm.compression.coding.entropy import entropy_of
from minilm.types import Array
from minilm.weights.packing import check_bits, code_type, pack, row_bytes, unpack

Entry = dict[str, Any]
Codes = tuple[int, int]  # bits, and how many codes there are in a row

EXPANSION = 2**11  # symbols a coded byte may stand for: bounds what memory a false file can claim
NUMBERS = "biufc"  # kinds of dtype


class Coder(NamedTuple):
    """What both coders can do; most: of how many different symbols, at the most."""

    table_of: Callable[[Array], Array]  # of counts
    cost: Callable[[Array, Array], float]  # in bits, of counts with a table
    encode: Callable[[list[Array], list[Array]], bytes]
    decode: Callable[[bytes, list[Array], list[int]], list[Array]]
    most: int


CODERS = {
    "rans": Coder(rans.shares_of, rans.cost, rans.encode, rans.decode, rans.TOTAL),
    "huffman": Coder(huffman.lengths_of, huffman.cost, huffman.encode, huffman.decode,
                     2**huffman.LONGEST),
}  # fmt: skip


class Coded(NamedTuple):
    """Symbols to be coded, (n,) from 0 on, and the table to do it with."""

    symbols: Array
    table: Array


def take_apart(
    array: Array, codes: Codes | None, coder: Coder
) -> tuple[Entry, bytes, list[Coded]]:
    """The entry, the bytes that are kept, and the streams that are to be coded.

    codes: those that the array packs, None if it is no such thing. TypeError for an array of
    anything but numbers.
    """
    if array.dtype.kind not in NUMBERS:
        raise TypeError(f"an array must hold numbers to be coded, got {array.dtype}")
    turned = array.flags.f_contiguous and not array.flags.c_contiguous
    stored = np.asarray(array.T if turned else array, order="C")
    entry: Entry = {"dtype": array.dtype.str, "shape": list(stored.shape)}
    if turned:
        entry["fortran"] = True
    raw = stored.tobytes()
    packed = codes is not None and np.array_equal(pack(unpack(stored, *codes), codes[0]), stored)
    if codes is not None and packed:  # unpacking loses nothing: what pads the rows is zeros
        streams, bytes_of = [unpack(stored, *codes).reshape(-1)], [raw]
    else:
        streams = list(np.frombuffer(raw, np.uint8).reshape(-1, array.dtype.itemsize).T)
        bytes_of = [stream.tobytes() for stream in streams]
    parts, kept, coded = [], [], []
    for symbols, plain in zip(streams, bytes_of, strict=True):
        part, stream = _worth_coding(symbols, len(plain), coder)
        parts.append(part)
        if stream is None:
            kept.append(plain)
        else:
            coded.append(stream)
    if not coded:
        return entry, raw, []
    if packed:
        entry["codes"] = list(codes)  # type: ignore[arg-type]
    return {**entry, "parts": parts}, b"".join(kept), coded


def _worth_coding(
    symbols: Array, size: int, coder: Coder
) -> tuple[list[Any] | None, Coded | None]:
    """[first, table] and the stream, if that takes less than `size` bytes, the table included."""
    if symbols.size:
        first = int(symbols.min())
        symbols = symbols.astype(np.int64) - first
        counts = np.bincount(symbols)
        ideal = len(symbols) * float(entropy_of(counts)) / 8
        if ideal < size and np.count_nonzero(counts) <= coder.most:
            table = coder.table_of(counts)
            part = [first, table.tolist()]
            least = coder.cost(counts, table) / 8
            beside = len(zlib.compress(json.dumps(part).encode()))
            if least + beside < size and len(symbols) <= EXPANSION * least:
                return part, Coded(symbols, table)
    return None, None


class Layout(NamedTuple):
    """An entry that has been checked; n: symbols a stream, of so many bits."""

    dtype: np.dtype[Any]
    shape: list[int]
    n: int
    bits: int
    parts: list[Any]
    packed: bool
    fortran: bool

    @property
    def tables(self) -> list[Array]:
        """Of each of its coded streams, n symbols each."""
        return [np.array(part[1], np.int64) for part in self.parts if part is not None]


def layout(entry: Entry) -> Layout:
    """ValueError for an entry that `take_apart` does not make."""
    shape, parts = entry["shape"], entry.get("parts", [])
    dtype = np.dtype(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None or dtype.kind not in NUMBERS:
        raise ValueError(f"dtype must be one of numbers, got {entry['dtype']!r}")
    if not isinstance(shape, list) or not all(map(_is_count, shape)):
        raise ValueError(f"shape must be a list of whole numbers from 0 on, got {shape!r}")
    n, bits, streams = math.prod(shape), 8, dtype.itemsize
    if "codes" in entry:
        bits, in_a_row = entry["codes"]
        bits = check_bits(bits, wide=True)
        if not _is_count(in_a_row) or shape[1:] != [row_bytes(in_a_row, bits)] or streams > 1:
            raise ValueError(f"{in_a_row!r} codes of {bits} bits do not make {dtype} {shape}")
        n = shape[0] * in_a_row
    if not isinstance(parts, list) or len(parts) not in (0, streams):
        raise ValueError(f"{dtype} must have {streams} parts, got {parts!r:.80}")
    for part in parts:
        if part is None and "codes" not in entry:
            continue
        first, table = part
        if not _is_count(first) or not isinstance(table, list) or not all(map(_is_count, table)):
            raise ValueError(f"a table must be a list of whole numbers from 0 on, got {part!r:.80}")
        if first + len(table) > 2**bits:
            raise ValueError(f"symbols of {bits} bits must be below {2**bits}, "
                             f"got up to {first + len(table) - 1}")
    return Layout(dtype, shape, n, bits, parts, "codes" in entry, bool(entry.get("fortran")))


def put_together(
    layout: Layout, kept: Callable[[int], bytes], coded: Iterator[Array]
) -> Array:
    """The array. kept: the next so many bytes of those kept; coded: the streams, as they come."""
    if not layout.parts:
        octets = np.frombuffer(kept(layout.n * layout.dtype.itemsize), np.uint8).copy()
    else:
        kind = code_type(layout.bits)
        streams = [
            np.frombuffer(kept(layout.n), np.uint8)
            if part is None
            else next(coded).astype(kind) + kind(part[0])
            for part in layout.parts
        ]
        if layout.packed:
            octets = pack(streams[0].reshape(layout.shape[0], -1), layout.bits)
        else:
            octets = np.stack(streams, axis=-1)
    array = octets.reshape(-1).view(layout.dtype).reshape(layout.shape)
    return array.T if layout.fortran else array


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
