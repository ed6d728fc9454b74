"""A recipe: stages in a row, written in Python or TOML, checked before any time is spent.

    stages = [
      { do = "prune", sparsity = 0.5 },
      { do = "tune", steps = 150 },
      { do = "quantize", bits = 3, grid = "lloyd_max", train = "levels" },
      { do = "tune", steps = 150 },
      { do = "code" },
    ]

After each stage the model is packed, written and judged, and that is a row:

    stage, do          its number, 0 for the start, and what was done
    file_bytes         of the file that it is saved in, header and all
    smaller            the first row's file_bytes / this one's
    memory_bytes       held, scales, masks, codebooks and float vectors included
    bits_per_weight    true ones: 8 · memory_bytes / numbers of the model; once coded, of the file
    loss, …            what the bench judges by
    seconds, total_seconds    that the stage took, and all so far, without judging

The order is that of Han et al. 2016 (Deep Compression), figure 1, with distillation, shrinking and
low rank before.
"""

import inspect
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from minilm.compression.recipes.bench import Rehearsal
from minilm.compression.recipes.stages import STAGES
from minilm.compression.recipes.state import State
from minilm.types import Params
from minilm.weights import check_target, flatten, load, nbytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Row = dict[str, Any]
START = "float32"  # the row before any stage
REFUSALS = (ValueError, TypeError, FloatingPointError)  # the last of training that diverged


@dataclass(frozen=True)
class Stage:
    """What is done, and with which options. `stage` makes one, checked."""

    do: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.do, *(f"{name}={value}" for name, value in self.options.items())])

    @property
    def asks(self) -> tuple[str, ...]:
        """What of a bench it cannot do without."""
        trains = ("fit",) if self.options.get("steps") else ()
        data = ("model", "batches") if self._reads_data else ()
        return tuple(dict.fromkeys([*STAGES[self.do].asks, *trains, *data]))

    @property
    def _reads_data(self) -> bool:
        options = self.options
        return bool(
            options.get("calibrated") or options.get("mean_bits") or options.get("compensate")
            or options.get("scores") == "activation"
            or options.get("score", "magnitude") not in ("magnitude", "random")
        )


def stage(do: str, **options: Any) -> Stage:
    """A stage of STAGES, its options checked by name and type. ValueError for any other."""
    return checked(do, options, "stage")


class Outcome(NamedTuple):
    """rows: one for the start and one a stage. bench, params: the model at the end, packed."""

    rows: list[Row]
    bench: Any
    params: Params


class Recipe:
    """Stages in a row. ValueError for none, or an order in which they cannot be."""

    def __init__(self, *stages: Stage) -> None:
        if not stages:
            raise ValueError("a recipe must have at least one stage, got none")
        self.stages = stages
        check_order(stages)

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> "Recipe":
        """{"stages": [{"do": name, option: value, …}, …]}, as TOML holds it."""
        unknown = sorted(written.keys() - {"stages"})
        listed = written.get("stages")
        if unknown or not isinstance(listed, list):
            what = f"{', '.join(unknown)} beside it" if unknown else repr(listed)
            raise ValueError(f"a recipe must be a list of stages and no more, got {what}")
        stages = []
        for number, entry in enumerate(listed, 1):
            if not isinstance(entry, dict) or not isinstance(entry.get("do"), str):
                raise ValueError(f"stage {number} must say what to do, as in "
                                 f'{{ do = "tune", steps = 100 }}, got {entry!r}')
            options = {name: value for name, value in entry.items() if name != "do"}
            stages.append(checked(entry["do"], options, f"stage {number}"))
        return cls(*stages)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Recipe":
        """A recipe from a TOML file. ValueError, naming it, for one that is none."""
        try:
            with open(path, "rb") as file:
                return cls.from_dict(tomllib.load(file))
        except ValueError as error:  # of TOML too, and of text that is no UTF-8
            raise ValueError(f"recipe {os.fspath(path)!r}: {error}") from error

    def run(
        self, bench: Any, out: str | os.PathLike[str] | None = None,
        report: Callable[[Row], None] = lambda row: None,
    ) -> Outcome:
        """Do all stages to what the bench has trained; write the last one's file.

        bench: see `Bench`. out: that file; None: it is measured and not kept. report: called with
        each row as soon as it is known. Before any training, all stages are tried without it.
        ValueError or TypeError, naming the stage, for options that this model refuses;
        FloatingPointError for training that diverged; OSError where the file cannot be written.
        """
        if out is not None:
            check_target(out)
        check_bench(self.stages, bench)
        params = bench.trained()
        for _ in self._states(begun(Rehearsal(bench), params)):
            pass
        rows: list[Row] = []
        for name, state, seconds in self._states(begun(bench, params)):
            packed = state.packed()
            last = len(rows) == len(self.stages)
            kept = Path(out) if last and out is not None else None
            row = measured(state, packed, params, kept)
            start = rows[0]["file_bytes"] if rows else row["file_bytes"]
            total = seconds + (rows[-1]["total_seconds"] if rows else 0.0)
            rows.append({"stage": len(rows), "do": name, "smaller": start / row["file_bytes"],
                         **row, "seconds": seconds, "total_seconds": total})
            report(rows[-1])
        return Outcome(rows, state.bench, packed)

    def _states(self, state: State) -> Iterator[tuple[str, State, float]]:
        """(what was done, the state then, the seconds that it took), from the start on."""
        yield START, state, 0.0
        for number, each in enumerate(self.stages, 1):
            started = time.perf_counter()
            try:
                state = STAGES[each.do].do(state, **each.options)
                state.packed()
            except REFUSALS as error:
                kind = next(kind for kind in REFUSALS if isinstance(error, kind))
                raise kind(f"stage {number}, {each.do}: {error}") from error
            yield str(each), state, time.perf_counter() - started


