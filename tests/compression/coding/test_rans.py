import heapq
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression.coding import bits_with, entropy_of, rans
from minilm.compression.coding.rans import MOST_STEPS, TOTAL, lanes_for, shares_of


def encode(symbols, shares, lanes=None):
    return rans.encode([symbols], [shares], lanes)


def decode(data, shares, n):
    return rans.decode(data, [shares], [n])[0]


def written(symbols, **how):
    shares = shares_of(np.bincount(symbols))
    return encode(symbols, shares, **how), shares


def numbers(data):
    """lanes, states, words."""
    lanes = int.from_bytes(data[:4], "little")
    return (lanes, np.frombuffer(data, "<u4", lanes, 4).tolist(),
            np.frombuffer(data, "<u2", offset=4 + 4 * lanes).tolist())  # fmt: skip


def test_by_hand():
    # shares ¾ and ¼ of 2^14; written backwards, the 1 first
    shares = np.array([12288, 4096])
    x = 65536 // 4096 * 2**14 + 12288 + 65536 % 4096
    assert x == 67 * 4096  # it is the docstring's example, with 4096 for its 1
    x = x // 12288 * 2**14 + 0 + x % 12288
    assert x == 89 * 4096
    data = encode(np.array([0, 1]), shares, lanes=1)
    assert numbers(data) == (1, [x], [])
    assert decode(data, shares, 2).tolist() == [0, 1]


def test_a_word_by_hand():
    # half and half: each symbol doubles x. 2^16 doubled 16 times does not stay below 2^32
    shares, symbols = np.array([8192, 8192]), np.zeros(16, np.int64)
    assert numbers(encode(symbols[:15], shares, lanes=1)) == (1, [2**31], [])
    lanes, states, words = numbers(encode(symbols, shares, lanes=1))
    assert (lanes, states, words) == (1, [2**16], [0])
    assert decode(encode(symbols, shares, lanes=1), shares, 16).tolist() == [0] * 16


def in_plain_python(symbols, shares, lanes):
    """The formulas of the page as they stand there, one symbol at a time."""
    below = [sum(shares[:s]) for s in range(len(shares))]
    states, words = [2**16] * lanes, []
    for i in reversed(range(len(symbols))):
        s, x = symbols[i], states[i % lanes]
        while x >= shares[s] << 18:
            words.insert(0, x % 2**16)
            x >>= 16
        states[i % lanes] = (x // shares[s] << 14) + below[s] + x % shares[s]
    return lanes, states, words


@pytest.mark.parametrize("lanes", [1, 2, 7, 300])
def test_as_the_formulas_say(lanes):
    symbols = np.random.default_rng(lanes).geometric(0.4, 250) - 1
    data, shares = written(symbols, lanes=lanes)
    slow = in_plain_python(symbols.tolist(), shares.tolist(), lanes)
    # within a step, the words lie in the order of the lanes both ways round
    assert numbers(data) == slow
    np.testing.assert_array_equal(decode(data, shares, 250), symbols)


@pytest.mark.parametrize("lanes", [1, 3, 50, 2000])
def test_streams_of_several_tables(lanes):
    rng = np.random.default_rng(0)
    streams = [rng.integers(0, k, n) for k, n in ((9, 5), (1, 7), (300, 1000), (2, 0), (2, 3))]
    tables = [shares_of(np.bincount(stream)) for stream in streams]
    data = rans.encode(streams, tables, lanes)
    back = rans.decode(data, tables, [len(stream) for stream in streams])
    for stream, other in zip(streams, back, strict=True):
        np.testing.assert_array_equal(stream, other)
    assert rans.decode(rans.encode([], []), [], []) == []


def test_tables_with_gaps_side_by_side():
    # what has no share at the end of one table and the beginning of the next is never read
    tables = [np.array([0, TOTAL, 0, 0]), np.array([0, 0, TOTAL - 1, 0, 1]), np.array([TOTAL])]
    streams = [np.ones(9, np.int64), np.array([2, 2, 4, 2]), np.zeros(5, np.int64)]
    back = rans.decode(rans.encode(streams, tables), tables, [9, 4, 5])
    assert [stream.tolist() for stream in back] == [[1] * 9, [2, 2, 4, 2], [0] * 5]


def test_every_distribution(symbols):
    data, shares = written(symbols)
    np.testing.assert_array_equal(decode(data, shares, len(symbols)), symbols)
    counts = np.bincount(symbols)
    ideal, lanes = len(symbols) * float(entropy_of(counts)), numbers(data)[0]
    # beyond the symbols' own bits a lane costs its first state, up to a word not yet full, and
    # there is the number of lanes
    assert 8 * len(data) <= bits_with(counts, shares) + (16 + 16) * lanes + 32 + 1e-3 * ideal
    assert 8 * len(data) == pytest.approx(rans.cost(counts, shares), abs=16 * lanes + 33, rel=1e-3)
    if len(symbols) >= 10_000 and ideal / len(symbols) > 0.5:
        assert ideal <= 8 * len(data) <= 1.01 * ideal
        assert 4 * lanes <= 0.005 * len(data) or ideal / len(symbols) < 0.8


@settings(max_examples=40)
@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 40))
def test_any_symbols(symbols, lanes):
    symbols = np.array(symbols, np.int64)
    data, shares = written(symbols, lanes=lanes)
    np.testing.assert_array_equal(decode(data, shares, len(symbols)), symbols)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 10**6), max_size=100))
