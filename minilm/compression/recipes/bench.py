"""The bench: what a recipe is run on. A model, what trains it, and what it is judged by.

The language models and tasks of a study are benches (minilm/study/subjects.py). So are word
vectors, for the stages that neither train nor ask the model anything: they have only `trained`,
`judge`, `keep` and `seed`.
"""

from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from typing import Any, Protocol

from minilm.training import Loss, View, as_is, cross_entropy_loss
from minilm.types import Batch, Params

AFTER_TRAINING = 10**6  # a step that no training reaches: its batches are drawn afresh


class Bench(Protocol):
    """A trained model on its data. A subject of a study is one."""

    @property
    def model(self) -> Any:
        """What runs the parameters."""

    @property
    def seed(self) -> int:
        """Of all that is drawn at random; a bench without one has 0."""

    def trained(self) -> Params:
        """The float parameters that a recipe begins with."""

    def batches(self) -> Callable[[int], Batch]:
        """What it is trained on, by the step."""

    def fit(
        self, params: Params, steps: int, *, learning_rate: float | None = None,
        view: View = as_is, loss: Loss = cross_entropy_loss,
    ) -> tuple[Params, list[dict[str, float]]]:
        """The parameters trained further, and the history. learning_rate: None is its own."""

    def sized(self, **fields: Any) -> "Bench":
        """The same data for a model with other values for some fields of its configuration."""

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        """Measurements, "loss" among them. reference: the float parameters begun with."""

    def keep(self, params: Params, path: Path) -> None:
        """Save parameters, with a header by which others know what they belong to."""


class Rehearsal:
    """A bench that skips the training: in a second it shows what would be refused after an hour.
    """

    def __init__(self, bench: Any) -> None:
        self.bench = bench

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bench, name)

    def fit(
        self, params: Params, steps: int, *, view: View = as_is, **how: Any
    ) -> tuple[Params, list[dict[str, float]]]:
        view(params, 0)
        return params, []

    def sized(self, **fields: Any) -> "Rehearsal":
        return Rehearsal(self.bench.sized(**fields))


def training_batches(bench: Any, number: int = 8) -> list[Batch]:
    """So many batches of training data, to calibrate with."""
    return list(islice(map(bench.batches(), count(AFTER_TRAINING)), number))
