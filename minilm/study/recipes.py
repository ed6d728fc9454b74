"""Several recipes on one model: bytes of the file, what is lost, time; and which are on the front.

    lost = loss − the float model's loss, in nats;  or  its score − the score, in points

always of the same seed. Dots are means over seeds, bars reach from the lowest to the highest.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from minilm.compression.recipes import pareto_front
from minilm.study.measures import LOSS, Measure
from minilm.study.plots import LIMIT, RC
from minilm.types import Array

Row = Mapping[str, Any]
Run = Sequence[Row]  # the rows of `Recipe.run`

# Okabe and Ito's colours, distinct under every common colour blindness; markers say the same again.
STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"),
          ("#56B4E9", "P"))  # fmt: skip
CONTROL: dict[str, Any] = {"color": "#000000", "linestyle": ":", "linewidth": 1.2}
ALLOWED: dict[str, Any] = {"color": "#555555", "linestyle": "--", "linewidth": 0.9}
COLUMNS = ("file_bytes", "lost", "total_seconds")  # bytes × quality × time
KILOBYTES = [digit * 10.0**power for power in range(6) for digit in (1, 2, 5)]
BEHIND = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.3}  # words


def allowed(measure: Measure) -> float:
    """What may be lost: of perplexity one per cent, ln 1.01 nats; of a score half a point."""
    return 0.5 if measure.score else math.log(1.01)


def lost(run: Run, measure: Measure = LOSS) -> list[float]:
    """How much worse each row is than the run's first: nats, or points."""
    unit = 100 / measure.whole if measure.score else 1.0
    begun = run[0][measure.column]
    return [unit * measure.damage(row[measure.column] - begun) for row in run]


def end(runs: Sequence[Run], measure: Measure = LOSS) -> dict[str, float]:
    """Where a recipe ends, mean over its runs: COLUMNS, as `pareto_front` reads them."""
    last = {
        name: float(np.mean([run[-1][name] for run in runs]))
        for name in ("file_bytes", "total_seconds")
    }
    return {**last, "lost": float(np.mean([lost(run, measure)[-1] for run in runs]))}


def on_the_front(
    recipes: Mapping[str, Sequence[Run]], measure: Measure = LOSS
) -> set[str]:
    """The recipes whose end no other's undercuts in bytes, quality and seconds."""
    ends = {name: end(runs, measure) for name, runs in recipes.items()}
    front = pareto_front(ends.values(), COLUMNS)
    return {name for name, row in ends.items() if any(row is kept for kept in front)}


