"""Multi-head attention: several attentions side by side, each in a few dimensions of its own.

    [q | k | v] = x w_qkv,   q_h, k_g, v_g: d columns each,   g = ⌊h / (H/G)⌋
    head_h = attention(q_h, k_g, v_g)
    y = concat(head_1 … head_H) w_out

H heads of queries share G heads of keys and values: G = H is plain multi-head attention, G < H
grouped-query attention (grouped_attention.py). Both numbers are read from the weights' shapes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.nn.attention import attention, write_attention_gradients
from minilm.nn.grouped_attention import below_one_another
from minilm.nn.linear import linear, linear_backward
from minilm.nn.positions import rotary_backward
from minilm.types import Array, Cache


def multi_head_attention(
    x: Array,
    w_qkv: Any,
    b_qkv: Array | None,
    w_out: Any,
    b_out: Array | None,
    *,
    head_dim: int,
    mask: Array | None = None,
    attend: Callable[..., tuple[Array, Cache]] = attention,
    turn: Callable[[Array], tuple[Array, Cache]] | None = None,
) -> tuple[Array, Cache]:
    """y = concat(head_1 … head_H) w_out + b_out, head_h = attention(q_h, k_g, v_g).

    x: (B, T, D), w_qkv: (D, (H + 2G) head_dim) holding [w_q | w_k | w_v], each head by head,
    w_out: (H head_dim, D), mask: broadcastable to (B, H, T, T_k)  ->  y: (B, T, D), cache
    T_k = T, unless `attend` looks further back. H and G follow from the shapes, so heads can be
    pruned. Vaswani et al. 2017, section 3.2.2; Ainslie et al. 2023 for G < H.
    `attend(q, k, v, mask) -> y, cache` takes the place of `attention`, to look at its weights, say.
    If G < H it sees the H/G queries of each group below one another, q: (B, G, H/G · T, head_dim).
    The backward pass is attention's, so to train through `attend` it must return attention's cache.
    turn: None, or `rotary` with the position of the first of the T tokens, for q and k.
    """
    if x.ndim != 3:
        raise ValueError(f"x must have shape (B, T, D), got {x.shape}")
    H, G = head_counts(w_qkv.shape[-1], w_out.shape[0], head_dim)
    flat_qkv, qkv_cache = linear(x, w_qkv, b_qkv)
    B, T, _ = x.shape
    # The output is split, never the weight. The copy puts the rows of a head side by side: several
    # products read them, and do so faster.
    qkv = np.ascontiguousarray(by_head(flat_qkv, head_dim))
    qk, v, turn_cache = qkv[:, : H + G], qkv[:, H + G :], None
    if turn is not None:
        qk, turn_cache = turn(qk)
    q, k = qk[:, :H], qk[:, H:]
    if G < H:
        q = q.reshape(B, G, H // G * T, head_dim)
        if mask is not None:  # `attend` will see that it has a column for each key
            mask = below_one_another(mask, (B, H, T, *np.shape(mask)[-1:]), G)
    heads, heads_cache = attend(q, k, v, mask)
    heads = heads.reshape(B, H, T, head_dim)
    y, out_cache = linear(side_by_side(heads), w_out, b_out)
    return y, (qkv_cache, turn_cache, heads_cache, out_cache, (H, G, head_dim))


def multi_head_attention_backward(dy: Array, cache: Cache) -> tuple[Array | None, ...]:
    """Gradients of multi_head_attention, in its order: dx, dw_qkv, db_qkv, dw_out, db_out."""
    qkv_cache, turn_cache, heads_cache, out_cache, (H, G, head_dim) = cache
    B, T, _ = dy.shape
    dconcat, dw_out, db_out = linear_backward(dy, out_cache)
    dheads = by_head(dconcat, head_dim)
    dflat_qkv = np.empty((B, T, (H + 2 * G) * head_dim), dy.dtype)
    dqkv = by_head(dflat_qkv, head_dim)  # a view, which is written to
    dq, dk, dv = dqkv[:, :H], dqkv[:, H : H + G], dqkv[:, H + G :]
    if G == H:
        write_attention_gradients(dq, dk, dv, dheads, heads_cache)
    else:
        dgrouped_q = np.empty((B, G, H // G * T, head_dim), dy.dtype)
        dgrouped = dheads.reshape(dgrouped_q.shape)
        write_attention_gradients(dgrouped_q, dk, dv, dgrouped, heads_cache)
        dq[:] = dgrouped_q.reshape(dq.shape)
    if turn_cache is not None:
        dqkv[:, : H + G] = rotary_backward(dqkv[:, : H + G], turn_cache)
    dx, dw_qkv, db_qkv = linear_backward(dflat_qkv, qkv_cache)
    return dx, dw_qkv, db_qkv, dw_out, db_out


def by_head(x: Array, head_dim: int) -> Array:
    """A view with the heads in front of time: (B, T, H · head_dim) -> (B, H, T, head_dim)."""
    B, T, width = x.shape
    return x.reshape(B, T, width // head_dim, head_dim).transpose(0, 2, 1, 3)


def side_by_side(heads: Array) -> Array:
    """concat(head_1 … head_H): (B, H, T, d) -> (B, T, H · d)."""
    B, H, T, d = heads.shape
    return heads.transpose(0, 2, 1, 3).reshape(B, T, H * d)


def head_counts(columns: int, rows: int, head_dim: int) -> tuple[int, int]:
    """H and G, from the columns of w_qkv, (H + 2G) head_dim, and the rows of w_out, H head_dim."""
    H = rows // head_dim if head_dim >= 1 else 0
    G = (columns // head_dim - H) // 2 if H else 0
    if G < 1 or H % G or (rows, columns) != (H * head_dim, (H + 2 * G) * head_dim):
        raise ValueError(
            f"w_qkv must have (H + 2G) * head_dim columns and w_out H * head_dim rows, G a divisor "
            f"of H, got {columns} columns and {rows} rows for head_dim {head_dim}"
        )
    return H, G
