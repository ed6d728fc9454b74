"""Importance by measured effect: remove one group, and see what the loss becomes.

    score = loss(params with the group at 0) − loss(params)

What every other score estimates, found out: one evaluation of the loss a group, so it is for rows,
columns and heads of small models, and to judge the estimates by. Below 0 the model is better
without it. Each group is removed by itself; of two that do the same work neither is missed.
Mozer and Smolensky 1989 define relevance so; Michel et al. 2019, section 3.2, for heads.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from minilm.compression.parameters import matrices
from minilm.compression.pruning.masks import floats
from minilm.compression.pruning.structures import STRUCTURES
from minilm.compression.quantization.scheme import is_integer
from minilm.types import Array, Params


def measured_effect(
    params: Params,
    loss: Callable[[Params], float],
    *,
    structure: str = "row",
    width: int = 1,
    names: Sequence[str] | None = None,
) -> dict[str, Array]:
    """By how much the loss rises without each group: {name: scores}, for `prune(…, score=…)`.

    loss: of parameters, on data that the pruned model will not be judged by. structure: "row",
    "column" or "element". width: so many neighbouring rows or columns are removed together and
    share their score: head_dim rows of `attention.w_out` are a head. names: of weights; None: all.
    Scores are of the weight's shape, but 1 long along the axes that a row or column spans.

    ValueError for another structure, a width that does not divide, names of no weight, or a loss
    that is not finite.
    """
    if structure not in STRUCTURES:
        raise ValueError(f"structure must be one of {', '.join(STRUCTURES)}, got {structure!r}")
    if not is_integer(width) or width < 1 or (width > 1 and structure == "element"):
        raise ValueError("width must be a positive integer, and 1 for structure 'element', "
                         f"got {width!r}")
    weights = matrices(params)
    names = list(weights if names is None else names)
    unknown = [name for name in names if name not in weights]
    if unknown:
        raise ValueError(f"names must be of weights, {', '.join(weights)}, "
                         f"got {', '.join(unknown)}")
    before = float(loss(params))
    found = {}
    for name in names:
        w = floats(name, weights[name])
        scores = np.empty([1 if a in STRUCTURES[structure](w.ndim) else side
                           for a, side in enumerate(w.shape)])
        for group in groups(name, scores.shape, width):
            without = w.copy()
            without[group] = 0  # along an axis that is 1 long in `scores`, all of it
            scores[group] = float(loss({**params, name: without})) - before
        if not np.isfinite(scores).all():
            raise ValueError(f"loss must be finite, got {scores.min()} without a group of {name}")
        found[name] = scores
    return found


def groups(name: str, shape: tuple[int, ...], width: int) -> list[tuple[slice, ...]]:
    """The slices of each group: `width` neighbours along the axes that are longer than 1."""
    if any(side > 1 and side % width for side in shape):
        raise ValueError(f"width must divide what {name} has of them, {max(shape)}, got {width}")
    along = [
        [slice(None)] if side == 1 else [slice(i, i + width) for i in range(0, side, width)]
        for side in shape
    ]
    return list(product(*along))
