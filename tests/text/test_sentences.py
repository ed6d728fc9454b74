"""Sentences of words for word2vec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import sentences


def test_by_hand():
    text = 'A list, e.g. "x1".\nSee __init__!  Héllo\n\nTitle\n*****\n\n3.14 ...'
    assert sentences(text) == [
        ["a", "list", "e", "g"],
        ["x1"],
        ["see", "__init__"],
        ["héllo"],
        ["title"],
    ]


@given(st.text())
def test_words_are_lower_case_and_sentences_are_not_empty(text):
    for words in sentences(text):
        assert words and all(word == word.lower() and " " not in word for word in words)


def test_text_must_be_text():
    with pytest.raises(TypeError, match="text: must be a str, got list"):
        sentences(["a"])
