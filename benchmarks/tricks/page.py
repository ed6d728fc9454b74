"""docs/why-fast.md between its markers: sources and times. No number there is typed by hand."""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from benchmarks.records import HERE, Row, read, replace_between
from benchmarks.tricks.catalogue import TRICKS
from benchmarks.tricks.trick import Trick

RESULTS, PAGE = HERE / "tricks.csv", HERE.parent / "docs" / "why-fast.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"
COLUMNS = ("trick", "before", "after", "times as fast", "quartiles")
NOTHING = 1.05  # a gain whose lower quartile is not above this is called none


def gains(row: Row) -> bool:
    """Whether the trick is worth anything on the machine that measured it."""
    return float(row["first_quartile"]) > NOTHING


def report(rows: list[Row]) -> str:
    """A table of all tricks, what it ran on, and for each trick its two forms and its times."""
    by_name = {row["trick"]: row for row in rows}
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += [line(by_name[trick.name]) for trick in TRICKS]
    first = rows[0]
    idle = [trick.name for trick in TRICKS if not gains(by_name[trick.name])]
    about = (
        f"Medians of {min(int(r['rounds']) for r in rows)} or more calls of each way, in turn, on "
        f"a machine of {first['cores']} cores with Python {first['python']} and NumPy "
        f"{first['numpy']}; one thread unless two are named. "
        + (f"Of no use on this machine: {', '.join(idle)}. " if idle else "")
        + "Both ways gave the same numbers, to rounding.\n"
    )
    sections = [section(trick, by_name[trick.name]) for trick in TRICKS]
    return "\n".join(["\n".join(lines) + "\n", about, *sections])


def line(row: Row) -> str:
    """A line of the table."""
    ends = (float(row[name]) for name in ("first_quartile", "third_quartile"))
    quartiles = " – ".join(f"{end:.1f}" for end in ends)
    cells = (row["trick"], *times(row), f"**{float(row['gain']):.1f}**", quartiles)
    return "| " + " | ".join(cells) + " |"


def times(row: Row) -> tuple[str, ...]:
    """Before and after, in one unit, three digits."""
    before, after = (float(row[f"{name}_seconds"]) for name in ("before", "after"))
    unit, factor = ("ms", 1e3) if after > 2e-4 else ("µs", 1e6)
    return tuple(f"{t * factor:.{2 if t * factor < 10 else 0}f} {unit}" for t in (before, after))


def section(trick: Trick, row: Row) -> str:
    """A heading, why, the code, the times."""
    before, after = times(row)
    gain = f"{float(row['gain']):.1f} times as fast."
    if not gains(row):
        gain = " ".join(f"no gain on this machine. {trick.kept}".split())
    codes = "\n\n".join(source(f) for f in trick.shown or (trick.before, trick.after))
    why = " ".join(trick.why.split())
    return (
        f"### {trick.name}\n\n{why} In `minilm`: {trick.where}.\n\n```python\n{codes}\n```\n\n"
        f"{trick.sizes[0].upper()}{trick.sizes[1:]}: {before} → {after}, {gain}\n"
    )


def source(function: Callable[..., Any]) -> str:
    """A function's source without its docstring and annotations' defaults."""
    text = textwrap.dedent(inspect.getsource(function))
    return text.rstrip()


def save() -> None:
    """Write what tricks.csv holds into the page."""
    replace_between(PAGE, BEGIN, END, report(read(RESULTS)))
