"""Counting words, leaving the rare ones out, and the two distributions that counts give."""

import math

import numpy as np
import pytest

from minilm.embeddings.vocabulary import Vocabulary, draw_noise, read_corpus

SENTENCES = [["b", "a", "b"], [], ["c", "b", "a"], ["rare", "b"]]


def test_words_by_count_then_by_first_place():
    vocabulary, ids, sentence_of = read_corpus(SENTENCES, min_count=1)
    assert vocabulary.words == ["b", "a", "c", "rare"]
    assert vocabulary.counts.tolist() == [4, 2, 1, 1]
    assert ids.tolist() == [0, 1, 0, 2, 0, 1, 3, 0]
    assert sentence_of.tolist() == [0, 0, 0, 2, 2, 2, 3, 3]


def test_sentences_may_be_arrays():
    vocabulary, ids, _ = read_corpus([np.array(s, np.str_) for s in SENTENCES], min_count=1)
    assert vocabulary.words == ["b", "a", "c", "rare"]
    assert ids.tolist() == [0, 1, 0, 2, 0, 1, 3, 0]


def test_rare_words_are_gone_before_windows_are_laid():
    vocabulary, ids, sentence_of = read_corpus(iter(SENTENCES), min_count=2)
    assert vocabulary.words == ["b", "a"]
    assert ids.tolist() == [0, 1, 0, 0, 1, 0]
    assert sentence_of.tolist() == [0, 0, 0, 2, 2, 3]


def test_encode_leaves_unknown_words_out():
    vocabulary, ids, sentence_of = read_corpus(SENTENCES, min_count=1)
    again = vocabulary.encode(SENTENCES)
    assert np.array_equal(again[0], ids) and np.array_equal(again[1], sentence_of)
    ids, sentence_of = vocabulary.encode([["b", "new", "a"], ["new"], ["c"]])
    assert ids.tolist() == [0, 1, 2] and sentence_of.tolist() == [0, 0, 2]


def test_keep_probability_by_hand():
    vocabulary = Vocabulary(["a", "b"], np.array([90, 10]))
    keep = vocabulary.keep_probability(sample=0.1)
    assert keep[0] == pytest.approx(math.sqrt(0.1 / 0.9) + 0.1 / 0.9)
    assert keep[1] == 1
    assert vocabulary.keep_probability(sample=0).tolist() == [1, 1]
    with pytest.raises(ValueError, match="sample"):
        vocabulary.keep_probability(-1)


def test_noise_is_drawn_by_the_power_of_the_count():
    vocabulary = Vocabulary(["a", "b", "c"], np.array([81, 16, 1]))
    cdf = vocabulary.noise_cdf(0.75)
    assert np.diff(cdf, prepend=0) == pytest.approx(np.array([27, 8, 1]) / 36)
    drawn = draw_noise(cdf, (300, 100), np.random.default_rng(0))
    assert drawn.shape == (300, 100)
    assert np.bincount(drawn.reshape(-1)) / drawn.size == pytest.approx(
        np.array([27, 8, 1]) / 36, abs=0.01
    )


@pytest.mark.parametrize(
    ("sentences", "error", "message"),
    [
        ("the cat sat", TypeError, "sentences must be lists of words, got one string 'the cat"),
        (["the cat", "a dog"], TypeError, r"got the string 'the cat'.*sentence\.split\(\)"),
        ([[1, 2]], TypeError, "words must be strings, got int 1"),
        ([], ValueError, "at least one word"),
        ([[], []], ValueError, "got 2 empty ones"),
        ([["a", "b", "a"]], ValueError, "min_count=5 .* 'a', occurs 2 times"),
    ],
)
def test_bad_sentences(sentences, error, message):
    with pytest.raises(error, match=message):
        read_corpus(sentences, min_count=5)
