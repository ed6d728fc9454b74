"""Rounding: from a position between two levels to one of them.

    nearest       the nearest level; half-way, the even one (IEEE 754)
    stochastic    up with probability p = the fraction of the way there, else down:
                  E[x̂] = x and Var[x̂] ≤ s²/4; only inside the grid, for what is clipped stays so

These look at one number at a time. Others choose all the codes of a channel together, so that the
errors make up for each other where they are multiplied: such a row of ROUNDINGS has `whole`.

    gptq          nearest, a channel's numbers one after another, the later making up for the
                  earlier: gptq.py
    adaround      the level below or above, learned: adaround.py
    trellis       the best path of 8 states among twice as many levels: trellis.py (a leaf of its
                  own); trellis_4: of 4
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.quantization.affine import Rounding, codes_of, nearest
from minilm.compression.quantization.grids import Grid
from minilm.compression.quantization.rounding.adaround import adaround
from minilm.compression.quantization.rounding.gptq import gptq
from minilm.compression.quantization.rounding.trellis import trellis_tensor
from minilm.types import Array


def stochastic(position: Array, rng: np.random.Generator, out: Array | None = None) -> Array:
    """⌊position⌋, plus 1 with the probability of its fraction. Whole numbers stay as they are."""
    down = np.floor(position)
    # compared with the fraction, not added to the position: position + u would round up by itself
    up = rng.random(position.shape, dtype=np.float32) < position - down
    return np.add(down, up, out=out)


class RoundingKind(NamedTuple):
    """A row of the table: a rounding, and the lowest and the highest it may make of a position.

    whole(rows: Rows, seen: Seen | None, rng) -> (channels, n), each number one of its levels (as
    `rows.project` gives them): in the place of `function`, which then turns them into codes.
    `seen` tells of the vectors that multiply a channel, as wide as it is long (n).
    tensor(on_grid, scheme, rng) -> the leaf, where it is not a QuantizedTensor.
    """

    function: Rounding
    lowest: np.ufunc
    highest: np.ufunc
    whole: Callable[..., Array] | None = None
    tensor: Callable[..., Any] | None = None


ROUNDINGS = {
    "nearest": RoundingKind(nearest, lowest=np.rint, highest=np.rint),
    "stochastic": RoundingKind(stochastic, lowest=np.floor, highest=np.ceil),
    "trellis": RoundingKind(nearest, lowest=np.rint, highest=np.rint, tensor=trellis_tensor),
    "trellis_4": RoundingKind(nearest, lowest=np.rint, highest=np.rint,
                              tensor=partial(trellis_tensor, states=4)),
    "gptq": RoundingKind(nearest, lowest=np.rint, highest=np.rint, whole=gptq),
    "adaround": RoundingKind(nearest, lowest=np.rint, highest=np.rint, whole=adaround),
}


def may_saturate(ends: tuple[Array, Array], zero_point: Array, grid: Grid, name: str) -> bool:
    """Whether a number within these ends of v = x / s may be rounded to beyond the grid.

    Every step from v to its code keeps the order of numbers, so the ends tell of all between.
    zero_point: 0 where the grid is not affine; name: of the rounding
    """
    kind = ROUNDINGS[name]
    low, high = (
        codes_of(end, zero_point, grid, lambda v, _, out, to=to: to(v), saturate=False)
        for to, end in zip((kind.lowest, kind.highest), ends, strict=True)
    )
    return bool(low.min() < grid.low or high.max() > grid.high)
