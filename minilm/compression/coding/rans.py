"""rANS, range asymmetric numeral systems: all that is written is one number x, the state.

All shares f_s are whole numbers that sum to 2^B, so p_s = f_s / 2^B; c_s is the sum of those before
s. To write symbol s is to make x larger, by −log2 p_s bits, which need not be whole:

    x'  =  ⌊x / f_s⌋·2^B + c_s + x mod f_s          x' is about x·2^B / f_s
    s   :  the symbol with c_s ≤ x' mod 2^B < c_s + f_s
    x   =  f_s·⌊x' / 2^B⌋ + x' mod 2^B − c_s        and reading takes back what writing did

so the last symbol written is the first one read (Duda 2013). To keep x within 32 bits,

    writing   while x ≥ f_s·2^(32 − B):   put out its low 16 bits, x = ⌊x / 2^16⌋
    reading   while x < 2^16:             x = x·2^16 + the next 16 bits

    B = 2, shares 3 1, x = 16:   write 1:  16·4 + 3 + 0 = 67    write 0:  22·4 + 0 + 1 = 89
                                 read 89:  89 mod 4 = 1, a 0;   x = 3·22 + 1 − 0 = 67, and so on

N states, the *lanes*, take the symbols in turn and share one stream of 16-bit words (Giesen 2014).
One step is then N symbols in a few array operations. At the end each lane's state is written too,
32 bits, of which its symbols fill 16 at the most (it began at 2^16): `lanes_for` says how many pay.

Each symbol may be written by another table of shares than the one before, as long as the reader
knows by which. So streams of different kinds follow each other in the same lanes, and a short one
costs no state of its own.
"""

import numpy as np

from minilm.compression.coding.entropy import bits_with
from minilm.types import Array

SHARE_BITS = 14  # B
TOTAL = 2**SHARE_BITS
FIRST = 2**16  # every lane's state before the first symbol, and the least there is between two
AFFORDED = 1 / 200  # of the stream's bits, for the lanes' last states
MOST_STEPS = 2**13  # symbols a lane: the more lanes for symbols that take next to no bits


def shares_of(counts: Array) -> Array:
    """Shares that sum to 2^B: (K,) -> (up to the last in use,) int64.

    counts·t, rounded, but at least 1 for whatever occurs, with the largest t at which the sum is
    still within 2^B. What is left, less than one each, goes where it saves the most bits.
    ValueError for negative counts, or for more than 2^B symbols in use.
    """
    if counts.ndim != 1 or (counts.size and counts.min() < 0):
        raise ValueError(f"counts must be (K,), none below 0, got {counts!r}")
    counts = counts[: np.flatnonzero(counts).max(initial=-1) + 1]
    used = counts > 0
    if used.sum() > TOTAL:
        raise ValueError(f"counts must be of at most {TOTAL} symbols in use, got {used.sum()}")

    def rounded(t: float) -> Array:
        return np.where(used, np.maximum(np.rint(counts * t), 1), 0).astype(np.int64)

    low, high = 0.0, 2 * TOTAL / max(int(counts.sum()), 1)
    for _ in range(50):
        t = (low + high) / 2
        low, high = (t, high) if rounded(t).sum() <= TOTAL else (low, t)
    shares = rounded(low)
    if used.any():
        saved = counts * np.log1p(1 / np.maximum(shares, 1))  # by one more
        shares[np.argsort(-saved, kind="stable")[: TOTAL - shares.sum()]] += 1
    return shares


