"""Byte-level byte-pair encoding: nothing is ever unknown, and frequent words are one token.

    text -> pre-tokens -> UTF-8 bytes -> merges, in the order learned -> numbers

Whatever the text, it is made of 256 bytes; those are in the vocabulary, and all else is a pair of
tokens that stood side by side often (text/tokenizers/merging.py). Radford et al. 2019, section
2.2, after Sennrich, Haddow and Birch 2016. Files are GPT-2's: vocab.json and merges.txt.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from minilm.text.tokenizers.bpe_files import check_merge, read_merges, read_vocabulary, write_files
from minilm.text.tokenizers.checks import check_sizes, check_text, checked_ids, utf8
from minilm.text.tokenizers.memory import Memory
from minilm.text.tokenizers.merging import apply_merges, learn_merges
from minilm.text.tokenizers.pre_tokens import (
    BYTE_OF_LETTER,
    LETTER_OF_BYTE,
    pre_tokens,
    to_bytes,
)
from minilm.text.tokenizers.specials import check_specials
from minilm.types import Array


@dataclass(frozen=True)
class BPETokenizer:
    """vocabulary: tokens in the order of their numbers, each written with one letter a byte
    (pre_tokens.LETTER_OF_BYTE; a special as its name);  merges: pairs of tokens as learned;
    specials: tokens that no text encodes to;  digits_alone: as pre_tokens has it.

    decode(encode(text)) = text for every text that has UTF-8 bytes. encode raises ValueError for
    the one kind that has none, lone surrogates; and for a byte that is not in the vocabulary, as in
    some that were trained without all of them (the `tokenizers` library leaves it out in silence).
    decode writes U+FFFD for bytes that are no UTF-8 (a model may say half a character), and a
    special as its name.
    ValueError for a vocabulary that lacks a part of a merge or its result, or that holds a token
    which nothing makes.

    >>> tokenizer = BPETokenizer.train("low lower lowest", vocab_size=259)
    >>> tokenizer.merges
    (('l', 'o'), ('lo', 'w'), ('Ġ', 'low'))
    >>> [tokenizer.vocabulary[i] for i in tokenizer.encode(" lowly")]
    ['Ġlow', 'l', 'y']
    """

    vocabulary: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    specials: tuple[str, ...] = ()
    digits_alone: bool = False

    def __post_init__(self) -> None:
        made = {*BYTE_OF_LETTER, *map("".join, self.merges)}
        specials, ids = check_specials(self.specials, made), self._ids
        if len(ids) != len(self.vocabulary):
            raise ValueError("vocabulary: must be distinct tokens, got one twice")
        missing = [token for token in specials if token not in ids]
        if missing:
            raise ValueError(f"vocabulary: lacks {', '.join(map(repr, missing[:5]))}")
        for rank, pair in enumerate(self.merges):
            check_merge(pair, ids, f"merges[{rank}]")
        if len(set(self.merges)) != len(self.merges):
            raise ValueError("merges: must be distinct pairs, got one twice")
        made.update(specials)
        unmade = [token for token in self.vocabulary if token not in made]
        if unmade:
            raise ValueError(
                f"vocabulary: nothing makes {', '.join(map(repr, unmade[:5]))} ({len(unmade)} such "
                "tokens): not a byte, not the result of a merge, and not named in specials"
            )

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.vocabulary)}

    @cached_property
    def _byte_ids(self) -> dict[int, int]:
        return {b: self._ids[letter] for b, letter in LETTER_OF_BYTE.items() if letter in self._ids}

    @cached_property
    def _ranks(self) -> dict[tuple[int, int], int]:
        return {(self._ids[a], self._ids[b]): rank for rank, (a, b) in enumerate(self.merges)}

    @cached_property
    def _results(self) -> list[int]:
        return [self._ids[a + b] for a, b in self.merges]

    @cached_property
    def _bytes(self) -> list[bytes]:
        names = set(self.specials)
        return [t.encode() if t in names else to_bytes(t) for t in self.vocabulary]

    @cached_property
    def _ids_of(self) -> Memory:
        return Memory(self._joined)

    @classmethod
    def train(
        cls, text: str, vocab_size: int = 1000, min_count: int = 2, specials: Sequence[str] = ()
    ) -> "BPETokenizer":
        """At most vocab_size tokens: the specials, the 256 bytes, and the merges of text.

        A pair that occurs fewer than min_count times is not merged; so a short text gives a smaller
        vocabulary. The result depends on the arguments alone; ties go to the pair of lower numbers.
        """
        check_text(text, empty_allowed=False)
        specials = check_specials(specials)
        tokens = [*specials, *LETTER_OF_BYTE.values()]
        check_sizes(vocab_size, len(tokens), "the 256 bytes and the specials", min_count)
        number = {byte: i for i, byte in enumerate(LETTER_OF_BYTE, start=len(specials))}
        counts = {
            tuple(map(number.__getitem__, utf8(word))): count
            for word, count in Counter(pre_tokens(text)).items()
        }
        learned = learn_merges(counts, len(tokens), vocab_size - len(tokens), min_count)
        merges = []
        for a, b in learned:
            merges.append((tokens[a], tokens[b]))
            tokens.append(tokens[a] + tokens[b])
        return cls(tuple(tokens), tuple(merges), specials)

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_ids(self) -> dict[str, int]:
        return {name: self._ids[name] for name in self.specials}

    def encode(self, text: str) -> Array:
        check_text(text)
        words = pre_tokens(text, self.digits_alone)
        return np.array([i for word in words for i in self._ids_of[word]], dtype=np.int32)

    def _joined(self, word: str) -> tuple[int, ...]:
        try:
            ids = [self._byte_ids[byte] for byte in utf8(word)]
        except KeyError as error:
            byte = f"0x{error.args[0]:02X}"
            raise ValueError(
                f"text: {word[:60]!r} needs the byte {byte}, which the vocabulary lacks"
            ) from error
        return next(apply_merges([ids], self._ranks, self._results))

    def decode(self, ids: Array | Sequence[int]) -> str:
        data = b"".join(self._bytes[i] for i in checked_ids(ids, self.vocab_size))
        return data.decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "bpe", "vocabulary": list(self.vocabulary),
            "merges": [list(pair) for pair in self.merges], "specials": list(self.specials),
            "digits_alone": self.digits_alone,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "BPETokenizer":
        merges = tuple((a, b) for a, b in fields["merges"])
        digits_alone = fields.get("digits_alone", False)  # not there in earlier headers
        return cls(tuple(fields["vocabulary"]), merges, tuple(fields["specials"]), digits_alone)

    @classmethod
    def read(cls, folder: str | Path, specials: Sequence[str] = ()) -> "BPETokenizer":
        """From vocab.json and merges.txt, as GPT-2 has them (specials=("<|endoftext|>",)).

        ValueError that names the file and line of what is wrong; FileNotFoundError.
        """
        vocabulary = read_vocabulary(Path(folder) / "vocab.json")
        merges = read_merges(Path(folder) / "merges.txt", vocabulary)
        return cls(vocabulary, merges, check_specials(specials))

    def write(self, folder: str | Path) -> None:
        """vocab.json and merges.txt in a folder, which is made if there is none. ValueError with
        digits_alone: these files cannot say it, and whoever reads them would give other numbers.
        """
        if self.digits_alone:
            raise ValueError("digits_alone: must be False for vocab.json and merges.txt, got True")
        write_files(Path(folder), self.vocabulary, self.merges)
