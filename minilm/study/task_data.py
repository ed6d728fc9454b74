"""What a model of a task learns from, and what it is asked: examples that share nothing.

A task of minilm.text.TASKS is written anew each time, by its seed: its test examples hold
combinations of words that training never shows, its `structure` examples sentence patterns too. Of
a person's own file every tenth line is held out, but for those whose source is trained on as well;
if that is more than are asked, those that are asked lie evenly over the file, which may be sorted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from minilm.study.task_recipes import NOISE
from minilm.text import TASKS, Example, LabelTokenizer, PairTokenizer
from minilm.text.tasks import load_labelled, load_pairs
from minilm.text.tasks.sentiment import sentiment

PAIRS, LABELLED = "pairs", "labelled"  # a person's own files
CLASSIFIED = ("sentiment", LABELLED)  # tasks whose answer is one of a few labels
HELD_OUT = 10  # of a person's file, every tenth line


@dataclass(frozen=True)
class TaskData:
    """task: of TASKS, "pairs" or "labelled"; file: of the latter two.

    count: how many examples to train on; asked: how many to be judged by, at most, in each part;
    whole: of a file, all lines are asked, and none is trained on.
    """

    task: str
    file: str
    count: int
    asked: int
    seed: int
    whole: bool = False

    @property
    def classified(self) -> bool:
        return self.task in CLASSIFIED

    @property
    def noise(self) -> float:
        """The share of training labels that are wrong; those that are asked are right."""
        return NOISE if self.task == "sentiment" else 0.0

    @cached_property
    def own(self) -> list[Example]:
        """All examples of the person's file; none of a task of ours."""
        if self.task in TASKS:
            return []
        return load_labelled(self.file) if self.classified else load_pairs(self.file)

    @cached_property
    def train(self) -> list[Example]:
        if self.task == "sentiment":
            return sentiment(self.noise).examples(self.count, self.seed, "train")
        if self.task in TASKS:
            return TASKS[self.task].examples(self.count, self.seed, "train")
        if self.whole:
            return []
        return [example for i, example in enumerate(self.own, start=1) if i % HELD_OUT]

    @cached_property
    def test(self) -> list[Example]:
        if self.task in TASKS:
            return self._held_out("test")
        if self.whole:
            return self.own
        trained = {example.source for example in self.train}
        held_out = [e for e in self.own[HELD_OUT - 1 :: HELD_OUT] if e.source not in trained]
        if not held_out:
            raise ValueError(
                f"{self.file!r}: too few lines: every tenth is held out to measure on, unless its "
                f"source is trained on too, and of {len(self.own)} none is left"
            )
        few = min(self.asked, len(held_out))
        return [held_out[i * len(held_out) // few] for i in range(few)]

    @cached_property
    def structure(self) -> list[Example]:
        """Of sentence patterns that training never shows; none of a person's file."""
        return self._held_out("structure") if self.task in TASKS else []

    def _held_out(self, part: str) -> list[Example]:
        # the same in every run, whatever the seed of its training: the part keeps them apart
        task = sentiment(noise=0) if self.task == "sentiment" else TASKS[self.task]
        return task.examples(self.asked, 0, part)

    def check_labels(self, labels: Collection[str]) -> None:
        """ValueError if `labels`, trained on, are too few, or a person's file has others."""
        if self.task == LABELLED:
            if len(labels) < 2:
                raise ValueError(f"{self.file!r}: needs two labels or more, got {set(labels)}")
            load_labelled(self.file, labels)

    def tokenizer(self, kind: str | None) -> PairTokenizer | LabelTokenizer:
        """A tokenizer learned from the training examples (an alphabet, from all there are).

        kind: of both sides; None: what suits the task.
        """
        suits = TASKS[self.task].tokenizers if self.task in TASKS else ("bpe", "bpe")
        kinds = (kind, kind) if kind else suits
        every = [*self.train, *self.test, *self.structure]
        if self.classified:
            self.check_labels({example.target for example in self.train})
            learned = every if kinds[0] == "char" else self.train
            return LabelTokenizer.train(learned, kinds[0])
        tokenizer, alphabet = (PairTokenizer.train(known, kinds) for known in (self.train, every))
        return PairTokenizer(
            alphabet.source if kinds[0] == "char" else tokenizer.source,
            alphabet.target if kinds[1] == "char" else tokenizer.target,
        )
