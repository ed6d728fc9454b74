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
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from minilm.training import checkpoint as checkpoints
from minilm.training.checks import check_finite, check_settings, checked_steps
from minilm.training.clipping import clip_in_place
from minilm.training.memory import keep_freed_memory
from minilm.training.openings import Loss, View, as_is, cross_entropy_loss
from minilm.training.optimizers import AdamW, Optimizer
from minilm.training.schedules import Schedule, warmup_cosine
from minilm.training.vectors import Vectors
from minilm.training.workers import Workers
from minilm.types import Batch, Params

STREAM = 1  # not 0, because [seed, step] and [seed, step, 0] are one stream in NumPy


def fit(
    model: Any,
    params: Params,
    batches: Callable[[int], Batch] | Sequence[Batch],
    *,
    steps: int | None = None,
    loss: Loss = cross_entropy_loss,
    view: View = as_is,
    optimizer: Optimizer = AdamW(),  # noqa: B008 (frozen: a constant)
    schedule: Schedule | None = None,
    clip_norm: float | None = 1.0,
    evaluate: Callable[[Params], float] | None = None,
    evaluate_every: int = 0,
    seed: int = 0,
    workers: int = 1,
    communicator: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 0,
    progress: bool = False,
) -> tuple[Params, list[dict[str, float]]]:
    """Train; the parameters given are left as they are.

    batches: a function from the step (0, 1, …) to a batch, or a sequence, taken in order and again
        from its start. steps: optimizer steps; for a sequence the default is once through it.
    loss, view: see `minilm.training.openings`. What is trained at the first step is trained at
        every step; for a choice that changes, call `fit` again.
    schedule: step -> learning rate; default: `warmup_cosine` to 2e-3, a tenth of it warm-up.
    clip_norm: the longest gradient, all parameters together; None: as long as it is.
    evaluate: a function of what the model sees, called every `evaluate_every` steps and at the end.
        What it sees are the arrays that the next step changes in place: copy what is to be kept.
    workers: threads that share out each batch; while they are there BLAS has one thread, and in
        `evaluate` too. communicator: of mpi4py (MPI.COMM_WORLD), for processes that share it out
        and all call this alike. See `minilm.training.workers`.
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
    team = Workers(workers, communicator)
    schedule = schedule or warmup_cosine(2e-3, warmup=steps // 10, steps=steps)
    keep_freed_memory()
    settings = {"optimizer": optimizer, "seed": seed, "clip_norm": clip_norm}
    run, about = checkpoints.begin(checkpoint, model, params, batch_at, schedule, settings)
    vectors = Vectors(run.arrays, run.state, optimizer)
    described = {name: repr(setting) for name, setting in settings.items()}
    team.check_agreement(len(run.history), run.arrays, steps=steps, **described)
    with team, progress_bar(len(run.history), steps, progress and team.leads) as bar:
        for step in bar:
            entry = one_step(
                model, run, vectors, team, batch_at(step), step, float(schedule(step)),
                loss=loss, view=view, clip_norm=clip_norm, seed=seed,
            )  # fmt: skip
            last = step + 1 == steps
            if evaluate is not None and (last or is_due(step, evaluate_every)):
                seen, _ = view(run.params(), step + 1)
                entry["validation_loss"] = float(evaluate(seen))
            run.history.append(entry)
            if checkpoint is not None and team.leads and (last or is_due(step, checkpoint_every)):
                checkpoints.write(checkpoint, run, vectors.state_by_name(), about)
            bar.set_postfix(loss=f"{entry['loss']:.3f}", refresh=False)
    team.wait_for_all()
    return run.params(), run.history


def one_step(
    model: Any,
    run: checkpoints.Run,
    vectors: Vectors,
    team: Workers,
    batch: Batch,
    step: int,
    learning_rate: float,
    *,
    loss: Loss = cross_entropy_loss,
    view: View = as_is,
    clip_norm: float | None = 1.0,
    seed: int = 0,
) -> dict[str, float]:
    """The four lines above; in place on the arrays of `run`, which are slices of `vectors`.

    Returns the step's entry in the history, before any validation.
    """
    seen, pullback = view(run.params(), step)
    with np.errstate(over="ignore", invalid="ignore"):  # check_finite says it better
        total, grads, count = team.sums(partial(loss, model, seen), batch, [seed, step, STREAM])
        grads = pullback(grads) if grads else {}  # a process may have no share
        mean_loss = vectors.take_means(total, grads, count, team)
    norm = clip_in_place(vectors.gradient_vectors, math.inf if clip_norm is None else clip_norm)
    entry = {
        "step": step + 1, "loss": mean_loss, "gradient_norm": norm, "learning_rate": learning_rate,
    }  # fmt: skip
    check_finite(entry, vectors.gradients)
    vectors.update(learning_rate, step)
    return entry


def progress_bar(done: int, steps: int, shown: bool) -> Any:
    """The steps that are left, as a bar if it is to be shown."""
    return tqdm(range(done, steps), initial=done, total=steps, disable=not shown, unit="step")


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
