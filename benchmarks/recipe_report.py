"""What `benchmarks/recipe.py` found: recipe.csv, a figure, a table. Needs no torch."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.figure import RC
from benchmarks.figure import write as write_figure
from benchmarks.records import HERE, Row, read, replace_between, write

README = HERE / "README.md"
BEGIN, END = "<!-- recipe -->\n", "<!-- end of the recipe -->\n"
RESULTS, FIGURE = HERE / "recipe.csv", HERE / "recipe.svg"
COLOURS = {"minilm": "#0072B2", "torch": "#D55E00", "torch, begun as minilm": "#E69F00"}
DOTS = {"linestyle": (0, (1, 2)), "linewidth": 2.5}  # lies on minilm's line


def table(rows: list[Row], library: str, column: str) -> np.ndarray:
    """A column of one library's runs: (seeds, rows of a run that have a value there)."""
    chosen = [row for row in rows if row["library"] == library and row[column]]
    seeds = sorted({row["seed"] for row in chosen}, key=int)
    return np.array([[float(row[column]) for row in chosen if row["seed"] == s] for s in seeds])


def summary(rows: list[Row]) -> str:
    """Markdown: a line for each way of training; means over the seeds, and (lowest – highest)."""
    first = rows[0]
    peer = table(rows, "torch", "seconds")[:, -1]
    lines = ["| | seconds | of torch's | validation loss |", "|---|---|---|---|"]
    for library in COLOURS:
        seconds = table(rows, library, "seconds")[:, -1]
        loss = table(rows, library, "validation_loss")[:, 0]
        cells = (library, spread(seconds, 0), spread(seconds / peer, 2), spread(loss, 3))
        lines.append("| " + " | ".join(cells) + " |")
    return (
        "\n".join(lines)
        + f"\n\n{first['text']}, {int(first['characters']):,} characters, in nats for each of its "
        f"last tenth; {len(peer)} seeds, mean (lowest – highest); one thread, on a machine of "
        f"{first['cores']} cores with Python {first['python']}, NumPy {first['numpy']}, torch "
        f"{first['torch']}.\n"
    )


def spread(values: np.ndarray, digits: int) -> str:
    """Mean (lowest – highest)."""
    mean, low, high = (f"{f(values):.{digits}f}" for f in (np.mean, np.min, np.max))
    return f"{mean} ({low} – {high})"


def figure(rows: list[Row]) -> Figure:
    """Training loss against steps and against the clock; a band from the lowest to the highest."""
    drawing = Figure(figsize=(7.2, 3.4), layout="constrained", facecolor="white")
    against_steps, against_time = drawing.subplots(1, 2, sharey=True)
    for library, colour in COLOURS.items():
        losses = table(rows, library, "training_loss")
        steps, seconds = (table(rows, library, name).mean(axis=0) for name in ("step", "seconds"))
        validation = table(rows, library, "validation_loss")[:, 0].mean()
        label = f"{library}, validation {validation:.3f}"
        line: dict[str, Any] = DOTS if library.startswith("torch,") else {}
        for axes, x in ((against_steps, steps), (against_time, seconds)):
            axes.plot(x, losses.mean(axis=0), color=colour, label=label, **line)
            axes.fill_between(
                x, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.2, linewidth=0
            )
    against_steps.set_xlabel("steps")
    against_steps.set_ylabel("training loss (nats per character)")
    against_steps.legend()
    against_time.set_xlabel("seconds, one thread")
    return drawing


def section() -> str:
    """What the README shows of recipe.csv."""
    if not RESULTS.exists():
        return "Not yet run.\n"
    alternative = "Training loss of minilm and torch against steps and against seconds"
    return f"![{alternative}]({FIGURE.name})\n\n{summary(read(RESULTS))}"


def save(rows: list[Row]) -> None:
    """Write recipe.csv, and from it the figure and the README's section."""
    write(RESULTS, rows)
    with matplotlib.rc_context(RC):
        write_figure(figure(read(RESULTS)), FIGURE)
    replace_between(README, BEGIN, END, section())
