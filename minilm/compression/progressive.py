"""Progressive quantization: a part is rounded for good, and the rest is trained to make up for it.

    one at a time     w_1 is packed, the others are retrained; w_2 is packed, …
    in portions       of every weight, the half with the highest scores is rounded and frozen, the
                      other half retrained; then ¾, ⅞, all of it      Zhou et al. 2017 (INQ), alg. 1

Both end with every weight packed. Neither has a derivative of rounding: what is trained is never
rounded while it is trained. `retrain(params, view, stage)` is the caller's, for instance

    def retrain(params, view, stage):
        return fit(model, params, batches, view=view, checkpoint=f"stage-{stage}.npz")[0]
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilm.compression.pruning import keep_highest
from minilm.compression.quantization.quantize import Bits, bits_by_name, quantize
from minilm.compression.views.combining import times, trainable
from minilm.compression.views.learned_steps import add_steps, learned_steps, quantize_with_steps
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Params

Retrain = Callable[[Params, View, int], Params]
PORTIONS = (0.5, 0.75, 0.875, 1.0)


def one_at_a_time(
    params: Params, bits: Bits, retrain: Retrain, *, order: Sequence[str] | None = None,
    **how: Any,
) -> Params:
    """Pack one weight after the other, and retrain what is still float after each.

    order: names, each weight that is to be packed once; None: as they stand in params. `by_damage`
    makes one. bits, how: as for `quantize`. After the last weight only vectors are retrained.
    ValueError for an order that leaves a weight out or names another.
    """
    chosen = bits_by_name(trainable(params), bits)
    order = list(chosen) if order is None else list(order)
    if sorted(order) != sorted(chosen):
        raise ValueError(f"order must name each weight once, {', '.join(chosen)}, "
                         f"got {', '.join(order)}")
    for stage, name in enumerate(order):
        params = quantize(params, {name: chosen[name]}, **how)
        params = retrain(params, as_is, stage)
    return params


def by_damage(
    params: Params, bits: Bits, loss_of: Callable[[Params], float], **how: Any
) -> list[str]:
    """The weights' names, first the one that costs most when it alone is rounded.

    loss_of: params -> loss on data that training may see. Most first, so that all the others are
    still there to make up for it.
    """
    chosen = bits_by_name(trainable(params), bits)
    losses = {name: loss_of(quantize(params, {name: b}, **how)) for name, b in chosen.items()}
    return sorted(chosen, key=lambda name: -losses[name])


def in_portions(
    params: Params,
    bits: Bits,
    retrain: Retrain,
    *,
    portions: Sequence[float] = PORTIONS,
    score: str = "magnitude",
    objective: str = "absmax",
    grid: str = "int",
    axis: str | None = None,
    group_size: int | None = None,
    seed: int = 0,
) -> Params:
    """Round a growing portion of each weight's numbers for good, and retrain the others.

    portions: rising, the last 1. score: which numbers come first: "magnitude", the largest (the
    paper's choice: they matter most, so the most others are there to make up for them), "error",
    those nearest to a level, or "random" (drawn by seed). Scales are chosen once, at the start, by
    objective, grid, axis, group_size as for `add_steps`, so that all numbers end on one grid.
    ValueError for portions that do not rise to 1, or another score.
    """
    rising = list(portions) == sorted(set(portions))
    if not len(portions) or not rising or not portions[0] > 0 or portions[-1] != 1:
        raise ValueError(f"portions must rise from above 0 to 1, got {tuple(portions)!r}")
    if score not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
    rng = np.random.default_rng(seed)
    params = add_steps(params, bits, objective=objective, grid=grid, axis=axis,
                       group_size=group_size)
    names = list(bits_by_name(trainable(params), bits))
    frozen = {name: np.zeros(params[name].shape, np.bool_) for name in names}
    for stage, portion in enumerate(portions):
        # what is frozen already lies on the grid, and is rounded to itself
        held, _ = learned_steps(bits, grid=grid)(params, 0)
        for name in names:
            scores = SCORES[score](params[name], held[name], rng).astype(np.float64)
            scores[frozen[name]] = np.inf
            frozen[name] = keep_highest(scores, 1 - portion)
        view = partly_frozen({name: held[name] for name in names}, frozen)
        params, _ = view(retrain(params, view, stage), 0)
    return quantize_with_steps(params, bits, grid=grid)


SCORES: dict[str, Callable[[Array, Array, np.random.Generator], Array]] = {
    "magnitude": lambda w, rounded, rng: np.abs(w),
    "error": lambda w, rounded, rng: -np.abs(w - rounded),
    "random": lambda w, rounded, rng: rng.random(w.shape),
}


def partly_frozen(held: dict[str, Array], frozen: dict[str, Array]) -> View:
    """The model sees `held` where `frozen` (bool) is True, and the weight elsewhere, where alone
    it is trained."""
    free = {name: ~mask for name, mask in frozen.items()}

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        seen = {name: np.where(frozen[name], held[name], params[name]) for name in frozen}
        return {**params, **seen}, times(free, as_is(params, step)[1])

    return view
