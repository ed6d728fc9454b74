"""Learned steps (LSQ): the step s of the grid is trained together with the weights.

    v = x / s,    q = saturate(round(v)),    x̂ = s·q                          Esser et al. 2020
    ∂x̂/∂x := 1 inside, 0 outside             inside: −Q_N ≤ v ≤ Q_P, the ends of the grid
    ∂x̂/∂s := q − v inside, −Q_N or Q_P outside            (one bit: q itself, everywhere)
    the step's gradient = 1/√(N·Q_P) · Σ over the N numbers that share it of dx̂ · ∂x̂/∂s

Both lines are the chain rule through x̂ = s·round(x/s) with 1 for the derivative of `round`; so a
finite difference, which sees that `round` is flat, does not agree with either. The factor keeps a
step from moving faster, for its size, than the weights do. Q_P is `grid.reach` in the code, and dx̂
the gradient that arrives at x̂.

A weight's steps are its companion `w:step`, (channels, groups) as a QuantizedTensor has its scales,
and their shape says which numbers share one:

    params = add_steps(model.init(0), bits=2)
    params, _ = fit(model, params, batches, view=learned_steps(bits=2))
    packed = quantize_with_steps(params, bits=2)        exactly what the model saw last
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minilm.compression.parameters import plain_array
from minilm.compression.quantization.affine import codes_of, values_of
from minilm.compression.quantization.grids import GRIDS, Grid, Signs
from minilm.compression.quantization.on_grid import place_on_grid
from minilm.compression.quantization.quantize import Bits, bits_by_name
from minilm.compression.quantization.scheme import Scheme
from minilm.compression.views.combining import trainable
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Cache, Params
from minilm.weights import QuantizedTensor
from minilm.weights.packing import check_bits
from minilm.weights.rows import from_rows, rows_shape, to_rows

SMALLEST = 2.0**-20  # no step is used below this: at zero it would have no sign and divide nothing
LARGEST_HALF = float(np.finfo(np.float16).max)


def add_steps(
    params: Params,
    bits: Bits,
    *,
    objective: str = "lsq",
    grid: str = "int",
    axis: str | None = None,
    group_size: int | None = None,
    percentile: float = 99.9,
) -> Params:
    """The parameters with a companion `w:step` for each weight that is to be rounded.

    objective: how a step begins, as for `quantize`; "lsq": s = 2·mean|x| / √Q_P, section 2.1 of the
    paper (at one bit mean|x|). grid, axis (None: by channel; "tensor"), group_size, percentile, and
    bits: as for `quantize`. Weights that are compressed already get none.
    """
    scheme = Scheme(objective=objective, grid=grid, axis=axis, group_size=group_size,
                    percentile=percentile)
    if axis not in (None, "tensor"):
        raise ValueError(f'axis must be None (by channel) or "tensor", got {axis!r}')
    steps = {}
    for name, b in bits_by_name(trainable(params), bits).items():
        fixed_grid(grid, b)
        own = scheme.for_parameter(name)
        w = plain_array(name, params[name])
        on_grid = place_on_grid(name, w, b, own)
        scale = on_grid.layout.scales(on_grid.scale).astype(np.float32)
        steps[f"{name}:step"] = used(scale).astype(w.dtype)
    return {**params, **steps}


def learned_steps(bits: Bits, *, grid: str = "int") -> View:
    """The model sees x̂ = s·q; weights and steps are trained. See `add_steps`.

    bits, grid: as given to `add_steps`. What has no `w:step` is seen as it is. A step is used no
    smaller than SMALLEST, and there its gradient passes only where it would raise the step: so
    none crosses zero. Steps of groups are used as the float16 that will be stored.
    ValueError for params in which no weight has a step, or one that `bits` names has none.
    """
    check_grid(bits, grid)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        seen, caches = dict(params), {}
        for name, w, b, steps in stepped(params, bits):
            rows = grouped(name, w, steps)
            s = used(steps)[..., None]
            x_hat, caches[name] = learned_step(rows, s, fixed_grid(grid, b))
            seen[name] = ungrouped(name, x_hat, w, steps).astype(w.dtype, copy=False)

        def pullback(grads: Params) -> Params:
            pulled = dict(grads)
            for name in caches:  # in their order: a set's changes with each run
                if name not in grads:
                    continue
                w, steps = params[name], params[f"{name}:step"]
                dx_hat = grouped(name, grads[name], steps)
                dx, ds = learned_step_backward(dx_hat, caches[name])
                pulled[name] = ungrouped(name, dx, w, steps).astype(w.dtype, copy=False)
                moves = (steps > SMALLEST) | (ds[..., 0] < 0)
                pulled[f"{name}:step"] = (ds[..., 0] * moves).astype(steps.dtype)
            return as_is(params, step)[1](pulled)

        return seen, pullback

    return view


def learned_step(x: Array, s: Array, grid: Grid) -> tuple[Array, Cache]:
    """x̂ = s·q, q the level nearest to v = x / s.   x: (..., N), s: (..., 1)  ->  x̂, cache"""
    v = x / s
    q = values_of(codes_of(v, 0.0, grid), 1.0, 0.0, grid)
    return s * q, (v, q, grid)


def learned_step_backward(dx_hat: Array, cache: Cache) -> tuple[Array, Array]:
    """LSQ's gradients of learned_step, which are not its derivatives: dx (..., N), ds (..., 1)."""
    v, q, grid = cache
    inside = grid.inside(v)
    # outside, q is the grid's end, −Q_N or Q_P; and the sign of x / s does not depend on s at all
    follows = inside & (not isinstance(grid, Signs))
    slope = np.where(follows, q - v, q)
    per_step = 1 / math.sqrt(v.shape[-1] * grid.reach)
    return dx_hat * inside, per_step * (dx_hat * slope).sum(axis=-1, keepdims=True)


