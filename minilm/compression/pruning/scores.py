"""Scores: how much each number of a weight matters; the lowest are pruned.

    w: (n, out), a column for each output; x: the rows that multiply it; H = XᵀX, (n, n)
    g: the gradient of the mean loss by w; F: the mean of the squares of single tokens' gradients

    magnitude   |w|                      Han et al. 2015, section 3
    random      drawn                    the control
    wanda       |w_j|·‖X_j‖              Sun et al. 2023, eq. 1;  ‖X_j‖² = H_jj
    taylor      |w·g|                    Molchanov et al. 2017, of weights and squared 2019
    obd         ½·F·w²                   LeCun et al. 1990, eq. 3, with F for the second derivative
    obs         w_j² / [H⁻¹]_jj          Hassibi and Stork 1992, eq. 5, without its factor of ½

The last is what ‖X(w − ŵ)‖² becomes when w_j is 0 and all others of its column are changed to make
up for it. With a diagonal H no other can make up for it, and the score is the square of Wanda's;
with H ∝ I it orders as the magnitude does.

What a score knows of w is in `Known`. H is `Seen.cost`. A tied table is used twice, as the head and
to look tokens up: its H is the sum, in equal parts, of the head's H and of I, for its rows are read
as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import needed
from minilm.compression.second_order import inverse_diagonal
from minilm.types import Array


@dataclass(frozen=True)
class Known:
    """What a score may ask for beside w (n, out).

    gram: H (n, n), None without calibration. gradient, fisher: g and F, (n, out), None without
    gradients. damping: of H, where it is inverted. rng: for what is drawn. name: whose these are.
    """

    name: str
    rng: np.random.Generator
    gram: Array | None = None
    gradient: Array | None = None
    fisher: Array | None = None
    damping: float = 0.01


def magnitude(w: Array, known: Known) -> Array:
    """|w|."""
    return np.abs(w)


def drawn(w: Array, known: Known) -> Array:
    """Uniform in [0, 1), whatever w is."""
    return known.rng.random(w.shape)


def wanda(w: Array, known: Known) -> Array:
    """|w_j|·‖X_j‖: what is lost if w_j alone becomes 0."""
    norms = np.sqrt(np.diagonal(needed(known.gram, known.name, "score 'wanda'")))
    return np.abs(w) * norms[:, None]


def taylor(w: Array, known: Known) -> Array:
    """|w·g|: by how much the loss would change, were it a straight line."""
    return np.abs(w * required(known.gradient, known.name, "score 'taylor'"))


def obd(w: Array, known: Known) -> Array:
    """½·F·w²: by how much the loss would rise, a parabola at its minimum, without cross terms."""
    return required(known.fisher, known.name, "score 'obd'") * np.square(w, dtype=np.float64) / 2


def obs(w: Array, known: Known) -> Array:
    """w_j² / [H⁻¹]_jj. An input that was always 0 (H_jj = 0) makes its weights worth nothing."""
    gram = needed(known.gram, known.name, "score 'obs'")
    cost = np.where(np.diagonal(gram) > 0, 1 / inverse_diagonal(gram, known.damping), 0)
    return np.square(w, dtype=np.float64) * cost[:, None]


def required(gradients: Any, name: str, part: str) -> Any:
    """The gradients; ValueError where `part`, say "score 'taylor'", goes without."""
    if gradients is None:
        raise ValueError(f"{part} needs the gradients of {name}: pass gradients=, for params a "
                         "dict by name, as `gather_gradients` makes it")
    return gradients


def root_mean_square(scores: Array, axes: tuple[int, ...]) -> Array:
    """√(mean of squares) over these axes, in units of the largest, so that none overflows."""
    unit = np.abs(scores).max(initial=np.finfo(scores.dtype).tiny)
    return unit * np.sqrt(np.square(scores / unit).mean(axis=axes, keepdims=True))


def mean(scores: Array, axes: tuple[int, ...]) -> Array:
    """For scores that are losses already, and add up."""
    return scores.mean(axis=axes, keepdims=True)


def first(scores: Array, axes: tuple[int, ...]) -> Array:
    """For scores that are drawn: one number a group, whatever its size."""
    return scores[tuple(slice(1) if a in axes else slice(None) for a in range(scores.ndim))]


class Score(NamedTuple):
    """One row. of: w (n, out), what is known -> scores of that shape, nowhere negative.

    together: the scores of a group's numbers, the axes that it spans -> its score, those axes 1
    long. needs: which argument of `prune` it cannot do without, or "".
    """

    of: Callable[[Array, Known], Array]
    together: Callable[[Array, tuple[int, ...]], Array]
    needs: str = ""


SCORES: Mapping[str, Score] = {
    "magnitude": Score(magnitude, root_mean_square),
    "random": Score(drawn, first),
    "wanda": Score(wanda, root_mean_square, "calibration"),
    "taylor": Score(taylor, root_mean_square, "gradients"),
    "obd": Score(obd, mean, "gradients"),
    "obs": Score(obs, mean, "calibration"),
}
