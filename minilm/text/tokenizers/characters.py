"""Characters: the smallest pieces, so a short vocabulary and long sequences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from minilm.text.tokenizers.checks import check_text, checked_ids
from minilm.text.tokenizers.specials import check_specials
from minilm.types import Array


@dataclass(frozen=True)
class CharTokenizer:
    """One token per character; the vocabulary is the sorted set of characters of the training text.

    specials come before them: 0..len(specials)-1 are numbers that no text encodes to.
    encode raises ValueError for a character that is not in the vocabulary, naming the character.

    >>> tokenizer = CharTokenizer.train("abracadabra")
    >>> tokenizer.encode("cab").tolist()
    [2, 0, 1]
    """

    characters: str
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.characters)) != len(self.characters) or not self.characters:
            raise ValueError(f"characters: must be distinct and at least one: {self.characters!r}")
        check_specials(self.specials, self.characters)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.characters, start=len(self.specials))}

    @classmethod
    def train(cls, text: str, specials: Sequence[str] = ()) -> "CharTokenizer":
        check_text(text, empty_allowed=False)
        return cls("".join(sorted(set(text))), check_specials(specials))

    @property
    def vocab_size(self) -> int:
        return len(self.specials) + len(self.characters)

    @property
    def special_ids(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.specials)}

    def encode(self, text: str) -> Array:
        check_text(text)
        unknown = sorted(set(text) - self._ids.keys())
        if unknown:
            named = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise ValueError(
                f"text: characters that this tokenizer never saw: {named}{more}; "
                f"it knows these {len(self.characters)}: {self.characters!r}"
            )
        return np.fromiter((self._ids[c] for c in text), dtype=np.int32, count=len(text))

    def decode(self, ids: Array | Sequence[int]) -> str:
        """The text; a special is written as its name."""
        pieces = (*self.specials, *self.characters)
        return "".join(pieces[i] for i in checked_ids(ids, self.vocab_size))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "char", "characters": self.characters, "specials": list(self.specials)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "CharTokenizer":
        return cls(fields["characters"], tuple(fields.get("specials", ())))
