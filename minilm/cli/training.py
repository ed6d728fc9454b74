"""train, evaluate, distill: one model, and what a study would measure of it."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from minilm import study
from minilm.cli.options import add, add_corpus, chosen, positive_number, whole_number
from minilm.study.measure import compressed_size
from minilm.study.results import COLUMNS, task_columns
from minilm.study.settings import LANGUAGE, Settings, task_settings
from minilm.study.subjects import Subject, new_subject, saved_subject
from minilm.study.task_data import LABELLED, PAIRS
from minilm.study.task_recipes import BAG_OF_WORDS
from minilm.study.tasks import TaskSubject
from minilm.text import TASKS, TOKENIZERS, load_corpus
from minilm.types import Params
from minilm.weights import check_target

MODELS = {
    "lstm": "LSTM", "transformer": "Transformer", "word2vec": "word2vec",
    "bag-of-words": BAG_OF_WORDS,
}  # fmt: skip
RECIPE_OPTIONS = (
    "width", "layers", "heads", "context", "steps", "batch_size", "learning_rate", "examples",
)  # fmt: skip
STUDENT_OPTIONS = ("steps", "batch_size", "learning_rate")  # word2vec itself is trained by epochs


def add_train(commands: Any) -> None:
    command = add(commands, "train", run_train, "train one model and save it")
    command.add_argument("model", choices=MODELS)
    source = command.add_mutually_exclusive_group()
    add_corpus(source, default="python-docs")
    source.add_argument("--task", choices=TASKS, help="learn a task instead: read one text and "
                        "write another, or label it (sentiment)")  # fmt: skip
    source.add_argument("--pairs", metavar="TSV", help="learn from your own file of source, tab, "
                        "target: every tenth line is held out")  # fmt: skip
    source.add_argument("--labelled", metavar="TSV", help="learn from your own file of text, tab, "
                        "label: every tenth line is held out")  # fmt: skip
    command.add_argument(
        "--tokenizer", choices=TOKENIZERS,
        help="the model's pieces of text, learned from the training part (default: char; of a "
        "task, what suits it; of your own pairs and labelled texts, bpe)",
    )
    for name in RECIPE_OPTIONS:
        kind = positive_number if name == "learning_rate" else partial(whole_number, least=1)
        option = "--" + name.replace("_", "-")
        whose = "; of word2vec, a student's" if name in STUDENT_OPTIONS else ""
        whose = "; of a task, to train on" if name == "examples" else whose
        command.add_argument(option, type=kind, help=f"(default: as in the study{whose})")
    command.add_argument("--seed", type=whole_number, default=0)
    command.add_argument("--out", required=True)


def run_train(arguments: argparse.Namespace) -> None:
    name, settings = MODELS[arguments.model], what_to_learn(arguments)
    if name not in settings.models:
        raise ValueError(
            f"there is no {arguments.model} for this; there are "
            f"{', '.join(word for word, model in MODELS.items() if model in settings.models)}"
        )
    if name == "word2vec" and arguments.tokenizer:
        raise ValueError("--tokenizer: word2vec reads words, without a tokenizer")
    if arguments.examples and not arguments.task:
        raise ValueError("--examples: for a --task; of a file, all but the held-out lines are used")
    settings = replace(settings, **chosen(arguments, ("tokenizer",)))
    settings = settings.changed(name, chosen(arguments, RECIPE_OPTIONS))
    out = Path(arguments.out)
    check_target(out)
    text = load_corpus(settings.corpus) if settings.task == LANGUAGE else ""
    subject = new_subject(settings, name, text, out, arguments.seed, progress=True)
    subject.check()
    report(subject, subject.train(), out)
    print(f"saved {out}")


def what_to_learn(arguments: argparse.Namespace) -> Settings:
    """The settings of the task, file or corpus that was asked for."""
    if arguments.task:
        return task_settings(arguments.task)
    if arguments.pairs:
        return task_settings(PAIRS, arguments.pairs)
    if arguments.labelled:
        return task_settings(LABELLED, arguments.labelled)
    return replace(study.default(), corpus=arguments.corpus)


def add_evaluate(commands: Any) -> None:
    command = add(commands, "evaluate", run_evaluate, "measure a saved model on held-out text")
    command.add_argument("file")
    add_corpus(command, default=None)


def run_evaluate(arguments: argparse.Namespace) -> None:
    file = Path(arguments.file)
    subject = saved_subject(study.default(), file, arguments.corpus)
    report(subject, subject.trained(), file)


def add_distill(commands: Any) -> None:
    command = add(commands, "distill", run_distill, "train a model of half the width")
    command.add_argument("file", help="the teacher: a saved model")
    add_corpus(command, default=None, of_a_task="every tenth line held out")
    command.add_argument("--temperature", type=float, help="softens both (default: 1)")
    command.add_argument("--alpha", type=float, help="share of the teacher, 0 to 1 (default: 0.5)")
    command.add_argument("--steps", type=partial(whole_number, least=1),
                         help="(default: as many as the teacher's)")  # fmt: skip
    command.add_argument("--out", required=True)


def run_distill(arguments: argparse.Namespace) -> None:
    check_target(arguments.out)
    settings = replace(study.default(), **chosen(arguments, ("temperature", "alpha")))
    teacher: Any = saved_subject(
        settings, Path(arguments.file), arguments.corpus, progress=True, whole=False
    )
    teacher = replace(teacher, recipe=teacher.recipe.changed(**chosen(arguments, ("steps",))))
    student, params = teacher.student(teacher.trained())
    student.keep(params, Path(arguments.out))
    report(student, params, Path(arguments.out))
    print(f"saved {arguments.out}")


def report(subject: Subject, params: Params, file: Path) -> None:
    """Print what a study would measure, one line a measurement: its name, its value, its meaning.

    file: that of params; its size is the one that `ls` shows, header and all.
    """
    size = {**compressed_size(params), "file_bytes": file.stat().st_size}
    measured = {**subject.judge(params, params), **size}
    meanings = task_columns([measured]) if isinstance(subject, TaskSubject) else COLUMNS
    for name, value in measured.items():
        if value is None:
            unknown = "not measured: the tokenizer does not give this text back (unknown words?)"
            print(f"{name:>22}  {unknown}")
        else:
            shown = f"{value:.4f}" if isinstance(value, float) else str(value)
            print(f"{name:>22}  {shown:<10}  {meanings[name]}")
