"""Labelled texts as integers: what a classifier reads, and the number of the class.

    tokens          <bos> The plot was dull . <pad>           a text, and what fills it up
    labels          0                                         the place of its label in `labels`

    examples = sentiment(0.1).examples(8000, seed=0)               or load_labelled("my.tsv")
    tokenizer = LabelTokenizer.train(examples, kind="word")
    batches = labelled_batches(tokenizer, examples, batch_size=64, seed=0)

<bos> stands before each text: a place that belongs to no word, where a classifier with
pooling="first" gathers what it has read (BERT's [CLS]).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from minilm.text.pairs import check_specials_of, spaced, train_tokenizer
from minilm.text.rows import check_fits, check_not_empty, filled, like_lengths
from minilm.text.tasks import Example
from minilm.text.tokenizers import BEGIN, PADDING, Tokenizer, tokenizer_from_dict
from minilm.types import Array


@dataclass(frozen=True)
class LabelTokenizer:
    """text: a tokenizer with the specials <pad> and <bos>; labels: the classes in their order.

    ValueError for a tokenizer that lacks these, or labels that are not distinct or fewer than two.

    >>> tokenizer = LabelTokenizer.train([Example("a dull film", "bad"), Example("a joy", "good")])
    >>> tokenizer.labels, tokenizer.classes(["good", "bad", "bad"]).tolist()
    (('bad', 'good'), [1, 0, 0])
    """

    text: Tokenizer
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        check_specials_of(self.text, (PADDING, BEGIN), "text")
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"labels: must be distinct and at least two, got {self.labels}")

    @cached_property
    def _number(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    @classmethod
    def train(
        cls, examples: Sequence[Example], kind: str = "word", vocab_size: int = 1000
    ) -> "LabelTokenizer":
        """The labels are those of the examples, in the order of their spelling.

        kind: a name in TOKENIZERS; vocab_size: as in PairTokenizer.train. ValueError for no
        examples, an unknown kind, or one label only.
        """
        texts = [example.source for example in examples]
        tokenizer = train_tokenizer(texts, kind, vocab_size, (PADDING, BEGIN))
        return cls(tokenizer, tuple(sorted({example.target for example in examples})))

    @property
    def padding_id(self) -> int:
        """What fills up a text."""
        return self.text.special_ids[PADDING]

    def encode(self, texts: Sequence[str]) -> Array:
        """(B, T) int32, with <bos> before and padding after.  ValueError for an empty text."""
        return filled(self.encoded(texts), self.padding_id)

    def encoded(self, texts: Sequence[str]) -> list[Array]:
        """The rows of `encode`, each as long as it is."""
        rows = [self.text.encode(spaced(self.text, text)) for text in texts]
        check_not_empty(texts, rows, "texts")
        begin = np.int32(self.text.special_ids[BEGIN])
        return [np.append(begin, row) for row in rows]

    def classes(self, labels: Sequence[str]) -> Array:
        """(B,) int32: the numbers of the labels.   ValueError for one that is unknown."""
        unknown = [label for label in labels if label not in self._number]
        if unknown:
            known = ", ".join(map(repr, self.labels))
            raise ValueError(f"labels: {unknown[0]!r} is unknown; there are {known}")
        return np.array([self._number[label] for label in labels], dtype=np.int32)

    def context(self, examples: Sequence[Example]) -> int:
        """The positions that the longest text takes, <bos> included."""
        return max(map(len, self.encoded([example.source for example in examples])))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "labelled", "text": self.text.to_dict(), "labels": list(self.labels)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "LabelTokenizer":
        return cls(tokenizer_from_dict(fields["text"]), tuple(fields["labels"]))


def labelled_batches(
    tokenizer: LabelTokenizer,
    examples: Sequence[Example],
    batch_size: int,
    seed: int,
    context: int | None = None,
) -> Callable[[int], tuple[Array, Array]]:
    """step -> (tokens (B, T), labels (B,)), int32, B = batch_size; otherwise as `pair_batches`.

    ValueError also for a label that the tokenizer does not know.
    """
    texts = [example.source for example in examples]
    ids = tokenizer.encoded(texts)
    classes = tokenizer.classes([example.target for example in examples])
    lengths = np.array([len(row) for row in ids])
    check_fits(texts, lengths, context, "texts")
    rows_at = like_lengths((lengths,), batch_size, seed)

    def batch(step: int) -> tuple[Array, Array]:
        rows = rows_at(step)
        return filled([ids[row] for row in rows], tokenizer.padding_id), classes[rows]

    return batch
