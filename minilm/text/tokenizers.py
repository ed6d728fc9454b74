"""A tokenizer is a numbered list of pieces: text -> the pieces' numbers -> the same text.

    encode: str -> (n,) int32,    decode: (n,) integers -> str,    decode(encode(text)) = text

Characters are the smallest pieces: a short vocabulary and long sequences. Words are larger ones: a
long vocabulary, short sequences, and the question of what to do with a word never seen before.
Nothing is thrown away on the way (white space travels with the word after it), so the nats per
token of either kind can be turned into bits per character and compared.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from minilm.types import Array

UNKNOWN = "<unk>"

# At most one white-space character, then a run of letters, digits and underscores, or a run of
# other marks; what white space is left over (indents, empty lines) forms pieces of its own.
# Every character is matched by one of the three, so the pieces joined are the text.
WORD_PIECE = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+(?!\S)")


@dataclass(frozen=True)
class CharTokenizer:
    """One token per character; the vocabulary is the sorted set of characters of the training text.

    encode raises ValueError for a character that is not in it, naming the character.

    >>> tokenizer = CharTokenizer.train("abracadabra")
    >>> tokenizer.encode("cab").tolist()
    [2, 0, 1]
    """

    characters: str
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.characters)) != len(self.characters) or not self.characters:
            raise ValueError(f"characters: must be distinct and at least one: {self.characters!r}")
        object.__setattr__(self, "_ids", {c: i for i, c in enumerate(self.characters)})

    @classmethod
    def train(cls, text: str) -> "CharTokenizer":
        _check_text(text, empty_allowed=False)
        return cls("".join(sorted(set(text))))

    @property
    def vocab_size(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Array:
        _check_text(text)
        unknown = sorted(set(text) - self._ids.keys())
        if unknown:
            named = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise ValueError(
                f"text: characters that this tokenizer never saw: {named}{more}; "
                f"it knows these {self.vocab_size}: {self.characters!r}"
            )
        return np.fromiter((self._ids[c] for c in text), dtype=np.int32, count=len(text))

    def decode(self, ids: Array | Sequence[int]) -> str:
        return "".join(self.characters[i] for i in _checked_ids(ids, self.vocab_size))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "char", "characters": self.characters}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "CharTokenizer":
        return cls(fields["characters"])


@dataclass(frozen=True)
class WordTokenizer:
    """One token per word or run of marks, each with the one white-space character before it.

    The vocabulary is <unk> and then every piece seen at least min_count times in the training text,
    the most frequent first (ties by spelling). Rarer pieces are encoded as <unk>, number 0, and
    decode to the text "<unk>": only for them is decode(encode(text)) = text given up.

    >>> tokenizer = WordTokenizer.train("to be, or not to be")
    >>> tokenizer.words
    ('<unk>', ' be', ' not', ' or', ' to', ',', 'to')
    >>> tokenizer.decode(tokenizer.encode("to be or to do"))
    'to be or to<unk>'
    """

    unknown_id: ClassVar[int] = 0
    words: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.words[:1] != (UNKNOWN,) or len(set(self.words)) != len(self.words):
            raise ValueError(f"words: must be distinct and begin with {UNKNOWN!r}")
        object.__setattr__(self, "_ids", {word: i for i, word in enumerate(self.words)})

    @classmethod
    def train(cls, text: str, min_count: int = 1) -> "WordTokenizer":
        _check_text(text, empty_allowed=False)
        if min_count < 1:
            raise ValueError(f"min_count: must be at least 1, got {min_count!r}")
        counts = Counter(WORD_PIECE.findall(text))
        kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        return cls((UNKNOWN, *(word for _, word in kept)))

    @property
    def vocab_size(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> Array:
        _check_text(text)
        pieces = WORD_PIECE.findall(text)
        return np.array([self._ids.get(piece, self.unknown_id) for piece in pieces], dtype=np.int32)

    def decode(self, ids: Array | Sequence[int]) -> str:
        return "".join(self.words[i] for i in _checked_ids(ids, self.vocab_size))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "word", "words": list(self.words)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "WordTokenizer":
        return cls(tuple(fields["words"]))


Tokenizer: TypeAlias = CharTokenizer | WordTokenizer
TOKENIZERS: dict[str, type[CharTokenizer] | type[WordTokenizer]] = {
    "char": CharTokenizer,
    "word": WordTokenizer,
}


def tokenizer_from_dict(fields: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer whose to_dict() this is, as a saved model's header carries it."""
    kind = fields.get("kind")
    if kind not in TOKENIZERS:
        raise ValueError(f"kind of tokenizer: must be one of {sorted(TOKENIZERS)}, got {kind!r}")
    return TOKENIZERS[kind].from_dict(fields)


def _check_text(text: str, empty_allowed: bool = True) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text: must be a str, got {type(text).__name__}")
    if not text and not empty_allowed:
        raise ValueError("text: is empty; there is no vocabulary to be found in it")


def _checked_ids(ids: Array | Sequence[int], vocab_size: int) -> list[int]:
    """ids as a list, after refusing what would wrap around, be rounded or be out of range."""
    array = np.asarray(ids)
    if array.size == 0:
        return []
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"ids: must be integers (n,), got {array.dtype} {array.shape}")
    if array.min() < 0 or array.max() >= vocab_size:
        outside = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"ids: must lie in 0..{vocab_size - 1}, got {outside}")
    return array.tolist()
