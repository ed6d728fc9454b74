"""Attention: every query takes the mean of the values, weighted by how well their keys answer it.

Masks are boolean and say who **may look**: True is allowed, False is hidden.
"""

import math

import numpy as np

from minilm.nn.checks import require_float, require_mask
from minilm.nn.small_products import many_products
from minilm.nn.sums import row_dot, row_sum
from minilm.types import Array, Cache

FEW_ROWS = 8


def causal_mask(T_q: int, T_k: int | None = None) -> Array:
    """mask[i, j] = may query i look at key j: at itself and at what came before.

    -> (T_q, T_k) bool. The queries are the last T_q of the T_k positions, so that a few new
    queries can look back at all keys so far; T_k = T_q unless given, ValueError if it is less.
    """
    T_k = T_q if T_k is None else T_k
    if not 0 <= T_q <= T_k:
        raise ValueError(f"T_q must lie in [0, T_k], got T_q = {T_q} and T_k = {T_k}")
    return np.tri(T_q, T_k, k=T_k - T_q, dtype=bool)


def padding_mask(ids: Array, padding_id: int) -> Array:
    """mask[b, 0, 0, j] = may anyone look at key j of sequence b: not if it is padding.

    ids: (B, T)  ->  (B, 1, 1, T) bool, which broadcasts over heads and queries; combine with a
    causal mask by `&`.
    """
    if ids.ndim != 2:
        raise ValueError(f"ids must have shape (B, T), got {ids.shape}")
    return (ids != padding_id)[:, None, None, :]


def attention(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Cache]:
    """y = softmax(q kᵀ / √d) v, over the keys that the mask allows.

    q: (..., T_q, d), k: (..., T_k, d), v: (..., T_k, d_v), mask: bool, broadcastable to
    (..., T_q, T_k)  ->  y: (..., T_q, d_v), cache        Vaswani et al. 2017, eq. 1
    A query that may look nowhere gets zeros. d is the width of one head, not of the model.

        scores = q kᵀ / √d,  −∞ where hidden;   weights = softmax(scores);   y = weights v
    """
    require_float("v", v)
    if v.shape[:-1] != k.shape[:-1]:
        raise ValueError(f"v must have a row for each key: k {k.shape}, v {v.shape}")
    # Divided by the sum after the product with v: fewer numbers, and backward wants both parts.
    exponentials, inverse_sum = _exponentials(q, k, mask)
    y = many_products(exponentials, v)
    y *= inverse_sum
    return y, (q, k, v, exponentials, inverse_sum, y)


def attention_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Gradients of attention, in its argument order: dq, dk, dv.

        dv = weightsᵀ dy,   dweights = dy vᵀ
        dscores = weights ⊙ (dweights − Σ_j dweights ⊙ weights)
                  where the sum is dy · y, as y = weights v
        dq = dscores k / √d,   dk = dscoresᵀ q / √d
    """
    q, k, v = cache[:3]
    grads = np.empty_like(q), np.empty_like(k), np.empty_like(v)
    write_attention_gradients(*grads, dy, cache)
    return grads


def write_attention_gradients(dq: Array, dk: Array, dv: Array, dy: Array, cache: Cache) -> None:
    """Write the gradients of attention into dq, dk and dv, which may be parts of one array.

    An `attend` may add a list to attention's cache: gradients that reach q, k and v by another way
    (a teacher's attention), three or none. They are added.
    """
    q, k, v, exponentials, inverse_sum, y, *others = cache
    # y = weights v,  weights = exponentials * inverse_sum
    scaled_dy = np.multiply(dy, inverse_sum, order="C")
    many_products(exponentials.swapaxes(-1, -2), scaled_dy, out=dv)
    # softmax: dscores = weights (dweights − Σ dweights weights); dweights = dy vᵀ, so Σ … = dy · y
    scale = 1 / math.sqrt(q.shape[-1])  # of dscores, which both gradients below need times 1/√d
    dscores = _scaled_product(scaled_dy, v, scale)
    along_weights = row_dot(scaled_dy, y)
    along_weights *= scale
    dscores -= along_weights
    dscores *= exponentials  # times inverse_sum, which is in scaled_dy: the weights
    # scores = q kᵀ / √d
    many_products(dscores, k, out=dq)
    many_products(dscores.swapaxes(-1, -2), q, out=dk)
    for own, other in zip((dq, dk, dv), others[0] if others else (), strict=False):
        own += other


def attention_weights(q: Array, k: Array, mask: Array | None = None) -> Array:
    """softmax(q kᵀ / √d): where each query looks, (..., T_q, T_k); rows sum to 1 (or are 0)."""
    exponentials, inverse_sum = _exponentials(q, k, mask)
    exponentials *= inverse_sum
    return exponentials


def _exponentials(q: Array, k: Array, mask: Array | None) -> tuple[Array, Array]:
    """e^(scores − row maximum), 0 where hidden; 1 / their row sums."""
    require_float("q", q)
    require_float("k", k)
    if q.ndim < 2 or q.shape[:-2] != k.shape[:-2] or q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k must agree but for their length, got {q.shape} and {k.shape}")
    scores = _scaled_product(q, k, 1 / math.sqrt(q.shape[-1]))
    if mask is not None:
        # fmin passes over NaN: whatever q and k are, what is hidden becomes −inf
        np.fmin(scores, _largest_score(mask, scores), out=scores)
    if mask is None and scores.shape[-1]:
        scores -= scores.max(axis=-1, keepdims=True)
        total = row_sum(np.exp(scores, out=scores))
    else:
        # Where a row is hidden altogether, the lowest finite number stands in as its maximum, and
        # 1 as the sum of its zeros. The other sums are at least 1, for each row holds an e^0.
        scores -= scores.max(axis=-1, keepdims=True, initial=np.finfo(scores.dtype).min)
        total = row_sum(np.exp(scores, out=scores))
        np.maximum(total, 1, out=total)
    return scores, np.reciprocal(total, out=total)


def _scaled_product(a: Array, b: Array, scale: float) -> Array:
    """scale · a bᵀ, for each of many small matrices: (..., M, K), (..., N, K) -> (..., M, N).

    With bᵀ copied into rows, OpenBLAS multiplies small matrices nearly twice as fast; that pays
    for the copy, which also takes the scale along, unless a has few rows: while a text is written,
    one for each head that shares these keys.
    """
    b_t = b.swapaxes(-1, -2)
    if a.shape[-2] <= FEW_ROWS:
        return (a * scale) @ b_t
    return many_products(a, np.multiply(b_t, scale, order="C"))


def _largest_score(mask: Array, scores: Array) -> Array:
    """inf where a query may look and −inf where it may not, of the mask's shape."""
    require_mask(mask, scores.shape)
    number = scores.dtype.type
    return np.where(mask, number(np.inf), number(-np.inf))
