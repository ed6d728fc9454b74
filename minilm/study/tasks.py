"""A task as the subject of a study: an encoder–decoder that answers, a classifier that labels.

Both are trained and compressed like a language model. Only what they read differs, and how they are
judged: by whether the answers are right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from minilm.generation import answer
from minilm.metrics import bleu, characters, exact_match, macro_f1, rouge_l, words_13a
from minilm.nn import IGNORED, cross_entropy, softmax
from minilm.study.fitted import FittedSubject
from minilm.study.measures import measure_of
from minilm.study.task_data import TaskData
from minilm.text import Example, labelled_batches, pair_batches
from minilm.types import Array, Batch, Params
from minilm.weights import thaw

TOGETHER = 100  # examples that are read side by side when a model is judged


@dataclass(frozen=True)
class TaskSubject(FittedSubject):
    """data: what is learned and asked; context: the positions of the longest text of them."""

    data: TaskData
    context: int

    @cached_property
    def model(self) -> Any:
        return self.recipe.model(self.tokenizer, self.context)

    @property
    def limit(self) -> int | None:
        """The positions that the model has; None: any number."""
        limit: int | None = getattr(self.model, "context", None)
        return limit

    def check(self) -> None:
        try:
            if not self.data.whole:
                self.batches()
            for _, examples in self.parts():
                self.as_batch(examples)
        except ValueError as error:
            raise ValueError(f"{self.data.file}: {error}") from error

    def as_batch(self, examples: Sequence[Example]) -> Batch:
        """The examples side by side, as the model is trained on them."""
        raise NotImplementedError

    def training(self, steps: int, learning_rate: float) -> dict[str, Any]:
        settings: dict[str, Any] = replace(
            self.recipe, steps=steps, learning_rate=learning_rate
        ).training()
        return settings

    def origin(self) -> dict[str, Any]:
        return {
            "task": self.data.task, "corpus": self.data.file, "asked": self.data.asked,
            "context": self.context,
        }  # fmt: skip

    def parts(self) -> list[tuple[str, list[Example]]]:
        """The examples that are asked, and what precedes the name of a measurement on them."""
        parts = [("", self.data.test), ("structure_", self.data.structure)]
        return [(name, examples) for name, examples in parts if examples]


@dataclass(frozen=True)
class AnswerSubject(TaskSubject):
    """An encoder–decoder: translation, dates, summaries; a person's own pairs.

    longest: the tokens that an answer may have, its end included.
    """

    longest: int

    def batches(self) -> Callable[[int], Batch]:
        return pair_batches(
            self.tokenizer, self.data.train, self.recipe.batch_size, self.seed, self.limit
        )

    def origin(self) -> dict[str, Any]:
        return {**super().origin(), "longest": self.longest}

    def as_batch(self, examples: Sequence[Example]) -> Batch:
        return pair_batches(self.tokenizer, examples, len(examples), 0, self.limit)(0)

    def validation(self, params: Params) -> float:
        """The score that a study of the task is judged by."""
        answers = self.answers(params, self.data.test)
        return scores(answers, targets(self.data.test))[measure_of(self.settings).column]

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        params = thaw(params)  # once, for the many times that they are used
        measured: dict[str, Any] = {"loss": self.loss(params)}
        for part, examples in self.parts():
            found = scores(self.answers(params, examples), targets(examples))
            measured |= {part + name: score for name, score in found.items()}
        return measured

    def answers(self, params: Params, examples: Sequence[Example]) -> list[str]:
        """What the model writes to each source, by always taking the likeliest token."""
        source = self.tokenizer.encode_source([example.source for example in examples])
        written = answer(
            self.model, params, source, length=self.longest,
            begin_id=self.tokenizer.begin_id, end_id=self.tokenizer.end_id,
        )  # fmt: skip
        return [self.tokenizer.decode(ids) for ids in written]

    def loss(self, params: Params) -> float:
        """Mean nats per token of the right answers to the test examples."""
        total, count = 0.0, 0
        for some in pieces(self.data.test):
            source, target_inputs, wanted = self.as_batch(some)
            logits, _ = self.model.forward(params, source, target_inputs)
            counted = int(np.count_nonzero(wanted != IGNORED))
            total += float(cross_entropy(logits, wanted)[0]) * counted
            count += counted
        return total / count


@dataclass(frozen=True)
class LabelSubject(TaskSubject):
    """A classifier: sentiment; a person's own labelled texts."""

    def check(self) -> None:
        self.data.check_labels(self.tokenizer.labels)
        super().check()

    def batches(self) -> Callable[[int], Batch]:
        return labelled_batches(
            self.tokenizer, self.data.train, self.recipe.batch_size, self.seed, self.limit
        )

    def as_batch(self, examples: Sequence[Example]) -> Batch:
        return labelled_batches(self.tokenizer, examples, len(examples), 0, self.limit)(0)

    def validation(self, params: Params) -> float:
        return self.accuracy(self.logits(params, self.data.test), self.data.test)

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        params = thaw(params)
        logits = self.logits(params, self.data.test)
        measured: dict[str, Any] = {"loss": self.loss(logits)}
        for part, examples in self.parts():
            logits = self.logits(params, examples)
            measured[f"{part}accuracy"] = self.accuracy(logits, examples)
            if not self.data.noise:
                labels = self.tokenizer.classes(targets(examples))
                measured[f"{part}macro_f1"] = macro_f1(logits.argmax(axis=-1), labels)
        return measured

    def logits(self, params: Params, examples: Sequence[Example]) -> Array:
        texts = [example.source for example in examples]
        return np.concatenate([
            self.model.forward(params, self.tokenizer.encode(some))[0] for some in pieces(texts)
        ])

    def accuracy(self, logits: Array, examples: Sequence[Example]) -> float:
        """(1 − p) a + p (1 − a): the share of right answers were labels wrong at the rate p.

        a: the share of the true labels that are found. The labels that are asked are all right, so
        that chance does not decide how many are wrong.
        """
        a = float(np.mean(logits.argmax(axis=-1) == self.tokenizer.classes(targets(examples))))
        p = self.data.noise
        return (1 - p) * a + p * (1 - a)

    def loss(self, logits: Array) -> float:
        """Mean nats per label of the test examples, expected over the wrong ones."""
        labels, p = self.tokenizer.classes(targets(self.data.test)), self.data.noise
        loss = float(cross_entropy(logits, labels)[0])
        return (1 - p) * loss + p * float(cross_entropy(logits, 1 - labels)[0]) if p else loss

    def probabilities(self, params: Params, text: str) -> dict[str, float]:
        """p(label | text), the likeliest first."""
        p = softmax(self.model.forward(params, self.tokenizer.encode([text]))[0])[0][0]
        found = dict(zip(self.tokenizer.labels, p.tolist(), strict=True))
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def scores(answers: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """How right the answers are: exact match from 0 to 1, BLEU and ROUGE-L from 0 to 100."""
    words = cutting(wanted)
    return {
        "exact_match": exact_match(answers, wanted),
        "bleu": bleu(answers, wanted, words=words),
        "rouge_l": rouge_l(answers, wanted, words=words),
    }


def targets(examples: Sequence[Example]) -> list[str]:
    return [example.target for example in examples]


def pieces(items: Sequence[Any]) -> list[Sequence[Any]]:
    """The items, so many at a time as are read side by side."""
    return [items[i : i + TOGETHER] for i in range(0, len(items), TOGETHER)]


def cutting(texts: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """How texts are cut into words for BLEU and ROUGE-L: into characters if few have a space."""
    spaced = sum(" " in text for text in texts)
    return words_13a if 2 * spaced >= len(texts) else characters
