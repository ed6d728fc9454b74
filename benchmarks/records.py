"""The files that a finished run leaves, and from which tables and figures are made.

results.csv: a row for each comparison; scores.csv: how good each run's result is, where libraries
differ in that; scale.csv: time and memory of a training step as one size grows.
"""

import csv
from pathlib import Path

HERE = Path(__file__).parent
RESULTS, SCORES, SCALE = HERE / "results.csv", HERE / "scores.csv", HERE / "scale.csv"

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """The rows of a file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def replace_between(path: Path, begin: str, end: str, content: str) -> None:
    """Put `content` in the place of what stands between two marks of a text file."""
    before, rest = path.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    path.write_text(before + begin + content + end + after, encoding="utf-8")


def write(path: Path, rows: list[Row]) -> None:
    """The same columns in every row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
