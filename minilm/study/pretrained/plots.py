"""The figures of docs/pretrained.md, from the rows of docs/pretrained.csv alone.

Colours are Okabe and Ito's, and markers say the same again; the maps go from light to dark and have
their numbers written in, so that no colour has to be told from another.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, ScalarFormatter

from minilm.study.limits import lloyd_max_sqnr, shannon_sqnr
from minilm.study.plots import LIMIT, RC
from minilm.study.pretrained.measure import ONE_MATRIX, ONE_PART, Row
from minilm.study.pretrained.words import part, small, whole

WIDTH = 8.6  # inches, of a page's column
DRIFT = "drift of sentence vectors, 1 − mean cosine"
NOISE: dict[str, Any] = {**LIMIT, "linestyle": "--"}  # a mark, and no limit
STYLES = {
    "one scale": ("#D55E00", "v"),
    "round to nearest": ("#0072B2", "o"),
    "in groups": ("#009E73", "s"),
    "least squares, asymmetric in groups": ("#CC79A7", "D"),
    "codebook in groups": ("#56B4E9", "P"),
    "AWQ, least squares": ("#E69F00", "^"),
    "GPTQ, least squares": ("#000000", "*"),
}
ACTIVATION_STYLES = {"": ("#D55E00", "v"), ", SmoothQuant": ("#E69F00", "^"),
                     ", rotation": ("#0072B2", "o")}  # fmt: skip
CURES = (("", "as it is", "#D55E00", "v"), ("smooth_", "after SmoothQuant", "#E69F00", "^"),
         ("rotated_", "after rotation", "#0072B2", "o"))  # fmt: skip


def draw_figures(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    """Each figure as SVG in `folder`; name -> path."""
    figures: dict[str, Callable[[Sequence[Row]], Figure]] = {
        "pretrained-drift-versus-bits": drift_versus_bits,
        "pretrained-sensitivity": sensitivity_maps,
        "pretrained-outliers": outliers,
        "pretrained-activations": activations_versus_bits,
    }
    drawn = {}
    with matplotlib.rc_context(RC):
        for name, draw in figures.items():
            drawn[name] = folder / f"{name}.svg"
            draw(rows).savefig(drawn[name], metadata={"Date": None})
    return drawn


def drift_versus_bits(rows: Sequence[Row]) -> Figure:
    """Left: how far weights moved, with Shannon's limit. Right: what that did to embeddings, with
    the drift that noise of the limit's size causes, which is no limit itself."""
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    own = [row for row in part(rows, "weights") if whole(row) and row["bits_per_weight"] < 10]
    for axes, y in ((left, "sqnr_db"), (right, "drift")):
        others = [row for row in own if row["method"] not in STYLES]
        axes.plot([r["bits_per_weight"] for r in others], [r[y] for r in others], ".",
                  color="#999999", markersize=4, label="all others")
        for method, (colour, marker) in STYLES.items():
            some = sorted((r for r in own if r["method"] == method), key=lambda r: r["bits"])
            axes.plot([r["bits_per_weight"] for r in some], [r[y] for r in some], marker=marker,
                      color=colour, markersize=5, linewidth=1.1, label=method)
        axes.set_xlabel("true bits per weight, scales and floats included")
    bits = np.arange(2, 9)
    left.plot(bits, shannon_sqnr(bits), label="left: Shannon's limit", **LIMIT)
    left.plot(bits, [lloyd_max_sqnr(int(b)) for b in bits], linestyle=":",
              label="left: Lloyd–Max on a Gaussian", **LIMIT)  # fmt: skip
    left.set_ylabel("SQNR of the weights, dB")
    left.set_ylim(bottom=min(-2.0, left.get_ylim()[0]))
    draw_noise(right, part(rows, "limit"))
    right.set_yscale("log")
    right.set_ylabel(DRIFT)
    plain_logarithms(right, "y", [1, 0.1, 0.01, 0.001, 0.0001])
    handles = [*left.get_legend_handles_labels()[0], *right.lines[-1:]]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def draw_noise(axes: Axes, limit: Sequence[Row]) -> None:
    """The drift that the least noise causes: the mean over draws, and the band between them."""
    bits = sorted({row["bits"] for row in limit})
    drawn = [[row["drift"] for row in limit if row["bits"] == b] for b in bits]
    axes.plot(bits, [np.mean(each) for each in drawn],
              label="right: weights with Shannon's least noise", **NOISE)
    axes.fill_between(bits, [min(each) for each in drawn], [max(each) for each in drawn],
                      color=LIMIT["color"], alpha=0.25, linewidth=0)  # fmt: skip


def plain_logarithms(axes: Axes, which: str, ticks: Sequence[float]) -> None:
    axis = getattr(axes, f"{which}axis")
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_formatter(NullFormatter())


