"""Words: large pieces, so a long vocabulary, short sequences, and words never seen before."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from minilm.text.tokenizers.checks import check_text, checked_ids
from minilm.text.tokenizers.specials import UNKNOWN, check_specials
from minilm.types import Array

# At most one white-space character, then a run of letters, digits and underscores, or a run of
# other marks; what white space is left over (indents, empty lines) forms pieces of its own.
# Every character is matched by one of the three, so the pieces joined are the text.
PIECE = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+(?!\S)")


@dataclass(frozen=True)
class WordTokenizer:
    """One token per word or run of marks, each with the one white-space character before it.

    The vocabulary is <unk>, the specials, and then every piece seen at least min_count times in the
    training text, the most frequent first (ties by spelling). Rarer pieces are encoded as <unk>,
    number 0, and decode to the text "<unk>": only for them is decode(encode(text)) = text given up.

    >>> tokenizer = WordTokenizer.train("to be, or not to be")
    >>> tokenizer.words
    ('<unk>', ' be', ' not', ' or', ' to', ',', 'to')
    >>> tokenizer.decode(tokenizer.encode("to be or to do"))
    'to be or to<unk>'
    """

    unknown_id: ClassVar[int] = 0
    words: tuple[str, ...]
    specials: tuple[str, ...] = ()  # words[1 : 1 + len(specials)], numbers that no text encodes to

    def __post_init__(self) -> None:
        front = (UNKNOWN, *check_specials(self.specials))
        if self.words[: len(front)] != front or len(set(self.words)) != len(self.words):
            begin = " ".join(map(repr, front))
            raise ValueError(f"words: must be distinct and begin with {begin}")

    @cached_property
    def _ids(self) -> dict[str, int]:
        first = 1 + len(self.specials)
        return {word: i for i, word in enumerate(self.words[first:], start=first)}

    @classmethod
    def train(
        cls, text: str, min_count: int = 1, specials: Sequence[str] = ()
    ) -> "WordTokenizer":
        check_text(text, empty_allowed=False)
        if min_count < 1:
            raise ValueError(f"min_count: must be at least 1, got {min_count!r}")
        counts = Counter(PIECE.findall(text))
        kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        specials = check_specials(specials, {UNKNOWN, *counts})
        return cls((UNKNOWN, *specials, *(word for _, word in kept)), specials)

    @property
    def vocab_size(self) -> int:
        return len(self.words)

    @property
    def special_ids(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.specials, start=1)}

    def encode(self, text: str) -> Array:
        check_text(text)
        pieces = PIECE.findall(text)
        return np.array([self._ids.get(piece, self.unknown_id) for piece in pieces], dtype=np.int32)

    def decode(self, ids: Array | Sequence[int]) -> str:
        """The text; a special is written as its name."""
        return "".join(self.words[i] for i in checked_ids(ids, self.vocab_size))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "word", "words": list(self.words), "specials": list(self.specials)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "WordTokenizer":
        return cls(tuple(fields["words"]), tuple(fields.get("specials", ())))
