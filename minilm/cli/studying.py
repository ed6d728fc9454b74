"""study: train, compress in every way, and write a report."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from minilm import study
from minilm.cli.options import add
from minilm.study.settings import LANGUAGE, METHODS_STUDIES, QUANTIZATION_STUDY
from minilm.text import TASKS, TOKENIZERS

CORPUS = "python-docs"


def add_study(commands: Any) -> None:
    what = "train models, compress each in every way, write a report"
    command = add(commands, "study", run_study, what)
    command.add_argument(
        "--task", choices=(LANGUAGE, *TASKS), default=LANGUAGE,
        help="lm: language models and word2vec, on a corpus; or a task with exact answers, such as "
        "translation, sentiment (labels), summarization (default: lm)",
    )
    command.add_argument(
        "--corpus",
        help="of language models: python-docs, python-library, grammar, or a text file "
        f"(default: {CORPUS})",
    )
    command.add_argument(
        "--tokenizer", choices=TOKENIZERS,
        help="of the models (default: char; of a task, what suits it)",
    )
    command.add_argument("--name", help="folder under runs/ (default: that of the corpus or task)")
    command.add_argument("--thorough", action="store_true", help="larger models, three seeds")
    command.add_argument(
        "--methods", nargs="?", const=QUANTIZATION_STUDY, default="", choices=METHODS_STUDIES,
        help="every method of quantization against every other, or with fewer-weights every way of "
        "pruning, shrinking, low rank and students, in the place of the bit sweeps: language "
        f"models, three seeds, hours (without a name: {QUANTIZATION_STUDY})",
    )
    command.add_argument("--workers", type=int, help="processes (default: one a core)")


def run_study(arguments: argparse.Namespace) -> None:
    name = arguments.name or default_name(arguments)
    if Path(name).name != name or name == "..":
        raise ValueError(f"--name must be the name of a folder, without a slash, got {name!r}")
    folder = Path("runs") / name
    study.run_study(settings_of(arguments), folder, workers=arguments.workers)
    print(f"{folder / 'report.html'}: the figures, and what the numbers say")
    print(f"{folder / 'results.csv'}: every measurement")


def settings_of(arguments: argparse.Namespace) -> study.Settings:
    if arguments.methods and (arguments.thorough or arguments.task != LANGUAGE):
        raise ValueError("--methods: of the default language models; leave --thorough and --task")
    if arguments.task != LANGUAGE:
        if arguments.corpus:
            raise ValueError(f"--corpus: a language model reads it; {arguments.task} does not")
        settings = study.task_study(arguments.task, thorough=arguments.thorough)
    else:
        settings = (
            study.methods_study(arguments.methods) if arguments.methods
            else study.thorough() if arguments.thorough else study.default()
        )  # fmt: skip
        settings = replace(settings, corpus=arguments.corpus or CORPUS)
    return replace(settings, tokenizer=arguments.tokenizer)


def default_name(arguments: argparse.Namespace) -> str:
    what = arguments.corpus or CORPUS if arguments.task == LANGUAGE else arguments.task
    if arguments.methods:
        compared = "methods" if arguments.methods == QUANTIZATION_STUDY else arguments.methods
        return f"{Path(what).stem}-{compared}"
    return Path(what).stem + ("-thorough" if arguments.thorough else "")
