"""Grouped-query attention: several query heads share one head of keys and values.

What a model keeps of each token while it writes, its keys and values, is then H/G times smaller.
G = H is multi-head attention, G = 1 is multi-query attention (Shazeer 2019).
"""

import numpy as np

from minilm.nn.attention import attention, attention_backward
from minilm.nn.checks import require_float, require_mask
from minilm.types import Array, Cache


def grouped_query_attention(
    q: Array, k: Array, v: Array, mask: Array | None = None
) -> tuple[Array, Cache]:
    """y_h = softmax(q_h k_gᵀ / √d) v_g,  g = ⌊h / (H/G)⌋: each H/G heads in a row share a g.

    q: (B, H, T_q, d), k: (B, G, T_k, d), v: (B, G, T_k, d_v), G a divisor of H,
    mask: bool, broadcastable to (B, H, T_q, T_k)  ->  y: (B, H, T_q, d_v), cache
    Ainslie et al. 2023, section 2.2. A query that may look nowhere gets zeros.
    The queries of a group are put below one another, (B, G, H/G · T_q, d): they are then simply
    more queries to the same keys, which need no copies.
    TypeError if q, k or v is no float array or the mask no bool array, ValueError if the shapes do
    not meet.
    """
    require_float("q", q)
    require_float("k", k)
    if q.ndim != 4:
        raise ValueError(f"q must have shape (B, H, T_q, d), got {q.shape}")
    B, H, T_q, d = q.shape
    G = k.shape[1] if k.ndim == 4 else 0
    if G < 1 or H % G or (k.shape[0], k.shape[3]) != (B, d):
        raise ValueError(
            f"k must have shape ({B}, G, T_k, {d}) with G a divisor of {H}, the heads of q, "
            f"got {k.shape}"
        )
    if mask is not None:
        mask = below_one_another(mask, (B, H, T_q, k.shape[2]), G)
    y, cache = attention(q.reshape(B, G, H // G * T_q, d), k, v, mask)
    return y.reshape(B, H, T_q, v.shape[-1]), cache


def grouped_query_attention_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Gradients of grouped_query_attention, in its argument order: dq, dk, dv.

    The heads of a group are rows of one product, in which their gradients for k and v are summed.
    """
    grouped_q = cache[0]
    B, G, rows, d = grouped_q.shape
    dq, dk, dv = attention_backward(dy.reshape(B, G, rows, dy.shape[-1]), cache)
    return dq.reshape(*dy.shape[:-1], d), dk, dv


def below_one_another(mask: Array, shape: tuple[int, ...], G: int) -> Array:
    """The mask for grouped queries: shape (B, H, T_q, T_k) -> (B, G, H/G · T_q, T_k).

    Sizes of 1 that stand for B, G or T_k stay 1: a mask for all heads is copied for one group only.
    """
    require_mask(mask, shape)
    H, T_q = shape[1:3]
    B, heads, _, T_k = np.broadcast_shapes(mask.shape, (1, 1, 1, 1))
    groups = 1 if heads == 1 else G
    by_head = np.broadcast_to(mask, (B, groups * (H // G), T_q, T_k))
    return by_head.reshape(B, groups, H // G * T_q, T_k)
