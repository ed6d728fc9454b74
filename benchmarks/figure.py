"""The figures of a finished run, from the csv files: ratios.svg and scale.svg.

`Figure` is used directly, not pyplot: no window, no global state, and the same bytes every time.
They have a white ground of their own, so that they can be read on a dark page too.
"""

from operator import itemgetter
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from benchmarks.records import HERE, RESULTS, SCALE, Row, read

RATIOS_SVG, SCALE_SVG = HERE / "ratios.svg", HERE / "scale.svg"

# Okabe and Ito's colours, distinct under every common colour blindness; shapes say the same again.
THREADS: dict[str, dict[str, Any]] = {
    "1": {"color": "#0072B2", "marker": "o"},
    "2": {"color": "#D55E00", "marker": "D"},
}
AIM: dict[str, Any] = {"linestyle": "", "marker": "|", "markersize": 13, "markeredgewidth": 1.2,
                       "color": "#000000", "zorder": 1}  # fmt: skip
BAR: dict[str, Any] = {"linewidth": 3, "alpha": 0.45, "solid_capstyle": "butt"}
LIBRARIES: dict[str, dict[str, Any]] = {
    "minilm": {"color": "#0072B2", "marker": "o"},
    "torch": {"color": "#D55E00", "marker": "D"},
}
TICKS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 4, 6, 10)
RC: Any = {
    "svg.hashsalt": "minilm", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "legend.frameon": False,
}  # fmt: skip
# What theory says each grows like, as powers of the size that varies: (time), (memory)
POWERS = {
    "width": ((1, 2), (1, 2)),  # activations D, matrices D²
    "context": ((1, 2), (1, 2)),  # maps T, attention T²
    "vocab_size": ((1,), (1,)),
    "batch_size": ((1,), (1,)),
}
NAMES = {"width": ("width", "D"), "context": ("context", "T"), "vocab_size": ("vocabulary", "V"),
         "batch_size": ("batch", "B")}  # fmt: skip
QUANTITIES = (("seconds", 1e3, "time of a step (ms)"), ("bytes", 1e-6, "memory of a step (MB)"))


def save() -> None:
    """Draw both."""
    with matplotlib.rc_context(RC):
        for path, figure in (
            (RATIOS_SVG, ratios(read(RESULTS))),
            (SCALE_SVG, scale(read(SCALE))),
        ):
            write(figure, path)


def write(figure: Figure, path: Path) -> None:
    """As SVG, without the date."""
    figure.savefig(path, format="svg", metadata={"Date": None})


def ratios(rows: list[Row]) -> Figure:
    """A dot for each comparison, a bar from quartile to quartile, a mark at the aim."""
    works = list(dict.fromkeys(row["work"] for row in rows))
    figure = Figure(figsize=(7.2, 1.2 + 0.46 * len(works)), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        # several numbers of threads share a line of the figure, one a little above the other
        shift = 0.17 if row["threads"] == "1" else -0.17
        draw_ratio(axes, row, len(works) - 1 - works.index(row["work"]) + shift)
    axes.plot([], [], label="aim (no more than)", **AIM)
    axes.plot([], [], label="bar: middle half of the rounds", color="#555555", **BAR)
    axes.axvline(1, color="#777777", linewidth=1, zorder=0)
    axes.set_xscale("log")
    shown = [float(row[column]) for row in rows for column in ("first_quartile", "third_quartile")]
    shown += [float(row["at_most"]) for row in rows if row["at_most"]]
    low, high = min(*shown, 0.8), max(*shown, 1.25)
    axes.set_xlim(low / 1.15, high * 1.35)  # room for the last number
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("time of minilm / time of its peer, logarithmic: left of 1 minilm is faster")
    axes.set_yticks(range(len(works)), [with_peer(rows, work) for work in reversed(works)])
    axes.set_ylim(-0.6, len(works) - 0.4)
    axes.grid(axis="y", visible=False)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(sorted(zip(labels, handles, strict=True), key=itemgetter(0)))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=len(unique))
    return figure


