"""Tokenizers: nothing lost on the way, nothing unknown let through in silence."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.text import TOKENIZERS, CharTokenizer, WordTokenizer, tokenizer_from_dict

some_text = st.text(min_size=1)


@given(some_text)
@settings(deadline=None)
def test_characters_come_back(text):
    tokenizer = CharTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32 and ids.shape == (len(text),)
    assert tokenizer.vocab_size == len(set(text)) and ids.max() < tokenizer.vocab_size
    assert tokenizer.decode(ids) == text


@given(some_text)
@settings(deadline=None)
def test_words_come_back_white_space_and_all(text):
    tokenizer = WordTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32 and WordTokenizer.unknown_id not in ids
    assert tokenizer.decode(ids) == text


@given(some_text, st.sampled_from(sorted(TOKENIZERS)))
@settings(deadline=None)
def test_a_tokenizer_survives_json(text, kind):
    tokenizer = TOKENIZERS[kind].train(text)
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert again == tokenizer and type(again) is type(tokenizer)
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()


def test_words_by_hand():
    tokenizer = WordTokenizer.train("the cat.\n\n  The cat sat on the mat.\n")
    pieces = [tokenizer.words[i] for i in tokenizer.encode("the cat sat.\n  The\n")]
    assert pieces == ["the", " cat", " sat", ".", "<unk>", " The", "\n"]  # "\n " stood never alone


def test_the_most_frequent_word_comes_first_and_ties_by_spelling():
    assert WordTokenizer.train("b a a c a b").words == ("<unk>", " a", " b", " c", "b")


def test_rare_words_are_unknown():
    tokenizer = WordTokenizer.train(" to be or not to be", min_count=2)
    assert tokenizer.words == ("<unk>", " be", " to")
    assert tokenizer.encode(" to or be <unk>").tolist() == [2, 0, 1, 0, 0, 0]
    assert tokenizer.decode([2, 0]) == " to<unk>"


def test_unknown_characters_are_named():
    with pytest.raises(ValueError, match=r"'é' \(U\+00E9\), '€' \(U\+20AC\); it knows these 2"):
        CharTokenizer.train("ab").encode("a€bé")
    with pytest.raises(ValueError, match="and 3 more"):
        CharTokenizer.train("x").encode("abcdefgh")


def test_empty_text_has_no_vocabulary_but_can_be_encoded():
    for kind in TOKENIZERS.values():
        with pytest.raises(ValueError, match="text: is empty"):
            kind.train("")
        tokenizer = kind.train("a")
        assert tokenizer.encode("").shape == (0,) and tokenizer.encode("").dtype == np.int32
        assert tokenizer.decode([]) == "" == tokenizer.decode(tokenizer.encode(""))


@pytest.mark.parametrize("ids", [[-1], [2], np.array([0, 9], dtype=np.uint8)])
def test_ids_out_of_range_do_not_wrap_around(ids):
    with pytest.raises(ValueError, match=r"ids: must lie in 0\.\.1"):
        CharTokenizer("ab").decode(ids)


@pytest.mark.parametrize("ids", [[0.5], [[0]], [True]])
def test_ids_must_be_integers_in_a_row(ids):
    with pytest.raises(TypeError, match="ids"):
        CharTokenizer("ab").decode(ids)


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match="text: must be a str, got bytes"):
        CharTokenizer.train(b"abc")
    with pytest.raises(ValueError, match="min_count"):
        WordTokenizer.train("a", min_count=0)
    with pytest.raises(ValueError, match="characters: must be distinct"):
        CharTokenizer("aa")
    with pytest.raises(ValueError, match="words: must be distinct and begin with '<unk>'"):
        WordTokenizer(("a",))
    with pytest.raises(ValueError, match=r"\['char', 'word'\], got 'bpe'"):
        tokenizer_from_dict({"kind": "bpe"})
