"""GPT-2's cutting and its alphabet of bytes, against their own definitions."""

import random
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text.tokenizers.pre_tokens import (
    BYTE_OF_LETTER,
    LETTER_OF_BYTE,
    pre_tokens,
    to_bytes,
)

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
EMPTY = 0x40000  # from plane 4 on hardly anything is assigned, and nothing that is read
CHARACTERS = [*map(chr, range(EMPTY)), *map(chr, range(EMPTY, sys.maxunicode + 1, 97))]


def test_by_hand():
    assert pre_tokens("We'll see: they've  got 2½ a_b's!\n\n  x \t") == [
        "We", "'ll", " see", ":", " they", "'ve", " ", " got", " 2½", " a", "_", "b", "'s", "!",
        "\n\n ", " x", " \t",
    ]  # fmt: skip
    assert pre_tokens("\n\x1c") == ["\n", "\x1c"]  # to Python white space, to Unicode a control
    assert pre_tokens("") == [] and pre_tokens("DON'T") == ["DON", "'", "T"]


@given(st.text())
def test_every_character_is_in_one_piece(text):
    assert "".join(pre_tokens(text)) == text


def test_letters_and_numbers_are_unicodes_categories():
    expected = []
    for character in CHARACTERS:
        kind = unicodedata.category(character)[0]
        if kind == "L":
            expected += ["é" + character, "7"]
        elif kind == "N":
            expected += ["é", character + "7"]
        else:
            expected += ["é", " 7"] if character == " " else ["é", character, "7"]
    assert pre_tokens("".join(f"é{character}7" for character in CHARACTERS)) == expected


def test_python_counts_letters_numbers_and_the_underscore_as_word_characters():
    word = re.compile(r"\w")
    for character in CHARACTERS:
        counted = unicodedata.category(character)[0] in "LN" or character == "_"
        assert bool(word.match(character)) == counted


def test_bytes_and_their_letters():
    assert len(LETTER_OF_BYTE) == len(BYTE_OF_LETTER) == 256
    assert list(LETTER_OF_BYTE.values()) == sorted(LETTER_OF_BYTE.values())  # GPT-2 numbers them so
    assert [LETTER_OF_BYTE[b] for b in b"a~ \n\x00\xad\xc3"] == list("a~ĠĊĀŃÃ")
    assert all(letter.isprintable() and not letter.isspace() for letter in BYTE_OF_LETTER)
    assert to_bytes("Ã©Ġ") == "é ".encode()


@pytest.mark.oracle
def test_pieces_equal_those_of_gpt2s_own_pattern():
    import regex

    original = regex.compile(GPT2)
    known = [c for c in CHARACTERS if unicodedata.category(c) != "Cn"]  # to this Python's Unicode
    for character in known:
        for text in (f"a{character}{character}1", f"  {character} '{character}_"):
            assert pre_tokens(text) == original.findall(text), f"U+{ord(character):04X}"
    rng = random.Random(0)
    often = [*" \n\t'_.,1stvemlrd", "\x1c", "\x85", "\u2028", "½", "é", "一"]
    for _ in range(10_000):
        size = rng.randrange(30)
        text = "".join(rng.choice(often if rng.random() < 0.8 else known) for _ in range(size))
        assert pre_tokens(text) == original.findall(text), ascii(text)


@pytest.mark.oracle
def test_letters_of_bytes_equal_the_tokenizers_librarys():
    from tokenizers.pre_tokenizers import ByteLevel

    assert set(BYTE_OF_LETTER) == set(ByteLevel.alphabet())
    pieces = ByteLevel(add_prefix_space=False).pre_tokenize_str("é €\n½")
    assert to_bytes("".join(piece for piece, _ in pieces)) == "é €\n½".encode()
