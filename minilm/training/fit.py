"""The training loop: one for every model, every loss and every view.

    seen, pullback = view(params, step)                       what the model sees
    total, grads, count = loss(model, seen, batch, rng)       what it is taught by; sums
    grads = pullback(grads) / count                           what is trained
    params = optimizer(params, clip(grads), schedule(step))

Nothing else here knows about compression, distillation, or which model is trained.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from tqdm import tqdm

from minilm.training import checkpoint as checkpoints
from minilm.training.checks import (
    check_finite,
    check_settings,
    check_trained,
    checked_steps,
)
from minilm.training.clipping import clip_by_global_norm
from minilm.training.memory import keep_freed_memory
from minilm.training.openings import Loss, Pullback, View, as_is, language_model_loss
from minilm.training.optimizers import AdamW, Optimizer
from minilm.training.schedules import Schedule, warmup_cosine
from minilm.types import Batch, Params
from minilm.weights import unflatten

WORKER = 1  # numbered from 1, because [seed, step] and [seed, step, 0] are one stream in NumPy


def fit(
    model: Any,
    params: Params,
    batches: Callable[[int], Batch] | Sequence[Batch],
    *,
    steps: int | None = None,
    loss: Loss = language_model_loss,
    view: View = as_is,
    optimizer: Optimizer = AdamW(),  # noqa: B008 (frozen: a constant)
    schedule: Schedule | None = None,
    clip_norm: float | None = 1.0,
    evaluate: Callable[[Params], float] | None = None,
    evaluate_every: int = 0,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 0,
    progress: bool = False,
) -> tuple[Params, list[dict[str, float]]]:
    """Train; the parameters given are left as they are.

    batches: a function from the step (0, 1, …) to a batch, or a sequence, taken in order and again
        from its start. steps: optimizer steps; for a sequence the default is once through it.
    loss, view: see `minilm.training.openings`.
    schedule: step -> learning rate; default: `warmup_cosine` to 2e-3, a tenth of it warm-up.
    clip_norm: the longest gradient, all parameters together; None: as long as it is.
    evaluate: a function of what the model sees, called every `evaluate_every` steps and at the end.
        What it sees are the arrays that the next step changes in place: copy what is to be kept.
    checkpoint: a file that the run is saved to every `checkpoint_every` steps and at the end. If it
        is there already, the run goes on from it, bit for bit as if it had not been stopped (and
        the first batch is asked for once more, to see that it is the same run).

    Returns (params, history); history has a dict a step: step (the number of steps done), loss
    (mean per term, before the step), gradient_norm (before clipping), learning_rate, and
    validation_loss where `evaluate` was called.
    Raises ValueError or TypeError for settings out of range or a checkpoint of another run, and
    FloatingPointError, naming the step, if the loss or a gradient is not finite.
    """
    batch_at, steps = as_function(batches, steps)
    check_settings(optimizer, clip_norm, evaluate, evaluate_every, checkpoint, checkpoint_every)
    schedule = schedule or warmup_cosine(2e-3, warmup=steps // 10, steps=steps)
    keep_freed_memory()
    run = checkpoints.start(params)
    if checkpoint is not None:
        settings = {"optimizer": describe(optimizer), "seed": seed, "clip_norm": clip_norm}
        about = checkpoints.identity(model, run, batch_at(0), **settings)
        run = checkpoints.read(checkpoint, run, schedule, about)
    done = len(run.history)
    bar = tqdm(range(done, steps), initial=done, total=steps, disable=not progress, unit="step")
    for step in bar:
        seen, pullback = view(unflatten(run.arrays, run.kinds), step)
        rng = np.random.default_rng([seed, step, WORKER])
        grads, mean_loss = mean_gradients(loss, model, seen, pullback, batch_at(step), rng)
        grads, norm = clip_by_global_norm(grads, math.inf if clip_norm is None else clip_norm)
        entry = {"step": step + 1, "loss": mean_loss, "gradient_norm": norm}
        entry["learning_rate"] = float(schedule(step))
        check_trained(grads, run.arrays)
        check_finite(entry, grads)
        optimizer.update(run.arrays, grads, run.state, entry["learning_rate"], step)
        last = step + 1 == steps
        if evaluate is not None and (last or is_due(step, evaluate_every)):
            seen, _ = view(unflatten(run.arrays, run.kinds), step + 1)
            entry["validation_loss"] = float(evaluate(seen))
        run.history.append(entry)
        if checkpoint is not None and (last or is_due(step, checkpoint_every)):
            checkpoints.write(checkpoint, run, unflatten(run.arrays, run.kinds), about)
        bar.set_postfix(loss=f"{entry['loss']:.3f}", refresh=False)
    return unflatten(run.arrays, run.kinds), run.history


def mean_gradients(
    loss: Loss,
    model: Any,
    seen: Params,
    pullback: Pullback,
    batch: Batch,
    rng: np.random.Generator,
) -> tuple[Params, float]:
    """The gradients of what is trained and the loss, both as means over the terms of a batch."""
    with np.errstate(over="ignore", invalid="ignore"):  # check_finite says it better
        total, grads, count = loss(model, seen, batch, rng)
        count = max(int(count), 1)  # nothing counted: the sums are zero
        return {name: grad / count for name, grad in pullback(grads).items()}, float(total) / count


def as_function(
    batches: Callable[[int], Batch] | Sequence[Batch], steps: int | None
) -> tuple[Callable[[int], Batch], int]:
    """A function from the step to its batch, and the number of steps."""
    if not callable(batches):
        sequence = batches
        if len(sequence) == 0:
            raise ValueError("batches must not be empty")
        steps = len(sequence) if steps is None else steps
        return (lambda step: sequence[step % len(sequence)]), checked_steps(steps)
    if steps is None:
        raise ValueError("steps must be given when batches is a function: it has no end")
    return batches, checked_steps(steps)


def is_due(step: int, every: int) -> bool:
    """Whether something done every so many steps is due after this one; every = 0: never."""
    return every > 0 and (step + 1) % every == 0


def describe(optimizer: Any) -> dict[str, Any]:
    """An optimizer's name and settings, to compare with a checkpoint's."""
    return {"class": type(optimizer).__name__, **asdict(optimizer)}
