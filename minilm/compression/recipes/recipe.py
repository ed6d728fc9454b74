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
    bits_per_weight    8 · memory_bytes / the numbers that the model has by then, zeros included;
                       after a code stage 8 · file_bytes / those
    loss, …            what the bench judges by
    seconds, total_seconds    that the stage took, and all so far, without judging

The order is that of Han et al. 2016 (Deep Compression), figure 1, with distillation, shrinking and
low rank before.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from minilm.compression.recipes.bench import Rehearsal
from minilm.compression.recipes.checks import Stage, check_bench, check_order, checked
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


class Outcome(NamedTuple):
    """rows: one for the start and one a stage. bench, params: the model at the end, packed."""

    rows: list[Row]
    bench: Any
    params: Params


class Recipe:
    """Stages in a row. ValueError for none, an order in which they cannot be, or options that a
    stage has not; TypeError for what is no stage."""

    def __init__(self, *stages: Stage) -> None:
        if not stages:
            raise ValueError("a recipe must have at least one stage, got none")
        for number, each in enumerate(stages, 1):
            if not isinstance(each, Stage):
                raise TypeError(f'stage {number} must be made by stage(), as in stage("tune", '
                                f"steps=100), got {each!r}")
            checked(each.do, each.options, f"stage {number}")
        check_order(stages)
        self.stages = stages

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
        for name, state, packed, seconds in self._states(begun(bench, params)):
            last = len(rows) == len(self.stages)
            kept = Path(out) if last and out is not None else None
            row = measured(state, packed, params, kept)
            start = rows[0]["file_bytes"] if rows else row["file_bytes"]
            total = seconds + (rows[-1]["total_seconds"] if rows else 0.0)
            rows.append({"stage": len(rows), "do": name, "smaller": start / row["file_bytes"],
                         **row, "seconds": seconds, "total_seconds": total})
            report(rows[-1])
        return Outcome(rows, state.bench, packed)

    def _states(self, state: State) -> Iterator[tuple[str, State, Params, float]]:
        """(what was done, the state then, packed, the seconds that it took), from the start on."""
        yield START, state, state.packed(), 0.0
        for number, each in enumerate(self.stages, 1):
            started = time.perf_counter()
            try:
                state = STAGES[each.do].do(state, **each.options)
                packed = state.packed()
            except REFUSALS as error:
                kind = next(kind for kind in REFUSALS if isinstance(error, kind))
                raise kind(f"stage {number}, {each.do}: {error}") from error
            yield str(each), state, packed, time.perf_counter() - started


def begun(bench: Any, params: Params) -> State:
    """The state before any stage: the float model, which is the first teacher as well."""
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
    (arrays, kinds), (others, other_kinds) = flatten(packed), flatten(read)
    same = kinds == other_kinds and all(
        a.dtype == others[name].dtype and a.shape == others[name].shape
        and a.tobytes() == others[name].tobytes()
        for name, a in arrays.items()
    )
    if not same:
        raise RuntimeError("the file does not give back the parameters that it was written of")