def begun(bench: Any, params: Params) -> State:
    return State(bench, params, (getattr(bench, "model", None), params))


def measured(state: State, packed: Params, reference: Params, out: Path | None) -> Row:
    """What is said of a stage; its file is written, and read again to see that it is the same."""
    with TemporaryDirectory() as folder:
        path = out or Path(folder) / "model"
        state.write(path, packed)
        check_same(packed, load(path))
        file_bytes = path.stat().st_size
    numbers = sum(math.prod(w.shape) for w in packed.values())
    held = nbytes(packed)
    return {
        "file_bytes": file_bytes,
        "memory_bytes": held,
        "bits_per_weight": 8 * (held if state.coder is None else file_bytes) / numbers,
        **state.bench.judge(packed, reference),
    }


def check_same(packed: Params, read: Params) -> None:
    """What was read is what was written, bit for bit: codes, scales, masks, and the floats."""
    ours, theirs = flatten(packed), flatten(read)
    same = ours[1] == theirs[1] and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in zip(ours[0].values(), theirs[0].values(), strict=True)
    )
    if not same:
        raise RuntimeError("the file does not give back the parameters that it was written of")


def checked(do: str, options: dict[str, Any], where: str) -> Stage:
    """The stage. ValueError, beginning with `where`, for an unknown one or options it has not."""
    if do not in STAGES:
        raise ValueError(f"{where}: there is no {do!r}; there are {', '.join(STAGES)}")
    own = inspect.signature(STAGES[do].do).parameters
    known = {name: p for name, p in own.items() if p.kind is p.KEYWORD_ONLY}
    where = f"{where}, {do}"
    for name in options:
        if name not in known:
            raise ValueError(f"{where}: there is no option {name!r}; there are {', '.join(known)}")
    missing = [n for n, p in known.items() if p.default is p.empty and n not in options]
    if missing:
        raise ValueError(f"{where}: {', '.join(missing)} must be given")
    hints = get_type_hints(STAGES[do].do)
    for name, value in options.items():
        if not fits(value, hints[name]):
            raise ValueError(f"{where}: {name} must be {said(hints[name])}, got {value!r}")
        if name == "steps" and value < 1:
            raise ValueError(f"{where}: steps must be at least 1, got {value!r}")
    return Stage(do, dict(options))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type: a whole number is a float, True is none, and NaN neither."""
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if get_origin(hint) is list:
        return isinstance(value, list) and bool(value) and all(
            fits(each, get_args(hint)[0]) for each in value
        )
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(
            fits(each, get_args(hint)[1]) for each in value.values()
        )
    if hint is float:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    return isinstance(value, hint)


SAID = {"int": "a whole number", "float": "a finite number", "str": "a string",
        "bool": "true or false", "list": "a list of whole numbers",
        "dict": "whole numbers by name"}  # fmt: skip


def said(hint: Any) -> str:
    """A type in words."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    names = [(get_origin(kind) or kind).__name__ for kind in kinds if kind is not type(None)]
    return " or ".join(SAID[name] for name in names)


def check_order(stages: Sequence[Stage]) -> None:
    """Refuse, by number and name, a stage after one that it must precede."""
    latest, before = 0, ""
    done: dict[str, int] = {}
    for number, each in enumerate(stages, 1):
        kind, where = STAGES[each.do], f"stage {number}, {each.do}"
        if "code" in done:
            raise ValueError(f"{where}: code must be the last stage, and is stage {done['code']}")
        if kind.once and each.do in done:
            raise ValueError(f"{where}: it is stage {done[each.do]} already, and comes once")
        if kind.place is not None:
            if kind.place < latest:
                raise ValueError(f"{where}: must come before {before}")
            latest, before = kind.place, f"{each.do}, which is stage {number}"
        done[each.do] = number


def check_bench(stages: Sequence[Stage], bench: Any) -> None:
    """Refuse a stage that asks what this bench does not have."""
    for number, each in enumerate(stages, 1):
        lacking = [name for name in each.asks if not hasattr(bench, name)]
        if lacking:
            raise ValueError(
                f"stage {number}, {each.do}: {type(bench).__name__} has no {', '.join(lacking)}: "
                "it is compressed without training and without asking the model"
            )
