"""Two ways to do one thing, timed in turn: A B A B.

A machine's speed drifts: it grows warm, something else wakes up. What two runs side by side have
in common cancels in their ratio, so each round has a ratio of its own, and what is reported is
the median of those ratios and, as the spread, their quartiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

Run = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """A piece of work, of some sizes, and its peer.

    make: builds both and returns (ours, theirs), two functions that do the work once; amount, in
    `unit`: how much a call does; at_most: the ratio of their times that minilm aims at.
    """

    work: str
    sizes: str
    peer: str
    amount: int
    unit: str
    at_most: float
    rounds: int
    make: Callable[[], tuple[Run, Run]]


def interleave(ours: Run, theirs: Run, rounds: int) -> np.ndarray:
    """Seconds of each call: (rounds, 2), ours and theirs.

    One call of each goes before and is not counted: it fills caches and makes optimizer states.
    """
    ours(), theirs()
    seconds = np.empty((rounds, 2))
    for row in seconds:
        for column, run in enumerate((ours, theirs)):
            start = perf_counter()
            run()
            row[column] = perf_counter() - start
    return seconds


def summary(seconds: np.ndarray) -> dict[str, float]:
    """Medians of both times, and median and quartiles of the ratio ours / theirs.

    seconds: (rounds, 2). The median ratio is not the ratio of the medians: it is taken over
    rounds, within which the machine was the same for both.
    """
    first, median, third = np.quantile(seconds[:, 0] / seconds[:, 1], (0.25, 0.5, 0.75))
    ours, theirs = np.median(seconds, axis=0)
    return {
        "minilm_seconds": float(ours),
        "peer_seconds": float(theirs),
        "ratio": float(median),
        "first_quartile": float(first),
        "third_quartile": float(third),
    }
