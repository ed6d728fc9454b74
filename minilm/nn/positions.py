"""Positions: every one a point on circles that turn at different speeds.

    sinusoidal   the points themselves, added to x: where am I?
    rotary       x turned by their angles: how far is it from the query to the key?
"""

from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike

from minilm.nn.checks import describe, require_float
from minilm.types import Array, Cache

ROUND = 64  # positions whose angles are computed together


def sinusoidal_positions(length: int, width: int, dtype: DTypeLike = np.float32) -> Array:
    """P[t, 2i] = sin(t / 10000^(2i/D)),  P[t, 2i+1] = cos(t / 10000^(2i/D)).

    -> (length, width); an odd width ends with a sine        Vaswani et al. 2017, section 3.5
    A shift by k positions is one rotation of each (sin, cos) pair, the same at every t.
    The angles are computed in float64: float32 is too coarse for the angles of late positions.
    """
    if length < 0 or width < 1:
        raise ValueError(f"length must be >= 0 and width >= 1, got {length} and {width}")
    angles = _angles(0, length, width, 10000.0)
    positions = np.empty((length, width), dtype)
    positions[:, 0::2] = np.sin(angles)
    positions[:, 1::2] = np.cos(angles[:, : width // 2])
    return positions


def rotary(x: Array, first: int = 0, base: float = 10000.0) -> tuple[Array, Cache]:
    """y_t = (a cos θ_t − b sin θ_t, b cos θ_t + a sin θ_t),  θ_t = t / base^(2i/d),  x_t = (a, b).

    x: (..., T, d), d even, at positions t = first … first + T − 1  ->  y: (..., T, d), cache
    Su et al. 2021, eq. 34. The pair (a_i, b_i), i < d/2, that is turned by θ_i is (x_i, x_{i+d/2}),
    the two halves of x, as in GPT-NeoX and Llama; in the paper it is (x_{2i}, x_{2i+1}).
    For queries and keys, each head by itself: two vectors turned alike keep their product, so that
    q_m · k_n depends on m − n alone. A cache holds turned keys, and the next go on at `first`.
    TypeError if x is no float array or first no integer, ValueError if d is odd, first < 0, or
    base not positive and finite. The angles are computed in float64.
    """
    require_float("x", x)
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ValueError(f"x must have shape (..., T, d) with an even d, got {x.shape}")
    if not isinstance(first, int | np.integer):
        raise TypeError(f"first must be an integer, got {describe(first)}")
    if first < 0:
        raise ValueError(f"first must be >= 0, got {first}")
    if not 0 < base < np.inf:
        raise ValueError(f"base must be positive and finite, got {base}")
    T, d = x.shape[-2:]
    before, start = divmod(int(first), ROUND)
    whole = start + T + -(start + T) % ROUND  # rounded up: the next tokens find theirs made
    circles = _cos_sin(before * ROUND, whole, d, float(base), x.dtype)
    cos, sin = (circle[start : start + T] for circle in circles)
    return _turned(x, cos, sin), (cos, sin)


def rotary_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of rotary: dx, which is dy turned back."""
    cos, sin = cache
    return _turned(dy, cos, -sin)


def _turned(x: Array, cos: Array, sin: Array) -> Array:
    """(a cos − b sin, b cos + a sin) for the halves x = (a, b).

    As (a, b) ⊙ (cos, cos) + (b, a) ⊙ (−sin, sin), with the pairs of _cos_sin.
    """
    half = x.shape[-1] // 2
    y = x * cos
    across = x.reshape(*x.shape[:-1], 2, half)[..., ::-1, :] * sin
    y += across.reshape(x.shape)
    return y


@lru_cache(maxsize=8)
def _cos_sin(
    first: int, length: int, width: int, base: float, dtype: np.dtype
) -> tuple[Array, Array]:
    """(cos θ, cos θ), (length, width), and (−sin θ, sin θ), (length, 2, width/2).

    They are the same in all layers of a model.
    """
    angles = _angles(first, length, width, base)
    cos, sin = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    pair = np.concatenate((cos, cos), axis=-1), np.stack((-sin, sin), axis=1)
    for circle in pair:
        circle.flags.writeable = False
    return pair


def _angles(first: int, length: int, width: int, base: float) -> Array:
    """t / base^(2i/width) for t = first … first + length − 1: (length, ⌈width/2⌉) in float64."""
    speeds = base ** (-np.arange(0, width, 2) / width)
    return np.arange(first, first + length)[:, None] * speeds
