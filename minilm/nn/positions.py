"""Sinusoidal positions: every position a point on circles that turn at different speeds."""

import numpy as np
from numpy.typing import DTypeLike

from minilm.types import Array


def sinusoidal_positions(length: int, width: int, dtype: DTypeLike = np.float32) -> Array:
    """P[t, 2i] = sin(t / 10000^(2i/D)),  P[t, 2i+1] = cos(t / 10000^(2i/D)).

    -> (length, width); an odd width ends with a sine        Vaswani et al. 2017, section 3.5
    A shift by k positions is one rotation of each (sin, cos) pair, the same at every t.
    The angles are computed in float64: float32 is too coarse for the angles of late positions.
    """
    if length < 0 or width < 1:
        raise ValueError(f"length must be >= 0 and width >= 1, got {length} and {width}")
    speeds = 10000.0 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(length)[:, None] * speeds
    positions = np.empty((length, width), dtype)
    positions[:, 0::2] = np.sin(angles)
    positions[:, 1::2] = np.cos(angles[:, : width // 2])
    return positions
