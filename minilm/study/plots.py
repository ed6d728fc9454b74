"""The figures of a study, each with its limit drawn in and its spread over seeds.

`Figure` is used directly, not pyplot: no window, no global state, and the same bytes every time.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    MultipleLocator,
    NullFormatter,
    PercentFormatter,
    ScalarFormatter,
)

from minilm.study.limits import lloyd_max_sqnr, shannon_sqnr
from minilm.study.measures import Measure
from minilm.study.results import Row
from minilm.study.settings import ALONE, BIT_WIDTHS, DISTILLED, FLOAT, PRUNED, SCHEMES, TRAINED

# Okabe and Ito's colours, distinct under every common colour blindness; markers say the same again.
STYLES = {
    "per-tensor absmax": ("#D55E00", "v"),
    "per-channel absmax": ("#0072B2", "o"),
    "per-group MSE": ("#009E73", "s"),
    "Lloyd–Max": ("#CC79A7", "D"),
    TRAINED: ("#009E73", "*"),
    PRUNED: ("#E69F00", "^"),
    ALONE: ("#999999", "P"),
    DISTILLED: ("#56B4E9", "X"),
    FLOAT: ("#000000", "o"),
}
MODEL_STYLES = {
    "LSTM": ("#0072B2", "o"),
    "Transformer": ("#D55E00", "^"),
    "word2vec": ("#009E73", "s"),
    "bag of words": ("#CC79A7", "D"),
}
DAMAGE = "validation loss above float32 (nats)\nlinear below 0.01, then logarithmic"
LIMIT: dict[str, Any] = {"color": "#555555", "linewidth": 1.0}
RC: Any = {
    "svg.hashsalt": "minilm", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "legend.frameon": False,
}


def draw_figures(rows: list[Row], folder: Path, measure: Measure) -> dict[str, Path]:
    """Draw every figure as SVG and PNG into `folder`; name -> path of the SVG."""
    drawn = {}
    with matplotlib.rc_context(RC):
        figures = {
            "error-versus-bits": error_versus_bits(rows, measure),
            "training": training_curves(rows, folder, measure),
            "pruning": pruning(rows, measure),
        }
        if "word2vec" in compressed_models(rows):
            figures["neighbours"] = neighbours(rows)
        kind = "score" if measure.score else "loss"
        figures[f"size-versus-{kind}"] = size_versus_quality(rows, measure)
        for name, figure in figures.items():
            drawn[name] = folder / f"{name}.svg"
            figure.savefig(drawn[name], metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=150)
    return drawn


def error_versus_bits(rows: list[Row], measure: Measure) -> Figure:
    """Top: SQNR of the weights with the Gaussian limits. Bottom: what it costs."""
    models = compressed_models(rows)
    width = max(3.6 * len(models), 5.0 * min(2, len(models)))  # room for legend and labels
    figure = Figure(figsize=(width, 6.4), layout="constrained")
    axes = figure.subplots(2, len(models), sharex=True, sharey="row", squeeze=False)
    for column, model in enumerate(models):
        top, bottom = axes[:, column]
        top.set_title(model)
        draw_limits(top)
        for method in (*SCHEMES, TRAINED):
            own = select(rows, model, method)
            draw_spread(top, own, "bits_per_weight", "sqnr_db", method)
            draw_spread(bottom, own, "bits_per_weight", cost_column(measure), method)
        bottom.set_xlabel("true bits per weight, scales and floats included")
        bottom.xaxis.set_major_locator(MultipleLocator(2))
    draw_cost_axes(measure, *axes[1])
    axes[0, 0].set_ylabel("SQNR of the weights (dB)")
    axes[0, 0].set_ylim(-2, 52)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns_of_legend(models))
    return figure


def cost_column(measure: Measure) -> str:
    """A score is drawn itself, beside what is attainable; a loss as what it lies above float32."""
    return measure.column if measure.score else measure.change


def draw_cost_axes(measure: Measure, *panels: Axes) -> None:
    """Panels side by side with what compression costs on their vertical axes."""
    if measure.score:
        draw_score_axes(measure, *panels)
        return
    for panel in panels:
        panel.axhline(0, **LIMIT)
    logarithmic_above(0.01, *panels)
    panels[0].set_ylabel(DAMAGE)


def draw_score_axes(measure: Measure, *panels: Axes) -> None:
    """Vertical axes from nothing to all right, with the limits, named beside the last panel."""
    for panel in panels:
        panel.set_ylim(-0.03 * measure.whole, 1.06 * measure.whole)
        panel.yaxis.set_major_formatter(PercentFormatter(measure.whole))
        for value in measure.limits.values():
            panel.axhline(value, linestyle="-", **LIMIT)
    for name, value in measure.limits.items():
        name_level(panels[-1], value, name)
    panels[0].set_ylabel(measure.axis)


def draw_limits(axes: Axes) -> None:
    """What no code can pass for a Gaussian source, and what the best scalar code reaches."""
    rates = np.array(sorted(BIT_WIDTHS))
    axes.plot(rates, shannon_sqnr(rates), "-", label="Gaussian limit: Shannon D(R)", **LIMIT)
    lloyd = [lloyd_max_sqnr(int(bits)) for bits in rates]
    axes.plot(rates, lloyd, ":", label="Gaussian, best scalar code: Lloyd–Max", **LIMIT)


def training_curves(rows: list[Row], folder: Path, measure: Measure) -> Figure:
    """What is measured while training, with the n-grams and the known limits as lines."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for model in compressed_models(rows):
        paths = sorted(folder.glob(f"models/{model}-*.curve.json"))
        curves = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        if not curves:
            continue
        # steps of different models cost different time: the share of the training is comparable
        share = np.array([point["step"] for point in curves[0]]) / curves[0][-1]["step"]
        losses = np.array([[point["validation_loss"] for point in curve] for curve in curves])
        colour, marker = MODEL_STYLES[model]
        axes.plot(share, losses.mean(axis=0), color=colour, marker=marker, label=model)
        axes.fill_between(share, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.2)
        if not measure.score:  # scores may begin alike: nothing is right yet
            axes.annotate(model, (share[0], losses[:, 0].mean()), (6, 4), color=colour,
                          textcoords="offset points")
    for row in rows:
        if row["model"] == "n-gram":
            draw_level(axes, row["loss"], f"n-gram, {row['method']}", ":")
    axes.set_xlabel("share of the training")
    if measure.score:
        draw_score_axes(measure, axes)
        axes.legend(loc="lower right")
    else:
        for name, value in measure.limits.items():
            draw_level(axes, value, name, "-")
        axes.set_ylabel(f"{measure.axis}, logarithmic")
        axes.set_yscale("log")  # long n-grams lie close together, far below the short ones
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def draw_level(axes: Axes, loss: float, name: str, line: str) -> None:
    """A horizontal line, named to the right of the axes."""
    axes.axhline(loss, linestyle=line, **LIMIT)
    name_level(axes, loss, name)


