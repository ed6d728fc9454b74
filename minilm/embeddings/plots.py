"""Figures of word vectors: a map, the cosines of some words, quality against bits.

`Figure` is used directly, not pyplot: no window, no global state; `figure.savefig("map.svg")`
writes one. Colours are Okabe and Ito's and the colour map is cividis, which all common colour
blindnesses leave in order; markers and numbers say the same again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minilm.embeddings.compressed_quality import FLOAT, SIZES
from minilm.embeddings.keyed_vectors import KeyedVectors
from minilm.embeddings.label_places import label_places
from minilm.embeddings.table_rows import unit_rows
from minilm.types import Array

STYLES = [("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "s"), ("#CC79A7", "D"), ("#000000", "X")]
FAR = 12  # dots (of 100 an inch) from its point from which on a line leads to a label
LEVEL: dict[str, Any] = {"color": "#555555", "linewidth": 1.0}
RC: Any = {
    "svg.hashsalt": "minilm", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "grid.alpha": 0.25, "legend.frameon": False, "axes.titlesize": 9,
}  # fmt: skip


def principal_components(x: Array, count: int = 2) -> tuple[Array, Array]:
    """The `count` directions in which the rows of x differ most: where the rows lie along them.

    x − mean = U S Vᵀ,  coordinates U S = (x − mean) V,  a direction's share S_i² / Σ S²

    x: (n, D), count <= min(n, D)  ->  (n, count), (count,) shares of the variance. A direction has
    no sign of its own; here the row that lies farthest along it lies on its positive side.
    """
    if x.ndim != 2 or not 1 <= count <= min(x.shape):
        raise ValueError(f"count must be from 1 to the sides of x, got {count} for {x.shape}")
    U, S, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    coordinates = (U * S)[:, :count]
    farthest = np.abs(coordinates).argmax(axis=0)
    sign = np.where(coordinates[farthest, np.arange(count)] < 0, -1, 1).astype(x.dtype)
    total = float(S @ S)
    shares = S[:count] ** 2 / total if total > 0 else np.zeros(count, x.dtype)
    return coordinates * sign, shares


def projection_figure(
    wv: KeyedVectors, groups: Sequence[str] | Mapping[str, Sequence[str]]
) -> Figure:
    """A map of words: the two principal components of their unit vectors, labels apart.

    groups: words, or {name: words}, each group with a colour and a marker of its own. Where labels
    have no room beside their points, lines lead to them; where there is none at all, a point stays
    without. Raises KeyError for an unknown word, ValueError for fewer than two.
    """
    named = groups if isinstance(groups, Mapping) else {"": groups}
    words = [word for group in named.values() for word in group]
    if len(words) < 2:
        raise ValueError(f"groups must hold at least two words, got {len(words)}")
    places, shares = principal_components(unit_rows(wv[words]))
    with rc_context(RC):
        figure = Figure(figsize=(6.4, 5.2))
        axes = figure.add_axes((0.11, 0.1, 0.86, 0.82))
        start = 0
        for i, (name, group) in enumerate(named.items()):
            own, (colour, marker) = places[start : start + len(group)], STYLES[i % len(STYLES)]
            axes.plot(*own.T, linestyle="", color=colour, marker=marker, markersize=4, label=name)
            start += len(group)
        axes.margins(0.12)
        axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # fixed: labels go by them
        for direction, share in zip(("x", "y"), shares, strict=True):
            rank = "first" if direction == "x" else "second"
            axes.set(**{f"{direction}label": f"{rank} component, {share:.0%} of the variance"})
        if isinstance(groups, Mapping):
            figure.legend(loc="upper center", ncols=len(named))
        draw_labels(figure, axes, places, words)
    return figure


def draw_labels(figure: Figure, axes: Axes, places: Array, words: Sequence[str]) -> None:
    """Write each word near its place (n, 2), none over another; a line to those that are far."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # it measures the words
    texts = [figure.text(0, 0, word, fontsize=8, va="bottom") for word in words]
    sizes = np.array([text.get_window_extent(renderer).size for text in texts])
    points = axes.transData.transform(places)
    corners = label_places(points, sizes, np.array(axes.get_window_extent(renderer).extents))
    for text, corner, point, size in zip(texts, corners, points, sizes, strict=True):
        if np.isnan(corner).any():
            text.remove()
            continue
        # as shares of the figure, whatever its dots per inch will be
        x, y = figure.transFigure.inverted().transform(corner)
        text.set_position((float(x), float(y)))
        end = np.clip(point, corner, corner + size)  # what is nearest of the label's box
        if np.linalg.norm(end - point) > FAR:
            line = axes.transData.inverted().transform(np.array([point, end]))
            axes.plot(*line.T, color="#999999", linewidth=0.5, zorder=0.5)


