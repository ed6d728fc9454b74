"""Text while it is being written: ids one by one, text piece by piece.

    decode([a, b, c]) = piece + piece + …

An id is not always a piece of text. A character may take several byte-level tokens, and until the
last of them has come its bytes decode to U+FFFD, the replacement character: one that ends the text
is held back. WordPiece puts a space before a word except at the beginning: so a new id is decoded
together with those just before it, and what has been given out of their text is cut off.
"""

from collections.abc import Iterable, Iterator

from minilm.text import Tokenizer

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
LONGEST = 4  # ids, which may be single bytes, that one character takes: as many as UTF-8 has bytes


def decode_pieces(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The text of the ids, each piece as soon as no later id can change it.

    The pieces joined are tokenizer.decode(ids), with U+FFFD for what stays incomplete.
    """
    recent: list[int] = []  # the last ids
    given = 0  # characters of their text that have been given out
    for i in ids:
        recent.append(i)
        text = tokenizer.decode(recent)
        held_back = text.endswith(INCOMPLETE)  # this one character, 0 or 1
        if given < len(text) - held_back:
            yield text[given : len(text) - held_back]
        recent = recent[-LONGEST:]
        given = len(tokenizer.decode(recent)) - held_back
    if recent and held_back:
        yield INCOMPLETE
