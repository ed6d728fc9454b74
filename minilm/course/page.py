"""What every notebook of the course shows with: text, tables and figures in one style.

    style()                                   once, at the top of a notebook
    say(f"The loss is **{loss:.3f}** nats.")  prose with numbers that were measured
    table(["bits", "SQNR in dB"], rows)
    show(figure, "07-error-against-bits")     the figure; with a name it is kept for slides as well
    rows = saved_rows("benchmarks/results.csv")   what a longer run of the repository measured

A time differs from run to run, so a notebook never prints its own: it reads saved rows.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

# Okabe and Ito's colours, distinct under every common colour blindness
BLACK, GREY = "#000000", "#555555"
ORANGE, BLUE, GREEN, PINK, SKY, YELLOW = (
    "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00",
)  # fmt: skip
RC: Any = {
    "figure.dpi": 110, "font.size": 10, "figure.constrained_layout.use": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "legend.frameon": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PINK, SKY, YELLOW]),
    "svg.hashsalt": "minilm",  # the same bytes every time
}  # fmt: skip
FIGURES = "MINILM_FIGURES"  # the folder that named figures are kept in: set by notebooks/build.py


def style() -> None:
    """One look for all figures: sizes that can be read in a column, colours that can be told."""
    matplotlib.rcParams.update(RC)


def say(text: str) -> None:
    """Show Markdown; the numbers in it come from the cells above, never from the keyboard."""
    notebook = import_module("IPython.display")
    notebook.display(notebook.Markdown(text))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Show a table: the first column to the left, the others to the right. A `|` is escaped."""
    head, *body = ([str(cell).replace("|", "\\|") for cell in row] for row in (header, *rows))
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    say("\n".join("| " + " | ".join(line) + " |" for line in lines))


def show(figure: Figure, name: str | None = None) -> None:
    """Show a figure below its cell. With a name, a build keeps it as docs/figures/NAME.svg, too.

    Letters are drawn as shapes there, so that a slide looks the same on any machine.
    """
    folder = os.environ.get(FIGURES)
    if name and folder:
        file = Path(folder) / f"{name}.svg"  # dpi: of what is rasterized in it
        figure.savefig(file, metadata={"Date": None}, bbox_inches="tight", dpi=220)
    import_module("IPython.display").display(figure)
    import_module("matplotlib.pyplot").close(figure)  # else it is shown a second time


def saved_rows(path: str) -> list[dict[str, Any]]:
    """Rows of a csv file of the repository, numbers as floats, an empty cell as None.

    `path` is relative to the repository, which is looked for from the working directory upwards.
    FileNotFoundError if it is not there.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / path).is_file():
            with open(folder / path, encoding="utf-8", newline="") as file:
                return [{k: _value(v) for k, v in row.items()} for row in csv.DictReader(file)]
    raise FileNotFoundError(f"no {path} in {here} or above: open it inside its repository")


def _value(cell: str) -> float | str | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell
