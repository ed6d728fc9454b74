"""What every method is tried on: a trained model, and what training data say of it.

Calibration is gathered once a process for each model and seed, from windows of the training text
of which none occurs in the validation text, and every method that needs it is given the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilm.compression import calibrate
from minilm.compression.allocation import gather_gradients
from minilm.compression.parameters import is_table, matrices
from minilm.compression.quantization.calibration.statistics import Scored
from minilm.study.language_models import LanguageModelSubject
from minilm.training import cross_entropy_loss
from minilm.types import Array, Params

WINDOWS = 256  # of calibration
AFTER_TRAINING = 10**6  # a step whose batch no training draws
MOST_TRIED = 1000  # batches that windows are looked for in


LAST: dict[tuple[Path, int], "Bench"] = {}  # what it has gathered need not be gathered again


class Made(NamedTuple):
    """A model as a method left it.

    params: what it runs with. model: what runs them; None: the float model itself.
    floats: the weights that were rounded; None: those of the trained model.
    stored: what is kept in memory and on disk, if that is not `params`. note: for the reader.
    """

    params: Params
    model: Any = None
    floats: Params | None = None
    stored: Params | None = None
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """A trained language model, ready to be compressed.

    windows: how many of them calibration reads.
    """

    subject: LanguageModelSubject
    windows: int = WINDOWS

    @property
    def model(self) -> Any:
        return self.subject.model

    @cached_property
    def params(self) -> Params:
        return self.subject.trained()

    @cached_property
    def batches(self) -> list[tuple[Array, Array]]:
        """Windows of the training text, as many side by side as in training: (inputs, targets)."""
        size = self.subject.recipe.batch_size
        rows = list(islice(self._windows(), self.windows))
        if not rows:
            raise ValueError("corpus: every window of its training text occurs in its validation "
                             "text too, and calibration must not")
        pieces = [rows[i : i + size] for i in range(0, len(rows), size)]
        return [tuple(map(np.stack, zip(*piece, strict=True))) for piece in pieces]  # type: ignore[misc]

    def _windows(self) -> Iterator[tuple[Array, Array]]:
        """(inputs, targets) of single windows, but for those that validation holds too."""
        batches, scored = self.subject.batches(), Scored([self.subject.tokens.validation])
        for step in range(AFTER_TRAINING, AFTER_TRAINING + MOST_TRIED):
            for inputs, targets in zip(*batches(step), strict=True):
                try:
                    scored.refuse(inputs, step)
                except ValueError:
                    continue
                yield inputs, targets

    @cached_property
    def seen(self) -> dict[str, Any]:
        """A Seen for each weight: what multiplies it in the float model."""
        return calibrate(self.model, self.params, self.batches, histograms=True)

    @cached_property
    def gradients(self) -> dict[str, Any]:
        """The Gradients of each weight on the same windows."""
        return gather_gradients(self.model, self.params, self.batches)

    @cached_property
    def group(self) -> dict[str, Any]:
        """{"group_size": 64}, or the largest number below that divides every channel."""
        return fitting({"group_size": 64}, self.params)

    def loss(self, params: Params) -> float:
        """Mean nats per token of the calibration windows."""
        sums = [cross_entropy_loss(self.model, params, batch, None)[::2] for batch in self.batches]
        total, terms = map(sum, zip(*sums, strict=True))
        return float(total / terms)

    def further(self, params: Params, steps: int | None = None, **how: Any) -> Params:
        """The parameters, trained further, as long as every method that trains further; the
        learning rate rises as high as in the first training."""
        steps = self.subject.recipe.tuning_steps if steps is None else steps
        return self.subject.fit(params, steps, **how)[0]

    def longer(self, times: int) -> "Bench":
        """The same, but what trains further does so for so many times the steps."""
        recipe = self.subject.recipe
        recipe = replace(recipe, tuning_steps=times * recipe.tuning_steps)
        return replace(self, subject=replace(self.subject, recipe=recipe))

    def from_scratch(self, params: Params, **how: Any) -> Params:
        """Fresh parameters, trained as the float model was: same steps, same batches."""
        return self.subject.fit(params, self.subject.recipe.steps, **how)[0]

    def fresh(self) -> Params:
        """The parameters that the float model began with."""
        fresh: Params = self.model.init(self.subject.seed)
        return fresh


def bench_of(subject: LanguageModelSubject) -> Bench:
    """The bench of a trained subject: the last one of this process, if it is of the same file."""
    key = subject.kept.resolve(), subject.kept.stat().st_mtime_ns
    if key not in LAST:
        LAST.clear()
        LAST[key] = Bench(subject)
    return LAST[key]


def fitting(scheme: dict[str, Any], params: Params) -> dict[str, Any]:
    """The scheme with groups that divide every channel: of its size, or the largest that does."""
    if "group_size" not in scheme:
        return scheme
    channels = [
        w.shape[1] if is_table(name) else w.shape[0]
        for name, w in matrices(params).items()
    ]
    return {**scheme, "group_size": math.gcd(scheme["group_size"], *channels)}
