"""Checkpoints: all that a run is, on disk, so that a stopped run goes on as if nothing happened.

A run after n steps is its parameters, the optimizer's running means, n, and the history. There is
no generator state to save: what is random at a step is drawn from `default_rng([seed, step, …])`.
The file replaces the one before it in a single rename, so a kill while saving leaves that one.

A run is only continued by the same run: the model, the optimizer, the seed, the clipping, the
parameters it started from, its first batch and the learning rates so far must agree. The loss and
the view are functions and cannot be compared: they are the caller's to keep. Another number of
workers may go on with it, and does the same but for rounding.
"""

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minilm.training.schedules import Schedule
from minilm.types import Array, Batch, Params
from minilm.weights import flatten, load, read_header, save, unflatten

STATE = "optimizer:"  # then a number: the optimizer's arrays, beside the parameters
VERSION = 2  # 1 held running means instead of sums
INSTEAD = "choose another path, or delete that file to start anew"


@dataclass
class Run:
    """A training run in progress: changed in place, step by step."""

    arrays: dict[str, Array]  # the parameters, flattened: fit's own copies
    kinds: Any  # what `unflatten` needs to make leaves of them again
    state: dict[str, Array] = field(default_factory=dict)  # the optimizer's
    history: list[dict[str, float]] = field(default_factory=list)  # one entry a step

    def params(self) -> Params:
        """The parameters, with leaves: the arrays themselves, not copies."""
        return unflatten(self.arrays, self.kinds)


def start(params: Params) -> Run:
    """A run before its first step, on copies: the parameters given are never changed."""
    arrays, kinds = flatten(params)
    return Run({name: np.array(array, order="C") for name, array in arrays.items()}, kinds)


def begin(
    path: str | os.PathLike[str] | None,
    model: Any,
    params: Params,
    batch_at: Callable[[int], Batch],
    schedule: Schedule,
    settings: dict[str, Any],
) -> tuple[Run, dict[str, Any]]:
    """A run before its first step, or where the checkpoint at `path` stands, and its identity."""
    run = start(params)
    if path is None:
        return run, {}
    about = identity(model, run, batch_at(0), **settings)
    return read(path, run, schedule, about), about


def identity(model: Any, run: Run, batch: Batch, **settings: Any) -> dict[str, Any]:
    """What must agree for a run to be continued, as a file gives it back.

    run: at its start; batch: its first.
    """
    start = fingerprint(run.arrays)
    config = model.config() if hasattr(model, "config") else repr(model)
    about = {"model": config, "start": start, "first batch": checksum(batch), **settings}
    return json.loads(json.dumps(about, default=plain))


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's; an optimizer, or one inside it, as its class and settings."""
    if isinstance(value, np.generic):
        return value.item()
    return {"class": type(value).__name__, **vars(value)}


def fingerprint(arrays: dict[str, Array]) -> int:
    """CRC-32 of arrays and their names, in any order."""
    so_far = 0
    for name, array in sorted(arrays.items()):
        so_far = zlib.crc32(array.tobytes(), zlib.crc32(name.encode(), so_far))
    return so_far


def checksum(batch: Batch, so_far: int = 0) -> int:
    """CRC-32 of the arrays of a batch, in tuples, dicts or alone; anything else does not count."""
    if isinstance(batch, dict):
        batch = [batch[name] for name in sorted(batch)]
    if isinstance(batch, tuple | list):
        for part in batch:
            so_far = checksum(part, so_far)
    elif isinstance(batch, np.ndarray):
        so_far = zlib.crc32(batch.tobytes(), so_far)
    return so_far


def write(
    path: str | os.PathLike[str], run: Run, state: dict[str, Array], about: dict[str, Any]
) -> None:
    """Save a run, replacing the checkpoint before it at once or not at all.

    state: the optimizer's, by the parameters' names.
    """
    numbered = {f"{STATE}{i}": array for i, array in enumerate(state.values())}
    header = {
        "checkpoint": VERSION, "identity": about, "history": run.history, "state": list(state),
    }  # fmt: skip
    save(path, {**run.params(), **numbered}, header=header)


def read(path: str | os.PathLike[str], run: Run, schedule: Schedule, about: dict[str, Any]) -> Run:
    """The run saved at `path`; `run` as it is if there is no such file.

    Raises ValueError, naming the file and the difference, for a file that is no checkpoint or that
    belongs to another run.
    """
    if not Path(path).exists():
        return run
    header = read_header(path)
    if header.get("checkpoint") != VERSION:
        raise ValueError(f"{path} is not a checkpoint of this version; {INSTEAD}")
    for name, value in about.items():
        if header["identity"].get(name) != value:
            raise ValueError(
                f"{path} is a checkpoint of another run: its {name} was "
                f"{header['identity'].get(name)!r}, now it is {value!r}; {INSTEAD}"
            )
    history = header["history"]
    for entry in history:
        if schedule(entry["step"] - 1) != entry["learning_rate"]:
            raise ValueError(
                f"{path} is a checkpoint of another run: its learning rate at step "
                f"{entry['step']} was {entry['learning_rate']}, the schedule says "
                f"{schedule(entry['step'] - 1)}; {INSTEAD}"
            )
    saved = load(path)
    state = {name: saved.pop(f"{STATE}{i}") for i, name in enumerate(header["state"])}
    arrays, kinds = flatten(saved)
    return Run(arrays, kinds, state, history)
