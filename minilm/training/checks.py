"""What `fit` refuses, by name: settings before any time is spent, numbers before they spread."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from minilm.types import Params


def checked_steps(steps: int) -> int:
    """Refuse a number of steps below 1."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps!r}")
    return int(steps)


def check_settings(
    optimizer: Any,
    clip_norm: float | None,
    evaluate: Any,
    evaluate_every: int,
    checkpoint: Any,
    checkpoint_every: int,
) -> None:
    """Refuse by name what the loop could not work with, before any time is spent."""
    if not hasattr(optimizer, "update"):
        raise TypeError(f"optimizer must be an optimizer such as AdamW(), got {optimizer!r}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive or None, got {clip_norm!r}")
    for name, every, what, needed in (
        ("evaluate_every", evaluate_every, "evaluate", evaluate),
        ("checkpoint_every", checkpoint_every, "checkpoint", checkpoint),
    ):
        if every < 0:
            raise ValueError(f"{name} must be 0 (only at the end) or more, got {every!r}")
        if every and needed is None:
            raise ValueError(f"{name}={every} needs {what} to be given")


def check_workers(workers: int, communicator: Any) -> None:
    """Refuse a number of workers below 1, and a communicator that cannot do what is asked of it."""
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)) or workers < 1:
        raise ValueError(f"workers must be an integer of at least 1, got {workers!r}")
    needed = ("Get_rank", "Get_size", "Allreduce", "allgather", "Barrier")
    lacking = [name for name in needed if not hasattr(communicator, name)]
    if communicator is not None and lacking:
        raise TypeError(f"communicator must be one of mpi4py, such as MPI.COMM_WORLD, or None, "
                        f"got {communicator!r}, which has no {', '.join(lacking)}")


def check_trained(grads: Params, names: Collection[str], arrays: Params) -> None:
    """Refuse gradients of nothing, of what is not there, or of another shape.

    grads: this process's; names: what any process has a gradient of.
    """
    if not names:
        raise ValueError("view's pullback returned no gradients: there is nothing to train")
    for name, grad in grads.items():
        if name not in arrays or np.shape(grad) != arrays[name].shape:
            there = f"of shape {arrays[name].shape}" if name in arrays else "not there"
            raise ValueError(
                f"view's pullback returned a gradient of shape {np.shape(grad)} for {name}, "
                f"which is {there}"
            )
        if arrays[name].dtype not in (np.float32, np.float64):
            raise TypeError(
                f"only float32 and float64 are trained, and {name} is {arrays[name].dtype}"
            )


def check_same_names(names: Collection[str], before: Collection[str]) -> None:
    """Refuse a step that trains other parameters than the steps before it."""
    changed = set(names) ^ set(before)
    if changed:
        raise ValueError(
            f"what view's pullback returns a gradient of must be the same at every step, and is "
            f"not for {', '.join(sorted(changed))}: to train others from here on, call fit again"
        )


def check_finite(entry: dict[str, float], grads: Params) -> None:
    """Stop before a loss or gradient that is not a number reaches the parameters."""
    at = f"at step {entry['step']} (learning rate {entry['learning_rate']:.3g})"
    if not math.isfinite(entry["loss"]):
        raise FloatingPointError(f"the loss is {entry['loss']} {at}: try a smaller learning rate")
    if not math.isfinite(entry["gradient_norm"]):
        names = [name for name, grad in grads.items() if not np.isfinite(grad).all()]
        raise FloatingPointError(f"the gradient is not finite {at}, in {', '.join(names)}")
