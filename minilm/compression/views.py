"""Views: what the model sees of its parameters while it is trained.

    seen, pullback = view(params, step)         see minilm.training.openings

A view applies a function to the weights, and its pullback takes the gradient at what was seen back
to what is stored:

    straight_through   sees x̂ = fake_quantize(x);   ∂x̂/∂x := 1 if qmin ≤ x/s + z ≤ qmax, else 0
    masked             sees x ⊙ mask;               ∂/∂x = mask
    compose            sees v2(v1(x));              pullbacks in the opposite order

The float weights stay underneath: small steps add up there until they cross to the next level.
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import matrices, plain_array
from minilm.compression.pruning import keep_masks
from minilm.compression.quantization.quantize import Bits, bits_by_name
from minilm.compression.quantization.scheme import (
    Scheme,
    inside,
    place_on_grid,
    rounded_values,
    shaped_like,
)
from minilm.training.openings import Pullback, View, as_is, is_float_array
from minilm.types import Array, Params
from minilm.weights.packing import check_bits

STREAM = 0x766965  # a stream of its own: batches and dropout draw from [seed, step, …] too


def straight_through(bits: Bits, **how: Any) -> View:
    """The model sees its weights quantized; the gradient passes as if nothing had been rounded.

    x̂ = fake_quantize(x, bits, **how), its scales taken anew from x at each step. Rounding has
    derivative 0 almost everywhere; the straight-through estimator (Bengio et al. 2013, section 3)
    takes 1 instead, inside the range, and 0 where x was clipped; a value on the boundary is inside.
    bits, how: as for `quantize`; `rounding="stochastic"` draws anew at each step.
    """
    scheme = Scheme(**how)
    for b in bits.values() if isinstance(bits, dict) else [bits]:
        check_bits(b)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        rng = np.random.default_rng([scheme.seed, step, STREAM])
        seen, masks = dict(params), {}
        for name, b in bits_by_name(trainable(params), bits).items():
            w, own = plain_array(name, params[name]), scheme.for_parameter(name)
            on_grid = place_on_grid(name, w, b, own)
            values = shaped_like(w, rounded_values(on_grid, own, rng), own)
            seen[name] = values.astype(w.dtype, copy=False)
            masks[name] = shaped_like(w, inside(on_grid), own)
        return seen, times(masks, as_is(params, step)[1])

    return view


def masked(masks: dict[str, Array] | float, **how: Any) -> View:
    """The model sees its weights with some of them zero; only the others are trained.

    masks: {name: bool of the weight's shape, True = kept}, fixed; or a sparsity, by which the
    masks are chosen from the weights at each step (how: structure and scope, as for `prune`): a
    weight that was left out stays stored, and comes back when others have become smaller.
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


def compose(*views: View) -> View:
    """The first view looks at the parameters, the second at what the first one sees, and so on."""

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        pullbacks = []
        for look in views:
            params, pullback = look(params, step)
            pullbacks.append(pullback)

        def pull_all(grads: Params) -> Params:
            for pullback in reversed(pullbacks):
                grads = pullback(grads)
            return grads

        return params, pull_all

    return view


def trainable(params: Params) -> Params:
    """The plain arrays of floats; what is compressed already stays as it is."""
    return {name: w for name, w in params.items() if is_float_array(w)}


def check_masks(masks: dict[str, Array], params: Params) -> None:
    """Refuse by name a mask that does not fit its weight."""
    for name, mask in masks.items():
        shape = params[name].shape if name in params else None
        if mask.dtype != np.bool_ or mask.shape != shape:
            raise ValueError(f"the mask of {name} must be bool of its shape {shape}, "
                             f"got {mask.dtype} {mask.shape}")


def times(masks: dict[str, Array], pullback: Pullback) -> Pullback:
    """A pullback that multiplies gradients by the masks first."""

    def pull(grads: Params) -> Params:
        return pullback(
            {name: g * masks[name] if name in masks else g for name, g in grads.items()}
        )

    return pull
