"""One comparison, measured with one thread: a row of results.csv.

A file of its own because a new process, which each comparison gets, cannot import `__main__`.
"""

import os
import platform
from importlib.metadata import version

import torch
from threadpoolctl import threadpool_limits

from benchmarks.table import Row
from benchmarks.timing import Comparison, interleave, summary

THREADS = 1


def measure(comparison: Comparison) -> Row:
    """Both, in turn, and what they ran on."""
    torch.set_num_threads(THREADS)
    with threadpool_limits(THREADS):
        ours, theirs = comparison.make()
        measured = summary(interleave(ours, theirs, comparison.rounds))
    return {
        "work": comparison.work,
        "sizes": comparison.sizes,
        "peer": comparison.peer,
        "amount": str(comparison.amount),
        "unit": comparison.unit,
        "rounds": str(comparison.rounds),
        **{name: f"{value:.4g}" for name, value in measured.items()},
        "at_most": str(comparison.at_most),
        "threads": str(THREADS),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch", "gensim")},
    }
