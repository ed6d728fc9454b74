"""Categories of characters: the same on every Python."""

import sys
import unicodedata

import pytest

from minilm.text.tokenizers.unicode_8 import CHANGED, RANGES, category


@pytest.mark.parametrize(
    ("character", "kind"),
    [("a", "Ll"), ("!", "Po"), ("\u0301", "Mn"), ("\u0378", "Cn"), ("\u166d", "Po"),
     ("\u2e42", "Ps"), ("\u2e43", "Cn"), ("\u1ab0", "Mn"), ("\u1abf", "Cn"), ("\U0001e000", "Cn"),
     ("\U0001f600", "So"), ("\U0001fae0", unicodedata.category("\U0001fae0"))],
)  # fmt: skip
def test_by_hand(character, kind):
    # U+2E42 came with Unicode 7, U+2E43 with 9; U+1AB0 with 7, U+1ABF with 13
    assert category(character) == kind


def test_nothing_of_unicode_3_2_is_among_the_newer_ones():
    old = unicodedata.ucd_3_2_0.category
    assert sorted(RANGES) == RANGES
    for first, last in RANGES:
        assert first <= last
        assert all(old(chr(code)) == "Cn" for code in range(first, last + 1))
    assert all(unicodedata.category(character) != "Cn" for character in CHANGED)


@pytest.mark.oracle
def test_punctuation_and_marks_equal_the_tokenizers_librarys():
    """And those of Unicode as it is today are none that were not there in Unicode 8."""
    import regex
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    strip = BertNormalizer(clean_text=False, handle_chinese_chars=False, lowercase=False,
                           strip_accents=True)  # fmt: skip
    split = BertPreTokenizer()
    today = regex.compile(r"[\p{P}\p{Mn}]")
    for code in [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]:
        character, kind = chr(code), category(chr(code))
        if not today.match(character) and kind[0] != "P" and kind != "Mn":
            continue
        assert (strip.normalize_str(f"a{character}") == "a") == (kind == "Mn"), hex(code)
        cut = [word for word, _ in split.pre_tokenize_str(f"a{character}b")]
        assert (len(cut) == 3) == (kind[0] == "P"), hex(code)
