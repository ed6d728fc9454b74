"""A language model as the subject of a study."""

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from minilm.compression import distil
from minilm.metrics import bits, perplexity
from minilm.models import LanguageModel, build
from minilm.study.saved import saved_parameters
from minilm.study.settings import LanguageModelRecipe, Settings
from minilm.text import CharTokenizer, Split, split, windows
from minilm.training import Loss, View, cross_entropy_loss, evaluate, fit, warmup_cosine
from minilm.types import Params
from minilm.weights import save

CURVE_POINTS = 6  # validation losses measured while training


@dataclass(frozen=True)
class LanguageModelSubject:
    """A character model on `text`: trained on its first nine tenths, judged on its last."""

    settings: Settings
    recipe: LanguageModelRecipe
    text: str
    kept: Path  # the file that `train` writes and `trained` reads
    seed: int
    tokenizer: CharTokenizer
    progress: bool = False

    @cached_property
    def tokens(self) -> Split:
        return split(self.tokenizer.encode(self.text))

    @cached_property
    def model(self) -> LanguageModel:
        return build({**self.recipe.config, "vocab_size": self.tokenizer.vocab_size})

    def check(self) -> None:
        windows(self.tokens.train, self.recipe.batch_size, self.recipe.context, seed=self.seed)

    def train(self) -> Params:
        # its whole name, then .checkpoint: another file's is another, and it is never `kept` itself
        checkpoint = self.kept.with_name(self.kept.name + ".checkpoint")
        every = math.ceil(self.recipe.steps / CURVE_POINTS)
        params, history = self._fit(
            self.model.init(self.seed), self.recipe.steps,
            checkpoint=checkpoint,
            checkpoint_every=every,
            evaluate=self._loss,
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
            "corpus": self.settings.corpus, "recipe": asdict(self.recipe), "seed": self.seed,
        }
        save(path, params, header=header)

    def trained(self) -> Params:
        return saved_parameters(self.kept, self.model.init(0))

    def tune(self, params: Params, view: View) -> Params:
        # A fresh start at a fifth of the learning rate: the weights have to move, but not far.
        rate = self.recipe.learning_rate / 5
        tuned, _ = self._fit(params, self.recipe.tuning_steps, learning_rate=rate, view=view)
        return tuned

    def student(self, teacher: Params | None) -> tuple["LanguageModelSubject", Params]:
        half = replace(self, recipe=self.recipe.half())
        loss: Loss = cross_entropy_loss
        if teacher is not None:
            how = {"temperature": self.settings.temperature, "alpha": self.settings.alpha}
            loss = distil(self.model, teacher, **how)
        params, _ = half._fit(half.model.init(self.seed), half.recipe.steps, loss=loss)
        return half, params

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        loss = self._loss(params)
        return {
            "loss": loss,
            "bits_per_character": bits(loss),
            "perplexity": perplexity(loss),
        }

    def _loss(self, params: Params) -> float:
        return evaluate(self.model, params, self.tokens.validation)

    def _fit(
        self, params: Params, steps: int, *, learning_rate: float | None = None, **how: Any
    ) -> tuple[Params, list[dict[str, float]]]:
        recipe = self.recipe
        peak = learning_rate or recipe.learning_rate
        return fit(
            self.model, params,
            windows(self.tokens.train, recipe.batch_size, recipe.context, seed=self.seed),
            steps=steps, seed=self.seed, progress=self.progress,
            schedule=warmup_cosine(peak, warmup=max(1, steps // 20), steps=steps), **how,
        )
