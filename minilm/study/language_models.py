"""A language model as the subject of a study."""

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from minilm.compression import distil
from minilm.metrics import bits, bits_per_byte, perplexity
from minilm.models import LanguageModel, build
from minilm.study.saved import saved_parameters
from minilm.study.settings import LanguageModelRecipe, Settings
from minilm.text import TOKENIZERS, CharTokenizer, Split, Tokenizer, split, windows
from minilm.training import Loss, View, cross_entropy_loss, evaluate, fit, warmup_cosine
from minilm.types import Params
from minilm.weights import save

CURVE_POINTS = 6  # validation losses measured while training
RARE = 2  # a piece that comes less often stands for the unknown ones, so that <unk> is learned too


def new_tokenizer(kind: str, text: str) -> Tokenizer:
    """A tokenizer of this kind for a model of `text`, learned from its training part alone.

    Of characters, from the whole text: an alphabet has no pieces to be learned, and must know
    every character that will be asked for.
    """
    if kind == "char":
        return CharTokenizer.train(text)
    tokenizer: Tokenizer = TOKENIZERS[kind].train(split(text).train, min_count=RARE)
    return tokenizer


@dataclass(frozen=True)
class LanguageModelSubject:
    """A model of `text`: trained on its first nine tenths, judged on its last."""

    settings: Settings
    recipe: LanguageModelRecipe
    text: str
    kept: Path  # the file that `train` writes and `trained` reads
    seed: int
    tokenizer: Tokenizer
    progress: bool = False

    @cached_property
    def texts(self) -> Split:
        return split(self.text)

    @cached_property
    def tokens(self) -> Split:
        return Split(*map(self.tokenizer.encode, self.texts))

    @cached_property
    def model(self) -> LanguageModel:
        return build({**self.recipe.config, "vocab_size": self.tokenizer.vocab_size})

    def check(self) -> None:
        windows(self.tokens.train, self.recipe.batch_size, self.recipe.context, seed=self.seed)
        if len(self.tokens.validation) < 2:
            raise ValueError("corpus: too short: its last tenth must have two tokens or more")

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
        return {"loss": loss, **self._bits(loss), "perplexity": perplexity(loss)}

    def _bits(self, loss: float) -> dict[str, float | None]:
        """What a character and a byte cost: the same question whatever the tokenizer.

        None where the tokens do not give the text back (unknown words, say): a model that need not
        tell two texts apart would seem better than one that does.
        """
        text, tokens = self.texts.validation, self.tokens.validation
        if self.tokenizer.decode(tokens) != text:
            return {"bits_per_character": None, "bits_per_byte": None}
        scored = text[len(self.tokenizer.decode(tokens[:1])) :]  # the first token is only read
        pieces = len(tokens) - 1
        return {
            "bits_per_character": bits(loss) * (pieces / len(scored)),
            "bits_per_byte": bits_per_byte(loss * pieces, scored),
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