def draw_ratio(axes: Axes, row: Row, y: float) -> None:
    """One comparison with one number of threads."""
    style = THREADS[row["threads"]]
    ratio = float(row["ratio"])
    quartiles = [float(row["first_quartile"]), float(row["third_quartile"])]
    threads = "1 thread" if row["threads"] == "1" else f"{row['threads']} threads"
    axes.plot(quartiles, [y, y], color=style["color"], **BAR)
    axes.plot([ratio], [y], linestyle="", markersize=5, label=threads, **style)
    right, aim = quartiles[1], float(row["at_most"] or 0)
    if right < aim < 1.15 * right:  # the number would cover the mark
        right = aim
    axes.annotate(f"{ratio:.2f}", (right, y), (6, 0), textcoords="offset points", va="center",
                  color=style["color"], fontsize=8)  # fmt: skip
    if row["at_most"]:
        axes.plot([float(row["at_most"])], [y], **AIM)


def with_peer(rows: list[Row], work: str) -> str:
    """The work, and below it whom it is compared with."""
    peer = next(row["peer"] for row in rows if row["work"] == work)
    return f"{work}\nagainst {peer}"


def scale(rows: list[Row]) -> Figure:
    """Time above, memory below; a column for each size that grows; dotted: what theory says."""
    curves = list(dict.fromkeys((row["model"], row["varied"]) for row in rows))
    figure = Figure(figsize=(2.4 * len(curves), 5), layout="constrained")
    axes = figure.subplots(2, len(curves), sharex="col", sharey="row", squeeze=False)
    for column, (model, varied) in enumerate(curves):
        own = [row for row in rows if (row["model"], row["varied"]) == (model, varied)]
        for line, (quantity, factor, name) in enumerate(QUANTITIES):
            draw_curves(axes[line, column], own, quantity, factor, POWERS[varied][line])
            if column == 0:
                axes[line, column].set_ylabel(name)
        name, symbol = NAMES[varied]
        first = column == 0 or curves[column - 1][0] != model
        axes[0, column].set_title((model if first else "") + "\n" + name, loc="left")
        axes[1, column].set_xlabel(symbol)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def draw_curves(
    axes: Axes, rows: list[Row], quantity: str, factor: float, powers: tuple[int, ...]
) -> None:
    """Each library's curve, and guides with the slopes of theory through minilm's ends."""
    _, symbol = NAMES[rows[0]["varied"]]
    for library, style in LIBRARIES.items():
        own = [row for row in rows if row["library"] == library and row[quantity]]
        x = np.array([float(row["value"]) for row in own])
        y = np.array([float(row[quantity]) * factor for row in own])
        axes.plot(x, y, label=library, markersize=4, linewidth=1.2, **style)
        if library == "minilm" and len(own):
            for power in powers:
                draw_guide(axes, x, y, power, powers, symbol)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.margins(y=0.08)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(sorted({float(row["value"]) for row in rows})))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1024:g}k" if x >= 1024 else f"{x:g}")


def draw_guide(
    axes: Axes, x: np.ndarray, y: np.ndarray, power: int, powers: tuple[int, ...], symbol: str
) -> None:
    """y ∝ x^power: through the last point for the highest power, which rules there; lower ones,
    which rule before it, through the first.
    """
    highest = power == max(powers)
    through = -1 if highest else 0
    start = max(x[0], x[through] * (y.min() / y[through]) ** (1 / power))  # not below all points
    ends = np.array([start, x[-1]])
    guide = y[through] * (ends / x[through]) ** power
    axes.plot(ends, guide, ":", color="#555555", linewidth=1, zorder=1.4)
    free = 0 if highest else 1  # the end that has room for a word, below the line
    axes.annotate(
        f"∝ {symbol}" + ("²" if power == 2 else ""), (ends[free], guide[free]),
        (8, 2) if highest else (8, -7), textcoords="offset points", fontsize=8, va="top",
        ha="left" if highest else "right", color="#555555", zorder=1.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip
