"""A stage as it is written: its name and options, checked before any time is spent.

    by name     a stage of STAGES, options that it has, and those it cannot do without
    by type     as the stage's own signature says
    by order    distil, shrink, low_rank, prune, quantize, code; tune anywhere before code
    by bench    what it asks, this model and its data have
"""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from minilm.compression.pruning import SCORES
from minilm.compression.recipes.stages import STAGES


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
        score = SCORES.get(options.get("score", "magnitude"))
        return bool(
            options.get("calibrated") or options.get("mean_bits") or options.get("compensate")
            or options.get("scores") == "activation" or (score is not None and score.needs)
        )


def stage(do: str, **options: Any) -> Stage:
    """A stage of STAGES, its options checked by name and type. ValueError for any other."""
    return checked(do, options, "stage")


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
        if value is not None and name in LEAST and value < LEAST[name]:
            raise ValueError(f"{where}: {name} must be at least {LEAST[name]}, got {value!r}")
        if value is not None and name == "learning_rate" and value <= 0:
            raise ValueError(f"{where}: learning_rate must be above 0, got {value!r}")
    return Stage(do, dict(options))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type: a whole number is a float, True is none, and NaN neither; of
    lists and dicts the empty ones are not."""
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if get_origin(hint) is list:
        return isinstance(value, list) and bool(value) and all(
            fits(each, get_args(hint)[0]) for each in value
        )
    if get_origin(hint) is dict:
        kinds = get_args(hint)
        return isinstance(value, dict) and bool(value) and all(
            fits(key, kinds[0]) and fits(each, kinds[1]) for key, each in value.items()
        )
    if hint is float:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    return isinstance(value, hint)


LEAST = {"steps": 1, "seed": 0}
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
