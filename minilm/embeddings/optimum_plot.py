"""The figure of skip-gram's products beside their optimum.

`Figure` is used directly, not pyplot: no window, no global state.
"""

from typing import Any

from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from minilm.embeddings.optimum import Products

RC: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def optimum_figure(products: Products) -> Figure:
    """A point for each pair of words: what its product should be, and what was learned.

    On the line both are equal. Frequent pairs, bright, are learned first. `figure.savefig(path)`.
    """
    optimum, learned = products.optimum.ravel(), products.learned.ravel()
    order = products.counts.ravel().argsort()  # the frequent on top
    with rc_context(RC):
        figure = Figure(figsize=(5.2, 4.2), layout="constrained")
        axes = figure.subplots()
        points = axes.scatter(
            optimum[order], learned[order], c=products.counts.ravel()[order], s=8, cmap="cividis",
            norm=LogNorm(),
        )  # fmt: skip
        axes.axline((0, 0), slope=1, color="#D55E00", linewidth=1, label="learned = optimum")
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("optimum: PMI − log k (nats)")
        axes.set_ylabel("learned: v·u")
        axes.set_title(f"{optimum.size} pairs, correlation {products.correlation:.4f}")
        axes.legend(frameon=False, loc="upper left")
        figure.colorbar(points, ax=axes).set_label("times the pair was seen, X")
    return figure
