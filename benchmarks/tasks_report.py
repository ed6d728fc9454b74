"""What `benchmarks/tasks.py` found: tasks.csv, docs/tasks.svg, a table."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figure import RC
from benchmarks.figure import write as write_figure
from benchmarks.records import HERE, Row
from minilm.study.task_recipes import BAG_OF_WORDS, LSTM, NOISE, TRANSFORMER
from minilm.text.tasks import bag_of_words_ceiling

RESULTS, FIGURE = HERE / "tasks.csv", HERE.parent / "docs" / "tasks.svg"
# Okabe and Ito's colours; shapes say the same again
STYLES: dict[str, dict[str, Any]] = {
    TRANSFORMER: {"color": "#0072B2", "marker": "o"},
    LSTM: {"color": "#D55E00", "marker": "D"},
    BAG_OF_WORDS: {"color": "#009E73", "marker": "s"},
}
PARTS = {"test": "unseen\ncombinations", "structure": "unseen\nstructures"}
SPREAD = 0.05  # between the dots of one kind, so that equal ones can be counted


def runs(rows: list[Row], task: str, architecture: str) -> list[Row]:
    return [row for row in rows if (row["task"], row["architecture"]) == (task, architecture)]


def kinds(rows: list[Row]) -> list[tuple[str, str]]:
    """(task, architecture), each once, in the order of the rows."""
    return list(dict.fromkeys((row["task"], row["architecture"]) for row in rows))


def summary(rows: list[Row]) -> str:
    """Markdown: a line for each task and architecture; means over seeds, and (lowest – highest)."""
    lines = [
        "| task | model | unseen combinations | unseen structures | limit | seconds, one core "
        "| tokens/s | parameters |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task, architecture in kinds(rows):
        own = runs(rows, task, architecture)
        columns = {
            name: np.array([float(row[name]) for row in own])
            for name in ("test", "structure", "seconds", "tokens_per_second")
        }
        lines.append(
            f"| {task} | {architecture} | {spread(100 * columns['test'])} | "
            f"{spread(100 * columns['structure'])} | {100 * float(own[0]['limit']):g} | "
            f"{spread(columns['seconds'], 0)} | {columns['tokens_per_second'].mean():,.0f} | "
            f"{int(own[0]['parameters']):,} |"
        )
    first = rows[0]
    seeds = len({row["seed"] for row in rows})
    return (
        "\n".join(lines) + f"\n\nPercent of the answers that are right to the last character "
        f"(sentiment: labels, of which {100 * NOISE:g} % are wrong); {seeds} seeds, mean (lowest – "
        f"highest); one thread, on a machine of {first['cores']} cores with Python "
        f"{first['python']}, NumPy {first['numpy']}.\n"
    )


def spread(values: np.ndarray, digits: int = 1) -> str:
    """Mean (lowest – highest)."""
    mean, low, high = (f"{f(values):.{digits}f}" for f in (np.mean, np.min, np.max))
    return f"{mean} ({low} – {high})"


def figure(rows: list[Row]) -> Figure:
    """A panel for each task: a dot for each seed, on either split; the limit as a line."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    width = 2.3 * len(tasks) + 0.6
    drawing = Figure(figsize=(width, 3.4), layout="constrained", facecolor="white")
    panels = drawing.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    for axes, task in zip(panels, tasks, strict=True):
        draw_task(axes, rows, task)
    panels[0].set_ylabel("right answers (%)")
    panels[0].set_ylim(0, 106)
    return drawing


def draw_task(axes: Axes, rows: list[Row], task: str) -> None:
    """One panel."""
    own = [row for row in rows if row["task"] == task]
    architectures = [name for name in STYLES if runs(rows, task, name)]
    limit = 100 * float(own[0]["limit"])
    axes.axhline(limit, color="#000000", linewidth=1, zorder=1)
    name = "limit" if limit == 100 else f"Bayes {limit:g}"
    axes.annotate(name, (1.62, limit), (0, 2), textcoords="offset points", ha="right", fontsize=8)
    for place, part in enumerate(PARTS):
        lowest = 200.0
        for which, architecture in enumerate(architectures):
            style = STYLES[architecture]
            found = runs(rows, task, architecture)
            middle = place + 0.3 * (which - (len(architectures) - 1) / 2)
            x = middle + SPREAD * (np.arange(len(found)) - (len(found) - 1) / 2)
            y = np.array([100 * float(row[part]) for row in found])
            axes.plot(x, y, linestyle="", markersize=5, alpha=0.75, zorder=2, **style)
            axes.annotate(
                f"{architecture}\n{y.mean():.1f}", (middle, y.min()), (0, -6),
                textcoords="offset points", ha="center", va="top", rotation=90, fontsize=7.5,
                color=style["color"],
            )  # fmt: skip
            lowest = min(lowest, y.min())
        if BAG_OF_WORDS in architectures:
            ceiling = 100 * bag_of_words_ceiling(NOISE, part)
            axes.plot([place - 0.45, place + 0.45], [ceiling] * 2, "--", linewidth=1,
                      color=STYLES[BAG_OF_WORDS]["color"], zorder=1)  # fmt: skip
            axes.annotate(
                f"no bag of words above {ceiling:.0f}", (place, ceiling), (0, 2),
                textcoords="offset points", ha="center", fontsize=6.5,
                color=STYLES[BAG_OF_WORDS]["color"],
            )  # fmt: skip
    axes.set_xlim(-0.65, 1.65)
    axes.set_xticks(range(len(PARTS)), list(PARTS.values()))
    axes.set_title(task, loc="left")
    axes.grid(visible=False, axis="x")


def save(rows: list[Row]) -> None:
    """Draw the figure."""
    with matplotlib.rc_context(RC):
        write_figure(figure(rows), FIGURE)
