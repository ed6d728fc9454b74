"""What a study is made of: plain numbers, so that a run can be written down and repeated.

Two sizes: the default ends within minutes on two cores; `thorough()` trains larger models, from
three seeds.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from minilm.study.task_recipes import TASK_RECIPES, TaskRecipe, check_fields

LANGUAGE = "lm"  # the task of a language model: to predict the next token
BIT_WIDTHS = (8, 7, 6, 5, 4, 3, 2, 1)
SPARSITIES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

# Each way to round the weights after training, as arguments of `minilm.quantize`. (Groups are
# smaller where 64 does not divide every channel of a model.)
SCHEMES: dict[str, dict[str, Any]] = {
    "per-tensor absmax": {"axis": "tensor"},
    "per-channel absmax": {},
    "per-group MSE": {"group_size": 64, "objective": "mse"},
    "Lloyd–Max": {"grid": "lloyd_max"},
}
# Quantization-aware training rounds with the scheme that it is compared with.
TRAINED_SCHEME = "per-group MSE"
TRAINED_BITS = (3, 2, 1)

# Names of the other methods, as tables and figures show them.
FLOAT, FLOAT_BITS = "float32", 32
FLOAT_FURTHER = "float32, trained further"
TRAINED = "per-group MSE, trained"
PRUNED = "magnitude pruning"
ALONE, DISTILLED = "student alone", "student distilled"

# What a study of methods may compare.
QUANTIZATION_STUDY, FEWER_WEIGHTS_STUDY = "quantization", "fewer-weights"
METHODS_STUDIES = (QUANTIZATION_STUDY, FEWER_WEIGHTS_STUDY)


@dataclass(frozen=True)
class LanguageModelRecipe:
    """How one language model is built and trained.

    config: what `minilm.models.build` takes, without the vocabulary size.
    steps: optimizer steps on `batch_size` windows of `context` tokens.
    tuning_steps: further steps for quantization-aware training.
    """

    config: dict[str, Any]
    steps: int
    batch_size: int
    context: int
    learning_rate: float
    tuning_steps: int

    def half(self) -> "LanguageModelRecipe":
        """The same recipe for a model of half the width."""
        return self.changed(width=self.config["width"] // 2)

    def changed(self, **options: Any) -> "LanguageModelRecipe":
        """The recipe with other values for some of its fields, or of its model's."""
        own = {name: value for name, value in options.items() if name in self.__annotations__}
        model_keeps_context = "context" in self.config
        model = {
            name: value for name, value in options.items()
            if name not in own or (name == "context" and model_keeps_context)
        }  # fmt: skip
        check_fields(self.config["model"], model)
        return replace(self, **own, config={**self.config, **model})


