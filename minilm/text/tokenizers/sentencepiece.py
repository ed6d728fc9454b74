"""SentencePiece: white space is a character like any other, and nothing is ever unknown.

    text        low lows
    spaced      ▁low▁lows               " " is written ▁, and there is one in front
    letters     ▁ l o w ▁ l o w s       pieces of one character; a character that is no piece
                                        becomes its bytes
    joined      ▁ lo w ▁ lo w s         of neighbours that make a piece, those with the best score
                ▁lo w ▁lo w s           again,
                ▁low ▁low s             and again, as long as there are any

Here l + o have the score 0, ▁ + lo −1, ▁lo + w −2. That the text's spaces are in its pieces makes
decoding a mere joining: no rules for punctuation, no language that must put spaces between words.
The byte pieces <0x00> … <0xFF> spell what is left, 北 as <0xE5> <0x8C> <0x97>; they are not joined.

Kudo and Richardson 2018; the joining is Sennrich, Haddow and Birch's 2016 with a score in the place
of a rank. So Llama 1 and 2 read, and the small models of llama2.c. (SentencePiece's other model,
the unigram one, and its rules that rewrite a text first, are not here.)
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from minilm.text.tokenizers.bpe_files import check_merge
from minilm.text.tokenizers.checks import check_sizes, check_text, checked_ids, utf8
from minilm.text.tokenizers.memory import Memory
from minilm.text.tokenizers.merging import Pair, join_best, learn_merges
from minilm.text.tokenizers.specials import check_specials
from minilm.types import Array

SPACE = "\u2581"  # ▁, looks like an underscore and is not
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
SPECIALS = ("<unk>", "<s>", "</s>")
MOST_MERGES = 1_000_000
PREFIXES = ("always", "unless there", "never")
# Where no piece reaches from one word into the next, a text is joined word by word, and a word that
# was joined is remembered.
WORD = re.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+")
REACHES_ON = re.compile(f"[^{SPACE}]{SPACE}")

Merge: TypeAlias = tuple[str, str, float]


@dataclass(frozen=True)
class SentencePieceTokenizer:
    """vocabulary: pieces in the order of their numbers, the 256 bytes and the specials among them;
    merges: (left, right, score): the highest score first, of equal ones the leftmost;
    specials: pieces that no text encodes to;
    prefix: the ▁ in front of a text that is not empty: "always", "unless there" or "never".

    decode(encode(text)) = text for every text that has UTF-8 bytes and no ▁, which becomes a space;
    with the prefix "unless there", a space that begins the text is lost. decode writes U+FFFD for
    bytes that are no UTF-8, and a special as its name. encode refuses lone surrogates (ValueError).
    ValueError for a vocabulary that lacks a byte, a special, or a merge's part or result.

    >>> tokenizer = SentencePieceTokenizer.train("low lower lowest", vocab_size=271)
    >>> tokenizer.merges
    (('l', 'o', 0.0), ('▁', 'lo', -1.0), ('▁lo', 'w', -2.0), ('▁low', 'e', -3.0))
    >>> [tokenizer.vocabulary[i] for i in tokenizer.encode("lows é")]
    ['▁low', 's', '▁', '<0xC3>', '<0xA9>']
    """

    vocabulary: tuple[str, ...]
    merges: tuple[Merge, ...]
    specials: tuple[str, ...] = SPECIALS
    prefix: str = "always"

    def __post_init__(self) -> None:
        if len(self._ids) != len(self.vocabulary) or "" in self._ids:
            raise ValueError("vocabulary: must be distinct pieces, none of them empty")
        missing = [p for p in (*check_specials(self.specials), *BYTES) if p not in self._ids]
        if missing:
            raise ValueError(f"vocabulary: lacks {', '.join(map(repr, missing[:5]))}")
        if self.prefix not in PREFIXES:
            raise ValueError(f"prefix: must be one of {PREFIXES}, got {self.prefix!r}")
        for number, (left, right, score) in enumerate(self.merges):
            where = f"merges[{number}]"
            check_merge((left, right), self._ids, where)
            unspelled = self._unspelled.intersection((left, right, left + right))
            if unspelled:
                raise ValueError(f"{where}: {min(unspelled)!r} is no piece that a text spells")
            if not isfinite(score):
                raise ValueError(f"{where}: its score must be finite, got {score!r}")
        if len(self._best) != len(self.merges):
            raise ValueError("merges: must be distinct pairs, got one twice")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: i for i, piece in enumerate(self.vocabulary)}

    @cached_property
    def _unspelled(self) -> set[str]:
        return {*self.specials, *BYTES}

    @cached_property
    def _letters(self) -> dict[str, int]:
        """The pieces of one character."""
        return {p: i for p, i in self._ids.items() if len(p) == 1 and p not in self._unspelled}

    @cached_property
    def _best(self) -> dict[Pair, tuple[float, int]]:
        """Pair of ids -> its score, negative (so that the best is the least), and what it makes."""
        ids = self._ids
        return {(ids[a], ids[b]): (-score, ids[a + b]) for a, b, score in self.merges}

    @cached_property
    def _words_stand_alone(self) -> bool:
        return not any(REACHES_ON.search(left + right) for left, right, _ in self.merges)

    @cached_property
    def _bytes(self) -> list[bytes]:
        meant = {piece: bytes([byte]) for byte, piece in enumerate(BYTES)}
        meant |= {name: name.encode() for name in self.specials}
        return [meant.get(piece) or piece.encode() for piece in self.vocabulary]

    @cached_property
    def _ids_of(self) -> Memory:
        return Memory(self._joined)

    @classmethod
    def from_scores(
        cls, pieces: Sequence[str], scores: Sequence[float], specials: Sequence[str] = SPECIALS
    ) -> "SentencePieceTokenizer":
        """Any two pieces may be joined that make a third one; its score is theirs.

        ValueError where there are over a million such pairs (Llama 2 has 61,249), and as above.
        """
        if len(pieces) != len(scores):
            raise ValueError(f"scores: must be {len(pieces)}, one a piece, got {len(scores)}")
        spelled = set(pieces) - {*specials, *BYTES}
        pairs = (
            (piece[:cut], piece[cut:], float(score))
            for piece, score in zip(pieces, scores, strict=True)
            if piece in spelled
            for cut in range(1, len(piece))
            if piece[:cut] in spelled and piece[cut:] in spelled
        )
        merges = tuple(islice(pairs, MOST_MERGES + 1))
        if len(merges) > MOST_MERGES:
            raise ValueError(f"pieces: over {MOST_MERGES:,} pairs of them make a third one")
        return cls(tuple(pieces), merges, check_specials(specials))

    @classmethod
    def train(
        cls,
        text: str,
        vocab_size: int = 1000,
        min_count: int = 2,
        specials: Sequence[str] = SPECIALS,
    ) -> "SentencePieceTokenizer":
        """At most vocab_size pieces: specials, the 256 bytes, the text's characters, and merges.

        A pair that occurs fewer than min_count times is not merged, nor is one that reaches from
        one word into the next. ValueError if vocab_size is too small for what is there before.
        The result depends on the arguments alone.
        """
        check_text(text, empty_allowed=False)
        utf8(text)
        words = Counter(WORD.findall(SPACE + text.replace(" ", SPACE)))
        pieces = [*check_specials(specials), *BYTES]
        first = len(pieces)
        pieces += sorted(set().union(*words))
        why = "the specials, the 256 bytes and the text's characters"
        check_sizes(vocab_size, len(pieces), why, min_count)
        number = {character: i for i, character in enumerate(pieces[first:], start=first)}
        counts = {tuple(map(number.__getitem__, word)): n for word, n in words.items()}
        merges: list[Merge] = []
        for a, b in learn_merges(counts, len(pieces), vocab_size - len(pieces), min_count):
            merges.append((pieces[a], pieces[b], float(-len(merges))))
            pieces.append(pieces[a] + pieces[b])
        specials = check_specials(specials, pieces[first:])
        return cls(tuple(pieces), tuple(merges), specials)

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def special_ids(self) -> dict[str, int]:
        return {name: self._ids[name] for name in self.specials}

    def encode(self, text: str) -> Array:
        check_text(text)
        utf8(text)
        spaced = text.replace(" ", SPACE)
        there = self.prefix == "unless there" and spaced.startswith(SPACE)
        if text and self.prefix != "never" and not there:
            spaced = SPACE + spaced
        words = WORD.findall(spaced) if self._words_stand_alone else [spaced]
        return np.array([i for word in words for i in self._ids_of[word]], dtype=np.int32)

    def _joined(self, word: str) -> tuple[int, ...]:
        ids: list[int] = []
        for character in word:
            known = character in self._letters
            ids += [self._letters[character]] if known else self._spelled(character)
        return join_best(ids, self._best)

    def _spelled(self, character: str) -> list[int]:
        return [self._ids[BYTES[byte]] for byte in character.encode()]

    def decode(self, ids: Array | Sequence[int]) -> str:
        data = b"".join(self._bytes[i] for i in checked_ids(ids, self.vocab_size))
        text = data.decode("utf-8", errors="replace").replace(SPACE, " ")
        return text if self.prefix == "never" else text.removeprefix(" ")

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "sentencepiece", "vocabulary": list(self.vocabulary),
            "merges": [list(merge) for merge in self.merges],
            "specials": list(self.specials), "prefix": self.prefix,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "SentencePieceTokenizer":
        merges = tuple((a, b, score) for a, b, score in fields["merges"])
        return cls(tuple(fields["vocabulary"]), merges, tuple(fields["specials"]), fields["prefix"])
