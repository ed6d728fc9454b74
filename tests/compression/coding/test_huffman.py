import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression.coding import entropy_of, huffman
from minilm.compression.coding.huffman import LONGEST, canonical, lengths_of


def kraft(lengths):
    return float((2.0 ** -lengths[lengths > 0]).sum())


def encode(symbols, lengths):
    return huffman.encode([symbols], [lengths])


def decode(data, lengths, n):
    return huffman.decode(data, [lengths], [n])[0]


def written(symbols):
    lengths = lengths_of(np.bincount(symbols))
    return encode(symbols, lengths), lengths


def test_by_hand():
    lengths = lengths_of(np.array([5, 2, 1, 1]))
    assert lengths.tolist() == [1, 2, 3, 3]
    order, codes = canonical(lengths)
    assert order.tolist() == [0, 1, 2, 3]
    assert [f"{code:b}" for code in codes] == ["0", "10", "110", "111"]
    symbols = np.array([0, 1, 0, 2])
    assert encode(symbols, lengths) == bytes([0b0_10_0_110_0])
    assert decode(bytes([0b0_10_0_110_0]), lengths, 4).tolist() == [0, 1, 0, 2]


def test_lengths_end_with_the_last_symbol_in_use():
    for counts, lengths in (([0, 3, 0, 1, 0], [0, 1, 0, 1]), ([0, 4, 0], [0, 0]), ([0, 0], [])):
        assert lengths_of(np.array(counts)).tolist() == lengths


def test_canonical_by_hand():
    # RFC 1951, section 3.2.2: the codes of A … H
    order, codes = canonical(np.array([3, 3, 3, 3, 3, 2, 4, 4]))
    assert order.tolist() == [5, 0, 1, 2, 3, 4, 6, 7]
    expected = ["00", "010", "011", "100", "101", "110", "1110", "1111"]
    lengths = [2, 3, 3, 3, 3, 3, 4, 4]
    assert [f"{c:0{n}b}" for c, n in zip(codes, lengths, strict=True)] == expected


def test_streams_of_several_tables():
    rng = np.random.default_rng(0)
    streams = [rng.integers(0, k, n) for k, n in ((9, 5), (1, 7), (300, 1000), (2, 0), (2, 3))]
    tables = [lengths_of(np.bincount(stream)) for stream in streams]
    data = huffman.encode(streams, tables)
    assert data == b"".join(map(encode, streams, tables))
    back = huffman.decode(data, tables, [len(stream) for stream in streams])
    for stream, other in zip(streams, back, strict=True):
        np.testing.assert_array_equal(stream, other)
    assert huffman.encode([], []) == b"" and huffman.decode(b"", [], []) == []


def test_every_distribution(symbols):
    data, lengths = written(symbols)
    back = decode(data, lengths, len(symbols))
    np.testing.assert_array_equal(back, symbols)
    counts = np.bincount(symbols)
    bits = int((counts * lengths).sum())
    assert len(data) == (bits + 7) // 8 and huffman.cost(counts, lengths) == bits
    if len(symbols):
        H = float(entropy_of(counts))
        assert H - 1e-9 <= bits / len(symbols) < H + 1
    assert np.count_nonzero(counts) < 2 or kraft(lengths) == 1
    assert lengths.max(initial=0) <= LONGEST


@settings(max_examples=40)
@given(st.lists(st.integers(0, 300), max_size=200))
def test_any_symbols(symbols):
    symbols = np.array(symbols, np.int64)
    data, lengths = written(symbols)
    np.testing.assert_array_equal(decode(data, lengths, len(symbols)), symbols)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_any_counts(counts):
    counts = np.array(counts, np.int64)
    lengths = lengths_of(counts)
    used = np.count_nonzero(counts)
    counts = counts[: len(lengths)]
    assert ((lengths > 0) == (counts > 0)).all() or used == 1
    if used > 1:
        assert kraft(lengths) == 1
        mean = (counts * lengths).sum() / counts.sum()
        assert entropy_of(counts) - 1e-9 <= mean < entropy_of(counts) + 1
        # what occurs more often is not longer
        order = np.argsort(-counts[counts > 0], kind="stable")
        ranked, sizes = lengths[counts > 0][order], counts[counts > 0][order]
        assert all(a <= b for a, b, m, n in zip(ranked, ranked[1:], sizes, sizes[1:], strict=False)
                   if m > n)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=5))
