"""Normalization over the features of each position: LayerNorm and RMSNorm."""

import math
from functools import lru_cache

import numpy as np

from minilm.nn.checks import require_float, require_shape
from minilm.nn.sums import row_dot, row_mean, sum_to_last
from minilm.types import Array, Cache


def layer_norm(x: Array, gain: Array, bias: Array, eps: float = 1e-5) -> tuple[Array, Cache]:
    """y = gain ⊙ (x − mean) / √(variance + eps) + bias, over the last axis.

    x: (..., D), gain and bias: (D,)  ->  y: (..., D), cache        Ba et al. 2016, eq. 4
    """
    require_float("x", x)
    if not x.shape[-1:] == gain.shape == bias.shape:
        require_shape(x.shape[-1:], gain=gain, bias=bias)
    # The mean and the deviation of one position alone, as when a model writes token by token, are
    # numbers: NumPy is twice as fast with these as with arrays of one number.
    rows = x.reshape(-1) if x.size == gain.size else x
    normed = rows - row_mean(rows)  # centred so far; divided by its standard deviation below
    inverse_std = _inverse_root_mean_square(normed, eps)  # (..., 1)
    normed *= inverse_std
    y = normed * gain
    y += bias
    return y.reshape(x.shape), (normed, inverse_std, gain)


def layer_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Gradients of layer_norm, in its argument order: dx, dgain, dbias."""
    normed, inverse_std, gain = cache
    # y = normed * gain + bias
    dgain_rows = dy * normed
    dgain, dbias = sum_to_last(dgain_rows), sum_to_last(dy)
    # Shifting or stretching x leaves normed as it is, so those two parts of dnormed are taken out:
    # dx = inverse_std (dnormed − mean(dnormed) − normed mean(dnormed normed)),  dnormed = dy gain
    gain_over_width = gain / gain.size
    along_normed = (dgain_rows @ gain_over_width)[..., None]  # mean(dnormed normed)
    dx = dy * gain
    dx -= (dy @ gain_over_width)[..., None]
    dx -= np.multiply(normed, along_normed, out=dgain_rows)
    dx *= inverse_std
    return dx, dgain, dbias


def rms_norm(x: Array, gain: Array, eps: float = 1e-5) -> tuple[Array, Cache]:
    """y = gain ⊙ x / √(mean of x² + eps), over the last axis.

    x: (..., D), gain: (D,)  ->  y: (..., D), cache        Zhang & Sennrich 2019, eq. 4
    """
    require_float("x", x)
    if x.shape[-1:] != gain.shape:
        require_shape(x.shape[-1:], gain=gain)
    rows = x.reshape(-1) if x.size == gain.size else x  # as in layer_norm
    inverse_rms = _inverse_root_mean_square(rows, eps)  # (..., 1)
    normed = rows * inverse_rms
    y = normed * gain
    return y.reshape(x.shape), (normed, inverse_rms, gain)


def rms_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Array]:
    """Gradients of rms_norm, in its argument order: dx, dgain."""
    normed, inverse_rms, gain = cache
    # y = normed * gain
    dgain = sum_to_last(dy * normed)
    # Stretching x leaves normed as it is, so that part of dnormed is taken out:
    # dx = inverse_rms (dnormed − normed mean(dnormed normed))
    dx = dy * gain  # dnormed, turned into dx in place
    along_normed = row_dot(dx, normed)
    along_normed /= normed.shape[-1]
    dx -= normed * along_normed
    dx *= inverse_rms
    return dx, dgain


def _inverse_root_mean_square(x: Array, eps: float) -> Array:
    """1 / √(mean of x² + eps) over the last axis, (..., D) -> (..., 1), as √D / √(Σ x² + D eps)."""
    root_D, D_eps = _constants(x.shape[-1], eps, x.dtype)
    return root_D / np.sqrt(row_dot(x, x) + D_eps)


@lru_cache(maxsize=64)
def _constants(D: int, eps: float, dtype: np.dtype) -> tuple[np.floating, np.floating]:
    """√D and D eps as numbers of this dtype, made once: Python's would widen a sum of NumPy 1."""
    return dtype.type(math.sqrt(D)), dtype.type(D * eps)
