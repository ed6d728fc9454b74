"""One comparison, measured: a row of results.csv and, if it has scores, rows of scores.csv.

A file of its own because a new process, which each comparison gets, cannot import `__main__`.
"""

import os
import platform
from importlib.metadata import version
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.limits import product_limit
from benchmarks.records import Row
from benchmarks.timing import Comparison, Scores, interleave, summary

PAUSE = 0.05  # seconds


def measure(comparison: Comparison) -> tuple[Row, list[Row]]:
    """Both, in turn, and what they ran on."""
    scored: tuple[list[Scores], list[Scores]] = ([], [])

    def look(column: int, made: Any) -> None:
        if comparison.scores is not None:
            scored[column].append(comparison.scores(made))

    torch.set_num_threads(comparison.threads)
    with threadpool_limits(comparison.threads):
        ours, theirs = comparison.make()
        pause = PAUSE if comparison.threads > 1 else 0.0
        seconds = interleave(ours, theirs, comparison.rounds, look, pause)
    limit = product_limit(comparison.threads) if comparison.flops else None
    numbers = {**summary(seconds), "at_most": comparison.at_most, "flops": comparison.flops}
    row = {
        "work": comparison.work,
        "sizes": comparison.sizes,
        "peer": comparison.peer,
        "amount": str(comparison.amount),
        "unit": comparison.unit,
        "threads": str(comparison.threads),
        "rounds": str(comparison.rounds),
        **{name: text(value) for name, value in numbers.items()},
        "product_limit": text(limit),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch", "gensim")},
    }
    scores = [
        {"work": comparison.work, "threads": row["threads"], "round": str(number), "score": name,
         "minilm": text(minilm[name]), "peer": text(peer[name])}
        for number, (minilm, peer) in enumerate(zip(*scored, strict=True))
        for name in minilm
    ]  # fmt: skip
    return row, scores


def text(value: float | None) -> str:
    """Four digits; nothing for None."""
    return "" if value is None else f"{value:.4g}"
