"""grade: run a class's notebooks and write their marks to a csv file."""

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

from minilm.cli.options import add, positive_number, whole_number
from minilm.course.grading import Graded, grade, save_csv
from minilm.weights import check_target

EXAMPLE = {"grade": "python -m minilm grade hand-ins --csv marks.csv --jobs 2"}


def add_grade(commands: Any) -> None:
    command = add(commands, "grade", run_grade, "run a class's notebooks and mark them", EXAMPLE)
    command.add_argument(
        "folder",
        help="with the .ipynb files, at any depth. Their code runs with your rights: use a "
        "container for what you would not run yourself",
    )
    command.add_argument("--csv", required=True, help="file for a row per exercise")
    command.add_argument(
        "--timeout", type=positive_number, default=300, metavar="SECONDS",
        help="that one notebook may take (default: 300)",
    )
    command.add_argument(
        "--seed", type=whole_number, default=1,
        help="of the data that answers are tried on; 0 gives a learner's own (default: 1)",
    )
    command.add_argument(
        "--jobs", type=partial(whole_number, least=1), default=1,
        help="notebooks run at a time (default: 1)",
    )
    command.add_argument(
        "--only-answers", action="store_true",
        help="run no more than imports, functions, classes and plain constants: seconds a notebook",
    )


def run_grade(arguments: argparse.Namespace) -> None:
    check_target(arguments.csv)  # before, not after, the hour that a class takes
    files = grade(
        arguments.folder, timeout=arguments.timeout, seed=arguments.seed, jobs=arguments.jobs,
        only_answers=arguments.only_answers,
    )  # fmt: skip
    save_csv(arguments.csv, told(files))
    print(f"Written to {arguments.csv}.")


def told(files: Iterator[Graded]) -> Iterator[Graded]:
    """The same files, each printed as it passes by: what is not right, and why."""
    strangers = []
    for one in files:
        if one.notebook is None:
            strangers.append(one.file)
        else:
            print(f"{one.file} ({one.notebook}): {one.points} of {one.of} points", flush=True)
            for mark in one.marks:
                if mark.state != "right":
                    print(f"    {mark.exercise}: {mark.state}: {mark.hint}", flush=True)
        yield one
    if strangers:
        print(f"Not recognised as a notebook of the course: {', '.join(strangers)}.")
