"""study: train, compress in every way, and write a report."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from minilm import study
from minilm.cli.options import add, add_corpus


def add_study(commands: Any) -> None:
    command = add(commands, "study", run_study, "train three models, compress each, write a report")
    add_corpus(command, default="python-docs")
    command.add_argument("--name", help="folder under runs/ (default: the corpus' name)")
    command.add_argument("--thorough", action="store_true", help="larger models, three seeds")
    command.add_argument("--workers", type=int, help="processes (default: one a core)")


def run_study(arguments: argparse.Namespace) -> None:
    settings = study.thorough() if arguments.thorough else study.default()
    name = arguments.name or default_name(arguments)
    if Path(name).name != name or name == "..":
        raise ValueError(f"--name must be the name of a folder, without a slash, got {name!r}")
    folder = Path("runs") / name
    study.run_study(replace(settings, corpus=arguments.corpus), folder, workers=arguments.workers)
    print(f"{folder / 'report.html'}: the figures, and what the numbers say")
    print(f"{folder / 'results.csv'}: every measurement")


def default_name(arguments: argparse.Namespace) -> str:
    return Path(arguments.corpus).stem + ("-thorough" if arguments.thorough else "")
