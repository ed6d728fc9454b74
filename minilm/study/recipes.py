"""Several recipes on one model: bytes, quality and time in one figure, and which are on the front.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from minilm.compression.recipes import pareto_front
from minilm.study.measures import LOSS, Measure
from minilm.study.plots import LIMIT, RC

Row = Mapping[str, Any]


def recipes_figure(recipes: Mapping[str, Sequence[Row]], measure: Measure = LOSS) -> Figure:
    """Each recipe's stages as a line, by bytes of the file; its last dot is full if no other
    recipe undercuts it in bytes, quality and seconds, which stand beside it.

    recipes: {name: rows of `Recipe.run`}, of the same model: all begin at one point.
    """
    ends = {name: rows[-1] for name, rows in recipes.items()}
    column = measure.column
    highest = (column,) if measure.score else ()
    front = pareto_front(ends.values(), ("file_bytes", column, "total_seconds"), highest)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(8.6, 4.8), layout="constrained")
        axes = figure.subplots()
        for number, (name, rows) in enumerate(recipes.items()):
            x, y = ([row[key] for row in rows] for key in ("file_bytes", column))
            colour = f"C{number}"
            axes.plot(x, y, "-", color=colour, linewidth=0.8, alpha=0.6)
            axes.plot(x[:-1], y[:-1], ".", color=colour, alpha=0.6)
            full = any(rows[-1] is row for row in front)
            axes.plot(x[-1], y[-1], "o", color=colour, markerfacecolor=colour if full else "white",
                      label=f"{name}: {x[-1]:,} bytes, {rows[-1]['total_seconds']:.0f} s")
        start = next(iter(recipes.values()))[0]
        axes.axhline(start[column], **LIMIT)
        axes.set_xscale("log")
        axes.invert_xaxis()  # as the stages go, from left to right
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("file (kB, logarithmic); from left to right the stages")
        axes.set_ylabel(measure.axis)
        axes.legend(loc="best", title="full: on the front of bytes × quality × time")
    return figure
