"""Thresholds: how activations are kept within ±t before they are rounded.

    hard    y = clip(x, −t, t)      ∂y/∂x = 1[|x| < t],    ∂y/∂t = sign(x)·1[|x| ≥ t]
    soft    y = t·tanh(x / t)       ∂y/∂x = 1 − (y/t)²,    ∂y/∂t = y/t − (x/t)·(1 − (y/t)²)

The hard one leaves what is inside as it is and gives what is outside no gradient. The soft one
bends everything a little, and passes some gradient everywhere. x = ±t belongs to the outside, as in
PACT (Choi et al. 2018, eq. 1 and 3).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minilm.types import Array, Cache


def hard_threshold(x: Array, t: float | Array) -> tuple[Array, Cache]:
    """y = clip(x, −t, t).   x: (...), t > 0, one number  ->  y: (...), cache"""
    return np.clip(x, -t, t), (x, t)


def hard_threshold_backward(dy: Array, cache: Cache) -> tuple[Array, float]:
    """Gradients of hard_threshold, in its argument order: dx, dt."""
    x, t = cache
    inside = np.abs(x) < t
    outside = np.sign(x)
    outside[inside] = 0
    return dy * inside, float(np.vdot(dy, outside))


def soft_threshold(x: Array, t: float | Array) -> tuple[Array, Cache]:
    """y = t·tanh(x / t).   x: (...), t > 0, one number  ->  y: (...), cache"""
    u = x / t
    tanh_u = np.tanh(u)
    return t * tanh_u, (u, tanh_u)


def soft_threshold_backward(dy: Array, cache: Cache) -> tuple[Array, float]:
    """Gradients of soft_threshold, in its argument order: dx, dt."""
    u, tanh_u = cache
    slope = 1 - tanh_u * tanh_u
    return dy * slope, float(np.vdot(dy, tanh_u - u * slope))


class Threshold(NamedTuple):
    """A row of the table: a threshold and its derivative."""

    forward: Callable[[Array, float | Array], tuple[Array, Cache]]
    backward: Callable[[Array, Cache], tuple[Array, float]]


THRESHOLDS = {
    "hard": Threshold(hard_threshold, hard_threshold_backward),
    "soft": Threshold(soft_threshold, soft_threshold_backward),
}
