"""Parameters on disk, coded: as few bytes as their codes have information, and little beside them.

    8 bytes     MAGIC
    4           the length of the next, uint32
    …           the index, JSON deflated by zlib, which adds a checksum: that of an archive
                (weights/files.py), and the coder, an entry for each array (arrays.py), how many
                bytes are coded, and the CRC-32 of all that follows
    …           what is coded, of all arrays; then what is kept as it is

`minilm.load` and `minilm.read_header` know such a file by its first bytes and give back the very
same leaves and arrays. An archive spends 280 bytes on each array; of a small model whose codes take
a few kilobytes each that is a tenth of the file. Here an array costs 10 to 20 bytes, and its table.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from minilm.compression.coding.arrays import (
    CODERS,
    EXPANSION,
    Codes,
    layout,
    put_together,
    take_apart,
)
from minilm.types import Array, Params
from minilm.weights import (
    ProductQuantizedTensor,
    QuantizedTensor,
    SparseTensor,
    TrellisTensor,
    Weight,
    flatten,
)
from minilm.weights.files import READERS, index_text, parsed_index, replacing
from minilm.weights.protocol import weight_fields

MAGIC = b"\x8aminilm\n"
LONGEST_INDEX = 2**26  # bytes: what is deflated could be anything

# Which field of a leaf is packed codes; their bits, and how many there are in a row
PACKED: dict[type[Weight], tuple[str, Callable[[Any], Codes]]] = {
    QuantizedTensor: ("packed", lambda q: (q.bits, q.stored_shape[1])),
    TrellisTensor: ("packed", lambda q: (q.bits, q.stored_shape[1])),
    ProductQuantizedTensor: ("packed", lambda q: (q.bits, q.subvectors)),
    SparseTensor: ("mask", lambda s: (1, s.stored_shape[1])),
}


def save_coded(
    path: str | os.PathLike[str],
    params: Params,
    header: dict[str, Any] | None = None,
    coder: str = "rans",
) -> None:
    """Write params and a header as `minilm.save` does, to a file whose codes are coded.

    coder: "rans" or "huffman". Written whole or not at all; the same parameters give the same
    bytes. Raises as `save`; ValueError for another coder, TypeError for an array of anything but
    numbers.
    """
    if coder not in CODERS:
        raise ValueError(f"coder must be one of {', '.join(map(repr, CODERS))}, got {coder!r}")
    arrays, kinds = flatten(params)
    codes = dict(packed_codes(params))
    entries, body, coded = {}, [b""], []
    for name, array in arrays.items():
        entries[name], kept, streams = take_apart(array, codes.get(name), CODERS[coder])
        body.append(kept)
        coded += streams
    if coded:
        body[0] = CODERS[coder].encode([c.symbols for c in coded], [c.table for c in coded])
    checksum = zlib.crc32(b"".join(body))
    text = index_text(
        kinds, header, coder=coder, arrays=entries, coded=len(body[0]), crc32=checksum
    )
    if len(text) > LONGEST_INDEX:
        raise ValueError(f"header must fit into an index of {LONGEST_INDEX} bytes, "
                         f"got one of {len(text)}")
    index = zlib.compress(text, 9)
    with replacing(path) as file:
        file.write(MAGIC + struct.pack("<I", len(index)) + index)
        file.writelines(body)


def packed_codes(params: Params) -> Iterator[tuple[str, Codes]]:
    """The arrays that are packed codes, by their names in `flatten`, wherever they are inside."""
    for name, weight in params.items():
        if not isinstance(weight, Weight):
            continue
        parts = {f"{name}/{field}": part for field, part in weight_fields(weight)}
        yield from packed_codes(parts)
        field, codes_of = PACKED.get(type(weight), (None, None))
        if codes_of is not None and f"{name}/{field}" in parts:
            yield f"{name}/{field}", codes_of(weight)


def read_coded(file: BinaryIO) -> tuple[dict[str, Any], Callable[[], dict[str, Array]]]:
    """The Reader of what `save_coded` writes (weights/files.py)."""
    head = file.read(len(MAGIC) + 4)
    length = int.from_bytes(head[len(MAGIC) :], "little")
    index = parsed_index(_inflated(file.read(min(length, LONGEST_INDEX))))

    def arrays() -> dict[str, Array]:
        body = file.read()
        if zlib.crc32(body) != index["crc32"]:
            raise ValueError("it is truncated or damaged: its checksum is another")
        return _decoded(index, body)

    return index, arrays


def _decoded(index: dict[str, Any], body: bytes) -> dict[str, Array]:
    """The arrays of a file. Nothing is made of what the index says before the bytes are there."""
    coder, coded, entries = CODERS.get(index["coder"]), index["coded"], index["arrays"]
    if not isinstance(entries, dict):
        raise ValueError(f"its arrays must be entries by name, got {entries!r:.80}")
    if coder is None:
        raise ValueError(f"its coder is {index['coder']!r}, known are {', '.join(CODERS)}")
    layouts = {}
    for name, entry in entries.items():
        try:
            layouts[name] = layout(entry)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from error
    tables = [table for each in layouts.values() for table in each.tables]
    counts = [each.n for each in layouts.values() for _ in each.tables]
    symbols = sum(counts)
    if not isinstance(coded, int) or not 0 <= coded <= len(body) or symbols > EXPANSION * coded:
        raise ValueError(f"{coded!r} of {len(body)} bytes cannot be {symbols} symbols")
    streams = iter(coder.decode(body[:coded], tables, counts) if tables else [])
    at = coded

    def kept(count: int) -> bytes:
        nonlocal at
        at += count
        if at > len(body):
            raise ValueError(f"its arrays need {at} bytes, there are {len(body)}")
        return body[at - count : at]

    found = {name: put_together(each, kept, streams) for name, each in layouts.items()}
    if at != len(body):
        raise ValueError(f"its arrays need {at} bytes, there are {len(body)}")
    return found


def _inflated(data: bytes) -> bytes:
    """ValueError unless it is one whole deflated text of up to LONGEST_INDEX bytes."""
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(data, LONGEST_INDEX)
    except zlib.error as error:
        raise ValueError(f"it is truncated or damaged ({error})") from error
    if not inflate.eof or inflate.unused_data:
        raise ValueError("it is truncated or damaged: its index does not end where it should")
    return text


READERS[MAGIC] = read_coded
