"""What a study is made on: a model, its data, how it is trained, and how it is judged.

The cells know these verbs and nothing else. A language model, word2vec and a task answer them, each
in its own way (language_models.py, word_vectors.py, tasks.py).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from minilm.models import (
    LanguageModel,
    LSTMLanguageModel,
    TransformerLanguageModel,
    build,
)
from minilm.study.language_models import LanguageModelSubject, new_tokenizer
from minilm.study.saved import saved_fields
from minilm.study.settings import LanguageModelRecipe, Settings, Word2VecRecipe
from minilm.study.task_data import LABELLED, PAIRS, TaskData
from minilm.study.task_recipes import TaskRecipe
from minilm.study.tasks import AnswerSubject, LabelSubject
from minilm.study.word_vectors import WordVectorSubject
from minilm.text import (
    LabelTokenizer,
    PairTokenizer,
    Tokenizer,
    load_corpus,
    tokenizer_from_dict,
)
from minilm.training import View
from minilm.types import Params
from minilm.weights import read_header

LONGEST = 512  # positions of a task's Transformer: its maps grow with their square


class Subject(Protocol):
    def check(self) -> None:
        """Refuse a text that is too short, before any time is spent: ValueError."""

    def train(self) -> Params:
        """Train from nothing, keep the parameters on disk, and return them."""

    def keep(self, params: Params, path: Path) -> None:
        """Save parameters with all that is needed to open the subject from that file again."""

    def trained(self) -> Params:
        """The parameters that `train` kept."""

    def tune(self, params: Params, view: View) -> Params:
        """Train a little further while the model sees the parameters through `view`."""

    def student(self, teacher: Params | None) -> "tuple[Subject, Params]":
        """A model of half the width, trained; by `teacher` too, unless that is None."""

    def judge(self, params: Params, reference: Params) -> dict[str, Any]:
        """Measurements on the whole validation text.

        reference: the float parameters of the full model, for measures of agreement.
        """


def new_subject(
    settings: Settings, model: str, text: str, kept: Path, seed: int, progress: bool = False
) -> Subject:
    """A subject still to be trained on `text`; its parameters will be kept in the file `kept`."""
    if model == "word2vec" and settings.word2vec is not None:
        return WordVectorSubject(settings, settings.word2vec, text, kept, seed, progress)
    if model in settings.task_models:
        return new_task_subject(settings, settings.task_models[model], kept, seed, progress)
    recipe = settings.language_models[model]
    tokenizer = new_tokenizer(settings.tokenizer or "char", text)
    return LanguageModelSubject(settings, recipe, kept, seed, tokenizer, progress, text)


def saved_subject(
    settings: Settings, path: Path, corpus: str | None = None, progress: bool = False,
    whole: bool = True,
) -> Subject:  # fmt: skip
    """The subject that a saved file came from, on its own corpus unless another is named.

    whole: of another file of a task's examples, none is to be trained on.
    """
    header = saved_fields(path, ("corpus", "seed", "recipe"))
    if "task" in header:
        subject = saved_task_subject(settings, path, corpus, progress, whole)
        if corpus is not None:
            subject.check()
        return subject
    settings = replace(settings, corpus=corpus or header["corpus"])
    text, seed = load_corpus(settings.corpus), header["seed"]
    if "vocabulary" in header:
        vectors = Word2VecRecipe(**header["recipe"])
        return WordVectorSubject(
            settings, vectors, text, path, seed, progress, words=header["vocabulary"]
        )
    recipe = LanguageModelRecipe(**header["recipe"])
    tokenizer = tokenizer_from_dict(header["tokenizer"])
    return LanguageModelSubject(settings, recipe, path, seed, tokenizer, progress, text)


def new_task_subject(
    settings: Settings, recipe: TaskRecipe, kept: Path, seed: int, progress: bool = False
) -> AnswerSubject | LabelSubject:
    """A subject still to be trained on a task; its tokenizer is learned now."""
    data = TaskData(settings.task, settings.corpus, recipe.examples, settings.asked, seed)
    tokenizer = data.tokenizer(settings.tokenizer)
    examples = [*data.train, *data.test, *data.structure]
    context = min(tokenizer.context(examples), LONGEST)
    common = (settings, recipe, kept, seed, tokenizer, progress, data, context)
    if isinstance(tokenizer, LabelTokenizer):
        return LabelSubject(*common)
    return AnswerSubject(*common, tokenizer.longest_answer(examples))


def saved_task_subject(
    settings: Settings, path: Path, file: str | None = None, progress: bool = False,
    whole: bool = True,
) -> AnswerSubject | LabelSubject:  # fmt: skip
    """The subject of a saved file.

    file: other examples than those it was trained on; whole: to ask it all of them, and train on
    none; otherwise every tenth line is held out.
    """
    header = saved_fields(path, ("task", "tokenizer", "recipe", "seed", "asked", "context"))
    recipe, fields = TaskRecipe(**header["recipe"]), header["tokenizer"]
    labels = fields["kind"] == "labelled"
    task = (LABELLED if labels else PAIRS) if file else header["task"]
    data = TaskData(task, file or header["corpus"], recipe.examples, header["asked"],
                    header["seed"], whole=whole and file is not None)  # fmt: skip
    tokenizer = (LabelTokenizer if labels else PairTokenizer).from_dict(fields)
    common = (settings, recipe, path, header["seed"], tokenizer, progress, data, header["context"])
    if labels:
        return LabelSubject(*common)
    return AnswerSubject(*common, saved_fields(path, ("longest",))["longest"])


def saved_language_model(path: Path) -> tuple[LanguageModel, Tokenizer]:
    """The model and tokenizer of a saved file; the corpus that they came from is not needed."""
    header = read_header(path)
    if "tokenizer" not in header:
        raise ValueError(f"file {str(path)!r} holds no language model")
    model = build(header["model"])
    if not isinstance(model, LSTMLanguageModel | TransformerLanguageModel):
        raise ValueError(
            f"file {str(path)!r} holds a {type(model).__name__}, which is no language model"
        )
    return model, tokenizer_from_dict(header["tokenizer"])
