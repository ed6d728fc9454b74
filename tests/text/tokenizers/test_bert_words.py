"""BERT's cutting into words: by hand, and character by character against the `tokenizers` library.
"""

import random
import sys
import time
import unicodedata

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
    # the blocks as Unicode has them, but for the first 256 of the last of plane 2, U+2B820;
    # BERT's list leaves out what came after Unicode 8
    blocks = ("3400-4DBF", "4E00-9FFF", "F900-FAFF", "20000-2A6DF", "2A700-2B73F", "2B740-2B81F",
              "2B920-2CEAF", "2F800-2FA1F")  # fmt: skip
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


@given(st.text(st.characters(codec=None)), st.booleans())
def test_words_do_not_reach_across_a_space(text, lower_case):
    parts = [bert_words(part, lower_case) for part in text.split(" ")]
    assert bert_words(text, lower_case) == [word for words in parts for word in words]


@pytest.mark.parametrize("text", ["a\u0301\u0323" * 20_000, "\u0301\u0323" * 30_000])
def test_marks_in_the_wrong_order_take_no_longer(text):
    begin = time.process_time()
    assert "".join(bert_words(text)) == "a" * text.count("a")
    assert time.process_time() - begin < 1  # to sort the 60,000 marks of the second takes 4 seconds


@pytest.mark.oracle
@pytest.mark.parametrize("lower_case", [True, False])
def test_words_equal_the_tokenizers_librarys(lower_case):
    """Of every character there is, but those whose small letters or parts are newer than Unicode 12
    (the library's and Python's tables of these are of different years)."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(lowercase=lower_case), BertPreTokenizer()

    def theirs(text):
        return [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]

    # all planes that hold characters, and a thousandth of the others
    codes = [*range(0xD800), *range(0xE000, 0x33480), *range(0x33480, sys.maxunicode + 1, 1000),
             *range(0xE0000, 0xE0200)]  # fmt: skip
    known = list(map(chr, codes))
    unequal = []
    for start in range(0, len(known), 50):
        text = " ".join(f"a{character}B {character}É" for character in known[start : start + 50])
        if bert_words(text, lower_case) != theirs(text):
            unequal += [
                c for c in known[start : start + 50]
                if bert_words(f"a{c}B {c}É", lower_case) != theirs(f"a{c}B {c}É")
            ]  # fmt: skip
    newer = [c for c in unequal if ord(c) == 0x11938 or unicodedata.category(c) in ("Cn", "Lu")]
    assert unequal == newer and len(unequal) < 200
    rng = random.Random(0)
    for _ in range(5_000):
        text = "".join(rng.choices(known[:0x10000], k=rng.randrange(20)))
        if not set(text) & set(unequal):
            assert bert_words(text, lower_case) == theirs(text), ascii(text)