def recipes_figure(
    recipes: Mapping[str, Sequence[Run]], measure: Measure = LOSS, control: Sequence[Run] = ()
) -> Figure:
    """One model's recipes; see `draw_recipes`."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.6, 4.8), layout="constrained")
        draw_recipes(figure.subplots(), recipes, measure, control)
        figure.legend(handles=legend(bool(control)), loc="outside upper center", ncols=2)
    return figure


def draw_recipes(
    axes: Axes, recipes: Mapping[str, Sequence[Run]], measure: Measure = LOSS,
    control: Sequence[Run] = (),
) -> None:  # fmt: skip
    """Each recipe's stages as a line, by bytes of the file and by what is lost.

    recipes: {name: its runs, one for each seed}, of the same model: all begin at one point.
    control: runs of the float model trained further, as a line.
    """
    front = on_the_front(recipes, measure)
    axes.axhline(0, zorder=1, **LIMIT)
    axes.axhline(allowed(measure), zorder=1, **ALLOWED)
    if control:
        draw_control(axes, end(control, measure))
    for (name, runs), style in zip(recipes.items(), STYLES, strict=False):
        draw_recipe(axes, name, runs, measure, style, name in front)
    bytes_axis(axes)
    lost_axis(axes, measure)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, labelspacing=1)


def draw_control(axes: Axes, at: Mapping[str, float]) -> None:
    """A line across, so that each recipe can be held against it."""
    text = f"control\n{at['file_bytes']:,.0f} bytes, {signed(at['lost'])}"
    axes.axhline(at["lost"], zorder=1, label=text, **CONTROL)


def draw_recipe(
    axes: Axes, name: str, runs: Sequence[Run], measure: Measure, style: tuple[str, str],
    full: bool,
) -> None:  # fmt: skip
    """A dot for each stage, with its name; the last is large, and full if on the front."""
    colour, marker = style
    x = np.array([[row["file_bytes"] for row in run] for run in runs]).mean(axis=0)
    each = np.array([lost(run, measure) for run in runs])  # (seeds, stages)
    y = each.mean(axis=0)
    axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.7)
    axes.vlines(x, each.min(axis=0), each.max(axis=0), color=colour, linewidth=1.5, alpha=0.6)
    axes.plot(x[:-1], y[:-1], marker, color=colour, markersize=3.5, zorder=5)
    text = f"{name}\n{x[-1]:,.0f} bytes, {x[0] / x[-1]:.1f} ×, {signed(y[-1])}"
    axes.plot(x[-1], y[-1], marker, color=colour, markersize=8, label=text, zorder=5,
              markerfacecolor=colour if full else "white")
    words = [row["do"].split()[0] for row in runs[0]]
    for place in range(1, len(words)):
        last = place == len(words) - 1
        away = (9, 0) if last else offset(x, y, place)
        write(axes, words[place], (x[place], y[place]), away, colour)


def signed(number: float) -> str:
    return f"{round(number, 2) + 0.0:+.2f}".replace("-", "−")  # + 0.0: no "-0.00"


def offset(x: Array, y: Array, place: int) -> tuple[float, float]:
    """Where a stage's name has room, in points: above a dot that its line comes up to, below one
    that it comes down to."""
    return (0, 7) if y[place] >= y[place - 1] else (0, -7)


def write(
    axes: Axes, text: str, place: tuple[float, float], away: tuple[float, float], colour: str
) -> None:
    axes.annotate(text, place, away, textcoords="offset points", fontsize=7, color=colour,
                  ha="left" if away[0] else "center", va="center", bbox=BEHIND, zorder=3)


def bytes_axis(axes: Axes) -> None:
    """Kilobytes, fewer and fewer to the right, as the stages go; room for the last one's word."""
    least, most = axes.dataLim.intervalx
    axes.set_xscale("log")
    axes.set_xlim(1.25 * most, least / 1.4)
    axes.xaxis.set_major_locator(FixedLocator([1000 * size for size in KILOBYTES]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
    axes.set_xlabel("file (kB, logarithmic); from left to right the stages")


def lost_axis(axes: Axes, measure: Measure) -> None:
    """Linear up to what may be lost, then logarithmic, in plain numbers."""
    ticks = [0.5, 1, 2, 5, 10, 20, 50, 100] if measure.score else [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
    linear, (low, high) = ticks[0], axes.dataLim.intervaly
    axes.set_yscale("symlog", linthresh=linear, linscale=0.7)
    axes.yaxis.set_ticks([-tick for tick in ticks] + [0, *ticks],
                         [f"−{tick:g}" for tick in ticks] + ["0", *(f"{t:g}" for t in ticks)])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(min(-linear, 2.4 * low), max(2 * linear, 2.2 * high))
    unit = "points" if measure.score else measure.unit
    axes.set_ylabel(f"{measure.name} {'below' if measure.score else 'above'} float32 ({unit})")


def legend(control: bool) -> list[Line2D]:
    """What lines and marks mean in every panel."""
    grey: dict[str, Any] = {"color": "#555555", "marker": "o", "linestyle": "", "markersize": 7}
    lines = [Line2D([], [], label="float32", **LIMIT),
             Line2D([], [], label="1 % more perplexity, or half a point of exact match", **ALLOWED)]
    if control:
        lines.append(Line2D([], [], label="control: float32, trained further", **CONTROL))
    return [*lines, Line2D([], [], label="full: on the front of bytes × quality × time", **grey)]
