"""The figures of what was found inside; each takes what the functions beside it answer.

`Figure` is used directly, not pyplot: no window, no global state; `figure.savefig("inside.svg")`
writes one. Colours are Okabe and Ito's and the colour map is cividis, which all common colour
blindnesses leave in order; markers and numbers say the same again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter, ScalarFormatter

from minilm.inspection.labels import drawable
from minilm.types import Array

STYLES = [("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "s"), ("#CC79A7", "D"), ("#E69F00", "v")]
COLOUR_MAP = "cividis"
CELL, LETTER, WIDEST = 0.16, 0.08, 8.0  # inches: one weight of a map, one letter, all of its panels
RC: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "grid.alpha": 0.25, "axes.titlesize": 9,
}  # fmt: skip
PANELS = {  # of `activation_statistics`: the axis's name and its scale
    "std": ("standard deviation", "log"),
    "absmax": ("largest |x|", "log"),
    "outlier": ("largest channel /\nmedian channel", "log"),
    "kurtosis": ("kurtosis\n(Gaussian: 3)", "log"),
    "zeros": ("exact zeros", "linear"),
}


def attention_figure(
    weights: Array, queries: Sequence[str], keys: Sequence[str], title: str = ""
) -> Figure:
    """One sentence's map, a panel for each head: rows look, columns are looked at.

    weights: (H, T, S), maps[name][row]; queries, keys: the T and S tokens as text. What no font
    here can draw is written as its code point ("U+4E2D").
    """
    if weights.ndim != 3 or weights.shape[1:] != (len(queries), len(keys)):
        raise ValueError(
            f"weights must have shape (H, {len(queries)}, {len(keys)}), one row for each query and "
            f"one column for each key, got {weights.shape}"
        )
    fonts, (rows, columns) = drawable(queries, keys)
    heads, T, S = weights.shape
    across = max(1, min(heads, round(WIDEST / (CELL * S + 0.3))))
    down = -(-heads // across)
    row_length, column_length = (LETTER * max(map(len, labels)) for labels in (rows, columns))
    size = (across * (CELL * S + 0.3) + row_length + 1.2,
            down * (CELL * T + 0.3) + column_length + 0.8)
    with rc_context(RC | {"font.family": fonts}):
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for head, panel in enumerate(panels):
            if head >= heads:
                panel.axis("off")
                continue
            image = panel.imshow(weights[head], vmin=0, vmax=1, cmap=COLOUR_MAP)
            panel.set_title(f"head {head}")
            panel.set_xticks(range(S), columns, rotation=90, parse_math=False)
            panel.set_yticks(range(T), rows, parse_math=False)
            panel.tick_params(length=0, labelsize=7, labelbottom=head + across >= heads)
        figure.supxlabel("key: looked at")
        figure.supylabel("query: looking")
        bar = figure.colorbar(image, ax=panels, shrink=0.8)
        bar.set_label("attention weight; a row sums to 1")
        figure.suptitle(title, parse_math=False)
    return figure


def statistics_figure(statistics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """`activation_statistics` of one or several parameters, {"float32": …, "4 bits": …}.

    A row for each weight, in the order of the forward pass; a panel for each statistic.
    """
    names = list(next(iter(statistics.values())))
    with rc_context(RC):
        figure = Figure(figsize=(2.1 * len(PANELS) + 2, 0.2 * len(names) + 1.6),
                        layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for panel, (field, (label, scale)) in zip(panels, PANELS.items(), strict=True):
            for (who, by_name), style in zip(statistics.items(), STYLES, strict=False):
                draw_by_name(panel, [by_name[name][field] for name in names], who, style)
            panel.set_xscale(scale)
            panel.set_xlabel(label)
            if scale == "log":
                few_ticks(panel)
        panels[-1].xaxis.set_major_formatter(PercentFormatter(1.0))
        name_rows(panels[0], names, "what multiplies the weight")
        if len(statistics) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=len(statistics))
    return figure


def change_figure(changes: Mapping[str, Mapping[str, float]], what: str) -> Figure:
    """A heat map with its numbers: a column for each kind of compression, a row for each layer.

    changes: {"8 bits": {name: number >= 0}, "4 bits": …}; what: the numbers' name and unit.
    The colours follow the root of the numbers, so that small ones are told apart as well.
    """
    columns = list(changes)
    names = list(changes[columns[0]])
    values = np.array([[changes[column][name] for column in columns] for name in names])
    colours = PowerNorm(0.5, vmin=0, vmax=float(values.max()))
    with rc_context(RC):
        figure = Figure(figsize=(0.75 * len(columns) + 4.2, 0.2 * len(names) + 1.3),
                        layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(values, norm=colours, cmap=COLOUR_MAP, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            colour = "black" if colours(value) > 0.55 else "white"
            axes.text(column, row, f"{value:.2g}", ha="center", va="center", color=colour,
                      fontsize=7)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        figure.colorbar(image, ax=axes).set_label(what)
    return figure


def by_head(changes: Mapping[str, Array]) -> dict[str, float]:
    """`head_change` or `head_entropy` with a row for each head, as `change_figure` takes them."""
    return {
        f"{name}, head {head}": float(value)
        for name, values in changes.items() for head, value in enumerate(values)
    }  # fmt: skip


def gradient_figure(norms: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """`gradient_norms` of one or several parameters or views, {"float32": …, "4 bits": …}.

    Left: ‖g‖; right: ‖g‖/‖w‖, where there is a w to compare with. A row for each parameter.
    """
    names = list(next(iter(norms.values())))
    panels_of = {"norm": "‖g‖ (nats per unit of w)", "ratio": "‖g‖ / ‖w‖ (nats per unit², w ≠ 0)"}
    with rc_context(RC):
        figure = Figure(figsize=(8.4, 0.2 * len(names) + 1.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (field, label) in zip(panels, panels_of.items(), strict=True):
            for (who, by_name), style in zip(norms.items(), STYLES, strict=False):
                draw_by_name(panel, [by_name[name][field] for name in names], who, style)
            panel.set_xscale("log")
            panel.set_xlabel(label)
        name_rows(panels[0], names, "parameter")
        if len(norms) > 1:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=len(norms))
    return figure


def lag_figure(by_lag: Mapping[str, Array]) -> Figure:
    """`gradient_by_lag` of one or several parameters, {"float32": (T,), …}."""
    with rc_context(RC):
        figure = Figure(figsize=(5.4, 3.4), layout="constrained")
        axes = figure.subplots()
        for (who, norms), (colour, marker) in zip(by_lag.items(), STYLES, strict=False):
            lags = np.arange(1, len(norms) + 1)
            axes.plot(lags, norms, color=colour, marker=marker, markersize=3, label=who)
        axes.set_yscale("log")
        axes.grid(True)
        axes.set_xlabel("lag k (tokens back from the one that is judged)")
        axes.set_ylabel("‖∂loss_T / ∂h_{T−k}‖ (nats per unit of h)")
        axes.legend()
    return figure


def draw_by_name(
    axes: Axes, values: Sequence[float], who: str, style: tuple[str, str]
) -> None:
    """One marker a row; what is not finite is left out."""
    colour, marker = style
    shown = np.where(np.isfinite(values), values, np.nan)
    axes.plot(shown, np.arange(len(values)), linestyle="", color=colour, marker=marker,
              markersize=4, label=who)


def few_ticks(axes: Axes) -> None:
    """A logarithmic x axis with plain numbers, also where it spans less than a decade."""
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 100 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.tick_params(axis="x", labelsize=6)


def name_rows(axes: Axes, names: Sequence[str], what: str) -> None:
    """The rows' names, the first on top, and a grid in all panels."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_ylabel(what)
    for panel in axes.figure.axes:
        panel.grid(True)
