"""Attention whose two products are of integers: for a model's `attend`.

    scores = s_q s_k (q̂ k̂ᵀ) / √d          q̂, k̂: int8, a scale for each token's q and k
    e      = round(255 e^(scores − max))   uint8, 0 where hidden; e^x is in floats
    y      = s_v (e v̂) / Σ e               v̂: int8, a scale for each of its d channels

These are the products that have no weight, and so no leaf to round what they multiply: with them, a
model of `quantize_activations` multiplies nothing but integers. v's scale cannot be a token's, as
the second product sums over tokens. The weights e are not divided by their sum before the product,
so that many small ones lose nothing by rounding.
"""

import math

import numpy as np

from minilm.compression.parameters import float_type
from minilm.compression.quantization.activations.ranges import scale_of
from minilm.compression.quantization.affine import affine_codes
from minilm.compression.quantization.integers.products import integer_matmul
from minilm.nn.checks import require_mask
from minilm.types import Array

E_MAX = 255


def integer_attention(
    q: Array, k: Array, v: Array, mask: Array | None = None
) -> tuple[Array, None]:
    """softmax(q kᵀ / √d) v with both products in 8-bit integers, and no cache: it cannot be
    trained through.

    q: (..., T_q, d), k: (..., T_k, d), v: (..., T_k, d_v), mask: bool, broadcastable to
    (..., T_q, T_k)  ->  y: (..., T_q, d_v), float64 where v is, else float32; None. A query that
    may look nowhere gets zeros. ValueError for numbers that are not finite.

        model.forward(params, tokens, attend=integer_attention)
    """
    q, k, v = (x.astype(float_type(x), copy=False) for x in (q, k, v))  # sums leave float16
    (q_codes, s_q), (k_codes, s_k) = symmetric_codes("q", q, -1), symmetric_codes("k", k, -1)
    v_codes, s_v = symmetric_codes("v", v, -2)
    scores = integer_matmul(q_codes, k_codes.swapaxes(-1, -2)).astype(q.dtype)
    scores *= s_q / math.sqrt(q.shape[-1])
    scores *= s_k.swapaxes(-1, -2)
    if mask is not None:
        require_mask(mask, scores.shape)
        scores[~np.broadcast_to(mask, scores.shape)] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True, initial=np.finfo(scores.dtype).min)
    e = np.rint(E_MAX * np.exp(scores)).astype(np.uint8)
    total = np.maximum(e.sum(axis=-1, keepdims=True, dtype=np.int64), 1)
    y = integer_matmul(e, v_codes).astype(v.dtype)
    y *= s_v
    y /= total.astype(v.dtype)
    return y, None


def symmetric_codes(name: str, x: Array, axis: int) -> tuple[Array, Array]:
    """Int8 codes within ±127, and their scales: one for all numbers along the axis, which stays."""
    high = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    if not np.isfinite(high).all():
        raise ValueError(f"{name} must be finite to be rounded, got NaN or infinity")
    scale = scale_of(-high, high, 8, symmetric=True)[0].astype(x.dtype)
    return affine_codes(x, scale, 0, -127, 127), scale
