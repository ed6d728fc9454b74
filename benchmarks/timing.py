"""Two ways to do one thing, timed in turn: A B A B.

A machine's speed drifts: it grows warm, something else wakes up. What two runs side by side have
in common cancels in their ratio, so each round has a ratio of its own, and what is reported is
the median of those ratios and, as the spread, their quartiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any

import numpy as np

Run = Callable[[], Any]
Scores = dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """A piece of work, of some sizes, and its peer.

    make: builds both and returns (ours, theirs), two functions that do the work once; amount, in
    `unit`: how much a call does; threads: what each of the two may use; at_most: the ratio of
    their times that minilm aims at, None where it has no aim; flops: the floating-point operations
    of a call's matrix products, None where nobody counts them; scores: how good what a call
    returned is, by name, where two libraries may differ in that (the higher, the better).
    """

    work: str
    sizes: str
    peer: str
    amount: int
    unit: str
    rounds: int
    make: Callable[[], tuple[Run, Run]]
    at_most: float | None = None
    threads: int = 1
    flops: float | None = None
    scores: Callable[[Any], Scores] | None = None


def interleave(
    ours: Run,
    theirs: Run,
    rounds: int,
    look: Callable[[int, Any], None] | None = None,
    pause: float = 0.0,
) -> np.ndarray:
    """Seconds of each call: (rounds, 2), ours and theirs.

    One call of each goes before and is not counted: it fills caches and makes optimizer states.
    look: told, between the timed calls, which of the two (0, 1) returned what. pause: seconds of
    rest before each call: the threads of OpenMP and of a BLAS spin for a while after their work,
    and would keep a core from the other library's second thread.
    """
    ours(), theirs()
    seconds = np.empty((rounds, 2))
    for row in seconds:
        for column, run in enumerate((ours, theirs)):
            sleep(pause)
            start = perf_counter()
            made = run()
            row[column] = perf_counter() - start
            if look is not None:
                look(column, made)
            del made  # the next call should not find its memory taken
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
