"""train, evaluate, distill: one model, and what a study would measure of it."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from minilm import study
from minilm.cli.options import add, add_corpus, chosen, positive_number, whole_number
from minilm.study.measure import compressed_size
from minilm.study.subjects import Subject, new_subject, saved_subject
from minilm.text import TOKENIZERS, load_corpus
from minilm.types import Params
from minilm.weights import check_target

MODELS = {"lstm": "LSTM", "transformer": "Transformer", "word2vec": "word2vec"}
RECIPE_OPTIONS = ("width", "layers", "heads", "context", "steps", "batch_size", "learning_rate")
STUDENT_OPTIONS = ("steps", "batch_size", "learning_rate")  # word2vec itself is trained by epochs


def add_train(commands: Any) -> None:
    command = add(commands, "train", run_train, "train one model and save it")
    command.add_argument("model", choices=MODELS)
    add_corpus(command, default="python-docs")
    command.add_argument(
        "--tokenizer", choices=TOKENIZERS,
        help="the model's pieces of text, learned from the training part (default: char)",
    )
    for name in RECIPE_OPTIONS:
        kind = positive_number if name == "learning_rate" else partial(whole_number, least=1)
        option = "--" + name.replace("_", "-")
        whose = "; of word2vec, a student's" if name in STUDENT_OPTIONS else ""
        command.add_argument(option, type=kind, help=f"(default: as in the study{whose})")
    command.add_argument("--seed", type=whole_number, default=0)
    command.add_argument("--out", required=True)


def run_train(arguments: argparse.Namespace) -> None:
    name = MODELS[arguments.model]
    if name == "word2vec" and arguments.tokenizer:
        raise ValueError("--tokenizer: word2vec reads words, without a tokenizer")
    options = {"corpus": arguments.corpus, **chosen(arguments, ("tokenizer",))}
    settings = replace(study.default(), **options)
    settings = settings.changed(name, chosen(arguments, RECIPE_OPTIONS))
    out = Path(arguments.out)
    check_target(out)
    text = load_corpus(arguments.corpus)
    subject = new_subject(settings, name, text, out, arguments.seed, progress=True)
    subject.check()
    report(subject, subject.train())
    print(f"saved {out}")


def add_evaluate(commands: Any) -> None:
    command = add(commands, "evaluate", run_evaluate, "measure a saved model on validation text")
    command.add_argument("file")
    add_corpus(command, default=None)


def run_evaluate(arguments: argparse.Namespace) -> None:
    subject = saved_subject(study.default(), Path(arguments.file), arguments.corpus)
    report(subject, subject.trained())


def add_distill(commands: Any) -> None:
    command = add(commands, "distill", run_distill, "train a model of half the width")
    command.add_argument("file", help="the teacher: a saved model")
    add_corpus(command, default=None)
    command.add_argument("--temperature", type=float, help="softens both (default: 1)")
    command.add_argument("--alpha", type=float, help="share of the teacher, 0 to 1 (default: 0.5)")
    command.add_argument("--out", required=True)


def run_distill(arguments: argparse.Namespace) -> None:
    check_target(arguments.out)
    settings = replace(study.default(), **chosen(arguments, ("temperature", "alpha")))
    teacher = saved_subject(settings, Path(arguments.file), arguments.corpus, progress=True)
    student, params = teacher.student(teacher.trained())
    student.keep(params, Path(arguments.out))
    report(student, params)
    print(f"saved {arguments.out}")


def report(subject: Subject, params: Params) -> None:
    """Print what a study would measure, one line a measurement."""
    measured = {**subject.judge(params, params), **compressed_size(params)}
    for name, value in measured.items():
        print(f"{name:>20}  {shown(value)}")


def shown(value: Any) -> str:
    if value is None:
        return "not measured: the tokenizer does not give this text back (unknown words, say)"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
