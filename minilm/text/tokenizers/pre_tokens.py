"""What GPT-2 does to a text before byte-pair encoding: cut it up, and give every byte a letter.

Cutting. Pairs are merged inside a pre-token only, so that no token reaches from one word into the
next. A pre-token is the first of these that matches (Radford et al. 2019, encoder.py):

    's  't  're  've  'm  'll  'd         an English ending
    ␣? letters+    ␣? numbers+            with the one space before, if there is one
    ␣? others+                            neither letter, nor number, nor white space
    white space up to the last one        which belongs to the word behind it, if it is a space
    white space

The original writes \\p{L} and \\p{N}, Unicode's letters and numbers, which Python's `re` does not
know. But Python's \\w is exactly letters, numbers and the underscore; so with the numbers spelled
out, letters are what remains of \\w. And its \\s has four characters more than Unicode's white
space: the separators U+001C to U+001F.

Letters for bytes. Files of merges are text, so each of the 256 bytes needs a character that can be
seen: printable ones of Latin-1 stand for themselves, the other 68 become U+0100, U+0101, …
"""

import re
from collections.abc import Iterable
from functools import cache
from unicodedata import category

SOFT_HYPHEN = 0xAD
PRINTABLE_BYTES = {*range(0x21, 0x7F), *range(0xA1, 0x100)} - {SOFT_HYPHEN}
HIDDEN_BYTES = [byte for byte in range(256) if byte not in PRINTABLE_BYTES]
LETTER_OF_BYTE = {byte: chr(byte) for byte in sorted(PRINTABLE_BYTES)} | {
    byte: chr(0x100 + n) for n, byte in enumerate(HIDDEN_BYTES)
}
BYTE_OF_LETTER = {letter: byte for byte, letter in LETTER_OF_BYTE.items()}

LAST_NUMBER = 0x1FFFF  # planes 0 and 1 of Unicode: from plane 2 on there are ideographs alone


def pre_tokens(text: str, digits_alone: bool = False) -> list[str]:
    """The text in pieces, all of it: "".join(pre_tokens(text)) == text.

    digits_alone: first every number character is taken out as a piece by itself, so that a model
    sees 365 as 3 6 5; then what lies between them is cut (so SmolLM's tokenizer).

    >>> pre_tokens("We've  21 cats.")
    ['We', "'ve", ' ', ' 21', ' cats', '.']
    >>> pre_tokens("We've  21 cats.", digits_alone=True)
    ['We', "'ve", '  ', '2', '1', ' cats', '.']
    """
    parts = _digit().split(text) if digits_alone else [text]
    return [piece for part in parts for piece in _pattern().findall(part)]


@cache
def _numbers() -> str:
    return _ranges(code for code in range(LAST_NUMBER + 1) if category(chr(code))[0] == "N")


@cache
def _digit() -> re.Pattern[str]:
    return re.compile(f"([{_numbers()}])")


@cache
def _pattern() -> re.Pattern[str]:
    # made at first use: looking through Unicode takes some hundredths of a second
    number = _numbers()
    letter = rf"[^\W_{number}]"
    white = r"[^\S\x1c-\x1f]"
    other = r"(?:[^\w\s]|[_\x1c-\x1f])"
    return re.compile(
        rf"'(?:s|t|re|ve|m|ll|d)| ?{letter}+| ?[{number}]+| ?{other}+"
        rf"|{white}+(?={white}|\Z)|{white}+"
    )


def _ranges(codes: Iterable[int]) -> str:
    """Ascending characters as `re` likes them best in brackets: "0-9²³¹¼-¾…"."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in runs)


def to_bytes(letters: str) -> bytes:
    """"Ã©Ġ" -> b"\\xc3\\xa9 ". KeyError for a character that stands for no byte."""
    return bytes(BYTE_OF_LETTER[letter] for letter in letters)
