"""Straight-through: the model sees its weights rounded, the gradient does not.

    x̂ = fake_quantize(x),    ∂x̂/∂x := 1 if x lies in the range of the grid, else 0

What the range is, its ends included, the grid says (`inside`): qmin ≤ x/s ≤ qmax; with a zero
point, half a step more at either end, because a rounded zero point moves the grid by so much.
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import plain_array
from minilm.compression.quantization.on_grid import inside, place_on_grid
from minilm.compression.quantization.quantize import Bits, bits_by_name
from minilm.compression.quantization.scheme import Scheme
from minilm.compression.views.combining import times, trainable
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Params
from minilm.weights.packing import check_bits

STREAM = 0x766965  # a stream of its own: batches and dropout draw from [seed, step, …] too


def straight_through(bits: Bits, **how: Any) -> View:
    """The model sees its weights quantized; the gradient passes as if nothing had been rounded.

    x̂ = fake_quantize(x, bits, **how), its scales taken anew from x at each step. Rounding has
    derivative 0 almost everywhere; the straight-through estimator (Bengio et al. 2013, section 3)
    takes 1 instead, inside the range, and 0 where x was clipped; a value on the boundary is inside.
    bits, how: as for `quantize`; `rounding="stochastic"` draws anew at each step.
    ValueError for what `quantize` refuses, and for a transform: the model would see an array, which
    has no place for the factor beside it.
    """
    scheme = Scheme(**how)
    if scheme.transform != "none":
        raise ValueError(f'transform must be "none" for weights that are trained, '
                         f"got {scheme.transform!r}")
    for b in bits.values() if isinstance(bits, dict) else [bits]:
        check_bits(b, wide=True)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        rng = np.random.default_rng([scheme.seed, step, STREAM])
        seen, masks = dict(params), {}
        for name, b in bits_by_name(trainable(params), bits).items():
            w, own = plain_array(name, params[name]), scheme.for_parameter(name)
            on_grid = place_on_grid(name, w, b, own)
            seen[name] = on_grid.dense(own, rng).astype(w.dtype, copy=False)
            masks[name] = on_grid.layout.array(inside(on_grid))
        return seen, times(masks, as_is(params, step)[1])

    return view