def lanes_for(bits: float, n: int) -> int:
    """How many lanes n symbols that take `bits` are worth.

    As many as make the states 1/200 of the stream, at least 1, and at least one for each MOST_STEPS
    symbols; below 0.8 bits a symbol that is more than 1/200.
    """
    return max(1, int(bits * AFFORDED / 32), -(-n // MOST_STEPS))


def cost(counts: Array, shares: Array) -> float:
    """The bits that a stream of so many symbols takes, those of the states with them."""
    bits = bits_with(counts, shares)
    return bits + 32 * lanes_for(bits, int(counts.sum()))


def encode(streams: list[Array], tables: list[Array], lanes: int | None = None) -> bytes:
    """Number of lanes and their last states (uint32), then the words (uint16) as they are read.

    streams: each (n,) integers below K; tables: the shares of each, (K,), as `shares_of` gives
    them. lanes: None for `lanes_for`. ValueError for a symbol without a share, or fewer lanes than
    one for each MOST_STEPS symbols.
    """
    counts = [np.bincount(s, minlength=len(t)) for s, t in zip(streams, tables, strict=True)]
    for count, table in zip(counts, tables, strict=True):
        check_shares(table)
        if len(count) > len(table) or (count[table == 0] > 0).any():
            raise ValueError("shares must be above 0 for all symbols, got 0 for one that occurs")
    starts, shares, below = _end_to_end(tables)
    symbols = np.concatenate([*map(np.add, streams, starts), np.zeros(0, np.int64)])
    if lanes is None:
        bits = sum(map(bits_with, counts, tables))
        lanes = lanes_for(bits, len(symbols))
    if lanes < lanes_for(0, len(symbols)):
        raise ValueError(f"lanes must be at least {lanes_for(0, len(symbols))} for {len(symbols)} "
                         f"symbols, got {lanes}")
    states, words = np.full(lanes, FIRST, np.int64), []
    # below: c_s. x' = whole·2^B + c_s + (x − whole·f_s), so x grows by whole·2^B − whole·f_s + c_s
    for start in reversed(range(0, len(symbols), lanes)):
        step = symbols[start : start + lanes]
        x, share = states[: len(step)], shares[step]
        full = np.flatnonzero(x >= share << (32 - SHARE_BITS))
        words.append(x[full] & 0xFFFF)
        x[full] >>= 16
        whole = x // share
        x += (whole << SHARE_BITS) - whole * share + below[step]
    head = np.array([lanes, *states], "<u4")
    return head.tobytes() + np.concatenate([*words[::-1], []]).astype("<u2").tobytes()


def decode(data: bytes, tables: list[Array], counts: list[int]) -> list[Array]:
    """The streams that `encode` wrote, of so many symbols each: (n,) int64.

    ValueError for shares that do not sum to 2^B, or data that are not these symbols and no more: at
    the end every word has been read and every lane is where it began.
    """
    for table, count in zip(tables, counts, strict=True):
        check_shares(table)
        if count and not len(table):
            raise ValueError(f"{count} symbols cannot be of an empty table")
    n, read = sum(counts), 0
    states, words = _taken_apart(data, n)
    starts, shares, below = _end_to_end(tables)
    # all tables as one line of intervals, table t's from t·2^B on; what has no length is left out.
    # With B = 2, shares 3 1 and 2 2 they begin at 0 3 and 4 6; slot 2 of table 1 is place 4 + 2.
    used = np.flatnonzero(shares)
    begins = below[used] + TOTAL * np.repeat(np.arange(len(tables)), list(map(len, tables)))[used]
    table_of = np.repeat(np.arange(len(tables), dtype=np.int32), counts)
    found, lanes = np.empty(n, np.int32), len(states)
    for start in range(0, n, lanes):
        x = states[: n - start]
        slot = x & (TOTAL - 1)
        place = slot + TOTAL * table_of[start : start + lanes].astype(np.int64)
        symbol = used[np.searchsorted(begins, place, side="right") - 1]
        found[start : start + lanes] = symbol
        x >>= SHARE_BITS
        x *= shares[symbol]
        x += slot - below[symbol]
        hungry = np.flatnonzero(x < FIRST)
        more = words[read : read + len(hungry)]
        if len(more) < len(hungry):
            raise ValueError(f"{len(data)} bytes are too few for {n} symbols of these shares")
        x[hungry] = x[hungry] << 16 | more
        read += len(hungry)
    if read != len(words) or (states != FIRST).any():
        raise ValueError(f"{len(data)} bytes are not {n} symbols of these shares")
    streams = np.split(found, np.cumsum(counts)[:-1]) if counts else []
    return [stream - start for stream, start in zip(streams, starts, strict=True)]


def _end_to_end(tables: list[Array]) -> tuple[list[int], Array, Array]:
    """Where each table begins in a row of all, and the f_s and c_s of that row."""
    starts = [0, *np.cumsum([len(table) for table in tables]).tolist()][: len(tables)]
    none = np.zeros(0, np.int64)
    below = [np.cumsum(table) - table for table in tables]
    return starts, np.concatenate([*tables, none]), np.concatenate([*below, none])


def _taken_apart(data: bytes, n: int) -> tuple[Array, Array]:
    """The states and the words, int64. ValueError where there cannot be so many symbols."""
    head = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
    lanes = int(head[0]) if head.size else 0
    if len(data) % 2 or not 1 <= lanes < len(head) or n > lanes * MOST_STEPS:
        raise ValueError(f"{len(data)} bytes with {lanes} lanes cannot be {n} symbols")
    words = np.frombuffer(data, "<u2", offset=4 * (1 + lanes))
    return head[1 : 1 + lanes].astype(np.int64), words.astype(np.int64)


def check_shares(shares: Array) -> None:
    """ValueError unless none is negative and they sum to 2^B, or there are none."""
    if shares.ndim != 1 or shares.dtype != np.int64:
        raise ValueError(f"shares must be (K,) int64, got {shares.dtype} {shares.shape}")
    if shares.size and (shares.min() < 0 or shares.max() > TOTAL or shares.sum() != TOTAL):
        raise ValueError(f"shares must not be negative and sum to {TOTAL}, got {shares.sum()}")