def similarity_figure(wv: KeyedVectors, words: Sequence[str]) -> Figure:
    """The cosine of each of these words with each, as colours and as numbers."""
    unit = unit_rows(wv[list(words)])
    cosines = unit @ unit.T
    side = 1.2 + 0.36 * len(words)
    with rc_context(RC):
        figure = Figure(figsize=(side + 0.9, side), layout="constrained")
        axes = figure.subplots()
        low = min(0.0, float(cosines.min()))
        image = axes.imshow(cosines, cmap="cividis", vmin=low, vmax=1)
        for (i, j), cosine in np.ndenumerate(cosines):
            dark = cosine - low < 0.5 * (1 - low)
            # + 0.0: no −0.00
            number = f"{round(float(cosine), 2) + 0.0:.2f}".replace("-", "−")
            axes.text(j, i, number, ha="center", va="center", fontsize=7,
                      color="white" if dark else "black")  # fmt: skip
        axes.set_xticks(range(len(words)), words, rotation=90)
        axes.set_yticks(range(len(words)), words)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(image, label="cosine", shrink=0.8)
    return figure


def quality_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Each measure of `quality_against_bits` against bits: a marker for each recipe.

    rows: of one run or of several (seeds), one after the other: markers are means over runs and
    bars go from the lowest to the highest; the line, and the band about it, are the floats.
    A recipe "family: setting" is drawn in its family's colour, joined in the order of bits.
    """
    measures = [name for name in rows[0] if name not in ("recipe", "seed", *SIZES)]
    recipes = list(dict.fromkeys(row["recipe"] for row in rows if row["recipe"] != FLOAT))
    families = list(dict.fromkeys(recipe.partition(":")[0] for recipe in recipes))
    with rc_context(RC):
        across = min(2, len(measures))
        down = -(-len(measures) // across)
        figure = Figure(figsize=(3.7 * across, 2.7 * down + 0.5), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
        for axes, measure in zip(panels, measures, strict=False):
            draw_float_level(axes, values(rows, FLOAT, measure))
            for family, (colour, marker) in zip(families, STYLES * len(families), strict=False):
                own = [recipe for recipe in recipes if recipe.partition(":")[0] == family]
                draw_family(axes, rows, own, measure, family, {"color": colour, "marker": marker})
            axes.set_title(measure, loc="left")
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.grid(True)
        for axes in panels[len(measures) :]:
            axes.set_visible(False)
        figure.supxlabel("true bits per weight, scales and codebooks included", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def draw_float_level(axes: Axes, level: Array) -> None:
    """Where the floats are: their mean as a line, a band from the lowest to the highest run."""
    axes.axhline(float(level.mean()), label=FLOAT, **LEVEL)
    axes.axhspan(level.min(), level.max(), color=LEVEL["color"], alpha=0.15, linewidth=0)


def draw_family(
    axes: Axes, rows: Sequence[Mapping[str, Any]], recipes: Sequence[str], measure: str,
    label: str, style: dict[str, Any],
) -> None:  # fmt: skip
    """Means over runs, joined by bits, with bars from the lowest to the highest run."""
    by_recipe = [(values(rows, r, "bits_per_weight").mean(), values(rows, r, measure))
                 for r in recipes]  # fmt: skip
    by_recipe.sort(key=lambda pair: pair[0])
    x = [bits for bits, _ in by_recipe]
    mean = np.array([found.mean() for _, found in by_recipe])
    ends = np.array([(found.min(), found.max()) for _, found in by_recipe]).T
    bars = np.abs(ends - mean)
    axes.errorbar(x, mean, bars, label=label, markersize=4, linewidth=1, capsize=2, **style)


def values(rows: Sequence[Mapping[str, Any]], recipe: str, column: str) -> Array:
    """One column of one recipe, a number for each run."""
    return np.array([float(row[column]) for row in rows if row["recipe"] == recipe])
