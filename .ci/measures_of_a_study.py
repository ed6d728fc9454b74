"""What the pages of measures share: the rows of a finished study, and limits they are held to."""

import csv
from pathlib import Path


class Study:
    """The rows of a file of results, without what was refused, and how many limits are missed.

    Says of which seeds they are.
    """

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8") as file:
            self.rows = [row for row in csv.DictReader(file) if row["loss_above_float"]]
        self.missed = 0
        print(f"seeds: {', '.join(sorted({row['seed'] for row in self.rows}))}")

    def damage(self, **wanted: str | int) -> float:
        """Mean over seeds of the loss above float, of the rows whose columns say what is wanted."""
        each = [float(row["loss_above_float"]) for row in self.rows
                if all(row[column] == str(value) for column, value in wanted.items())]
        return sum(each) / len(each)

    def check(self, name: str, value: float, limit: float) -> None:
        met = value <= limit
        self.missed += not met
        print(f"{'met   ' if met else 'MISSED'}  {name}: {value:.4f} <= {limit:.4f}")
