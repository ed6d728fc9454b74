"""Texts as BERT reads them: rows of ids, of one length.

    a text          [CLS] pieces [SEP] [PAD] …
    a pair          [CLS] pieces [SEP] pieces of the second [SEP] [PAD] …
    token types       0     0      0              1           1     0

What is too long is cut at its end, and [SEP] stays. Of a pair, the longer text is cut until both
are as long, then both. Devlin et al. 2018, section 3.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilm.text.rows import filled
from minilm.text.tokenizers import Tokenizer
from minilm.types import Array

MARKS = ("[CLS]", "[SEP]", "[PAD]")


def padded_ids(tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> Array:
    """Each text as a row of at most `longest` ids: (B, T) int32, T that of the longest row.

    An empty text is [CLS] [SEP]. ValueError for no texts, a tokenizer without these marks, or
    longest < 2; TypeError for one string in the place of several.
    """
    begin, end, padding = marks(tokenizer)
    check_longest(longest, 2)
    check_some(texts, "texts")
    rows = [tokenizer.encode(text)[: longest - 2].tolist() for text in texts]
    return filled([np.array([begin, *row, end]) for row in rows], padding)


def padded_pairs(
    tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], longest: int
) -> tuple[Array, Array]:
    """Pairs of texts as rows: ids (B, T) int32, token types (B, T) int32.

    Errors as padded_ids; ValueError for longest < 3 and for what is no pair.
    """
    begin, end, padding = marks(tokenizer)
    check_longest(longest, 3)
    check_some(pairs, "pairs")
    rows, types = [], []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"pairs: each must be two texts, got {pair!r:.200}")
        first, second = pair
        a, b = tokenizer.encode(first), tokenizer.encode(second)
        n_a, n_b = kept(len(a), len(b), longest - 3)
        rows.append(np.array([begin, *a[:n_a], end, *b[:n_b], end]))
        types.append(np.repeat([0, 1], [n_a + 2, n_b + 1]))
    return filled(rows, padding), filled(types, 0)


def kept(n: int, m: int, room: int) -> tuple[int, int]:
    """How much of two lengths stays where n + m may be `room`: the shorter keeps up to half of it,
    the longer has the rest.

    >>> kept(3, 9, 10), kept(9, 3, 10), kept(9, 9, 11), kept(2, 3, 10)
    ((3, 7), (7, 3), (5, 6), (2, 3))
    """
    if n + m <= room:
        return n, m
    half = min(n, m, room // 2)
    return (half, room - half) if n <= m else (room - half, half)


def marks(tokenizer: Tokenizer, names: Sequence[str] = MARKS) -> list[int]:
    special = tokenizer.special_ids
    lacking = [name for name in names if name not in special]
    if lacking:
        raise ValueError(f"tokenizer: lacks the special {lacking[0]}; it has {sorted(special)}")
    return [special[name] for name in names]


def check_longest(longest: int, least: int) -> None:
    if not isinstance(longest, int | np.integer) or longest < least:
        raise ValueError(
            f"longest: must be an integer of at least {least}, for the marks, got {longest!r}"
        )


def check_some(texts: Sequence[Any], name: str) -> None:
    if isinstance(texts, str):
        raise TypeError(f"{name}: must be a sequence of them, got one string")
    if not len(texts):
        raise ValueError(f"{name}: there must be some, got none")