def test_shares_of_any_counts(counts):
    counts = np.array(counts, np.int64)
    shares = shares_of(counts)
    assert shares.sum() == (TOTAL if counts.any() else 0)
    assert not counts[len(shares) :].any()
    counts = counts[: len(shares)]
    assert ((shares > 0) == (counts > 0)).all() and (shares >= 0).all()
    ideal = counts.sum() * float(entropy_of(counts))
    assert ideal - 1e-6 <= bits_with(counts, shares) <= ideal + 0.01 * counts.sum()


def best_shares(counts):
    """One share to each, then one after the other to where it saves the most bits: no shares are
    better, because what the next one saves falls."""
    shares = np.ones(len(counts), np.int64)
    heap = [(-count * np.log1p(1), symbol) for symbol, count in enumerate(counts)]
    heapq.heapify(heap)
    for _ in range(TOTAL - len(counts)):
        symbol = heap[0][1]
        shares[symbol] += 1
        heapq.heapreplace(heap, (-counts[symbol] * np.log1p(1 / shares[symbol]), symbol))
    return shares


@pytest.mark.parametrize("k", [2, 20, 200, 3000])
def test_no_shares_are_much_better(k):
    counts = (np.random.default_rng(0).pareto(1.0, k) * 10 + 1).astype(np.int64)
    assert bits_with(counts, shares_of(counts)) <= 1.00001 * bits_with(counts, best_shares(counts))


def test_shares_by_hand():
    assert shares_of(np.array([3, 1])).tolist() == [12288, 4096]
    assert shares_of(np.array([0, 5, 0])).tolist() == [0, TOTAL]
    assert shares_of(np.array([10**6, 1])).tolist() == [TOTAL - 1, 1]
    assert shares_of(np.ones(TOTAL, np.int64)).tolist() == [1] * TOTAL
    assert shares_of(np.array([10**9, *[1] * (TOTAL - 1)])).tolist() == [1] * TOTAL
    assert sorted(shares_of(np.ones(3, np.int64))) == [5461, 5461, 5462]
    for bad in (np.ones(TOTAL + 1, np.int64), np.array([-1, 2]), np.ones((2, 2))):
        with pytest.raises(ValueError, match="counts must be"):
            shares_of(bad)


def test_lanes():
    assert lanes_for(0, 0) == lanes_for(1000, 100) == 1
    assert lanes_for(3 * 400_000, 400_000) == 187  # 748 bytes of 150 000
    assert lanes_for(0.0, 10**6) == 123  # 492 bytes where the symbols take none
    with pytest.raises(ValueError, match="lanes must be at least 2 for 8193 symbols, got 1"):
        written(np.zeros(MOST_STEPS + 1, np.int64), lanes=1)


def test_a_lane_holds_no_more_than_so_many_symbols():
    n = MOST_STEPS + 1  # one more than a lane may hold
    data = np.array([1, 2**16], "<u4").tobytes()
    decode(data, np.array([TOTAL]), n - 1)
    with pytest.raises(ValueError, match="with 1 lanes cannot be 8193 symbols"):
        decode(data, np.array([TOTAL]), n)


def test_a_symbol_without_a_share_is_refused():
    for symbols in ([0, 1], [2]):
        with pytest.raises(ValueError, match="shares must be above 0"):
            encode(np.array(symbols), np.array([TOTAL, 0]))


def test_shares_that_are_none():
    wrapped = [2**62] * 4 + [TOTAL]  # in 64 bits their sum is 2^14
    for bad in ([1], [TOTAL, 1], [TOTAL + 1, -1], [2**62] * 4, wrapped, [TOTAL - 1]):
        with pytest.raises(ValueError, match="shares must not be negative and sum to 16384"):
            decode(bytes(8), np.array(bad, np.int64), 1)
    with pytest.raises(ValueError, match="int64"):
        decode(bytes(8), np.array([1.0 * TOTAL]), 1)
    with pytest.raises(ValueError, match="empty table"):
        decode(encode(np.zeros(0, np.int64), np.zeros(0, np.int64)), np.zeros(0, np.int64), 1)


def test_truncated_and_damaged():
    symbols = np.random.default_rng(0).binomial(9, 0.5, 3000)
    data, shares = written(symbols, lanes=100)
    wrong = [data[:end] for end in range(0, len(data), 3)] + [data + b"\0\0", data + bytes(100)]
    wrong += [data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(0, len(data), 5)]
    for damaged in wrong:
        with pytest.raises(ValueError, match=r"bytes .*symbols"):
            decode(damaged, shares, len(symbols))


@pytest.mark.parametrize("n", [1, 2999, 3001, 10**6, 10**15])
def test_another_number_of_symbols(n):
    data, shares = written(np.random.default_rng(0).binomial(9, 0.5, 3000))
    with pytest.raises(ValueError, match=r"bytes .*symbols"):
        decode(data, shares, n)


@pytest.mark.parametrize("lanes", [0, 2, 2**31, 2**32 - 1])
def test_lanes_that_are_not_there(lanes):
    with pytest.raises(ValueError, match=f"with {lanes} lanes"):
        decode(lanes.to_bytes(4, "little") + bytes(4), np.array([TOTAL]), 1)


def test_time():
    symbols = np.random.default_rng(0).binomial(18, 0.5, 400_000)
    start = time.process_time()
    data, shares = written(symbols)
    np.testing.assert_array_equal(decode(data, shares, len(symbols)), symbols)
    assert time.process_time() - start < 1  # 0.06 s where this was written
