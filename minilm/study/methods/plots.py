"""The figures of the methods: what each costs at one width, and what true bits buy.

Colour and marker say alike what kind a method is. Dots are means over seeds, bars reach from the
lowest to the highest. Damage is linear near zero and logarithmic beyond. Both are as wide as a
page's column, so that their text is of the page's size.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from minilm.study.methods import kinds as sorts
from minilm.study.methods.comparisons import QUANTIZATION, Comparison
from minilm.study.methods.ranking import (
    WITH,
    WITHOUT,
    Entry,
    at,
    compressing,
    marked_fronts,
    models_of,
    order_of_damage,
)
from minilm.study.methods.trained import FURTHER
from minilm.study.plots import LIMIT, RC

STYLES = {
    sorts.POST_TRAINING_KIND: ("#0072B2", "o"),
    sorts.TRAINED_KIND: ("#D55E00", "s"),
    sorts.WHOLE_KIND: ("#009E73", "^"),
    # of fewer weights: a colour for each family, squares for what trains
    sorts.PRUNED: ("#0072B2", "o"),
    sorts.PRUNED_TRAINED: ("#0072B2", "s"),
    sorts.PRUNED_ROUNDED: ("#CC79A7", "o"),
    sorts.PRUNED_TRAINED_ROUNDED: ("#CC79A7", "s"),
    sorts.SHRUNK: ("#009E73", "o"),
    sorts.SHRUNK_TRAINED: ("#009E73", "s"),
    sorts.LOW_RANK: ("#E69F00", "o"),
    sorts.LOW_RANK_TRAINED: ("#E69F00", "s"),
    sorts.STUDENT: ("#D55E00", "s"),
}
FRONTS: dict[str, dict[str, Any]] = {
    WITHOUT: {"color": "#000000", "linewidth": 1.0},
    WITH: {"color": "#D55E00", "linewidth": 1.3, "linestyle": "--"},
}
WIDTH = 8.6  # inches
APART = (22, 11)  # points to the side and down, at which two marks can be read
BEHIND = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5}  # a mark
UNIT = "validation loss above float32 (nats per token)"


def draw_figures(
    found: Sequence[Entry], folder: Path, comparison: Comparison = QUANTIZATION
) -> dict[str, Path]:
    """Each figure as SVG and PNG in `folder`; name -> path of the SVG."""
    drawn = {}
    with matplotlib.rc_context(RC):
        for name, figure in (
            ("methods-at-one-width", damage_of_methods(found, comparison)),
            ("methods-damage-versus-bits", damage_against_bits(found)),
        ):
            drawn[name] = folder / f"{name}.svg"
            figure.savefig(drawn[name], metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=150)
    return drawn


def damage_of_methods(found: Sequence[Entry], comparison: Comparison = QUANTIZATION) -> Figure:
    """A line a method, the least damage on top, a panel a model; float and the control as lines."""
    small, models, shown = compressing(found), models_of(found), comparison.shown
    methods = order_of_damage(small, shown)
    figure = Figure(figsize=(WIDTH, 1.6 + 0.19 * len(methods)), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    rows = {method: row for row, method in enumerate(methods)}
    for panel, model in zip(panels, models, strict=True):
        panel.set_title(model)
        for entry in at(small, model, shown):
            colour, marker = STYLES[entry.kind]
            y = rows[entry.method]
            panel.plot([min(entry.damage), max(entry.damage)], [y, y], color=colour, linewidth=1.5)
            panel.plot(entry.mean, y, marker, color=colour, markersize=4.5)
        panel.axvline(0, **LIMIT)
        for level in (e.mean for e in found if (e.model, e.method) == (model, FURTHER)):
            panel.axvline(level, linestyle=":", **LIMIT)
        panel.set_xlabel(f"at {comparison.said(shown)}: {UNIT}".replace(" above", "\nabove"))
    damage_axes("x", 0.1, [-0.1, 0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], *panels)
    panels[0].set_yticks(range(len(methods)), methods, fontsize=7.5)
    panels[0].set_ylim(len(methods) - 0.3, -0.7)
    handles = [*kinds(small, shown), *floats()]
    above_all(figure, handles, ncols=5 if len(handles) <= 5 else 4)
    return figure


def damage_against_bits(found: Sequence[Entry]) -> Figure:
    """All that compresses weights, by its true bits; what is on a front has the table's mark."""
    small, models = compressing(found), models_of(found)
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False, sharex=True, sharey=True)[0]
    drawn = []
    for panel, model in zip(panels, models, strict=True):
        own = [e for e in small if e.model == model]
        panel.set_title(model)
        for kind, (colour, marker) in STYLES.items():
            some = [e for e in own if e.kind == kind]
            panel.plot(*places_of(some), marker, color=colour, markersize=4, alpha=0.5,
                       markeredgewidth=0)
        panel.axhline(0, **LIMIT)
        for level in (e.mean for e in found if (e.model, e.method) == (model, FURTHER)):
            panel.axhline(level, linestyle=":", **LIMIT)
        drawn.append(marked_fronts(own))
        for name, marked in drawn[-1].items():
            panel.step(*places_of([e for _, e in marked]), where="post", **FRONTS[name])
    bits_axis(*panels)
    damage_axes("y", 0.01, [-0.1, -0.01, 0, 0.01, 0.1, 1], *panels)
    panels[0].set_ylabel(UNIT)
    for panel, fronts in zip(panels, drawn, strict=True):
        for name, marked in fronts.items():
            write_marks(panel, marked, FRONTS[name]["color"])
    lines = [Line2D([], [], label=f"front {name}", **style) for name, style in FRONTS.items()]
    above_all(figure, [*kinds(small), *lines, *floats()], ncols=4)
    return figure


