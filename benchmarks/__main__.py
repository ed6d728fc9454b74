"""Side by side with other libraries:  python -m benchmarks [gpt lstm word2vec int8]

Without a name all are run, and results.csv and README.md are written anew; with names only those
are run, and the table is only printed.
"""

import os
import platform
import sys
from importlib.metadata import version
from multiprocessing import get_context

import torch
from threadpoolctl import threadpool_limits

from benchmarks import gpt, int8, lstm, table, word2vec
from benchmarks.timing import Comparison, interleave, summary

SUBJECTS = {
    "gpt": gpt.COMPARISONS,
    "lstm": lstm.COMPARISONS,
    "word2vec": word2vec.COMPARISONS,
    "int8": int8.COMPARISONS,
}
THREADS = 1


def measure(comparison: Comparison) -> table.Row:
    """One row of results.csv."""
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


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        sys.exit(f"There is no {', '.join(unknown)}; there are {', '.join(SUBJECTS)}.")
    comparisons = [comparison for name in names or SUBJECTS for comparison in SUBJECTS[name]]
    rows = []
    # A process each: what one leaves behind (memory kept by the allocator) would change the next.
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for row in pool.imap(measure, comparisons):
            rows.append(row)
            print(f"{row['ratio']:>8}  {row['work']}", flush=True)
    print("\n" + table.report(rows), end="")
    if not names:
        table.save(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
