"""Huffman's code: a whole number of bits for each symbol, the fewer the more often it comes.

    while there are two trees:   join the two that occur least; their symbols get one bit longer

The mean length lies in [H, H + 1), and no other code of whole bits is shorter (Huffman 1952).

Which bits does not matter, only how many. So they are the *canonical* ones (Schwartz and Kallick
1964): symbols in the order of their length and then of their number, each code the one before plus
1, with zeros behind it where it is longer. Then the lengths are all that need be stored:

    counts 5 2 1 1   lengths 1 2 3 3   codes 0 10 110 111       0 1 0 2 is written 0 10 0 110

A code that wastes nothing has Σ 2^−length = 1 (Kraft 1949). A symbol that never occurs has length
0. So has the only one of a stream, which needs no bits; it is the last of its table, as tables end
with a symbol in use.
"""

import heapq
from itertools import count

import numpy as np

from minilm.types import Array

LONGEST = 16  # bits of a code: a table of all that the next 16 bits can be has 65536 entries
CHUNK = 1 << 16  # bytes decoded at once


def lengths_of(counts: Array) -> Array:
    """The length of each symbol's code: (K,) -> (up to the last in use,) int64.

    No length is above LONGEST: where one would be, counts are halved until none is, which makes the
    rare ones more alike and costs next to nothing. ValueError for negative counts, or for more
    than 2^LONGEST symbols in use.
    """
    if counts.ndim != 1 or (counts.size and counts.min() < 0):
        raise ValueError(f"counts must be (K,), none below 0, got {counts!r}")
    if np.count_nonzero(counts) > 2**LONGEST:
        raise ValueError(f"counts must be of at most {2**LONGEST} symbols in use, "
                         f"got {np.count_nonzero(counts)}")
    counts = counts[: np.flatnonzero(counts).max(initial=-1) + 1]
    lengths = tree_lengths(counts)
    while lengths.max(initial=0) > LONGEST:
        counts = (counts + 1) // 2  # what occurs at all stays at least 1
        lengths = tree_lengths(counts)
    return lengths


def tree_lengths(counts: Array) -> Array:
    """Huffman's tree, and how deep in it each symbol lies: (K,) -> (K,) int64."""
    symbols = np.flatnonzero(counts).tolist()
    number = count(len(symbols))
    heap = [(int(counts[symbol]), node) for node, symbol in enumerate(symbols)]
    heapq.heapify(heap)
    parent = [0] * max(2 * len(symbols) - 1, 0)
    while len(heap) > 1:
        (least, left), (next_least, right) = heapq.heappop(heap), heapq.heappop(heap)
        parent[left] = parent[right] = joined = next(number)
        heapq.heappush(heap, (least + next_least, joined))
    depth = [0] * len(parent)
    for node in reversed(range(len(parent) - 1)):  # a parent has a higher number; the root is last
        depth[node] = depth[parent[node]] + 1
    lengths = np.zeros(len(counts), np.int64)
    lengths[symbols] = depth[: len(symbols)]
    return lengths


def canonical(lengths: Array) -> tuple[Array, Array]:
    """The symbols in their canonical order, and the codes of these: (used,), (used,) int64.

    As fractions of 1, codes lie end to end: each begins where the one before it ends. So a code is
    the sum of 2^(LONGEST − length) of those before it, its first `length` bits of LONGEST.
    """
    used = np.flatnonzero(lengths)
    order = used[np.argsort(lengths[used], kind="stable")]
    room = np.left_shift(1, LONGEST - lengths[order])
    return order, (np.cumsum(room) - room) >> (LONGEST - lengths[order])


def cost(counts: Array, lengths: Array) -> float:
    """The bits that a stream of so many symbols takes."""
    return float(counts @ lengths)


def encode(streams: list[Array], tables: list[Array]) -> bytes:
    """The codes of each stream end to end, highest bit first, and zeros to a whole byte.

    streams: each (n,) integers below K; tables: the lengths of each, (K,), as `lengths_of` gives
    them, of all symbols that occur.
    """
    return b"".join(map(_encode_one, streams, tables))


