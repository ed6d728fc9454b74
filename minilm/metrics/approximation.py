"""How near an approximation comes to what it stands for."""

import math

import numpy as np

from minilm.types import Array


def sqnr_db(x: Array, x_hat: Array) -> float:
    """Signal-to-quantization-noise ratio in decibels: 10 log10(Σ x² / Σ (x − x̂)²).

    x, x_hat: arrays of one shape. Every halving of the error's amplitude adds 6.02 dB. An exact
    copy gives +inf; an x of zeros with any error gives −inf. The sums run in float64 whatever the
    dtype, since squares of small float32 weights would vanish.
    ValueError for empty, non-finite or differently shaped arrays.
    """
    if np.shape(x) != np.shape(x_hat):
        raise ValueError(f"x_hat: must have the shape of x {np.shape(x)}, got {np.shape(x_hat)}")
    signal, copy = np.asarray(x, dtype=np.float64), np.asarray(x_hat, dtype=np.float64)
    if signal.size == 0:
        raise ValueError("x: is empty")
    for name, array in (("x", signal), ("x_hat", copy)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: contains NaN or infinite values")
    power, noise = float(np.sum(signal**2)), float(np.sum((signal - copy) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(power / noise) if power > 0 else -math.inf