def test_no_code_is_shorter(counts):
    best = min(
        np.dot(counts, lengths)
        for lengths in itertools.product(range(1, len(counts)), repeat=len(counts))
        if sum(2.0**-length for length in lengths) <= 1
    )
    assert np.dot(counts, lengths_of(np.array(counts))) == best


def test_rare_symbols_are_not_too_long():
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    counts = np.array(fibonacci)
    free, limited = huffman.tree_lengths(counts), lengths_of(counts)
    assert free.max() == 39 and 0 < limited.min() <= limited.max() <= LONGEST
    assert kraft(limited) == 1
    assert (counts * limited).sum() < 1.001 * (counts * free).sum()
    assert lengths_of(np.ones(2**LONGEST, np.int64)).tolist() == [LONGEST] * 2**LONGEST


def test_symbols_that_cross_chunks(monkeypatch):
    symbols = np.random.default_rng(0).geometric(0.3, 3000) - 1
    whole, lengths = written(symbols)
    for chunk in (1, 2, 7, 64):
        monkeypatch.setattr(huffman, "CHUNK", chunk)
        assert encode(symbols, lengths) == whole
        np.testing.assert_array_equal(decode(whole, lengths, 3000), symbols)


def test_nothing_but_the_longest_codes():
    lengths, symbols = np.full(2**LONGEST, LONGEST), np.array([1, 2**LONGEST - 1])
    data = encode(symbols, lengths)
    assert data == b"\0\1\xff\xff"
    assert decode(data, lengths, 2).tolist() == symbols.tolist()
    with pytest.raises(ValueError, match="3 bytes are too few for 2 symbols"):
        decode(data[:-1], lengths, 2)


def test_lengths_that_are_no_code():
    for bad in ([1], [1, 1, 1], [1, 2], [17] * 2**10, [-1, 1], [2, 2, 2], [2**62, 1], [0, 1],
                [*range(1, 16), 16, 16, 17]):
        with pytest.raises(ValueError, match="lengths must"):
            decode(b"\0", np.array(bad, np.int64), 1)
    with pytest.raises(ValueError, match="int64"):
        decode(b"\0", np.array([1.0, 1.0]), 1)
    with pytest.raises(ValueError, match=r"lengths must be \(K,\) int64, got int64 \(1, 2\)"):
        decode(b"\0", np.array([[1, 1]]), 1)
    for bad in (np.array([-1, 2]), np.ones((2, 2)), np.ones(2**16 + 1, np.int64)):
        with pytest.raises(ValueError, match="counts must be"):
            lengths_of(bad)


@pytest.mark.parametrize("n", [999, 1001, 0, 10**12])
def test_another_number_of_symbols(n):
    data, lengths = written(np.random.default_rng(0).integers(0, 200, 1000))
    with pytest.raises(ValueError, match=r"(are not|too few for|behind) \d+ symbols"):
        decode(data, lengths, n)


def test_truncated_and_damaged():
    symbols = np.random.default_rng(0).binomial(9, 0.5, 1001)
    data, lengths = written(symbols)
    for wrong in (data[:-1], data + b"\0", b"", data[:-1] + bytes([data[-1] ^ 1])):
        with pytest.raises(ValueError, match="1001 symbols"):
            decode(wrong, lengths, len(symbols))
    for bit in range(3):  # five bits are codes, the other three must be zeros
        with pytest.raises(ValueError, match="behind 5 symbols are not zeros"):
            decode(bytes([1 << bit]), np.array([1, 1]), 5)
    lone, none = np.array([0, 0, 0]), np.zeros(0, np.int64)
    for data, lengths, n in ((b"\0", lone, 3), (b"", none, 3), (b"\0", none, 0)):
        with pytest.raises(ValueError, match=r"bytes are not|empty table"):
            decode(data, lengths, n)


def test_time():
    symbols = np.random.default_rng(0).binomial(18, 0.5, 400_000)
    start = time.process_time()
    data, lengths = written(symbols)
    np.testing.assert_array_equal(decode(data, lengths, len(symbols)), symbols)
    assert time.process_time() - start < 2  # 0.2 s where this was written
