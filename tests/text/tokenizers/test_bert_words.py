"""BERT's cutting into words: by hand, and character by character against the `tokenizers` library.
"""

import random
import sys
import unicodedata
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text.tokenizers.bert_words import IDEOGRAPHS, bert_words


@pytest.mark.parametrize(
    ("text", "lowered", "as_it_is"),
    [
        ("Déjà-vu, Ünï!", "deja - vu , uni !", "Déjà - vu , Ünï !"),
        ("a\tb\r\nc\u3000d\u2028e", "a b c d e", "a b c d e"),
        ("x\x00y\x7fz\ufffd\u200b\ue000\ud800w", "xyzw", "xyzw"),  # \u200b: a space of no width
        ("我在北京2班", "我 在 北 京 2 班", "我 在 北 京 2 班"),
        ("ひらカタ", "ひらカタ", "ひらカタ"),  # no ideographs: one word
        ("$5+$6=11~", "$ 5 + $ 6 = 11 ~", "$ 5 + $ 6 = 11 ~"),
        ("«¿Qué?»…€5", "« ¿ que ? » … €5", "« ¿ Qué ? » … €5"),
        ("ΟΔΟΣ İstanbul", "οδοσ istanbul", "ΟΔΟΣ İstanbul"),
        (" \n", "", ""),
        ("\x1c\x85", "", ""),
    ],
)
def test_by_hand(text, lowered, as_it_is):
    assert bert_words(text) == lowered.split()
    assert bert_words(text, lower_case=False) == as_it_is.split()


def test_ideographs_stand_alone_and_their_neighbours_in_unicode_do_not():
    # the blocks as Unicode has them; BERT's list leaves out what came after Unicode 8
    blocks = ("3400-4DBF", "4E00-9FFF", "F900-FAFF", "20000-2A6DF", "2A700-2B73F", "2B740-2B81F",
              "2B820-2CEAF", "2F800-2FA1F")  # fmt: skip
    ends = [(int(a, 16), int(b, 16)) for a, b in (block.split("-") for block in blocks)]
    assert sorted(IDEOGRAPHS) == ends
    for first, last in ends:
        for code in (first, last):
            assert len(bert_words(f"a{chr(code)}b", lower_case=False)) == 3
    for code in (0x33FF, 0x4DC0, 0x2A6E0, 0x2CEB0, 0x2FA20):
        assert len(bert_words(f"a{chr(code)}b", lower_case=False)) == 1


@given(st.text(st.characters(codec=None)), st.booleans())
def test_words_cannot_be_cut_further(text, lower_case):
    words = bert_words(text, lower_case)
    assert all(words) and bert_words(" ".join(words), lower_case) == words


@cache
def settled_characters():
    """Those whose properties have not changed since Unicode 3.2, and emoji: all libraries agree."""
    old = unicodedata.ucd_3_2_0.category
    return [
        character
        for code in range(sys.maxunicode + 1)
        for character in (chr(code),)
        if old(character) == unicodedata.category(character) not in ("Cn", "Cs")
        or 0x1F600 <= code < 0x1F640
    ]


@pytest.mark.oracle
@pytest.mark.parametrize("lower_case", [True, False])
def test_words_equal_the_tokenizers_librarys(lower_case):
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(lowercase=lower_case), BertPreTokenizer()

    def theirs(text):
        return [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]

    known = settled_characters()
    assert len(known) > 90_000
    for character in known:
        text = f"a{character}B {character}É"
        assert bert_words(text, lower_case) == theirs(text), f"U+{ord(character):04X}"
    rng = random.Random(0)
    for _ in range(5_000):
        text = "".join(rng.choices(known, k=rng.randrange(20)))
        assert bert_words(text, lower_case) == theirs(text), ascii(text)
