"""Nearest by a product of cosines; gensim's second name of a query."""

import math

import numpy as np
import pytest

from minilm.embeddings import KeyedVectors

WORDS = ["east", "north", "northeast", "west", "nowhere"]
VECTORS = np.array([[2, 0], [0, 1], [3, 3], [-1, 0], [0, 0]], np.float32)


@pytest.fixture
def wv():
    return KeyedVectors(WORDS, VECTORS)


def test_products_by_hand(wv):
    # (1 + cos) / 2 with east: 1, 1/2, c, 0, 1/2; with north: 1/2, 1, c, 1/2, 1/2
    c = (1 + math.sqrt(0.5)) / 2
    both = wv.most_similar_cosmul(["east", "north"], topn=None)
    np.testing.assert_allclose(both, [1 / 2, 1 / 2, c * c, 0, 1 / 4], rtol=1e-5)
    assert wv.most_similar_cosmul(["east", "north"], topn=2) == [
        ("northeast", pytest.approx(c * c, rel=1e-5)), ("nowhere", pytest.approx(1 / 4, rel=1e-5)),
    ]  # fmt: skip
    away = wv.most_similar_cosmul(positive="east", negative="north", topn=None)
    np.testing.assert_allclose(away, [2, 1 / 2, 1, 0, 1], rtol=1e-5)
    only_away = wv.most_similar_cosmul(negative="east", topn=1)
    assert only_away == [("west", pytest.approx(1e6))]


def test_a_product_of_words_and_vectors(wv):
    # a vector counts by its direction alone, as a word does, and is no word to be left out
    long = wv.most_similar_cosmul(["east", np.array([0.0, 7.0])], topn=None)
    np.testing.assert_allclose(long, wv.most_similar_cosmul(["east", "north"], topn=None))
    assert wv.most_similar_cosmul([VECTORS[0]], topn=1) == [("east", pytest.approx(1, rel=1e-5))]
    assert len(wv.most_similar_cosmul("west", topn=9, restrict_vocab=2)) == 2


def test_what_a_product_refuses(wv):
    with pytest.raises(ValueError, match="got neither"):
        wv.most_similar_cosmul()
    with pytest.raises(ValueError, match="topn must be None or an integer >= 0, got -1"):
        wv.most_similar_cosmul("east", topn=-1)
    with pytest.raises(KeyError, match="'eas'; near spellings: east"):
        wv.most_similar_cosmul(["eas"])
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        wv.most_similar_cosmul([np.ones(3)])


def test_similar_by_key_is_similar_by_word(wv):
    assert wv.similar_by_key("east", topn=2) == wv.similar_by_word("east", topn=2)