def quantize_with_steps(params: Params, bits: Bits, *, grid: str = "int") -> Params:
    """Each weight that has a `w:step` packed on that grid, bit for bit what `learned_steps` saw.

    bits, grid: as given to `learned_steps`. The companions are gone; all else is as it was.
    """
    check_grid(bits, grid)
    packed = dict(params)
    for name, w, b, steps in stepped(params, bits):
        own, s = fixed_grid(grid, b), used(steps)
        x = grouped(name, w, steps)
        codes = codes_of(x / s[..., None], 0.0, own)
        error = x - values_of(codes.copy(), s[..., None], 0.0, own)
        packed[name] = QuantizedTensor.from_codes(
            codes.astype(np.int16).reshape(rows_shape(w.shape, axis_of(name, steps))),
            s.astype(np.float16) if steps.shape[1] > 1 else s,
            levels=own.levels,
            bits=b,
            array_shape=w.shape,
            axis=axis_of(name, steps),
            largest_error=float(np.abs(error).max()),
        )
        del packed[f"{name}:step"]
    return packed


def used(steps: Array) -> Array:
    """The steps as the model sees and the file holds them, float32: not below SMALLEST, and of
    groups what float16 can say."""
    steps = np.maximum(steps.astype(np.float32), np.float32(SMALLEST))
    if steps.shape[1] > 1:
        steps = np.minimum(steps, LARGEST_HALF).astype(np.float16).astype(np.float32)
    return steps


def stepped(params: Params, bits: Bits) -> Iterator[tuple[str, Array, int, Array]]:
    """(name, weight, bits, steps) of each weight that has a companion of steps."""
    chosen = bits_by_name(trainable(params), bits)
    having = [name for name in chosen if f"{name}:step" in params]
    lacking = [name for name in chosen if name not in having]
    if not having or (isinstance(bits, dict) and lacking):
        raise ValueError("params must have a companion w:step for "
                         f"{', '.join(lacking) or 'a weight of floats'}: add_steps makes them")
    for name in having:
        yield name, plain_array(name, params[name]), chosen[name], params[f"{name}:step"]


def axis_of(name: str, steps: Array) -> int | None:
    """The axis whose entries have steps of their own; None: one step for the whole tensor."""
    return None if steps.shape == (1, 1) else Scheme().for_parameter(name).rows_axis


def grouped(name: str, w: Array, steps: Array) -> Array:
    """w -> (channels, groups, n) float32, so that steps[..., None] stand beside what they serve."""
    rows = to_rows(w.astype(np.float32, copy=False), axis_of(name, steps))
    if steps.ndim != 2 or rows.size % steps.size or steps.shape[0] not in (1, len(rows)):
        raise ValueError(f"{name}:step must be (channels, groups) of {name}, which is {w.shape}, "
                         f"got {steps.shape}")
    return rows.reshape(*steps.shape, -1)


def ungrouped(name: str, numbers: Array, w: Array, steps: Array) -> Array:
    """The inverse of `grouped`, contiguous, in w's shape."""
    axis = axis_of(name, steps)
    rows = numbers.reshape(rows_shape(w.shape, axis))
    return np.ascontiguousarray(from_rows(rows, w.shape, axis))


def check_grid(bits: Bits, grid: str) -> None:
    """Refuse a grid that has no levels of its own, before any training."""
    for b in bits.values() if isinstance(bits, dict) else [bits]:
        fixed_grid(grid, b)


def fixed_grid(grid: str, bits: Any) -> Grid:
    """The grid of this name; ValueError where its levels follow the data, or are not codes."""
    kind = GRIDS[Scheme(grid=grid).grid]
    if kind.fit is not None or getattr(kind, "tensor", None) is not None:
        raise ValueError(f"grid must have levels of its own for a step to be learned, "
                         f"got {grid!r}")
    return kind.start(check_bits(bits), True)