def places_of(some: Sequence[Entry]) -> tuple[list[float], list[float]]:
    return [e.values["bits_per_weight"] for e in some], [e.mean for e in some]


def write_marks(panel: Axes, marked: Sequence[tuple[str, Entry]], colour: str) -> None:
    """Each mark below and to the left of its point, where a front has nothing; near ones as one."""
    size = np.array([WIDTH / 2 - 0.5, 4.0]) * 72  # of a panel, about, in points
    groups: list[list[tuple[str, Entry, np.ndarray]]] = []
    for mark, entry in marked:
        place = entry.values["bits_per_weight"], entry.mean
        point = panel.transLimits.transform(panel.transScale.transform(place)) * size
        if groups and (np.abs(point - groups[-1][0][2]) < APART).all():
            groups[-1].append((mark, entry, point))
        else:
            groups.append([(mark, entry, point)])
    for group in groups:
        mark, entry, _ = group[0]
        text = mark if len(group) == 1 else f"{mark}–{group[-1][0]}"
        panel.annotate(text, (entry.values["bits_per_weight"], entry.mean), (-3, -3),
                       textcoords="offset points", fontsize=7.5, ha="right", va="top",
                       color=colour, bbox=BEHIND)  # fmt: skip


def damage_axes(which: str, linear: float, ticks: Sequence[float], *panels: Axes) -> None:
    """Linear up to `linear`, then logarithmic, with plain numbers; all panels alike."""
    ends = [getattr(panel.dataLim, f"interval{which}") for panel in panels]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    for panel in panels:
        axis = getattr(panel, f"{which}axis")
        getattr(panel, f"set_{which}scale")("symlog", linthresh=linear, linscale=0.7)
        axis.set_ticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
        axis.set_minor_locator(NullLocator())
        limits = min(-linear / 2, 1.8 * low), max(1.5 * high, 2 * linear)
        getattr(panel, f"set_{which}lim")(limits)


def bits_axis(*panels: Axes) -> None:
    least = min(panel.dataLim.x0 for panel in panels)
    most = max(panel.dataLim.x1 for panel in panels)
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.xaxis.set_ticks([1, 2, 3, 4, 6, 8, 16, 32][: 8 if most > 20 else 7])
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlim(0.8 * least, max(20, 1.1 * most))
        panel.set_xlabel("true bits per weight (logarithmic)")


def above_all(figure: Figure, handles: list[Line2D], ncols: int = 5) -> None:
    figure.legend(handles=handles, loc="outside upper center", ncols=ncols, columnspacing=1.2,
                  handletextpad=0.5)


def floats() -> list[Line2D]:
    """The legend of what rounds nothing."""
    return [Line2D([], [], label="float32", **LIMIT),
            Line2D([], [], linestyle=":", label=FURTHER, **LIMIT)]


def kinds(found: Sequence[Entry], amount: int | None = None) -> list[Line2D]:
    """The legend of the kinds that there are."""
    there = {entry.kind for entry in found if amount in (None, entry.amount)}
    return [
        Line2D([], [], linestyle="", color=colour, marker=marker, markersize=5, label=kind)
        for kind, (colour, marker) in STYLES.items() if kind in there
    ]  # fmt: skip
