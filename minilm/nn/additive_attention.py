"""Additive attention: how well a query and a key fit is said by a small network.

    e_ts = vᵀ tanh(W_q q_t + W_k m_s)          attention.py has e_ts = q_t · k_s / √d
    weights = softmax(e),   context_t = Σ_s weights_ts m_s

Query and memory may have different widths, as they are mapped to a common one, A. The price is a
tanh for each of T · S · A numbers, where the dot product is one matrix product. All T at once they
would be an array (B, T, S, A); here one t is done after the other, in (B, S, A) numbers that stay
in the processor's cache, and the backward pass computes the tanh again rather than keep it.
"""

from typing import Any

import numpy as np

from minilm.nn.checks import require_float, require_mask, require_shape
from minilm.nn.linear import input_gradient, linear, weight_gradient
from minilm.nn.sums import flat, row_dot, row_sum
from minilm.types import Array, Cache


def additive_attention(
    q: Array,
    memory: Array,
    w_q: Any,
    w_k: Any,
    v: Array,
    mask: Array | None = None,
    keys: Array | None = None,
) -> tuple[Array, Cache]:
    """context_t = Σ_s weights_ts m_s,   weights_t = softmax over s of vᵀ tanh(W_q q_t + W_k m_s).

    q: (B, T, D), memory: (B, S, M), w_q: (D, A), w_k: (M, A), v: (A,), mask: bool, broadcastable
    to (B, T, S), True = may look  ->  context: (B, T, M), cache       Bahdanau et al. 2015, A.1.2
    cache["weights"]: (B, T, S), the alignment: where each query looks. A query that may look
    nowhere gets zeros. keys: memory w_k, (B, S, A), where that has been computed before.
    """
    require_float("memory", memory)
    if q.ndim != 3 or memory.ndim != 3 or len(q) != len(memory):
        raise ValueError(
            f"q must have shape (B, T, D) and memory (B, S, M), got {q.shape} and {memory.shape}"
        )
    require_shape((w_q.shape[-1],), v=v)
    queries, _ = linear(q, w_q)
    if keys is None:
        keys, _ = linear(memory, w_k)
    require_shape((*memory.shape[:2], len(v)), keys=keys)
    (B, T, _), S = q.shape, memory.shape[1]
    scores = np.empty((B, T, S), q.dtype)
    fits = np.empty_like(keys)
    for t in range(T):
        _fits(queries[:, t], keys, out=fits)
        scores[:, t] = fits @ v
    weights = masked_softmax(scores, mask)
    return weights @ memory, {
        "weights": weights, "queries": queries, "keys": keys,
        "q": q, "memory": memory, "w_q": w_q, "w_k": w_k, "v": v,
    }  # fmt: skip


def additive_attention_backward(
    dcontext: Array, cache: Cache
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of additive_attention, in its argument order: dq, dmemory, dw_q, dw_k, dv.

        dweights = dcontext mᵀ,   dscores = weights ⊙ (dweights − Σ_s dweights ⊙ weights)
        dfits = dscores v (1 − fits²), which goes to the query and to the key alike
    """
    weights, queries, keys, memory, v = (
        cache[name] for name in ("weights", "queries", "keys", "memory", "v")
    )
    # context = weights memory
    dmemory = weights.swapaxes(1, 2) @ dcontext
    dscores = dcontext @ memory.swapaxes(1, 2)
    dscores -= row_dot(dscores, weights)
    dscores *= weights
    # scores = fits v,  fits = tanh(query + key); v waits outside of both sums
    dqueries, dkeys, dv = np.empty_like(queries), np.zeros_like(keys), np.zeros_like(v)
    fits = np.empty_like(keys)
    for t in range(queries.shape[1]):
        _fits(queries[:, t], keys, out=fits)
        dscore = dscores[:, t]  # (B, S)
        dv += dscore.reshape(-1) @ flat(fits)
        np.multiply(fits, fits, out=fits)
        np.subtract(1, fits, out=fits)
        dqueries[:, t] = (dscore[:, None] @ fits)[:, 0]
        fits *= dscore[..., None]
        dkeys += fits
    dqueries *= v
    dkeys *= v
    q, w_q, w_k = cache["q"], cache["w_q"], cache["w_k"]
    dmemory += input_gradient(dkeys, memory, w_k)
    return (
        input_gradient(dqueries, q, w_q),
        dmemory,
        weight_gradient(dqueries, q, w_q),
        weight_gradient(dkeys, memory, w_k),
        dv,
    )


def _fits(query: Array, keys: Array, out: Array) -> None:
    """tanh(query + key), for one query of each row and all its keys: (B, A), (B, S, A)."""
    np.add(query[:, None], keys, out=out)
    np.tanh(out, out=out)


def masked_softmax(scores: Array, mask: Array | None) -> Array:
    """softmax over the last axis, of what the mask allows; a row without any becomes zeros."""
    if mask is not None:
        require_mask(mask, scores.shape)
        scores = np.where(mask, scores, scores.dtype.type(-np.inf))
    weights = scores - scores.max(axis=-1, keepdims=True, initial=np.finfo(scores.dtype).min)
    np.exp(weights, out=weights)
    weights /= np.maximum(row_sum(weights), 1)  # it holds an e^0, unless all of it is hidden
    return weights
