"""Masked: some weights are zero, and only the others are trained.

    seen = x ⊙ mask,    ∂seen/∂x = mask
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import matrices, plain_array
from minilm.compression.pruning import keep_masks
from minilm.compression.views.combining import times, trainable
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Params


def masked(masks: dict[str, Array] | float, **how: Any) -> View:
    """The model sees its weights with some of them zero; only the others are trained.

    masks: {name: bool of the weight's shape, True = kept}, fixed; or a sparsity, by which the
    masks are chosen from the weights at each step (how: structure and scope, as for `prune`): a
    weight that was left out stays stored, and comes back when others have become smaller.
    ValueError for a sparsity outside [0, 1] or a mask of another shape or of no parameter,
    TypeError for the mask of a weight that is compressed.
    """
    if not isinstance(masks, dict) and not 0 <= masks <= 1:
        raise ValueError(f"masks must be a dict of masks or a sparsity in [0, 1], got {masks!r}")

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        kept = masks if isinstance(masks, dict) else keep_masks(
            matrices(trainable(params)), masks, **how
        )
        check_masks(kept, params)
        seen = {**params, **{name: params[name] * mask for name, mask in kept.items()}}
        return seen, times(kept, as_is(params, step)[1])

    return view


def check_masks(masks: dict[str, Array], params: Params) -> None:
    """Refuse by name a mask that does not fit its weight, or has none."""
    for name, mask in masks.items():
        if name not in params:
            raise ValueError(f"masks must be of parameters, got one of {name!r}")
        shape = plain_array(name, params[name]).shape
        if mask.dtype != np.bool_ or mask.shape != shape:
            raise ValueError(f"the mask of {name} must be bool of its shape {shape}, "
                             f"got {mask.dtype} {mask.shape}")
