"""Side by side with other libraries:  python -m benchmarks [names] [--threads 1 2]

Without arguments all is measured, and the csv files, the README's tables and the figures are
written anew; with any only what was asked for is measured and printed. --draw measures nothing:
it writes tables and figures from the csv files.

Twelve more stand by themselves: python -m benchmarks recipe (trains to the end), recipes (whole
recipes of compression, stage after stage), tasks (accuracy, not speed), pairs (a file of 29,000
sentence pairs, from end to end), counted_vectors (word vectors counted and learned),
small_embeddings (what compressed ones lose), word_vectors (what skip-gram should learn, and
docs/word-vectors.md), pretrained (beside transformers), tricks (naive forms beside the quick ones),
profile (where minilm's time goes), decode_length (what a key–value cache is worth) and pareto
(bytes, time and quality of three small models, for the course).
"""

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context

from benchmarks import figure, table
from benchmarks.records import RESULTS, SCALE, SCORES, Row, write
from benchmarks.timing import Comparison

SUBJECTS = ("gpt", "lstm", "decode", "word2vec", "quantize")
ONE_THREAD = ("word2vec",)  # gensim reads a text with one worker in the same order every time
CURVES = "scale"
PROGRAMS = (
    "recipe", "recipes", "tricks", "profile", "tasks", "pairs", "counted_vectors",
    "small_embeddings", "word_vectors", "pretrained", "decode_length", "pareto",
)  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = (*SUBJECTS, CURVES)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(names)}")
    parser.add_argument("--threads", nargs="+", type=int, choices=(1, 2), default=[],
                        help="default: both")  # fmt: skip
    parser.add_argument("--draw", action="store_true", help="tables and figures from the csv files")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in names]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
    return asked


def comparisons(subject: str) -> tuple[Comparison, ...]:
    """A file's COMPARISONS; those that say nothing of two threads are run with two as well."""
    found: tuple[Comparison, ...] = import_module(f"benchmarks.{subject}").COMPARISONS
    if subject in ONE_THREAD or any(comparison.threads > 1 for comparison in found):
        return found
    return found + tuple(replace(c, threads=2, at_most=None) for c in found)


def run(chosen: Iterable[Comparison]) -> tuple[list[Row], list[Row]]:
    """Measure each in a process of its own: the memory that one leaves kept changes the next."""
    from benchmarks.measure import measure  # here, so that --draw needs no torch

    rows, scores = [], []
    for comparison in chosen:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            row, scored = process.submit(measure, comparison).result()
        print(f"{row['ratio']:>8}  {table.label(row)}", flush=True)
        rows.append(row)
        scores += scored
    return rows, scores


def main() -> None:
    """Measure, print and, if it was everything, save."""
    if sys.argv[1:] and sys.argv[1] in PROGRAMS:
        return import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
    asked = arguments()
    if asked.draw:
        return draw()
    names, threads = asked.names or (*SUBJECTS, CURVES), asked.threads or (1, 2)
    subjects = [name for name in names if name != CURVES]
    found = [comparison for name in subjects for comparison in comparisons(name)]
    rows, scores = run(comparison for comparison in found if comparison.threads in threads)
    if rows:
        print("\n" + table.report(rows, scores), flush=True)
    points = import_module("benchmarks.scale").curves() if CURVES in names else []
    if not (asked.names or asked.threads):
        for path, content in ((RESULTS, rows), (SCORES, scores), (SCALE, points)):
            write(path, content)
        draw()


def draw() -> None:
    """Everything that is made of the csv files."""
    table.save()
    figure.save()


if __name__ == "__main__":
    main()
