"""Pairs counted in pieces are those of a double loop; sentences apart; memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.embeddings import cooccurrence, read_corpus
from minilm.embeddings.cooccurrence import (
    Cooccurrences,
    add_equal,
    cooccurrences,
    inverse_distance,
    window_share,
)


def counted_naively(ids, sentence_of, vocab_size, distance_weights):
    x = np.zeros((vocab_size, vocab_size))
    for place, i in enumerate(ids):
        for other, j in enumerate(ids):
            distance = abs(place - other)
            near = 0 < distance <= len(distance_weights)
            if near and sentence_of[place] == sentence_of[other]:
                x[i, j] += distance_weights[distance - 1]
    return x


def test_a_sentence_by_hand():
    _, ids, sentence_of = read_corpus([["a", "b", "c", "a"], ["c"], ["b"]], min_count=1)
    x = cooccurrences(ids, sentence_of, 3, inverse_distance(3))
    # a b c a: a–b at 1 and 2, a–c at 2 and 1, b–c at 1, a–a at 3, seen from both a's
    np.testing.assert_allclose(x.dense(), [[2 / 3, 1.5, 1.5], [1.5, 0, 1], [1.5, 1, 0]])
    assert len(x) == 7 and x.nbytes == 7 * 16
    assert (x.rows.dtype, x.columns.dtype, x.values.dtype) == (np.int32, np.int32, np.float64)
    assert [list(sums) for sums in x.marginals()] == [pytest.approx([11 / 3, 2.5, 2.5])] * 2


def test_weights_of_distances():
    assert inverse_distance(3).tolist() == [1, 1 / 2, 1 / 3]
    assert window_share(4).tolist() == [1, 3 / 4, 2 / 4, 1 / 4]
    for weights in (inverse_distance, window_share):
        with pytest.raises(ValueError, match="window must be an integer of at least 1, got 0"):
            weights(0)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000), length=st.integers(2, 60), window=st.integers(1, 7),
    piece=st.integers(1, 200),
)  # fmt: skip
def test_equal_to_a_double_loop_in_pieces_of_any_size(seed, length, window, piece):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 9, length).astype(np.int32)
    sentence_of = np.sort(rng.integers(0, 1 + length // 10, length)).astype(np.int32)
    expected = counted_naively(ids, sentence_of, 9, window_share(window))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "PIECE", piece)
        if not expected.any():
            with pytest.raises(ValueError, match="two words of one sentence"):
                cooccurrences(ids, sentence_of, 9, window_share(window))
            return
        x = cooccurrences(ids, sentence_of, 9, window_share(window))
    np.testing.assert_allclose(x.dense(), expected, atol=1e-12)
    assert len(x) == np.count_nonzero(expected)
    keys = x.rows * 9 + x.columns
    assert (np.diff(keys) > 0).all()  # in order, each once


def test_numbers_of_entries_do_not_overflow():
    ids = np.array([99_999, 99_998], np.int32)  # i·V + j is above 2³³
    x = cooccurrences(ids, np.zeros(2, np.int32), 100_000, np.ones(1))
    assert x.rows.tolist() == [99_998, 99_999] and x.columns.tolist() == [99_999, 99_998]


def test_from_dense_and_back():
    counts = np.array([[0, 3], [1, 2]])
    x = Cooccurrences.from_dense(counts)
    assert x.values.tolist() == [3, 1, 2] and x.dense().tolist() == counts.tolist()
    with pytest.raises(ValueError, match=r"shape \(V, V\), got \(2, 3\)"):
        Cooccurrences.from_dense(np.zeros((2, 3)))
    for wrong in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="finite and not below 0"):
            Cooccurrences.from_dense(np.array([[0, wrong], [1, 1]]))


def test_add_equal():
    keys, values = add_equal(np.array([5, 0, 5, 2]), np.array([1.0, 2, 3, 4]))
    assert keys.tolist() == [0, 2, 5] and values.tolist() == [2, 4, 4]


def test_memory_follows_the_entries_and_not_the_pairs(monkeypatch):
    monkeypatch.setattr(cooccurrence, "PIECE", 2**12)
    ids = np.random.default_rng(0).integers(0, 60, 30_000).astype(np.int32)
    sentence_of = np.arange(len(ids), dtype=np.int32) // 20
    tracemalloc.start()
    try:
        x = cooccurrences(ids, sentence_of, 60, inverse_distance(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pairs = 2 * 10 * len(ids)
    assert peak < 80 * (2**12 + len(x)) + 2**16 < 16 * pairs / 10


@pytest.mark.parametrize(
    ("ids", "sentence_of", "message"),
    [
        ([0, 1], [0], r"got \(2,\) and \(1,\)"),
        ([0, 3], [0, 0], r"\[0, 3\), got 0 to 3"),
        ([0, -1], [0, 0], "got -1 to 0"),
        ([0, 1], [0, 1], "two words of one sentence, got 2 words"),
        ([], [], "two words of one sentence, got 0 words"),
    ],
)
def test_bad_texts(ids, sentence_of, message):
    with pytest.raises(ValueError, match=message):
        cooccurrences(np.array(ids, int), np.array(sentence_of, int), 3, np.ones(2))
