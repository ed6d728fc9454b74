"""A printed formula and the right one, side by side, under one yardstick.

    entry.as_printed     does what the article prints, to the letter
    entry.right          does what was meant, with minilm's own functions wherever it has one
    entry.measure        is laid to either of the two:  function -> what comes out

No result is written down here: what a formula yields is found by running it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Value: TypeAlias = str | float | tuple[str | float, ...]

ARTICLES = {
    "A": "quantized training of language models",
    "B": "quantization in natural language processing",
    "C": "quantization for translation and other tasks",
    "D": "compression and acceleration of language models",
    "E": "inference of large models",
    "often": "not one article's: met in many places",
}
VERDICTS = {
    "right": "it does what it is said to do",
    "incomplete": "right as far as it goes; something that is needed is missing",
    "wrong": "it does something else than what it is said to do",
    "false claim": "a sentence about what happens, and it does not happen",
}


class Outcome(NamedTuple):
    """What the yardstick reads off the printed form, and off the right one."""

    printed: Value
    right: Value


@dataclass(frozen=True)
class Printed:
    """One printed line.

    article: a key of ARTICLES; name: its own, short; formula: as printed, its mathematics or its
    code; verdict: a key of VERDICTS; why: in a sentence or two; as_printed, right: functions of the
    same arguments, whose docstrings begin with their formula; what: the yardstick's name and unit;
    measure: the yardstick.
    """

    article: str
    name: str
    formula: str
    verdict: str
    why: str
    as_printed: Callable[..., Any]
    right: Callable[..., Any]
    what: str
    measure: Callable[[Callable[..., Any]], Value]

    def __post_init__(self) -> None:
        if self.article not in ARTICLES:
            raise ValueError(f"article must be one of {', '.join(ARTICLES)}, got {self.article!r}")
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r}")

    def outcome(self) -> Outcome:
        """Run both forms."""
        return Outcome(self.measure(self.as_printed), self.measure(self.right))


def text(value: Value) -> str:
    """A value for a table: three digits of a number, whole numbers whole."""
    if isinstance(value, tuple):
        return ", ".join(text(part) for part in value)
    if isinstance(value, str) or not math.isfinite(value):
        return str(value)
    if value == round(value) or abs(value) >= 100:
        return f"{value + 0.0:.0f}"  # + 0.0: no −0
    return f"{value:#.3g}"