def sensitivity_maps(rows: Sequence[Row]) -> Figure:
    """Left: a part of the encoder by bits. Right: a matrix of each layer, at one width."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    layers = part(rows, "layers")
    parts = list(dict.fromkeys(row["where"] for row in layers))
    found = {(row["where"], row["bits"]): row["drift"] for row in layers}
    by_bits = np.array([[found[where, bits] for bits in ONE_PART] for where in parts])
    single = {row["where"]: row["drift"] for row in part(rows, "matrices")}
    names = [where.split(", ")[1] for where in single if where.startswith("layer 1,")]
    by_name = np.array([[single[f"{where}, {name}"] for name in names] for where in parts[1:]])
    norm = LogNorm(min(by_bits.min(), by_name.min()), max(by_bits.max(), by_name.max()))
    draw_map(left, by_bits, parts, [f"{bits} bits" for bits in ONE_PART], norm)
    left.set_title("one part rounded, all else float")
    draw_map(right, by_name, parts[1:], names, norm)
    right.set_title(f"one matrix rounded to {ONE_MATRIX} bits, all else float")
    figure.supxlabel(f"{DRIFT}, in thousandths", fontsize=9)
    return figure


def draw_map(
    axes: Axes, values: np.ndarray, down: Sequence[str], across: Sequence[str], norm: LogNorm
) -> None:
    """A light to dark map of positive numbers, with the numbers in it."""
    axes.imshow(values, cmap="cividis_r", norm=norm, aspect="auto")
    axes.grid(False)
    axes.set_yticks(range(len(down)), down)
    axes.set_xticks(range(len(across)), across)
    axes.tick_params(length=0)
    for place, value in np.ndenumerate(values):
        dark = norm(value) > 0.5
        axes.text(place[1], place[0], small(1000 * value), ha="center", va="center", fontsize=8,
                  color="white" if dark else "black")  # fmt: skip


def outliers(rows: Sequence[Row]) -> Figure:
    """A line for each weight: the largest channel of its x over the median one, and the kurtosis.
    """
    own = part(rows, "inputs")
    figure = Figure(figsize=(WIDTH, 1.3 + 0.19 * len(own)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    shown = (("outlier", "largest channel / median channel of x"), ("kurtosis", "kurtosis of x"))
    for axes, (what, title) in zip(panels, shown, strict=True):
        for cure, _, colour, marker in CURES:
            axes.plot([row[cure + what] for row in own], range(len(own)), marker, color=colour,
                      markersize=5)
        for y, row in enumerate(own):
            ends = [row[cure + what] for cure, *_ in CURES]
            axes.plot([min(ends), max(ends)], [y, y], color="#BBBBBB", linewidth=0.8, zorder=0)
        axes.set_xscale("log")
        axes.set_xlabel(title)
        axes.xaxis.set_major_formatter(ScalarFormatter())
    panels[0].axvline(1, **LIMIT)
    panels[1].axvline(3, **LIMIT)
    panels[0].set_xticks([1, 2, 5, 10, 20])
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    panels[1].set_xticks([3, 10, 100, 1000], ["3", "10", "100", "1000"])
    names = [row["where"].split(".") for row in own]
    panels[0].set_yticks(range(len(own)), [f"layer {int(n[1]) + 1}, {n[-1]}" for n in names],
                         fontsize=7.5)  # fmt: skip
    panels[0].set_ylabel("x: what multiplies the weight of …")
    panels[0].set_ylim(len(own) - 0.3, -0.7)
    handles = [Line2D([], [], linestyle="", marker=marker, color=colour, label=label)
               for _, label, colour, marker in CURES]
    limit = Line2D([], [], label="left: all channels alike; right: a Gaussian", **LIMIT)
    figure.legend(handles=[*handles, limit], loc="outside upper center", ncols=4)
    return figure


def activations_versus_bits(rows: Sequence[Row]) -> Figure:
    """Activations rounded, weights in fp16: one scale for all tokens, and one for each."""
    own = [row for row in part(rows, "activations") if row["bits"] == 16]
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"one scale": "one scale for all tokens", "by token": "one scale for each token"}
    for axes, (by, title) in zip(panels, titles.items(), strict=True):
        for cure, (colour, marker) in ACTIVATION_STYLES.items():
            some = sorted((r for r in own if r["method"] == by + cure),
                          key=lambda r: r["activation_bits"])
            axes.plot([r["activation_bits"] for r in some], [r["drift"] for r in some],
                      marker=marker, color=colour, markersize=5, linewidth=1.1,
                      label=cure[2:] or "no cure")
        axes.set_yscale("log")
        axes.set_title(title)
        axes.set_xlabel("bits of the activations; weights in fp16")
        axes.set_xticks([4, 5, 6, 7, 8])
    plain_logarithms(panels[0], "y", [1, 0.1, 0.01, 0.001, 0.0001])
    panels[0].set_ylabel(DRIFT)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