def _encode_one(symbols: Array, lengths: Array) -> bytes:
    order, in_order = canonical(lengths)
    codes = np.zeros(len(lengths), np.int64)
    codes[order] = in_order
    pieces, carried = [], np.zeros(0, np.uint8)
    for start in range(0, len(symbols), CHUNK):
        part = symbols[start : start + CHUNK]
        length = lengths[part]
        ends = np.cumsum(length)
        # bit number j of a code of l bits is code >> (l − 1 − j): how far from its end it stands
        from_end = np.repeat(ends, length) - 1 - np.arange(ends[-1])
        bits = (np.repeat(codes[part], length) >> from_end & 1).astype(np.uint8)
        bits = np.concatenate([carried, bits])
        whole = len(bits) // 8 * 8
        pieces.append(np.packbits(bits[:whole]).tobytes())
        carried = bits[whole:]
    return b"".join([*pieces, np.packbits(carried).tobytes()])


def decode(data: bytes, tables: list[Array], counts: list[int]) -> list[Array]:
    """The streams that `encode` wrote, of so many symbols each: (n,) int64.

    At every bit of the data a table tells which symbol would begin there and how long it is: whole
    arrays at a time. Where one does begin, only the one before it can tell, so hopping from each to
    the next is all that is left for a loop.
    ValueError for lengths that are no code, or data that are not these symbols and no more.
    """
    octets = np.frombuffer(data + bytes(2), np.uint8).astype(np.uint32)
    streams, begin = [], 0
    for lengths, n in zip(tables, counts, strict=True):
        check_lengths(lengths)
        # no more than 16 bits a symbol, and two bytes to look ahead
        symbols, bits = _decode_one(octets[begin : begin + 2 * n + 2], lengths, n)
        begin += (bits + 7) // 8
        if bits % 8 and octets[begin - 1] << bits % 8 & 255:
            raise ValueError(f"the bits behind {n} symbols are not zeros")
        streams.append(symbols)
    if begin != len(data):
        raise ValueError(f"{len(data)} bytes are not {sum(counts)} symbols of these codes")
    return streams


def _decode_one(octets: Array, lengths: Array, n: int) -> tuple[Array, int]:
    """The n symbols at the beginning, and the bits they took. octets: (m + 2,), the last two
    to be looked at only."""
    order, _ = canonical(lengths)
    if not order.size:  # a lone symbol, or none at all
        if n and not lengths.size:
            raise ValueError(f"{n} symbols cannot be of an empty table")
        return np.full(n, len(lengths) - 1), 0
    room = np.left_shift(1, LONGEST - lengths[order])
    symbol_at = np.repeat(order, room)                                      # (2^LONGEST,)
    length_at = np.repeat(lengths[order].astype(np.uint8), room)
    found, left, place = [np.zeros(0, np.int64)], n, 0
    for start in range(0, len(octets) - 2, CHUNK):
        if not left:
            break
        ahead = windows(octets[start : start + CHUNK + 2])
        begins = hops(length_at[ahead].tobytes(), place - 8 * start, left)
        found.append(symbol_at[ahead[begins]])
        if begins:
            place = 8 * start + begins[-1] + int(length_at[ahead[begins[-1]]])
        left -= len(begins)
    if left or place > 8 * (len(octets) - 2):
        raise ValueError(f"{len(octets) - 2} bytes are too few for {n} symbols of this code")
    return np.concatenate(found), place


def windows(octets: Array) -> Array:
    """The LONGEST = 16 bits from each bit on, as a number: (m + 2,) uint32 bytes -> (8·m,)."""
    three = octets[:-2] << 16 | octets[1:-1] << 8 | octets[2:]
    return (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32) & 0xFFFF).reshape(-1)


def hops(length_at: bytes, place: int, most: int) -> list[int]:
    """Where codes begin: at `place`, then each time a code's length further; `most` at the most."""
    places: list[int] = []
    while place < len(length_at) and len(places) < most:
        places.append(place)
        place += length_at[place]
    return places


def check_lengths(lengths: Array) -> None:
    """ValueError unless each is one of 0 … LONGEST and Σ 2^−length = 1, or all are 0."""
    if lengths.ndim != 1 or lengths.dtype != np.int64:
        raise ValueError(f"lengths must be (K,) int64, got {lengths.dtype} {lengths.shape}")
    used = lengths[lengths != 0]
    fits = not used.size or 0 < used.min() <= used.max() <= LONGEST
    if not fits or (used.size and np.left_shift(1, LONGEST - used).sum() != 2**LONGEST):
        raise ValueError(f"lengths must be up to {LONGEST} and make a code, Σ 2^−length = 1, "
                         f"got {lengths}")
