"""compress: do the stages of a recipe, one after the other, to a saved model."""

import argparse
import csv
import os
from pathlib import Path
from typing import Any

from minilm import study
from minilm.cli.options import add, add_corpus
from minilm.compression.recipes import Recipe
from minilm.study.results import shown
from minilm.study.subjects import saved_subject
from minilm.weights import check_target

WIDE = (("file bytes", 12), ("smaller", 8), ("memory", 12), ("bits/weight", 12), ("loss", 8),
        ("seconds", 8))  # fmt: skip


def add_compress(commands: Any) -> None:
    command = add(commands, "compress", run_compress, "do what a recipe says to a saved model")
    command.add_argument("file")
    command.add_argument(
        "--recipe", required=True, metavar="TOML",
        help="the stages, one after the other; data/recipes/ has some",
    )
    add_corpus(command, default=None, of_a_task="every tenth line held out")
    command.add_argument(
        "--rows", metavar="CSV", help="also write what was measured after each stage"
    )
    command.add_argument("--out", required=True)


def run_compress(arguments: argparse.Namespace) -> None:
    recipe = Recipe.read(arguments.recipe)
    check_targets(arguments)
    subject = saved_subject(  # whole=False: of another file of examples, nine tenths are trained on
        study.default(), Path(arguments.file), arguments.corpus, progress=True, whole=False
    )
    print("".join(f"{name:>{width}}" for name, width in WIDE) + "  stage")
    rows = recipe.run(subject, arguments.out, report=lambda row: print(line(row), flush=True)).rows
    if arguments.rows:
        write_rows(rows, arguments.rows)
    print(f"saved {arguments.out}; all that it costs: python -m minilm evaluate {arguments.out}")


def check_targets(arguments: argparse.Namespace) -> None:
    """Refuse, before any time is spent, a file that cannot be written, or would be written over
    what was read or written just before. The model's own file may be replaced."""
    kept = {"--recipe": arguments.recipe, "the model": arguments.file}
    for option in ("out", "rows"):
        target = getattr(arguments, option)
        if target is None:
            continue
        check_target(target)
        for name, path in kept.items():
            same = os.path.realpath(path) == os.path.realpath(target)
            if same and (option, name) != ("out", "the model"):
                raise ValueError(f"--{option}: must be another file than {name}, got {target!r}")
        kept[f"--{option}"] = target


def line(row: dict[str, Any]) -> str:
    """A row in columns, its stage last, because that may be long."""
    values = (f"{row['file_bytes']:,}", f"{row['smaller']:.1f} ×", f"{row['memory_bytes']:,}",
              f"{row['bits_per_weight']:.3f}", f"{row['loss']:.4f}", f"{row['seconds']:.1f}")
    cells = (f"{value:>{width}}" for value, (_, width) in zip(values, WIDE, strict=True))
    return "".join(cells) + f"  {row['do']}"


def write_rows(rows: list[dict[str, Any]], path: str) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = csv.DictWriter(file, fieldnames=names, lineterminator="\n")
        table.writeheader()
        table.writerows({name: shown(value) for name, value in row.items()} for row in rows)
