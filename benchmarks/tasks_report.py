"""What `benchmarks/tasks.py` and `pairs.py` found: docs/tasks.svg, a table, a few sentences."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figure import RC
from benchmarks.figure import write as write_figure
from benchmarks.records import HERE, Row, read, replace_between
from minilm.study.task_recipes import BAG_OF_WORDS, LSTM, NOISE, TRANSFORMER
from minilm.text.tasks import bag_of_words_ceiling

RESULTS, FIGURE = HERE / "tasks.csv", HERE.parent / "docs" / "tasks.svg"
PAIRS, README = HERE / "pairs.csv", HERE / "README.md"
BEGIN, END = "<!-- tasks -->\n", "<!-- end of the tasks -->\n"
PAIRS_BEGIN, PAIRS_END = "<!-- pairs -->\n", "<!-- end of the pairs -->\n"
# Okabe and Ito's colours; shapes say the same again
STYLES: dict[str, dict[str, Any]] = {
    TRANSFORMER: {"color": "#0072B2", "marker": "o"},
    LSTM: {"color": "#D55E00", "marker": "D"},
    BAG_OF_WORDS: {"color": "#009E73", "marker": "s"},
}
PARTS = {"test": "unseen combinations of words", "structure": "unseen structures too"}
SPREAD = 0.16  # between the dots of one kind, so that equal ones can be counted


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
        f"(sentiment: labels, of which {100 * NOISE:g} % are wrong); "
        f"{seeds} seed{'s' * (seeds > 1)}, mean (lowest – highest); one thread, on a machine "
        f"of {first['cores']} cores with Python {first['python']}, NumPy {first['numpy']}.\n"
    )


def spread(values: np.ndarray, digits: int = 1) -> str:
    """Mean (lowest – highest)."""
    mean, low, high = (f"{f(values):.{digits}f}" for f in (np.mean, np.min, np.max))
    return f"{mean} ({low} – {high})"


def figure(rows: list[Row]) -> Figure:
    """A line for each task and architecture, a dot for each seed; a panel for each split."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = [(task, name) for task in tasks for name in STYLES if runs(rows, task, name)]
    # from the top, with half a line between one task and the next
    places = [-(i + tasks.index(task) / 2) for i, (task, _) in enumerate(lines)]
    size = (7.4, 1.1 - 0.3 * places[-1])
    drawing = Figure(figsize=size, layout="constrained", facecolor="white")
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, (part, title) in zip(panels, PARTS.items(), strict=True):
        for (task, name), place in zip(lines, places, strict=True):
            draw_line(axes, runs(rows, task, name), part, place)
        axes.set_title(title, loc="left")
        axes.set_xlabel("right answers (%)")
        axes.set_xlim(0, 119)  # room for the mean beside the dots
        axes.set_xticks(range(0, 101, 20))
        axes.set_ylim(places[-1] - 0.6, 0.6)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(places, [f"{task}, {name}" for task, name in lines])
    for tick, (_, name) in zip(panels[0].get_yticklabels(), lines, strict=True):
        tick.set_color(STYLES[name]["color"])
    return drawing


def draw_line(axes: Axes, own: list[Row], part: str, place: float) -> None:
    """One task and architecture: its seeds, their mean as a number, and the limits as marks."""
    name = own[0]["architecture"]
    style = STYLES[name]
    limit = 100 * float(own[0]["limit"])
    values = np.array([100 * float(row[part]) for row in own])
    heights = place + SPREAD * (np.arange(len(own)) - (len(own) - 1) / 2)
    axes.plot(values, heights, linestyle="", markersize=5, alpha=0.75, zorder=2, **style)
    marks = [(limit, "#000000", "" if limit == 100 else "Bayes")]
    if name == BAG_OF_WORDS:
        ceiling = 100 * bag_of_words_ceiling(NOISE, part)
        marks.append((ceiling, style["color"], "a bag of words' limit"))
    for x, colour, meaning in marks:
        axes.plot([x, x], [place - 0.4, place + 0.4], color=colour, linewidth=1.6, zorder=1)
        if meaning and name == BAG_OF_WORDS:
            side = "left" if x == limit else "right"
            axes.annotate(
                meaning, (x, place - 0.4), (0, -1), textcoords="offset points", ha=side,
                va="top", fontsize=7, color=colour,
            )  # fmt: skip
    axes.annotate(
        f"{values.mean():.1f}", (max(values.max(), limit), place), (7, 0), va="center",
        textcoords="offset points", fontsize=8, color=style["color"],
    )  # fmt: skip


def pairs_summary(row: Row) -> str:
    """What was found on a file of pairs, in three sentences."""
    peak = f"{int(row['peak_bytes']) / 1e6:,.0f} MB" if row["peak_bytes"] else "unknown"
    return (
        f"{int(row['pairs']):,} pairs, {int(row['trained']):,} of them trained on: "
        f"{row['steps']} steps of {row['batch_size']} pairs in {float(row['seconds']):.0f} s, "
        f"{int(row['tokens_per_second']):,} tokens/s on one core, at most {peak} of memory. "
        f"On {row['asked']} pairs that were held out: BLEU {row['bleu']}, exact match "
        f"{100 * float(row['exact_match']):.1f} %. Stopped and continued, it ends with the same "
        f"bits: {row['same_bits_when_resumed']}.\n"
    )


def section() -> str:
    """What the README shows of tasks.csv."""
    if not RESULTS.exists():
        return "Not yet run.\n"
    return f"![Right answers of each model to each task](../docs/{FIGURE.name})\n\n" + summary(
        read(RESULTS)
    )


def pairs_section() -> str:
    """What the README shows of pairs.csv."""
    return pairs_summary(read(PAIRS)[0]) if PAIRS.exists() else "Not yet run.\n"


def save() -> None:
    """Draw the figure, and put what is there into the README."""
    if RESULTS.exists():
        with matplotlib.rc_context(RC):
            write_figure(figure(read(RESULTS)), FIGURE)
    replace_between(README, BEGIN, END, section())
    replace_between(README, PAIRS_BEGIN, PAIRS_END, pairs_section())
