"""Correlation with people: ranks, p-values, pairs from lists and files."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.embeddings import KeyedVectors
from minilm.embeddings.word_pairs import average_ranks, correlation, p_value, read_pairs

WORDS = ["east", "north", "northeast", "west"]
VECTORS = np.array([[2, 0], [0, 1], [3, 3], [-1, 0]], np.float32)


@pytest.fixture
def wv():
    return KeyedVectors(WORDS, VECTORS)


def test_average_ranks():
    assert average_ranks(np.array([5.0, 7.0, 7.0, 1.0])).tolist() == [2, 3.5, 3.5, 1]


def test_correlation_of_a_constant_is_nan():
    assert math.isnan(correlation(np.ones(3), np.arange(3.0)))
    assert correlation(np.arange(3.0), -np.arange(3.0)) == pytest.approx(-1)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000))
def test_spearman_sees_only_the_order(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 12).astype(float), rng.standard_normal(12)
    before = correlation(average_ranks(x), average_ranks(y))
    after = correlation(average_ranks(np.exp(x)), average_ranks(y**3))
    assert before == pytest.approx(after, nan_ok=True)


def test_word_pairs_from_a_list(wv):
    scores = wv.evaluate_word_pairs(
        [("east", "West", 1.0), ("EAST", "northeast", 9), ("east", "north", 4), ("east", "sun", 7)]
    )
    assert scores.spearman.statistic == pytest.approx(1)
    assert 0.9 < scores.pearson.statistic < 1
    assert scores.oov_ratio == 25  # per cent, as in gensim
    (r, p), (rho, _), oov = scores  # and so is the order
    assert (r, rho, oov) == (scores.pearson.statistic, scores.spearman.statistic, 25) and 0 < p < 1
    with pytest.raises(ValueError, match="at least two of known words, got 1 among 2"):
        wv.evaluate_word_pairs([("east", "west", 1), ("sun", "moon", 3)])


def test_of_two_spellings_the_first_counts():
    wv = KeyedVectors(["may", "May", "june", "July"], VECTORS[[0, 1, 2, 0]])
    # cosines of "may", not of "May": with july 1, with june 0.71
    scores = wv.evaluate_word_pairs([("MAY", "july", 2), ("May", "june", 1)])
    assert scores.spearman.statistic == pytest.approx(1) and scores.oov_ratio == 0


def test_word_pairs_from_a_file(wv, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("# a comment\n# Word 1\tWord 2\tscore\neast\twest\t1.5\n\neast  north 3\n")
    assert list(read_pairs(path)) == [("east", "west", 1.5), ("east", "north", 3.0)]
    assert wv.evaluate_word_pairs(path) == wv.evaluate_word_pairs(str(path))
    path.write_text("east west 1\neast north\n")
    with pytest.raises(ValueError, match=r"pairs\.tsv, line 2: .* got 'east north'"):
        wv.evaluate_word_pairs(path)
    with pytest.raises(FileNotFoundError):
        wv.evaluate_word_pairs(tmp_path / "nothing")


def test_a_file_that_is_not_utf8(wv, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes("east\twest\t1\neast\tcafé\t2\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"pairs\.tsv, line 2: byte 0xe9 is not UTF-8.* iconv"):
        wv.evaluate_word_pairs(path)
    path.write_bytes("east\twest\t1\neast\tnorth\t2\n".encode("utf-16"))
    with pytest.raises(ValueError, match="line 1: byte 0xff is not UTF-8"):
        wv.evaluate_word_pairs(path)
    path.write_bytes("east\twest\t1\neast\tnorth\u2028x\t2\n".encode("utf-8-sig"))
    assert list(read_pairs(path)) == [("east", "west", 1), ("east", "north\u2028x", 2)]


def test_only_the_first_words_are_known(wv):
    pairs = [("east", "north", 1), ("east", "northeast", 2), ("North", "northeast", 3)]
    with pytest.raises(ValueError, match="got 1 among 3"):
        wv.evaluate_word_pairs(pairs, restrict_vocab=2)
    assert wv.evaluate_word_pairs(pairs, restrict_vocab=3).oov_ratio == 0
    assert wv.evaluate_word_pairs(pairs, case_insensitive=False).oov_ratio == pytest.approx(100 / 3)


def test_unknown_pairs_may_count_as_unlike(wv):
    pairs = [("east", "west", 1), ("east", "northeast", 9), ("east", "sun", 5)]
    left_out = wv.evaluate_word_pairs(pairs)
    counted = wv.evaluate_word_pairs(pairs, dummy4unknown=True)  # cosines −1, 0.71, 0
    assert math.isnan(left_out.pearson.pvalue)  # two pairs lie on a line, whatever they are
    assert counted.spearman.statistic == pytest.approx(1)
    assert 0.9 < counted.pearson.statistic < 1
    assert counted.oov_ratio == left_out.oov_ratio == pytest.approx(100 / 3)


def test_pairs_parted_by_something_else(wv, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("east,west,1.5\neast,north,3\n")
    assert wv.evaluate_word_pairs(path, delimiter=",").spearman.statistic == pytest.approx(1)
    with pytest.raises(ValueError, match="line 2"):
        wv.evaluate_word_pairs(path)


def test_the_first_line_may_name_the_columns(wv, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("Word 1,Word 2,Human (mean)\neast,west,1.5\neast,north,3\n")
    assert list(read_pairs(path, ",")) == [("east", "west", 1.5), ("east", "north", 3)]
    path.write_text("word1 word2 mean\n")
    with pytest.raises(ValueError, match="got 0 among 0"):
        wv.evaluate_word_pairs(path)


def test_p_value_by_hand():
    # n = 4: r is uniform on [−1, 1];  n = 3: its angle is uniform
    assert p_value(0.3, 4) == pytest.approx(0.7)
    assert p_value(-0.3, 4) == pytest.approx(0.7)
    assert p_value(0.5, 3) == pytest.approx(2 / 3)
    assert p_value(0.0, 999) == 1 and p_value(1.0, 5) == pytest.approx(0, abs=1e-12)
    assert math.isnan(p_value(0.5, 2)) and math.isnan(p_value(math.nan, 9))


@pytest.mark.oracle
@pytest.mark.parametrize("n", [3, 4, 10, 203, 2000])
def test_p_values_are_scipys(n):
    from scipy import stats

    rng = np.random.default_rng(n)
    for relation in (0, 0.2, 3):
        x = rng.standard_normal(n)
        y = relation * x + rng.standard_normal(n)
        r, p = stats.pearsonr(x, y)
        assert correlation(x, y) == pytest.approx(r)
        assert p_value(r, n) == pytest.approx(p, rel=1e-6)
