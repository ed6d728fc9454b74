"""WordPiece: a word is the longest piece that begins it, then the longest that goes on, and so on.

    pieces(word) = longest piece p of the vocabulary with word = p rest, then pieces(##rest)

Pieces that go on inside a word are written with ## before them, so `##ing` and `ing` are two. A
word that cannot be spelled out in pieces, or has over 100 characters, is [UNK], whole. Schuster and
Nakajima 2012; in this form Devlin et al. 2018 (BERT), whose file is vocab.txt: a piece a line.

Encoding is where WordPiece differs from byte-pair encoding: it knows the vocabulary alone, not the
order in which that was learned. How the vocabulary is learned here is byte-pair encoding's way (the
most frequent pair is joined). Schuster and Nakajima join the pair that makes the text likeliest,
about the one with the largest count(ab) / (count(a) · count(b)), which favours rare pieces.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from minilm.text.tokenizers.bert_words import bert_words
from minilm.text.tokenizers.checks import check_sizes, check_text, checked_ids
from minilm.text.tokenizers.memory import Memory
from minilm.text.tokenizers.merging import learn_merges
from minilm.text.tokenizers.specials import check_specials
from minilm.text.tokenizers.text_files import read_text, write_text
from minilm.types import Array

INSIDE = "##"  # before a piece that does not begin a word
UNKNOWN_WORD = "[UNK]"
LONGEST_WORD = 100  # characters


@dataclass(frozen=True)
class WordPieceTokenizer:
    """vocabulary: pieces in the order of their numbers, [UNK] and the specials among them;
    lower_case: also strip accents (text/tokenizers/bert_words.py);
    specials: pieces that no text encodes to.

    The ids are those of the `tokenizers` library, unless a text contains a special's characters,
    such as [SEP]: there it has the special, here never.
    decode puts one space between words: which white space there was, and lower-cased letters, are
    lost, so bits per byte say nothing here. ValueError for pieces that are empty or not distinct,
    and for a vocabulary that lacks [UNK] or a special.

    >>> tokenizer = WordPieceTokenizer(("[UNK]", "play", "##ing", "##s", "!"))
    >>> tokenizer.encode("Playing plays sing!").tolist()
    [1, 2, 1, 3, 0, 4]
    """

    vocabulary: tuple[str, ...]
    lower_case: bool = True
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pieces = set(self.vocabulary)
        if len(pieces) != len(self.vocabulary) or "" in pieces:
            raise ValueError("vocabulary: must be distinct pieces, none of them empty")
        lacking = [name for name in (UNKNOWN_WORD, *check_specials(self.specials))
                   if name not in pieces]  # fmt: skip
        if lacking:
            raise ValueError(f"vocabulary: lacks {', '.join(map(repr, lacking))}")

    @cached_property
    def _ids(self) -> dict[str, int]:
        names = {UNKNOWN_WORD, *self.specials}
        return {piece: i for i, piece in enumerate(self.vocabulary) if piece not in names}

    @cached_property
    def _longest(self) -> int:
        """Characters of the longest piece: looking for longer ones would be in vain."""
        return max(map(len, self.vocabulary))

    @cached_property
    def _ids_of(self) -> Memory:
        return Memory(self._all_pieces)

    @classmethod
    def train(
        cls,
        text: str,
        vocab_size: int = 1000,
        min_count: int = 2,
        lower_case: bool = True,
        specials: Sequence[str] = (),
    ) -> "WordPieceTokenizer":
        """At most vocab_size pieces: [UNK] (unless a special says where), the specials, every
        character, and frequent pairs.

        A pair that occurs fewer than min_count times is not joined. Each character is there as it
        begins a word, goes on in one, or both, as the text has it. ValueError if vocab_size is too
        small for these; the result depends on the arguments alone.
        """
        check_text(text, empty_allowed=False)
        specials = check_specials(specials)
        words = Counter(w for w in bert_words(text, lower_case) if len(w) <= LONGEST_WORD)
        spelled = {word: [word[0], *(INSIDE + c for c in word[1:])] for word in words}
        alphabet = sorted({piece for spelling in spelled.values() for piece in spelling})
        front = specials if UNKNOWN_WORD in specials else (UNKNOWN_WORD, *specials)
        pieces = [*front, *alphabet]
        why = f"{UNKNOWN_WORD}, the specials and the text's characters"
        check_sizes(vocab_size, len(pieces), why, min_count)
        number = {piece: i for i, piece in enumerate(alphabet, start=len(front))}
        counts = {tuple(number[p] for p in spelled[word]): n for word, n in words.items()}
        for a, b in learn_merges(counts, len(pieces), vocab_size - len(pieces), min_count):
            pieces.append(pieces[a] + pieces[b].removeprefix(INSIDE))
        check_specials(specials, pieces[len(front) :])
        return cls(tuple(pieces), lower_case, specials)

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @cached_property
    def unknown_id(self) -> int:
        return self.vocabulary.index(UNKNOWN_WORD)

    @property
    def special_ids(self) -> dict[str, int]:
        return {name: self.vocabulary.index(name) for name in self.specials}

    def encode(self, text: str) -> Array:
        check_text(text)
        parts = text.replace("\n", " ").split(" ")
        return np.array([i for part in parts for i in self._ids_of[part]], dtype=np.int32)

    def _all_pieces(self, part: str) -> tuple[int, ...]:
        words = bert_words(part, self.lower_case)
        return tuple(i for word in words for i in self._pieces(word))

    def _pieces(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self.unknown_id,)
        ids: list[int] = []
        start, before = 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                found = self._ids.get(before + word[start:end])
                if found is not None:
                    break
            else:
                return (self.unknown_id,)
            ids.append(found)
            start, before = end, INSIDE
        return tuple(ids)

    def decode(self, ids: Array | Sequence[int]) -> str:
        """Words with a space between; [UNK] and specials are written as their names."""
        pieces = [self.vocabulary[i] for i in checked_ids(ids, self.vocab_size)]
        return "".join(
            piece.removeprefix(INSIDE) if piece.startswith(INSIDE) else " " + piece
            for piece in pieces
        ).removeprefix(" ")

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "wordpiece", "vocabulary": list(self.vocabulary),
            "lower_case": self.lower_case, "specials": list(self.specials),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "WordPieceTokenizer":
        specials = tuple(fields["specials"])
        return cls(tuple(fields["vocabulary"]), fields["lower_case"], specials)

    @classmethod
    def read(
        cls, folder: str | Path, lower_case: bool = True, specials: Sequence[str] = ()
    ) -> "WordPieceTokenizer":
        """From vocab.txt, as BERT has it (specials=("[PAD]", "[CLS]", "[SEP]", "[MASK]")).

        The file does not say whether it is for lower-cased text. ValueError that names the file and
        the line of what is wrong; FileNotFoundError.
        """
        path = Path(folder) / "vocab.txt"
        line_of: dict[str, int] = {}
        lines = read_text(path).removesuffix("\n").split("\n")
        for number, piece in enumerate(lines, start=1):
            where = f"{str(path)!r}, line {number}"
            if not piece:
                raise ValueError(f"{where}: is empty, and must be a piece")
            if piece in line_of:
                raise ValueError(f"{where}: {piece!r} stands in line {line_of[piece]} already")
            line_of[piece] = number
        return cls(tuple(line_of), lower_case, check_specials(specials))

    def write(self, folder: str | Path) -> None:
        """vocab.txt in a folder, which is made if there is none."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_text(Path(folder) / "vocab.txt", "".join(piece + "\n" for piece in self.vocabulary))
