"""What a trick is, and how it is timed: the naive form and the quick one in turn, A B A B."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.records import Row
from benchmarks.timing import interleave
from minilm.training import keep_freed_memory


@dataclass(frozen=True)
class Trick:
    """Two ways to the same numbers.

    make: the arguments, made once for each way; before, after: the naive form and the quick one,
    whose sources the page shows. name: the page's heading; why: what stands under it; where: the
    file of minilm that does it so; sizes: of what is timed, in words; kept: where it may gain
    nothing, why minilm does it nevertheless; tolerance: how far the two answers may differ, as a
    share of the largest number in them; rounds: calls of each; shown: other functions to show than
    the two that are timed; cores: how many it needs, and the threads that BLAS may use.
    """

    name: str
    where: str
    why: str
    sizes: str
    make: Callable[[], tuple[Any, ...]]
    before: Callable[..., Any]
    after: Callable[..., Any]
    kept: str = ""
    tolerance: float = 1e-5
    rounds: int = 41
    shown: tuple[Callable[..., Any], ...] | None = None
    cores: int = 1


def measure(trick: Trick) -> Row:
    """Check that both ways agree, time them in turn: a row of tricks.csv.

    ValueError if they do not agree.
    """
    keep_freed_memory()  # as `fit` does: without it most of what is timed here is page faults
    with threadpool_limits(trick.cores):
        given_before, given_after = trick.make(), trick.make()  # two: a way may write into its own
        check_equal(trick, trick.before(*given_before), trick.after(*given_after))
        seconds = interleave(
            lambda: trick.before(*given_before), lambda: trick.after(*given_after), trick.rounds
        )
    before, after = np.median(seconds, axis=0)
    low, gain, high = np.quantile(seconds[:, 0] / seconds[:, 1], (0.25, 0.5, 0.75))
    numbers = {
        "before_seconds": before, "after_seconds": after,
        "gain": gain, "first_quartile": low, "third_quartile": high,
    }  # fmt: skip
    return {
        "trick": trick.name,
        **{name: f"{value:.4g}" for name, value in numbers.items()},
        "rounds": str(trick.rounds),
        "threads": str(trick.cores),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }


def check_equal(trick: Trick, before: Any, after: Any) -> None:
    """Refuse a trick whose two ways do not give the same numbers, to rounding."""
    pairs = zip(arrays(before), arrays(after), strict=True)
    for number, (a, b) in enumerate(pairs):
        if a.shape != b.shape:
            raise ValueError(f"{trick.name}: answer {number} has shapes {a.shape} and {b.shape}")
        difference = np.abs(a.astype(np.float64) - b).max()
        if not difference <= trick.tolerance * np.abs(a).max():
            raise ValueError(f"{trick.name}: answer {number} differs by {difference}")


def arrays(answer: Any) -> list[np.ndarray]:
    """All arrays and numbers of an answer, in nested tuples, lists and dictionaries."""
    if isinstance(answer, dict):
        answer = [answer[name] for name in sorted(answer)]
    if isinstance(answer, tuple | list):
        return [array for part in answer for array in arrays(part)]
    return [] if answer is None else [np.asarray(answer)]