@dataclass(frozen=True)
class Word2VecRecipe:
    """How word2vec is trained.

    arguments: of `minilm.Word2Vec`.
    steps, batch_size (pairs), learning_rate: of a student, which is trained by `fit`.
    tuning_steps: further steps for quantization-aware training, by `fit` too.
    """

    arguments: dict[str, Any]
    steps: int
    batch_size: int
    learning_rate: float
    tuning_steps: int

    def half(self) -> "Word2VecRecipe":
        """The same recipe for vectors of half the size."""
        return self.changed(width=self.arguments["vector_size"] // 2)

    def changed(self, **options: Any) -> "Word2VecRecipe":
        """The recipe with another vector size (`width`), or other values for its fields."""
        width = options.pop("width", self.arguments["vector_size"])
        foreign = sorted(options.keys() - self.__annotations__.keys())
        if foreign:
            raise ValueError(f"word2vec has no {', '.join(foreign)}; it has a width")
        return replace(self, **options, arguments={**self.arguments, "vector_size": width})


@dataclass(frozen=True)
class Settings:
    """A whole study.

    temperature, alpha: of distillation. At temperature 2 the LSTM's student ended worse than alone.
    task: "lm", one of minilm.text.TASKS, "pairs" or "labelled"; the latter two are learned from the
    file `corpus`. tokenizer: one of minilm.text.TOKENIZERS; None: characters for language models,
    what suits it for a task. asked: how many examples a task's models are judged by, in each part.
    ngram_order: the longest n-gram of the baseline.
    methods: which methods are tried against each other, in the place of the bit sweeps: one of
    METHODS_STUDIES, or "".
    """

    corpus: str = "python-docs"
    task: str = LANGUAGE
    tokenizer: str | None = None
    asked: int = 300
    seeds: tuple[int, ...] = (0,)
    ngram_order: int = 5
    temperature: float = 1.0
    alpha: float = 0.5
    language_models: dict[str, LanguageModelRecipe] = field(default_factory=dict)
    word2vec: Word2VecRecipe | None = None
    task_models: dict[str, TaskRecipe] = field(default_factory=dict)
    methods: str = ""

    @property
    def models(self) -> list[str]:
        """Everything that is trained and compressed."""
        vectors = ["word2vec"] if self.word2vec else []
        return [*self.language_models, *vectors, *self.task_models]

    def changed(self, model: str, options: dict[str, Any]) -> "Settings":
        """The same settings but for some options of one model's recipe."""
        if model == "word2vec":
            assert self.word2vec is not None
            return replace(self, word2vec=self.word2vec.changed(**options))
        if model in self.task_models:
            changed = self.task_models[model].changed(**options)
            return replace(self, task_models={**self.task_models, model: changed})
        recipe = self.language_models[model].changed(**options)
        return replace(self, language_models={**self.language_models, model: recipe})

    def as_json(self) -> dict[str, Any]:
        """Plain data, written beside the results and compared when a run is continued."""
        return asdict(self)


def default() -> Settings:
    """The main job: ends within four minutes on two cores."""
    lstm = {"model": "LSTMLanguageModel", "width": 192, "embedding_width": 64}
    transformer = {
        "model": "TransformerLanguageModel", "width": 128, "layers": 2, "heads": 4, "context": 64,
    }  # fmt: skip
    vectors = {
        "vector_size": 128, "window": 5, "min_count": 3, "sg": 1, "negative": 5, "epochs": 20,
    }  # fmt: skip
    return Settings(
        language_models={
            "Transformer": LanguageModelRecipe(
                transformer, steps=1000, batch_size=8, context=64, learning_rate=4e-3,
                tuning_steps=150,
            ),
            "LSTM": LanguageModelRecipe(
                lstm, steps=600, batch_size=32, context=64, learning_rate=5e-3, tuning_steps=100,
            ),
        },
        word2vec=Word2VecRecipe(
            vectors, steps=1500, batch_size=512, learning_rate=2e-3, tuning_steps=300,
        ),
    )  # fmt: skip


def thorough() -> Settings:
    """Larger models and three seeds: within twenty minutes on two cores."""
    settings = default()
    longer = {"Transformer": {"layers": 3, "steps": 2400}, "LSTM": {"width": 256, "steps": 1000}}
    for model, options in longer.items():
        settings = settings.changed(model, options)
    return replace(settings, seeds=(0, 1, 2))


def methods_study(which: str = QUANTIZATION_STUDY) -> Settings:
    """Every method against every other on the default language models, from three seeds: hours.

    which: of METHODS_STUDIES. At 2 bits, or with a fifth of the weights, a model needs more further
    training than the bit sweeps give it: as long again here.
    """
    settings = default()
    for model, recipe in settings.language_models.items():
        settings = settings.changed(model, {"tuning_steps": recipe.steps})
    return replace(settings, seeds=(0, 1, 2), word2vec=None, methods=which)


# Tasks without recipes of their own are trained like one that resembles them.
LIKE = {"pairs": "translation", "labelled": "sentiment", "questions": "summarization",
        "hypotheses": "summarization"}  # fmt: skip
LABELS_ASKED = 2000  # a label costs little to ask for


def task_settings(task: str, file: str = "") -> Settings:
    """The models of a task as they are trained to the end; file: a person's own examples."""
    recipes = TASK_RECIPES.get(task) or TASK_RECIPES[LIKE.get(task, "dates")]
    asked = LABELS_ASKED if LIKE.get(task, task) == "sentiment" else Settings.asked
    return Settings(corpus=file or task, task=task, asked=asked, task_models=dict(recipes))


def task_study(task: str, *, thorough: bool = False) -> Settings:
    """The study of a task: about ten minutes on two cores; thorough: longer, from three seeds."""
    settings = task_settings(task)
    if thorough:
        return replace(settings, seeds=(0, 1, 2))
    for model, recipe in settings.task_models.items():
        steps = 3 * recipe.steps // 4
        settings = settings.changed(model, {"steps": steps, "tuning_steps": steps // 10})
    return settings
