"""Text while it is being written: ids one by one, text piece by piece.

    decode([a, b, c]) = piece + piece + …

An id is not always a piece of text. A character may take several byte-level tokens, and until the
last of them has come its bytes decode to U+FFFD, the replacement character: text that ends in one
is held back. WordPiece puts a space before a word except at the beginning: so new ids are decoded
together with those of the last piece, and what these alone decode to is cut off.
"""

from collections.abc import Iterable, Iterator

from minilm.text import Tokenizer

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


def decode_pieces(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The text of the ids, each piece as soon as no later id can change it.

    The pieces joined are tokenizer.decode(ids), with U+FFFD for what stays incomplete.
    """
    last: list[int] = []  # the ids of the last piece
    new: list[int] = []  # those after it
    for i in ids:
        new.append(i)
        text = tokenizer.decode(last + new)
        if not text.endswith(INCOMPLETE):
            yield text[len(tokenizer.decode(last)) :]
            last, new = new, []
    if new:
        yield tokenizer.decode(last + new)[len(tokenizer.decode(last)) :]
