"""Masked: some weights are zero, and only the others are trained.

    seen = x ⊙ mask,    ∂seen/∂x = mask

    fit(model, params, batches, view=masked(masks))                   masks that stay
    fit(model, params, batches, view=masked(0.5))                     chosen anew at each step
    fit(model, params, batches, view=masked(cubic(0.8, end=1000)))    more and more
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression.parameters import matrices, plain_array
from minilm.compression.pruning import as_schedule, keep_masks
from minilm.compression.pruning.schedules import Sparsities
from minilm.compression.views.combining import times, trainable
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Params

Masks = dict[str, Array]
MasksAt = Callable[[Params, int], Masks]


def masked(masks: Masks | float | Sparsities, *, regrow: bool = True, **how: Any) -> View:
    """The model sees its weights with some of them zero; only the others are trained.

    masks: {name: bool of the weight's shape, True = kept}, fixed; or a sparsity, or a schedule of
    it (step -> sparsity, see `cubic`), by which the masks are chosen from the weights at each step
    (how: score, structure, scope and what these need, as for `keep_masks`).
    regrow: a weight that was left out stays stored, and comes back when others have become smaller;
    False: what is left out once stays out. The view then remembers it from step to step, so a run
    that goes on from a checkpoint is refused: prune in rounds instead, see `lottery_ticket`.
    ValueError for a sparsity outside [0, 1], other settings that `keep_masks` refuses, or a mask of
    another shape or of no parameter, TypeError for the mask of a weight that is compressed, or one
    that is no array.
    """
    masks_at: MasksAt
    if isinstance(masks, dict):
        if how:
            raise ValueError(f"{', '.join(how)}: settings by which masks are chosen, and these "
                             "masks are given")
        masks_at = lambda params, step: masks  # noqa: E731
    else:
        sparsity = as_schedule(masks, "masks, a sparsity,")
        keep_masks({}, sparsity(0), **how)  # refuses settings now, and not at the first step
        masks_at = anew(sparsity, how) if regrow else never_again(sparsity, how)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        kept = masks_at(params, step)
        check_masks(kept, params)
        seen = {**params, **{name: params[name] * mask for name, mask in kept.items()}}
        return seen, times(kept, as_is(params, step)[1])

    return view


def anew(sparsity: Sparsities, how: dict[str, Any]) -> MasksAt:
    """Masks of the weights as they are, whatever was left out before."""
    return lambda params, step: keep_masks(matrices(trainable(params)), sparsity(step), **how)


def never_again(sparsity: Sparsities, how: dict[str, Any]) -> MasksAt:
    """Masks within those of the step before. A run begins at step 0, with none."""
    masks: Masks | None = None
    last = 0

    def masks_at(params: Params, step: int) -> Masks:
        nonlocal masks, last
        if step == 0:
            masks = None
        elif step < last or (masks is None and sparsity(step - 1) > 0):
            raise ValueError(f"regrow=False must have seen every step, and met step {step} after "
                             f"{last}: what was left out before is not known")
        weights = matrices(trainable(params))
        masks, last = keep_masks(weights, sparsity(step), within=masks, **how), step
        return masks

    return masks_at


def check_masks(masks: Masks, params: Params) -> None:
    """Refuse by name a mask that does not fit its weight, or has none."""
    for name, mask in masks.items():
        if name not in params:
            raise ValueError(f"masks must be of parameters, got one of {name!r}")
        shape = plain_array(name, params[name]).shape
        if not isinstance(mask, np.ndarray):
            raise TypeError(f"the mask of {name} must be an array, got {type(mask).__name__}")
        if mask.dtype != np.bool_ or mask.shape != shape:
            raise ValueError(f"the mask of {name} must be bool of its shape {shape}, "
                             f"got {mask.dtype} {mask.shape}")
