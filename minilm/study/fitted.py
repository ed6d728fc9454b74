"""What all subjects have in common that are trained by `fit`: a recipe, a schedule, a file."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from minilm.compression import distil
from minilm.models import parameter_names
from minilm.study.saved import saved_parameters
from minilm.study.settings import Settings
from minilm.training import Loss, View, cross_entropy_loss, fit
from minilm.types import Batch, Params
from minilm.weights import save

CURVE_POINTS = 6  # validations while training
Same = TypeVar("Same", bound="FittedSubject")


@dataclass(frozen=True)
class FittedSubject:
    """A model, its tokenizer, and how it is trained; what it reads and how it is judged is its own.
    """

    settings: Settings
    recipe: Any  # LanguageModelRecipe or TaskRecipe
    kept: Path  # the file that `train` writes and `trained` reads
    seed: int
    tokenizer: Any
    progress: bool

    @property
    def model(self) -> Any:
        raise NotImplementedError

    def batches(self) -> Callable[[int], Batch]:
        """What it is trained on, step by step."""
        raise NotImplementedError

    def training(self, steps: int, learning_rate: float) -> dict[str, Any]:
        """steps, schedule and optimizer, as `fit` takes them."""
        raise NotImplementedError

    def validation(self, params: Params) -> float:
        """A point of the training curve."""
        raise NotImplementedError

    def origin(self) -> dict[str, Any]:
        """What a saved file says of where the model came from."""
        raise NotImplementedError

    def train(self) -> Params:
        # its whole name, then .checkpoint: another file's is another, and it is never `kept` itself
        checkpoint = self.kept.with_name(self.kept.name + ".checkpoint")
        every = math.ceil(self.recipe.steps / CURVE_POINTS)
        params, history = self.fit(
            self.model.init(self.seed), self.recipe.steps,
            checkpoint=checkpoint,
            checkpoint_every=every,
            evaluate=self.validation,
            evaluate_every=every,
        )
        curve = [entry for entry in history if "validation_loss" in entry]
        self.kept.with_suffix(".curve.json").write_text(json.dumps(curve, indent=1))
        self.keep(params, self.kept)
        checkpoint.unlink()
        return params

    def keep(self, params: Params, path: Path) -> None:
        header = {
            "model": self.model.config(), "tokenizer": self.tokenizer.to_dict(),
            "recipe": asdict(self.recipe), "seed": self.seed, **self.origin(),
        }  # fmt: skip
        save(path, params, header=header)

    def trained(self) -> Params:
        return saved_parameters(self.kept, parameter_names(self.model))

    def tune(self, params: Params, view: View) -> Params:
        # A fresh start at a fifth of the learning rate: the weights have to move, but not far.
        rate = self.recipe.learning_rate / 5
        tuned, _ = self.fit(params, self.recipe.tuning_steps, learning_rate=rate, view=view)
        return tuned

    def student(self: Same, teacher: Params | None) -> tuple[Same, Params]:
        half = replace(self, recipe=self.recipe.half())
        loss: Loss = cross_entropy_loss
        if teacher is not None:
            temperature, alpha = self.settings.temperature, self.settings.alpha
            loss = distil(self.model, teacher, temperature=temperature, alpha=alpha)
        params, _ = half.fit(half.model.init(self.seed), half.recipe.steps, loss=loss)
        return half, params

    def sized(self: Same, **fields: Any) -> Same:
        """The same data and training, for a model with other values for some of its fields."""
        return replace(self, recipe=self.recipe.changed(**fields))

    def fit(
        self, params: Params, steps: int, *, learning_rate: float | None = None, **how: Any
    ) -> tuple[Params, list[dict[str, float]]]:
        peak = learning_rate or self.recipe.learning_rate
        return fit(
            self.model, params, self.batches(), seed=self.seed, progress=self.progress,
            **self.training(steps, peak), **how,
        )  # fmt: skip
