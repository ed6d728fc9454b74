"""The command line: which command was meant, and what is said when it fails."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from minilm.cli.compressing import add_prune, add_quantize
from minilm.cli.grading import add_grade
from minilm.cli.pipelines import add_compress
from minilm.cli.pretrained import add_pretrained
from minilm.cli.studying import add_study
from minilm.cli.training import add_distill, add_evaluate, add_train
from minilm.cli.writing import add_generate

# What the person at the keyboard can mend; ModuleNotFoundError: an extra that is not installed
ERRORS = (
    ValueError, TypeError, OSError, FloatingPointError, ModuleNotFoundError, BrokenExecutor,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0; 2 for a bad command line; 1 for bad input or a failed write.

    An error of ERRORS is one line, without a traceback.
    """
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except ERRORS as error:
        print(f"minilm {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = "; it goes on where it stopped when called again"
        more = goes_on if goes_on_again(arguments) else ""
        print(f"\nminilm {arguments.command}: interrupted{more}", file=sys.stderr)
        return 130
    return 0


def goes_on_again(arguments: argparse.Namespace) -> bool:
    """Whether the command, called again, takes up what it did before it was interrupted."""
    training = arguments.command == "train" and arguments.model != "word2vec"  # has no checkpoint
    return training or arguments.command == "study"


def parser() -> argparse.ArgumentParser:
    """The commands and their options; each one's --help shows an example that runs."""
    top = argparse.ArgumentParser(
        prog="python -m minilm",
        description="Small language models and their compression, in NumPy that can be read.",
    )
    commands = top.add_subparsers(dest="command", required=True)
    add_study(commands)
    add_train(commands)
    add_evaluate(commands)
    add_generate(commands)
    add_quantize(commands)
    add_prune(commands)
    add_distill(commands)
    add_compress(commands)
    add_pretrained(commands)
    add_grade(commands)
    return top
