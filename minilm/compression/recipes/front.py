"""The front: of several recipes' rows, those that no other row undercuts.

    a undercuts b where a is at least as good in every column, and better in one   (Pareto)
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Row = Mapping[str, Any]
COLUMNS = ("file_bytes", "loss", "total_seconds")  # bytes × quality × time


def pareto_front(
    rows: Iterable[Row], columns: tuple[str, ...] = COLUMNS, highest: tuple[str, ...] = ()
) -> list[Row]:
    """The rows on the front, by the first column; of equal rows the first.

    columns: what is better the lower it is, but for those named in `highest` as well, such as
    an accuracy. ValueError for a row that lacks one, or columns that are none.
    """
    rows = list(rows)
    if not columns or set(highest) - set(columns):
        raise ValueError(f"columns must be named, those of highest too, got {columns!r} and "
                         f"{highest!r}")
    for row in rows:
        lacking = [name for name in columns if not is_number(row.get(name))]
        if lacking:
            raise ValueError(f"each row must have a number for {', '.join(lacking)}, got {row!r}")

    def place(row: Row) -> tuple[float, ...]:
        return tuple(-row[name] if name in highest else row[name] for name in columns)

    places = [place(row) for row in rows]

    def undercut(i: int) -> bool:
        return any(
            (other != places[i] or j < i)
            and all(a <= b for a, b in zip(other, places[i], strict=True))
            for j, other in enumerate(places)
            if j != i
        )

    front = [row for i, row in enumerate(rows) if not undercut(i)]
    return sorted(front, key=place)


def is_number(value: Any) -> bool:
    """NaN is none: it would undercut nothing, be undercut by nothing, and stand on the front."""
    return isinstance(value, int | float | np.number) and not np.isnan(value)
