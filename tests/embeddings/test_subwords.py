"""N-grams and their hashes, rows of words, means of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.embeddings.subwords import (
    Subwords,
    add_to_rows,
    character_ngrams,
    fnv1a,
    mean_rows,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def test_ngrams_by_hand():
    assert character_ngrams("she", 3, 4) == ["<sh", "<she", "she", "she>", "he>"]
    assert character_ngrams("a", 1, 2) == ["<a", "a", "a>"]  # < and > alone are none
    assert character_ngrams("aaaa", 3, 3) == ["<aa", "aaa", "aaa", "aa>"]
    assert character_ngrams("猫", 3, 6) == ["<猫>"]
    assert character_ngrams("猫", 4, 6) == []
    assert character_ngrams("🐈‍⬛", 3, 3) == ["<🐈\u200d", "🐈\u200d⬛", "\u200d⬛>"]
    assert character_ngrams("", 2, 3) == ["<>"]
    assert character_ngrams("", 3, 6) == []


@settings(max_examples=40)
@given(word=words, min_n=st.integers(1, 4), more=st.integers(0, 4))
def test_ngrams_are_all_the_pieces_there_are(word, min_n, more):
    max_n, length = min_n + more, len(word) + 2
    ngrams = character_ngrams(word, min_n, max_n)
    assert all(ngram in f"<{word}>" and min_n <= len(ngram) <= max_n for ngram in ngrams)
    pieces = sum(max(0, length - n + 1) for n in range(min_n, max_n + 1))
    assert len(ngrams) == pieces - (2 if min_n == 1 else 0)


def test_hash_by_hand():
    assert fnv1a("") == 2166136261
    assert fnv1a("a") == 0xE40C292C  # the published test values of 32-bit FNV-1a
    assert fnv1a("foobar") == 0xBF9CF968
    # é is C3 A9; the published program takes both bytes as negative numbers
    h = (2166136261 ^ 0xFFFFFFC3) * 16777619 % 2**32
    assert fnv1a("é") == (h ^ 0xFFFFFFA9) * 16777619 % 2**32


TEXTS = ["", "a", "she", "Übermut", "语言模型", "北", "🐈", "👩‍👩‍👧", "mixed混合🙂", "x" * 30]


@pytest.mark.oracle
@pytest.mark.parametrize(("min_n", "max_n"), [(3, 6), (1, 1), (1, 3), (2, 2), (5, 9)])
def test_ngrams_and_buckets_are_gensims(min_n, max_n):
    from gensim.models.fasttext import compute_ngrams_bytes, ft_hash_bytes, ft_ngram_hashes

    for bucket in (1, 1000, 2_000_000):
        subwords = Subwords([], min_n, max_n, bucket)
        for word in TEXTS:
            assert subwords.buckets_of(word) == ft_ngram_hashes(word, min_n, max_n, bucket)
    for word in TEXTS:
        ngrams = character_ngrams(word, min_n, max_n)
        assert [ngram.encode() for ngram in ngrams] == compute_ngrams_bytes(word, min_n, max_n)
        assert [fnv1a(ngram) for ngram in ngrams] == [ft_hash_bytes(n.encode()) for n in ngrams]


@pytest.mark.oracle
@given(word=words)
def test_any_words_buckets_are_gensims(word):
    from gensim.models.fasttext import ft_ngram_hashes

    assert Subwords([]).buckets_of(word) == ft_ngram_hashes(word, 3, 6, 2_000_000)


def test_rows_of_words():
    # she: <sh she he>   he: <he he>, he> being the row that she has too
    subwords = Subwords(["she", "he", "x" * 9], 3, 3)
    assert subwords.word_count == 3
    assert subwords.row_count == 3 + 4 + 3 == 3 + len(subwords.buckets)  # <xx xxx xx>
    assert (np.diff(subwords.buckets) > 0).all()
    parts = {
        i: subwords.rows[subwords.starts[i] : subwords.starts[i + 1]].tolist() for i in range(3)
    }
    assert [parts[i][0] for i in range(3)] == [0, 1, 2]  # its own row comes first
    assert [len(parts[i]) for i in range(3)] == [1 + 3, 1 + 2, 1 + 9]
    assert parts[0][3] == parts[1][2] == subwords.rows_of_buckets([fnv1a("he>") % 2_000_000])[0]
    assert set(parts[0][1:3]).isdisjoint(parts[1])
    assert len(set(parts[2])) == 4  # xxx seven times

    rows, starts = subwords.rows_of(np.array([1, 0, 1]))
    assert rows.tolist() == parts[1] + parts[0] + parts[1] and starts.tolist() == [0, 3, 7]


def test_rows_of_words_that_were_never_read():
    subwords = Subwords(["she"], 3, 3)
    assert subwords.rows_of_unseen("she").tolist() == subwords.rows[1:].tolist()
    assert subwords.rows_of_unseen("the").tolist() == [subwords.rows[3]]  # he> alone
    assert len(subwords.rows_of_unseen("dog")) == len(subwords.rows_of_unseen("")) == 0
    assert len(Subwords([]).rows_of_unseen("dog")) == 0


def test_few_buckets_are_shared():
    subwords = Subwords(["she", "dog", "语言"], 3, 6, bucket=2)
    assert subwords.buckets.tolist() == [0, 1] and subwords.row_count == 5
    assert len(subwords.rows_of_unseen("cat")) == len(character_ngrams("cat"))


def test_means_by_hand():
    table = np.array([[0, 1], [2, 3], [4, 8]], np.float32)
    means = mean_rows(table, np.array([0, 2, 1, 1, 1]), np.array([0, 2, 4]))
    assert means.tolist() == [[2, 4.5], [2, 3], [2, 3]] and means.dtype == np.float32
    assert mean_rows(table.astype(np.float64), np.array([0]), np.array([0])).dtype == np.float64


@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_rows_named_several_times_take_every_change(seed):
    rng = np.random.default_rng(seed)
    rows, changes = rng.integers(0, 7, 20), rng.standard_normal((20, 3))
    table = rng.standard_normal((7, 3))
    expected = table.copy()
    np.add.at(expected, rows, changes)
    add_to_rows(table, rows, changes)
    np.testing.assert_allclose(table, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_n": 4, "max_n": 3}, "min_n must be at most max_n, got min_n=4 and max_n=3"),
        ({"min_n": 0}, "min_n must be an integer of at least 1, got 0"),
        ({"max_n": 2.5}, "max_n"),
        ({"bucket": 0}, "bucket must be an integer of at least 1, got 0"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        Subwords(["she"], **options)
