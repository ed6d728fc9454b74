"""Schedules of pruning: functions from the step, counted from 0, to the sparsity by then.

    s(t) = s_f + (s_i − s_f)·(1 − (t − t_0) / (t_1 − t_0))³        Zhu and Gupta 2017, eq. 1

Fast while there is much to spare, slowly towards the end. From 0 to 0.8 in 100 steps: 0.46 after
25, 0.70 after 50, 0.79 after 75. A number in a schedule's place is pruning at once.
"""

from collections.abc import Callable

from minilm.compression.pruning.masks import check_sparsity

Sparsities = Callable[[int], float]


def cubic(
    final: float, *, start: int = 0, end: int, initial: float = 0.0, every: int = 1
) -> Sparsities:
    """From `initial` at step `start` and before it to `final` at step `end` and after it.

    every: the steps from one change to the next (Δt of the paper), counted from `start`.
    ValueError for a share outside [0, 1], an end not after the start, or every < 1.
    """
    check_sparsity(final, "final")
    check_sparsity(initial, "initial")
    if not 0 <= start < end:
        raise ValueError(f"end must come after start, which is 0 or more, got {start} and {end}")
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every!r}")

    def sparsity(step: int) -> float:
        if step >= end:
            return final
        done = max(0, step - start) // every * every
        left = 1 - done / (end - start)
        return final + (initial - final) * left**3

    return sparsity


def as_schedule(sparsity: float | Sparsities, argument: str = "sparsity") -> Sparsities:
    """The schedule itself, its shares checked as they come; for a number the same at every step.

    ValueError, naming the argument, for a share outside [0, 1].
    """
    if not callable(sparsity):
        check_sparsity(sparsity, argument)

    def checked(step: int) -> float:
        share = sparsity(step) if callable(sparsity) else sparsity
        check_sparsity(share, f"{argument} at step {step}")
        return share

    return checked
