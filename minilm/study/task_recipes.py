"""How the models of each task are built and trained: plain numbers, found by trial.

    recipe = TASK_RECIPES["dates"]["LSTM"]
    model = recipe.model(tokenizer, context)
    params, history = fit(model, model.init(seed), batches, **recipe.training())

Translation, dates, summarization and sentiment were tried until they came near their limits within
minutes on one core (benchmarks/tasks.csv has what was measured). The recipes of the other tasks are
like those of a task that resembles them, and may be bettered.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from minilm.models.build import CLASSES, build
from minilm.text import LabelTokenizer, PairTokenizer
from minilm.training import AdamW, warmup_cosine

TRANSFORMER, LSTM, BAG_OF_WORDS = "Transformer", "LSTM", "bag of words"
EXAMPLES = 30_000  # to train on
NOISE = 0.1  # the share of wrong labels that the sentiment models are trained on


@dataclass(frozen=True)
class TaskRecipe:
    """How one model of one task is built and trained.

    config: what `minilm.models.build` takes, without what the examples tell: the vocabularies, the
    classes, the padding and the context. examples: how many to train on. steps: optimizer steps on
    `batch_size` examples. learning_rate: the highest, after a tenth of the steps.
    tuning_steps: further steps for quantization-aware training.
    """

    config: dict[str, Any]
    steps: int
    batch_size: int
    learning_rate: float
    examples: int
    tuning_steps: int

    def changed(self, **options: Any) -> "TaskRecipe":
        """The recipe with other values for some of its fields, or of its model's."""
        own = {name: value for name, value in options.items() if name in self.__annotations__}
        rest = {name: value for name, value in options.items() if name not in own}
        check_fields(self.config["model"], rest)
        return replace(self, **{"config": {**self.config, **rest}, **own})

    def half(self) -> "TaskRecipe":
        """The same recipe for a model of half the width."""
        return self.changed(width=self.config["width"] // 2)

    def model(self, tokenizer: PairTokenizer | LabelTokenizer, context: int) -> Any:
        """The model for the tokenizer's vocabularies.

        context: the most positions that a source or target takes, where a model has a limit.
        """
        found: dict[str, Any] = {"padding_id": tokenizer.padding_id}
        if isinstance(tokenizer, LabelTokenizer):
            found |= {"vocab_size": tokenizer.text.vocab_size, "classes": len(tokenizer.labels)}
        else:
            found |= {
                "vocab_size": tokenizer.target.vocab_size,
                "source_vocab_size": tokenizer.source.vocab_size,
            }
        if "context" in CLASSES[self.config["model"]].__annotations__:
            found["context"] = context
        return build({**found, **self.config})

    def training(self) -> dict[str, Any]:
        """steps, optimizer and schedule, as `fit` takes them."""
        schedule = warmup_cosine(self.learning_rate, warmup=self.steps // 10, steps=self.steps)
        return {"steps": self.steps, "optimizer": AdamW(beta2=0.98), "schedule": schedule}


def check_fields(model: str, options: dict[str, Any]) -> None:
    """ValueError for an option that models of this class do not have."""
    foreign = sorted(options.keys() - {field.name for field in fields(CLASSES[model])})
    if foreign:
        raise ValueError(f"{model} has no {', '.join(foreign)}")


def transformer(steps: int, width: int = 128, learning_rate: float = 2e-3) -> TaskRecipe:
    """An encoder–decoder Transformer of two layers on either side."""
    config = {"model": "Seq2SeqTransformer", "width": width, "layers": 2, "heads": 4}
    return TaskRecipe(config, steps, 64, learning_rate, EXAMPLES, steps // 6)


def lstm(steps: int, width: int = 128, learning_rate: float = 4e-3) -> TaskRecipe:
    """An LSTM encoder–decoder of one layer on either side, with additive attention."""
    config = {"model": "Seq2SeqLSTM", "width": width, "layers": 1}
    return TaskRecipe(config, steps, 64, learning_rate, EXAMPLES, steps // 6)


def classifier(name: str, steps: int, learning_rate: float, **options: Any) -> TaskRecipe:
    """A classifier; `options` of its model."""
    config = {"model": name, **options}
    return TaskRecipe(config, steps, 64, learning_rate, EXAMPLES, steps // 6)


TASK_RECIPES: dict[str, dict[str, TaskRecipe]] = {
    "translation": {TRANSFORMER: transformer(2000), LSTM: lstm(2000)},
    "dates": {TRANSFORMER: transformer(1500, width=96), LSTM: lstm(1200, width=96)},
    "summarization": {TRANSFORMER: transformer(2000), LSTM: lstm(2800, learning_rate=3e-3)},
    "sentiment": {
        TRANSFORMER: classifier(
            "TransformerClassifier", 800, 2e-3, width=64, layers=2, heads=4
        ),
        LSTM: classifier("LSTMClassifier", 600, 4e-3, width=64),
        BAG_OF_WORDS: classifier("BagOfWordsClassifier", 1000, 1e-2, width=32),
    },
    "questions": {TRANSFORMER: transformer(2000), LSTM: lstm(2000)},
    "hypotheses": {TRANSFORMER: transformer(2000), LSTM: lstm(2000)},
    "addition": {TRANSFORMER: transformer(2500), LSTM: lstm(3000)},
    **{
        name: {TRANSFORMER: transformer(1500, width=96), LSTM: lstm(1200, width=96)}
        for name in ("copy", "reverse", "sort", "numbers-chinese", "numbers-english")
    },
}  # fmt: skip
