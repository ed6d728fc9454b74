"""Learning-rate schedules: functions from the step, counted from 0, to the learning rate."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(learning_rate: float) -> Schedule:
    """lr(step) = learning_rate."""
    check_rate("learning_rate", learning_rate)
    return lambda step: learning_rate


def warmup_cosine(peak: float, warmup: int, steps: int, floor: float = 0.1) -> Schedule:
    """Up a straight line to the peak, then down half a cosine to floor · peak.

    lr(step) = peak · (step + 1) / warmup                                 for step < warmup
    lr(step) = peak · (floor + (1 − floor) · (1 + cos(π p)) / 2)          after it
               p = (step − warmup) / (steps − warmup), at most 1

    Loshchilov & Hutter 2017, eq. 5, with a warm-up. Raises ValueError for a peak that is not a
    positive number, a warm-up outside 0 … steps, or a floor outside [0, 1].
    """
    check_rate("peak", peak)
    if not 0 <= warmup <= steps:
        raise ValueError(f"warmup must be in 0 … steps={steps}, got {warmup}")
    if not 0 <= floor <= 1:
        raise ValueError(f"floor must be in [0, 1], got {floor}")

    def learning_rate(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)

    return learning_rate


def check_rate(name: str, rate: float) -> None:
    """Refuse a learning rate that is not a positive, finite number."""
    if not (rate > 0 and math.isfinite(rate)):
        raise ValueError(f"{name} must be a positive number, got {rate!r}")
