"""The figures of the methods: what each costs at one width, and what true bits buy.

Colour and marker say alike what kind a method is. Dots are means over seeds, bars reach from the
lowest to the highest. Damage is linear near zero and logarithmic beyond.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from minilm.study.methods.ranking import (
    Entry,
    at,
    compressing,
    models_of,
    order_of_damage,
    pareto_front,
)
from minilm.study.methods.table import POST_TRAINING_KIND, TRAINED_KIND, WHOLE_KIND
from minilm.study.methods.trained import FURTHER
from minilm.study.plots import LIMIT, RC

STYLES = {
    POST_TRAINING_KIND: ("#0072B2", "o"),
    TRAINED_KIND: ("#D55E00", "s"),
    WHOLE_KIND: ("#009E73", "^"),
}
SHOWN_BITS = 3
LINEAR = 0.01  # nats: below, the axis is linear
UNIT = "validation loss above float32 (nats per token)"


def draw_figures(found: Sequence[Entry], folder: Path, bits: int = SHOWN_BITS) -> dict[str, Path]:
    """Each figure as SVG and PNG in `folder`; name -> path of the SVG."""
    drawn = {}
    with matplotlib.rc_context(RC):
        for name, figure in (
            ("methods-at-one-width", damage_of_methods(found, bits)),
            ("methods-damage-versus-bits", damage_against_bits(found)),
        ):
            drawn[name] = folder / f"{name}.svg"
            figure.savefig(drawn[name], metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=150)
    return drawn


def damage_of_methods(found: Sequence[Entry], bits: int) -> Figure:
    """A line a method, the least damage on top, a panel a model; float and the control as lines."""
    small, models = compressing(found), models_of(found)
    methods = order_of_damage(small, bits)
    figure = Figure(figsize=(3.2 + 3.0 * len(models), 1.6 + 0.19 * len(methods)),
                    layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    rows = {method: row for row, method in enumerate(methods)}
    for panel, model in zip(panels, models, strict=True):
        panel.set_title(model)
        for entry in at(small, model, bits):
            colour, marker = STYLES[entry.kind]
            y = rows[entry.method]
            panel.plot([min(entry.damage), max(entry.damage)], [y, y], color=colour, linewidth=1.5)
            panel.plot(entry.mean, y, marker, color=colour, markersize=4.5)
        panel.axvline(0, **LIMIT)
        control = [e.mean for e in found if (e.model, e.method) == (model, FURTHER)]
        for level in control:
            panel.axvline(level, linestyle=":", **LIMIT)
        panel.set_xlabel(UNIT.replace(" (", "\n("))
    damage_axes("x", *panels)
    panels[0].set_yticks(range(len(methods)), methods, fontsize=7.5)
    panels[0].set_ylim(len(methods) - 0.3, -0.7)
    lines = [Line2D([], [], label="float32", **LIMIT),
             Line2D([], [], linestyle=":", label=FURTHER, **LIMIT)]
    figure.legend(handles=[*kinds(small, bits), *lines], loc="outside upper center", ncols=3,
                  title=bits_said(bits))
    return figure


def damage_against_bits(found: Sequence[Entry]) -> Figure:
    """All that compresses weights, by its true bits; what nothing undercuts is numbered and named.
    """
    models = models_of(found)
    figure = Figure(figsize=(5.2 * len(models), 7.6), layout="constrained")
    grid = figure.subplots(2, len(models), squeeze=False, sharey="row",
                           height_ratios=[1, 0.42])  # fmt: skip
    for column, model in enumerate(models):
        panel, below = grid[:, column]
        own = [e for e in compressing(found) if e.model == model]
        panel.set_title(model, pad=44)
        for kind, (colour, marker) in STYLES.items():
            some = [e for e in own if e.kind == kind]
            panel.plot([e.values["bits_per_weight"] for e in some], [e.mean for e in some], marker,
                       color=colour, markersize=4, alpha=0.55, markeredgewidth=0)
        front = pareto_front(own)
        panel.step([e.values["bits_per_weight"] for e in front], [e.mean for e in front],
                   where="post", color="#000000", linewidth=1)
        panel.axhline(0, **LIMIT)
        bits_axis(panel)
        name_front(panel, below, front)
    damage_axes("y", *grid[0])
    grid[0, 0].set_ylabel(UNIT)
    line = Line2D([], [], color="#000000", linewidth=1, label="Pareto front")
    figure.legend(handles=[*kinds(compressing(found)), line], loc="outside upper center", ncols=4)
    return figure


def name_front(panel: Axes, below: Axes, front: Sequence[Entry]) -> None:
    """Numbers along the upper edge, above the points of the front; the names below the panel."""
    rows = -(-len(front) // 2)
    level = 0
    before = 0.0
    for number, entry in enumerate(front, start=1):
        bits = entry.values["bits_per_weight"]
        level = (level + 1) % 4 if bits < 1.07 * before else 0  # too near the last: one line up
        before = bits
        panel.annotate(str(number), (bits, 1), (0, 4 + 9 * level), fontsize=7, ha="center",
                       xycoords=("data", "axes fraction"), textcoords="offset points")
        panel.plot(bits, entry.mean, "o", markersize=7, markerfacecolor="none", color="#000000",
                   markeredgewidth=0.8)
        place = 0.5 * ((number - 1) // rows), 1 - ((number - 1) % rows + 0.5) / max(rows, 11)
        text = f"{number}  {entry.method}, {bits_said(entry.bits)}: {entry.mean:+.3f}"
        below.annotate(text, place, xycoords="axes fraction", fontsize=6.5, va="center",
                       annotation_clip=False)
    below.set_axis_off()


def damage_axes(which: str, *panels: Axes) -> None:
    """Linear to LINEAR, then logarithmic, with plain numbers; all panels alike."""
    ends = [getattr(panel.dataLim, f"interval{which}") for panel in panels]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    for panel in panels:
        axis = getattr(panel, f"{which}axis")
        getattr(panel, f"set_{which}scale")("symlog", linthresh=LINEAR, linscale=0.6)
        axis.set_ticks([-0.1, -0.01, 0, 0.01, 0.1, 1, 10])
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(ScalarFormatter())
        limits = min(-LINEAR / 2, 1.3 * low), max(1.5 * high, 2 * LINEAR)
        getattr(panel, f"set_{which}lim")(limits)


def bits_axis(panel: Axes) -> None:
    panel.set_xscale("log", base=2)
    panel.xaxis.set_ticks([1, 2, 3, 4, 6, 8, 16])
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("true bits per weight, scales and floats included, logarithmic")


def bits_said(bits: int) -> str:
    return f"{bits} bit{'' if bits == 1 else 's'}"


def kinds(found: Sequence[Entry], bits: int | None = None) -> list[Line2D]:
    """The legend of the kinds that there are."""
    there = {entry.kind for entry in found if bits in (None, entry.bits)}
    return [
        Line2D([], [], linestyle="", color=colour, marker=marker, markersize=5, label=kind)
        for kind, (colour, marker) in STYLES.items() if kind in there
    ]  # fmt: skip
