"""How BERT cuts a text into words, before each is cut into pieces. Not everything comes back.

    clean       control characters and U+FFFD vanish; every kind of white space becomes a space
    Chinese     each ideograph is a word by itself: Chinese puts no spaces between words
    lower case  (if wanted) accents vanish too: é is e + U+0301 in Unicode's form NFD; marks go
    split       at spaces; each punctuation mark is a word by itself

Devlin et al. 2018, tokenization.py. All but the splitting is a table: what does each character
become? So the Σ at the end of a Greek word becomes σ, and no text takes longer than another of its
length. (To put a whole text into NFD also sorts its marks, and a megabyte of them takes minutes.
Ours stay in their order, which shows in the few that are not taken away, such as music's.)
"""

from collections.abc import Callable
from unicodedata import normalize

from minilm.text.tokenizers.unicode_8 import category

REMOVED = ("Cc", "Cf", "Co", "Cs")  # control, format, private use, surrogates; not Cn: unassigned
ASCII_MARKS = frozenset("$+<=>^`|~")  # punctuation for BERT, symbols for Unicode
# Chinese characters, as the `tokenizers` library has them. (In Devlin's code the block that begins
# here at U+2B920 begins at U+2B820, as in Unicode: 256 rare ones that are letters to the library.)
IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def bert_words(text: str, lower_case: bool = True) -> list[str]:
    """The words and punctuation marks of a text.

    >>> bert_words("Don't say Déjà vu in 北京!")
    ['don', "'", 't', 'say', 'deja', 'vu', 'in', '北', '京', '!']
    """
    return text.translate(LOWERED if lower_case else KEPT).split()


class Table(dict[int, str]):
    """For str.translate: what each character becomes, worked out when it is first met."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self.rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = self.rule(chr(code))
        return self[code]


def clean(character: str) -> str:
    kind = category(character)
    if character in "\t\n\r" or kind.startswith("Z"):
        return " "
    if kind in REMOVED or character == "\ufffd":
        return ""
    if any(first <= ord(character) <= last for first, last in IDEOGRAPHS):
        return f" {character} "
    return character


def lower(character: str) -> str:
    parts = (c for c in normalize("NFD", clean(character)) if category(c) != "Mn")
    return "".join(mark(part).lower() for part in parts)


def keep(character: str) -> str:
    return "".join(map(mark, clean(character)))


def mark(character: str) -> str:
    """A punctuation mark between spaces, anything else as it is."""
    if character in ASCII_MARKS or category(character).startswith("P"):
        return f" {character} "
    return character


LOWERED, KEPT = Table(lower), Table(keep)
