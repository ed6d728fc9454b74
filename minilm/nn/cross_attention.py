"""Cross-attention: the queries come from one sequence, the keys and values from another.

    q = x w_q,   [k | v] = memory w_kv,   y = concat(head_1 … head_H) w_out

The keys and values depend on the memory alone: made once (`memory_keys_values`), they can be read
by one query after another (`read_memory`). `cross_attention` is the one after the other.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.nn.attention import attention, write_attention_gradients
from minilm.nn.linear import linear, linear_backward
from minilm.nn.multi_head_attention import by_head, side_by_side
from minilm.types import Array, Cache


def cross_attention(
    x: Array,
    memory: Array,
    w_q: Any,
    b_q: Array | None,
    w_kv: Any,
    b_kv: Array | None,
    w_out: Any,
    b_out: Array | None,
    *,
    head_dim: int,
    mask: Array | None = None,
    attend: Callable[..., tuple[Array, Cache]] = attention,
) -> tuple[Array, Cache]:
    """multi_head_attention whose queries come from x, and whose keys and values from a memory.

    x: (B, T, D), memory: (B, S, M), w_q: (D, H head_dim), w_kv: (M, 2 H head_dim) holding
    [w_k | w_v], each head by head, w_out: (H head_dim, D), mask: broadcastable to (B, H, T, S)
    ->  y: (B, T, D), cache                                Vaswani et al. 2017, section 3.2.3
    H follows from the shape of w_q, and `attend` is as in multi_head_attention.
    """
    if x.ndim != 3 or memory.ndim != 3 or len(x) != len(memory):
        raise ValueError(
            f"x must have shape (B, T, D) and memory (B, S, M), got {x.shape} and {memory.shape}"
        )
    if head_dim < 1 or w_q.shape[-1] % head_dim or w_kv.shape[-1] != 2 * w_q.shape[-1]:
        raise ValueError(
            f"w_q must have heads * head_dim columns and w_kv twice as many, got "
            f"{w_q.shape[-1]} and {w_kv.shape[-1]} columns for head_dim {head_dim}"
        )
    kv, kv_cache = memory_keys_values(memory, w_kv, b_kv, head_dim=head_dim)
    y, read_cache = read_memory(x, kv, w_q, b_q, w_out, b_out, mask=mask, attend=attend)
    return y, (kv_cache, read_cache)


def cross_attention_backward(dy: Array, cache: Cache) -> tuple[Array | None, ...]:
    """Gradients of cross_attention: dx, dmemory, dw_q, db_q, dw_kv, db_kv, dw_out, db_out."""
    kv_cache, read_cache = cache
    dx, dkv, dw_q, db_q, dw_out, db_out = read_memory_backward(dy, read_cache)
    dmemory, dw_kv, db_kv = memory_keys_values_backward(dkv, kv_cache)
    return dx, dmemory, dw_q, db_q, dw_kv, db_kv, dw_out, db_out


def memory_keys_values(
    memory: Array, w_kv: Any, b_kv: Array | None, *, head_dim: int
) -> tuple[Array, Cache]:
    """The memory's keys and values, head by head: [k | v] = memory w_kv + b_kv.

    memory: (B, S, M), w_kv: (M, 2 H head_dim)  ->  kv: (2, B, H, S, head_dim), cache
    """
    if memory.ndim != 3:
        raise ValueError(f"memory must have shape (B, S, M), got {memory.shape}")
    if head_dim < 1 or w_kv.shape[-1] % (2 * head_dim):
        raise ValueError(
            f"w_kv must have 2 * heads * head_dim columns, got {w_kv.shape[-1]} columns "
            f"for head_dim {head_dim}"
        )
    flat_kv, kv_cache = linear(memory, w_kv, b_kv)
    B, S, _ = memory.shape
    # The copy puts the rows of a head side by side: several products read them, and do so faster.
    kv = np.ascontiguousarray(flat_kv.reshape(B, S, 2, -1, head_dim).transpose(2, 0, 3, 1, 4))
    return kv, kv_cache


def memory_keys_values_backward(dkv: Array, cache: Cache) -> tuple[Any, ...]:
    """Gradients of memory_keys_values: dmemory, dw_kv, db_kv."""
    _, B, _, S, _ = dkv.shape
    return linear_backward(dkv.transpose(1, 3, 0, 2, 4).reshape(B, S, -1), cache)


def read_memory(
    x: Array,
    kv: Array,
    w_q: Any,
    b_q: Array | None,
    w_out: Any,
    b_out: Array | None,
    *,
    mask: Array | None = None,
    attend: Callable[..., tuple[Array, Cache]] = attention,
) -> tuple[Array, Cache]:
    """y = concat(head_1 … head_H) w_out + b_out, head_h = attention(q_h, k_h, v_h).

    x: (B, T, D), kv: (2, B, H, S, d) of memory_keys_values  ->  y: (B, T, D), cache
    [q_1 … q_H] = x w_q + b_q; the other arguments are as in cross_attention.
    Raises ValueError if kv is not that of as many sequences and heads.
    """
    B, head_dim = len(x), kv.shape[-1]
    if kv.shape[1] != B or kv.shape[2] * head_dim != w_q.shape[-1]:
        raise ValueError(
            f"kv must have shape (2, B, H, S, d) with B = {B} and H d = {w_q.shape[-1]}, "
            f"got {kv.shape}"
        )
    flat_q, q_cache = linear(x, w_q, b_q)
    heads, heads_cache = attend(np.ascontiguousarray(by_head(flat_q, head_dim)), *kv, mask)
    y, out_cache = linear(side_by_side(heads), w_out, b_out)
    return y, (q_cache, heads_cache, out_cache, kv.shape)


def read_memory_backward(dy: Array, cache: Cache) -> tuple[Any, ...]:
    """Gradients of read_memory: dx, dkv, dw_q, db_q, dw_out, db_out."""
    q_cache, heads_cache, out_cache, (_, B, H, S, head_dim) = cache
    dconcat, dw_out, db_out = linear_backward(dy, out_cache)
    dheads = by_head(dconcat, head_dim)
    dflat_q = np.empty(dconcat.shape, dy.dtype)  # both are written to head by head
    dkv = np.empty((B, S, 2, H, head_dim), dy.dtype).transpose(2, 0, 3, 1, 4)
    dk, dv = dkv
    write_attention_gradients(by_head(dflat_q, head_dim), dk, dv, dheads, heads_cache)
    dx, dw_q, db_q = linear_backward(dflat_q, q_cache)
    return dx, dkv, dw_q, db_q, dw_out, db_out
