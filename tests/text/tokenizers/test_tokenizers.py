"""Tokenizers: nothing lost on the way, nothing unknown let through in silence."""

import doctest
import importlib
import json
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm import metrics
from minilm.text import (
    BEGIN,
    END,
    PADDING,
    TOKENIZERS,
    UNKNOWN,
    CharTokenizer,
    WordTokenizer,
    tokenizer_from_dict,
    tokenizers,
)

some_text = st.text(min_size=1)
PAGES = [f"{package.__name__}.{module.name}" for package in (tokenizers, metrics)
         for module in pkgutil.iter_modules(package.__path__)]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_in_docstrings_are_true(page):
    assert doctest.testmod(importlib.import_module(page)).failed == 0


@given(some_text)
def test_characters_come_back(text):
    tokenizer = CharTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32 and ids.shape == (len(text),)
    assert tokenizer.vocab_size == len(set(text)) and ids.max() < tokenizer.vocab_size
    assert tokenizer.decode(ids) == text


@given(some_text)
def test_words_come_back_white_space_and_all(text):
    tokenizer = WordTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32 and WordTokenizer.unknown_id not in ids
    assert tokenizer.decode(ids) == text


@given(some_text, st.sampled_from(sorted(TOKENIZERS)))
def test_a_tokenizer_survives_json(text, kind):
    tokenizer = TOKENIZERS[kind].train(text)
    assert tokenizer.vocab_size <= 1000
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
    for kind in ("bpe", "wordpiece"):
        for vocab_size in (500.0, "500", True):
            with pytest.raises(TypeError, match="vocab_size: must be an int, got"):
                TOKENIZERS[kind].train("abc", vocab_size=vocab_size)
        TOKENIZERS[kind].train("abc", vocab_size=np.int64(500))
    with pytest.raises(ValueError, match="characters: must be distinct"):
        CharTokenizer("aa")
    with pytest.raises(ValueError, match="words: must be distinct and begin with '<unk>'"):
        WordTokenizer(("a",))
    with pytest.raises(ValueError, match=r"\['bpe', .* 'wordpiece'\], got 'morse'"):
        tokenizer_from_dict({"kind": "morse"})


@given(some_text, st.sampled_from(sorted(TOKENIZERS)))
def test_no_text_encodes_to_a_special_and_a_special_decodes_to_its_name(text, kind):
    specials = ("<mask>", PADDING, BEGIN, END)
    tokenizer = TOKENIZERS[kind].train(text, specials=specials)
    reserved = [tokenizer.special_ids[name] for name in specials]
    assert reserved == sorted(reserved) and reserved[-1] - reserved[0] == 3 and reserved[0] <= 1
    for tried in (text, "<pad>", "<mask><bos> <eos>"):
        try:
            ids = tokenizer.encode(tried).tolist()
        except ValueError:
            assert kind == "char"
            continue
        assert not set(reserved) & set(ids)
    shown = tokenizer.decode(reserved)
    assert shown.replace(" ", "") == "<mask><pad><bos><eos>"
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert again == tokenizer and again.special_ids == tokenizer.special_ids


def test_specials_by_hand():
    characters = CharTokenizer.train("abba", specials=(PADDING, BEGIN, END))
    assert characters.special_ids == {"<pad>": 0, "<bos>": 1, "<eos>": 2}
    assert characters.encode("ab").tolist() == [3, 4] and characters.vocab_size == 5
    assert characters.decode([1, 3, 4, 2, 0]) == "<bos>ab<eos><pad>"
    words = WordTokenizer.train("to be to", specials=("pad",))
    assert words.words == (UNKNOWN, "pad", " be", " to", "to")
    assert words.encode("pad").tolist() == [0]  # the word, not the mark


def test_headers_of_before_there_were_specials_are_read():
    assert tokenizer_from_dict({"kind": "char", "characters": "ab"}) == CharTokenizer("ab")
    assert tokenizer_from_dict({"kind": "word", "words": ["<unk>", "a"]}).vocab_size == 2


@pytest.mark.parametrize("kind", sorted(TOKENIZERS))
def test_wrong_specials_are_refused(kind):
    train = TOKENIZERS[kind].train
    with pytest.raises(TypeError, match="specials: must be a sequence of names, got '<pad>'"):
        train("abc", specials="<pad>")
    for bad in (("<a>", "<a>"), ("",)):
        with pytest.raises(ValueError, match="specials: must be distinct and not empty"):
            train("abc", specials=bad)
    with pytest.raises(ValueError, match="specials: must be no pieces of text, got 'a'"):
        train("a a b", specials=("<a>", "a"))