def name_level(axes: Axes, level: float, name: str) -> None:
    axes.annotate(name, (1, level), (4, 0), xycoords=("axes fraction", "data"), fontsize=7,
                  textcoords="offset points", va="center", annotation_clip=False)


def pruning(rows: list[Row], measure: Measure) -> Figure:
    """What it costs, against the share of weights set to zero."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for model in compressed_models(rows):
        own = select(rows, model, PRUNED)
        draw_spread(axes, own, "sparsity", cost_column(measure), model, MODEL_STYLES[model])
    draw_cost_axes(measure, axes)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("weights set to zero")
    axes.legend(loc="lower left" if measure.score else "upper left")
    return figure


def neighbours(rows: list[Row]) -> Figure:
    """How many of a word's nearest words stay its nearest words."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for method in (*SCHEMES, TRAINED):
        own = select(rows, "word2vec", method)
        draw_spread(axes, own, "bits_per_weight", "neighbour_agreement", method)
    draw_level(axes, 1, "float32", "-")
    axes.set_ylim(0, 1.08)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("true bits per weight, scales included")
    axes.set_ylabel("share of the ten nearest words kept")
    axes.legend(loc="lower right")
    return figure


def size_versus_quality(rows: list[Row], measure: Measure) -> Figure:
    """Every compressed model by the bytes of its file: to the left is better, and a lower loss, or
    a higher score.
    """
    models = [model for model in compressed_models(rows) if model != "word2vec"]
    figure = Figure(figsize=(4.6 * max(1, len(models)), 4.6), layout="constrained")
    axes = figure.subplots(1, max(1, len(models)), sharey=True, squeeze=False)[0]
    for panel, model in zip(axes, models, strict=False):
        panel.set_title(model)
        for method in STYLES:
            own = select(rows, model, method)
            draw_spread(panel, own, "file_bytes", measure.column, method, scale=1e-3)
        ngrams = [row["loss"] for row in rows if row["model"] == "n-gram"]
        if ngrams:
            draw_level(panel, min(ngrams), "best n-gram", ":")
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("size of the saved file (kB)")
    if measure.score:
        draw_score_axes(measure, *axes)
    axes[0].set_ylabel(measure.axis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns_of_legend(models))
    return figure


def columns_of_legend(models: list[str]) -> int:
    """As many as stand side by side above a panel for each model."""
    return 4 if len(models) > 1 else 2


def logarithmic_above(loss: float, *panels: Axes) -> None:
    """Loss axes that show both nats and their thousandths, and what is below zero; all alike."""
    low = min(panel.dataLim.y0 for panel in panels)
    high = max(panel.dataLim.y1 for panel in panels)
    for panel in panels:
        panel.set_yscale("symlog", linthresh=loss, linscale=0.6)
        panel.yaxis.set_major_formatter(ScalarFormatter())
        panel.set_ylim(min(-loss / 2, 1.2 * low), 1.5 * high)


def draw_spread(
    axes: Axes, rows: list[Row], x: str, y: str, label: str,
    style: tuple[str, str] | None = None, scale: float = 1.0,
) -> None:  # fmt: skip
    """The mean over seeds as a line with markers, and a band from the lowest to the highest."""
    points: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for row in rows:
        if row.get(x) is not None and row.get(y) is not None:
            amount = (row["method"], row.get("bits") or row.get("sparsity") or 0.0)
            points.setdefault(amount, []).append((row[x] * scale, row[y]))
    if not points:
        return
    xs = np.array([np.mean([px for px, _ in seeds]) for seeds in points.values()])
    ys = [np.array([py for _, py in seeds]) for seeds in points.values()]
    order = np.argsort(xs)
    middle, low, high = (np.array([f(v) for v in ys])[order] for f in (np.mean, np.min, np.max))
    colour, marker = style or STYLES[label]
    line = "--" if label == TRAINED else "-"
    axes.plot(xs[order], middle, line, marker=marker, markersize=5, linewidth=1.2, color=colour,
              label=label)
    axes.fill_between(xs[order], low, high, color=colour, alpha=0.2, linewidth=0)


def select(rows: Iterable[Row], model: str, method: str) -> list[Row]:
    return [row for row in rows if row["model"] == model and row["method"] == method]


def compressed_models(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in rows if row["method"] == FLOAT))
