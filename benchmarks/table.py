"""The table of a finished run: results.csv, and README.md between its markers.

No number there is typed by hand; a test makes the table again from results.csv.
"""

import csv
from pathlib import Path

HERE = Path(__file__).parent
RESULTS, README = HERE / "results.csv", HERE / "README.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"
COLUMNS = ("work", "minilm", "peer's time", "peer", "ratio", "quartiles", "aim: at most", "met")

Row = dict[str, str]


def is_met(row: Row) -> bool:
    """Whether the median ratio is within the aim."""
    return float(row["ratio"]) <= float(row["at_most"])


def table(rows: list[Row]) -> str:
    """Markdown: a line for each comparison."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        ours, theirs = float(row["minilm_seconds"]), float(row["peer_seconds"])
        rate = float(row["amount"]) / ours
        cells = (
            f"{row['work']}: {row['sizes']}",
            f"{1e3 * ours:,.0f} ms ({rate:,.0f} {row['unit']}/s)",
            f"{1e3 * theirs:,.0f} ms",
            row["peer"],
            f"**{float(row['ratio']):.2f}**",
            f"{float(row['first_quartile']):.2f} – {float(row['third_quartile']):.2f}",
            f"{float(row['at_most']):.2f}",
            "yes" if is_met(row) else "no",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def verdict(rows: list[Row]) -> str:
    """What was run where, and which aims are met."""
    first = rows[0]
    met = sum(map(is_met, rows))
    missed = [
        f"{row['work']} ({float(row['ratio']):.2f} where {float(row['at_most']):.2f} is the aim)"
        for row in rows
        if not is_met(row)
    ]
    rounds = sorted(int(row["rounds"]) for row in rows)
    versions = ", ".join(f"{name} {first[name.lower()]}" for name in ("NumPy", "torch", "gensim"))
    return (
        f"Measured with {first['threads']} thread on a machine of {first['cores']} cores, with "
        f"Python {first['python']}, {versions}; {rounds[0]} to {rounds[-1]} rounds. "
        f"{met} of {len(rows)} aims are met."
        + (f" Not met: {'; '.join(missed)}." if missed else "")
        + "\n"
    )


def report(rows: list[Row]) -> str:
    """Table and verdict."""
    return table(rows) + "\n" + verdict(rows)


def save(rows: list[Row]) -> None:
    """Write results.csv, and from it the README's table."""
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    README.write_text(before + BEGIN + report(read()) + END + after, encoding="utf-8")


def read() -> list[Row]:
    """The rows of results.csv."""
    with RESULTS.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
