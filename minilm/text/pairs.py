"""Pairs of texts as integers: what an encoder–decoder reads, and what it is to write.

    source          She sleeps <pad>            what the encoder reads
    target_inputs   <bos> 她 睡 觉              what the decoder reads: one token behind
    targets         她 睡 觉 <eos>              what it is to say: the next token, and when to stop

    examples = TASKS["translation"].examples(30_000, seed=0)       or load_pairs("my.tsv")
    tokenizer = PairTokenizer.train(examples, kinds=("word", "char"))
    batches = pair_batches(tokenizer, examples, batch_size=64, seed=0)
    params, history = fit(model, model.init(0), batches, steps=2000)

Tokenizers that keep a word's white space with it are given a space before each text, so that a word
is the same token at the beginning and inside; `decode` takes it away again. (SentencePiece does
it by itself.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.nn import IGNORED
from minilm.text.rows import check_fits, check_not_empty, filled, like_lengths
from minilm.text.tasks import Example
from minilm.text.tokenizers import (
    BEGIN,
    END,
    PADDING,
    TOKENIZERS,
    CharTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    tokenizer_from_dict,
)
from minilm.types import Array

LEARNED = ("bpe", "wordpiece", "sentencepiece")  # are told how large a vocabulary to learn
AS_THEY_ARE = (CharTokenizer, SentencePieceTokenizer)  # that need no space before a text


@dataclass(frozen=True)
class PairTokenizer:
    """One tokenizer for the sources (with <pad>), one for the targets (with <pad>, <bos>, <eos>).

    ValueError for tokenizers that lack these specials.

    >>> examples = [Example("She sleeps.", "她睡觉。"), Example("He sleeps.", "他睡觉。")]
    >>> tokenizer = PairTokenizer.train(examples, kinds=("word", "char"))
    >>> tokenizer.encode_source(["She sleeps."]).tolist()
    [[5, 2, 3]]
    >>> tokenizer.decode(tokenizer.encode_target("她睡觉。"))
    '她睡觉。'
    """

    source: Tokenizer
    target: Tokenizer

    def __post_init__(self) -> None:
        for side, needed in (("source", (PADDING,)), ("target", (PADDING, BEGIN, END))):
            check_specials_of(getattr(self, side), needed, side)

    @classmethod
    def train(
        cls,
        examples: Sequence[Example],
        kinds: tuple[str, str] = ("word", "char"),
        vocab_size: int = 1000,
    ) -> "PairTokenizer":
        """kinds: of the source's and the target's tokenizer, names in TOKENIZERS.

        vocab_size: the largest vocabulary on a side that learns its pieces (bpe, wordpiece,
        sentencepiece). ValueError for no examples or an unknown kind.
        """
        sources, targets = zip(*examples, strict=True) if examples else ((), ())
        return cls(
            train_tokenizer(sources, kinds[0], vocab_size, (PADDING,)),
            train_tokenizer(targets, kinds[1], vocab_size, (PADDING, BEGIN, END)),
        )

    @property
    def padding_id(self) -> int:
        """What fills up a source."""
        return self.source.special_ids[PADDING]

    @property
    def begin_id(self) -> int:
        """What the decoder reads first."""
        return self.target.special_ids[BEGIN]

    @property
    def end_id(self) -> int:
        """What the decoder says last."""
        return self.target.special_ids[END]

    def encode_source(self, texts: Sequence[str]) -> Array:
        """(B, S) int32, filled up with padding_id.   ValueError for an empty text, or no texts."""
        rows = [self.source.encode(spaced(self.source, text)) for text in texts]
        check_not_empty(texts, rows, "sources")
        return filled(rows, self.padding_id)

    def encode_target(self, text: str) -> Array:
        """(T,) int32, without begin and end."""
        return self.target.encode(spaced(self.target, text))

    def decode(self, ids: Array | Sequence[int]) -> str:
        """The text of a target's ids, without begin and end: that of the example, exactly.

        (WordPiece gives it back as far as it can, and an unknown word as its name.)
        """
        return unspaced(self.target, self.target.decode(ids))

    def context(self, examples: Sequence[Example]) -> int:
        """The positions that the longest source or target takes, its begin or end included."""
        sources = [len(self.source.encode(spaced(self.source, e.source))) for e in examples]
        return max([*sources, self.longest_answer(examples)], default=0)

    def longest_answer(self, examples: Sequence[Example]) -> int:
        """The tokens of the longest target, its end included."""
        return max((len(self.encode_target(e.target)) + 1 for e in examples), default=0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "pair", "source": self.source.to_dict(), "target": self.target.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "PairTokenizer":
        return cls(tokenizer_from_dict(fields["source"]), tokenizer_from_dict(fields["target"]))


def pair_batches(
    tokenizer: PairTokenizer,
    examples: Sequence[Example],
    batch_size: int,
    seed: int,
    context: int | None = None,
) -> Callable[[int], tuple[Array, Array, Array]]:
    """step -> (source (B, S), target_inputs (B, T), targets (B, T)), int32, B = batch_size.

    Rows of like length stand together, and each epoch shows every example once (minilm.text.rows).
    A source is filled up with padding, a target with −100, which no loss counts (and what the
    decoder reads there, padding, does not matter).
    context: the most positions there are; None: any number. ValueError for no examples, an empty
    source or target, one longer than context (a target needs one position more than it has
    tokens), a batch_size below 1, and a negative seed or step.
    """
    texts, answers = [e.source for e in examples], [e.target for e in examples]
    sources = [tokenizer.source.encode(spaced(tokenizer.source, text)) for text in texts]
    targets = [tokenizer.encode_target(text) for text in answers]
    check_not_empty(texts, sources, "sources")
    check_not_empty(answers, targets, "targets")
    source_lengths = np.array([len(ids) for ids in sources])
    target_lengths = np.array([len(ids) + 1 for ids in targets])
    check_fits(texts, source_lengths, context, "sources")
    check_fits(answers, target_lengths, context, "targets")
    rows_at = like_lengths((source_lengths, target_lengths), batch_size, seed)
    padding, begin, end = (tokenizer.target.special_ids[name] for name in (PADDING, BEGIN, END))

    def batch(step: int) -> tuple[Array, Array, Array]:
        rows = rows_at(step)
        source = filled([sources[row] for row in rows], tokenizer.padding_id)
        target_inputs = filled([np.append(begin, targets[row]) for row in rows], padding)
        wanted = filled([np.append(targets[row], end) for row in rows], IGNORED)
        return source, target_inputs, wanted

    return batch


def train_tokenizer(
    texts: Sequence[str], kind: str, vocab_size: int, specials: tuple[str, ...]
) -> Tokenizer:
    """A tokenizer of this kind for these texts, each of them a sentence by itself."""
    if kind not in TOKENIZERS:
        raise ValueError(f"kinds: must be among {', '.join(TOKENIZERS)}, got {kind!r}")
    if not texts:
        raise ValueError("examples: there are none")
    between = "" if kind == "char" else " "
    options: dict[str, Any] = {"vocab_size": vocab_size} if kind in LEARNED else {}
    text = "".join(between + text for text in texts)
    tokenizer: Tokenizer = TOKENIZERS[kind].train(text, specials=specials, **options)
    return tokenizer


def spaced(tokenizer: Tokenizer, text: str) -> str:
    """The text as the tokenizer reads it: after a space, if a space is part of its words."""
    return text if isinstance(tokenizer, AS_THEY_ARE) or not text else " " + text


def unspaced(tokenizer: Tokenizer, text: str) -> str:
    """The text without the space that `spaced` put there."""
    return text if isinstance(tokenizer, AS_THEY_ARE) else text.removeprefix(" ")


def check_specials_of(tokenizer: Tokenizer, needed: Sequence[str], side: str) -> None:
    """ValueError for a tokenizer that has not reserved what a model needs."""
    lacking = [name for name in needed if name not in tokenizer.special_ids]
    if lacking:
        raise ValueError(f"{side}: the tokenizer needs the specials {', '.join(lacking)}")
