"""Where the teacher looks: the student's last attention is to be the teacher's.

    A = softmax(q kᵀ / √d)   where each token looks         loss = mean of KL(A_teacher ‖ A_student)
    R = softmax(v vᵀ / √d)   which values are alike         loss = mean of KL(R_teacher ‖ R_student)

Both are distributions over tokens, whatever the widths of the models: no map stands between them,
as hidden states need one. The means are over heads, of which both models have as many, and over
tokens. Of the last layer only, so the numbers of layers are free. What a mask hides is hidden in
both models. Wang et al. 2020 (MiniLM), sections 3.1 and 3.2.

    ∂/∂scores of KL(p ‖ softmax(scores)) = softmax(scores) − p           and scores = q kᵀ / √d

So the student's q, k and v get a gradient from here, beside the one that comes from the logits. It
comes in by `attend`: a model calls that in the place of `attention`, and here it returns the same y
and a cache with an empty list at its end. What is put into the list before model.backward, dq, dk
and dv, is added there (nn/attention.py).
"""

import math
from inspect import signature
from typing import Any

import numpy as np

from minilm.nn import attention, attention_weights
from minilm.nn.checks import require_shape
from minilm.types import Array, Cache


def relation_loss(
    a: Array, b: Array, mask: Array | None, p: Array, weight: Array
) -> tuple[float, Array, Array]:
    """Σ weight · KL(p ‖ softmax(a bᵀ / √d)), and its gradients for a and b.

    a: (..., T, d), b: (..., S, d), mask: as of `attention`, p: (..., T, S), rows that sum to 1 (or
    are 0), weight: (..., T)  ->  loss, da, db. Attention: a = q, b = k. Values: a = b = v.
    ValueError for a p or weight of another shape.
    """
    own = attention_weights(a, b, mask)
    require_shape(own.shape, p=p)
    require_shape(own.shape[:-1], weight=weight)
    p = p.astype(own.dtype, copy=False)
    tiny = np.finfo(own.dtype).tiny                   # a probability of 0 counts as this in the log
    log_ratio = np.log(np.maximum(p, tiny)) - np.log(np.maximum(own, tiny))
    loss = float(np.vdot(np.einsum("...s,...s->...", p, log_ratio), weight))
    dscores = (own - p) * (weight / math.sqrt(a.shape[-1]))[..., None]
    return loss, dscores @ b, dscores.swapaxes(-1, -2) @ a


class LastLook:
    """Remembers the last attention of a forward pass, and takes gradients for it.

    For one pass: model.forward(..., attend=last_look), then `toward`, then model.backward.
    """

    def __init__(self) -> None:
        self.heads: tuple[Array, Array, Array, Array | None] | None = None
        self.gradients: list[Array] = []

    def __call__(
        self, q: Array, k: Array, v: Array, mask: Array | None = None
    ) -> tuple[Array, Cache]:
        y, cache = attention(q, k, v, mask)
        self.heads, self.gradients = (q, k, v, mask), []
        return y, (*cache, self.gradients)

    def toward(
        self, teacher: "LastLook", weight: Array, attention: float, values: float
    ) -> float:
        """attention · (loss of A) + values · (loss of R), sums over tokens; its gradients are kept.

        weight: (B, T), what each query counts. ValueError for other numbers of heads.
        """
        assert self.heads is not None and teacher.heads is not None   # both have been called
        q, k, v, mask = self.heads
        total, dq, dk, dv = 0.0, np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        if attention:
            p = alike(attention_weights(*teacher.heads[:2], teacher.heads[3]), weight, q)
            part, dq, dk = relation_loss(q, k, mask, p, by_query(attention * weight, q))
            total += part
        if values:
            theirs = teacher.heads[2]
            # heads that share keys have their queries below one another: any of them has the mask
            of_tokens = None if mask is None else mask[..., : v.shape[-2], :]
            p = alike(attention_weights(theirs, theirs, of_tokens), weight, v)
            part, da, db = relation_loss(v, v, of_tokens, p, by_query(values * weight, v))
            total, dv = total + part, da + db
        self.gradients += dq, dk, dv
        return total


def by_query(weight: Array, q: Array) -> Array:
    """weight / H, (B, T), for each query of each of the H heads: (B, G, H/G · T), as q's rows are.

    q: (B, G, H/G · T, d); G: heads of keys and values, fewer than H where queries share them.
    """
    B, T = weight.shape
    heads = q.shape[1] * q.shape[2] // T
    return np.broadcast_to(weight[:, None] / heads, (B, heads, T)).reshape(q.shape[:-1])


def alike(p: Array, weight: Array, q: Array) -> Array:
    """The teacher's p, (B, G', H/G' · T, S), laid out as the student's q, (B, G, H/G · T, d)."""
    T = weight.shape[1]
    theirs, own = (x.shape[1] * x.shape[2] // T for x in (p, q))
    if theirs != own:
        raise ValueError(f"teacher and student must have as many heads in their last attention, "
                         f"got {theirs} and {own}")
    return p.reshape(*q.shape[:-1], p.shape[-1])


def check_attends(model: Any, whose: str) -> None:
    """TypeError for a model that has no attention which `attend` could stand in for."""
    if "attend" not in signature(model.forward).parameters:
        raise TypeError(f"{whose} must be a model whose forward takes `attend`, "
                        f"a {type(model).__name__} is none")


def query_weights(model: Any, inputs: list[Any], counted: Array) -> Array:
    """What the queries of the last attention count, (B, T), in units of a target.

    counted: (B, T), which targets count: the queries are the tokens that they follow. Of a text
    with one label, (B,), its tokens share what it counts, padding has no part in it.
    """
    if counted.ndim == 2:
        return counted
    is_token = np.asarray(inputs[0]) != model.padding_id
    return is_token * (counted / is_token.sum(axis=1))[:, None]
