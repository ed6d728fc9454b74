"""The affine map, of which everything else here is made.

    q = saturate(round(x / s) + z)          x̂ = s·(q − z)

between numbers x and codes q, with a scale s, a zero point z (the code of 0), and `saturate`, which
clips to the lowest and the highest code. On any grid: codes_of, values_of; on plain integers, with
scales that the caller has chosen: affine_codes, affine_values. Here one rounds to the nearest whole
number, half-way to the even one; other roundings are in rounding/.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minilm.compression.quantization.grids import Grid, Integers
from minilm.types import Array

Rounding: TypeAlias = Callable[..., Array]  # (position, rng, out) -> whole numbers


def nearest(
    position: Array, rng: np.random.Generator | None = None, out: Array | None = None
) -> Array:
    """The whole number next to each position; from half-way, the even one."""
    return np.rint(position, out=out)


def in_scales(x: Array, scale: Array) -> Array:
    """x / s. A clipped outlier may become infinite: it saturates."""
    with np.errstate(over="ignore"):
        return x / nonzero(scale)


def nonzero(scale: Array) -> Array:
    """1 for a scale of 0, which belongs to numbers that are all zero: divided by 1 they stay so."""
    return np.where(scale == 0, scale.dtype.type(1), scale)


def codes_of(
    v: Array,
    zero_point: Array | float,
    grid: Grid,
    rounding: Rounding = nearest,
    rng: np.random.Generator | None = None,
    out: Array | None = None,
    saturate: bool = True,
) -> Array:
    """The codes of v = x / s, as whole floats: q = saturate(round(v) + z). out may be v itself.

    Where z is any number: q = saturate(round(v + z)).
    saturate: False where it is known that nothing lies beyond the grid.
    """
    if grid.real_zero:
        v = np.add(v, zero_point, out=out)
    codes = grid.code(rounding(grid.position(v), rng, out))
    if grid.affine and not grid.real_zero:
        codes = np.add(codes, zero_point, out=out)
    return np.clip(codes, grid.low, grid.high, out=out) if saturate else codes


def values_of(
    codes: Array,
    scale: Array | float,
    zero_point: Array | float,
    grid: Grid,
    out: Array | None = None,
) -> Array:
    """x̂ = s·(level − z). out may be the codes themselves."""
    levels = grid.value(codes)
    if grid.affine:
        levels = np.subtract(levels, zero_point, out=out)
    return np.multiply(levels, scale, out=out)


def affine_codes(
    x: Array,
    scale: Array | float,
    zero_point: Array | int,
    qmin: int,
    qmax: int,
    axis: int | None = None,
    block_size: int | None = None,
) -> Array:
    """q = saturate(round_half_even(x / scale) + zero_point), an integer in [qmin, qmax].

    x: floats of any shape. scale, zero_point: a number, or what broadcasts against x; with `axis`
    (x.shape[axis],), one a channel; with `axis` and `block_size` one for each block of neighbours
    along the axis: x's shape, but ⌈n / block_size⌉ entries there in place of n.
    -> codes of x's shape, in the smallest integer type that holds qmin and qmax.
    ValueError when shapes do not fit, there is a NaN, qmin ≥ qmax, or no 32-bit type holds them.
    """
    x = np.asarray(x)
    x = x.astype(np.result_type(x, np.float32), copy=False)
    fitting = [kind for kind in CODE_TYPES if holds(kind, qmin) and holds(kind, qmax)]
    if not qmin < qmax or not fitting:
        raise ValueError(f"qmin must be below qmax, both within 32 bits, got {qmin} and {qmax}")
    # float32 counts in steps of one up to 2²⁴ only
    exact = np.float64 if fitting[0] is np.int32 else x.dtype
    s = _beside("scale", np.asarray(scale, x.dtype), x.shape, axis, block_size)
    z = _beside("zero_point", np.asarray(zero_point, exact), x.shape, axis, block_size)
    for name, numbers in (("x", x), ("scale", s), ("zero_point", z)):
        if np.isnan(numbers).any():
            raise ValueError(f"{name} must not contain NaN: no code stands for it")
    v = in_scales(x, s).astype(exact, copy=False)
    return codes_of(v, z, Integers(qmin, qmax, affine=True)).astype(fitting[0])


def affine_values(
    codes: Array,
    scale: Array | float,
    zero_point: Array | int,
    axis: int | None = None,
    block_size: int | None = None,
) -> Array:
    """The inverse of affine_codes on its levels: x̂ = scale·(q − zero_point).

    codes: integers of any shape; the rest as in affine_codes  ->  float32 (float64 when scale is a
    float64 array)
    """
    codes = np.asarray(codes)
    wide = isinstance(scale, np.ndarray) and scale.dtype == np.float64
    dtype = np.dtype(np.float64 if wide else np.float32)
    s = _beside("scale", np.asarray(scale, dtype), codes.shape, axis, block_size)
    z = _beside("zero_point", np.asarray(zero_point, np.float64), codes.shape, axis, block_size)
    # q − z in float64, which holds every 32-bit code
    values = values_of(codes.astype(np.float64), s, z, Integers(0, 1, affine=True))
    return values.astype(dtype)


CODE_TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.int32)


def holds(kind: type[np.integer], number: int) -> bool:
    """Whether an integer type can hold a number."""
    return np.iinfo(kind).min <= number <= np.iinfo(kind).max


def _beside(
    name: str, values: Array, shape: tuple[int, ...], axis: int | None, block_size: int | None
) -> Array:
    """Scales laid beside the array of `shape` that they belong to, so that they broadcast."""
    if block_size is not None and block_size < 1:
        raise ValueError(f"block_size must be None or at least 1, got {block_size!r}")
    if values.size == 1:
        return values.reshape(())
    if axis is None:
        if len(values.shape) == len(shape) and all(
            given in (1, side) for given, side in zip(values.shape, shape, strict=True)
        ):
            return values
        raise ValueError(f"{name} must be a number or broadcast against {shape} when axis is None, "
                         f"got shape {values.shape}")
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis must be an axis of an array of shape {shape}, got {axis}")
    axis %= len(shape)
    n = shape[axis]
    blocks = n if block_size is None else -(-n // block_size)
    wanted = (n,) if block_size is None else (*shape[:axis], blocks, *shape[axis + 1 :])
    if values.shape != wanted:
        raise ValueError(f"{name} must have shape {wanted} for an array of shape {shape}, axis "
                         f"{axis} and block_size {block_size}, got {values.shape}")
    if block_size is None:
        return values.reshape([n if a == axis else 1 for a in range(len(shape))])
    return np.take(np.repeat(values, block_size, axis), np.arange(n), axis)
