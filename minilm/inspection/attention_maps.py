"""Where a model looks: the attention weights of every head, and how compression moves them.

    weights[b, h, t, s] = softmax over s of q_t · k_s / √d      rows sum to 1; hidden keys have 0
    change_h  = mean over queries of ½ Σ_s |weights' − weights|        total variation, in [0, 1]
    entropy_h = mean over queries of −Σ_s weights log weights           nats, in [0, log S]

The total variation is the share of the attention that has gone elsewhere: 0 is the same map, 1 is
two maps without a common key. Only queries that see more than one key count: the others cannot do
otherwise.

No model keeps its weights for this. `attend` stands in the place of `attention` in the forward
pass, and the weight that is multiplied next, the w_out of that very layer, says whose map it was.
"""

from inspect import signature
from typing import Any

import numpy as np

from minilm.inspection.listening import listening
from minilm.nn import attention, attention_weights
from minilm.types import Array, Cache, Params

ALIGNMENT = "alignment"  # what a recurrent model with attention leaves in its cache, (B, T, S)


def attention_maps(model: Any, params: Params, *inputs: Array) -> dict[str, Array]:
    """The map of every attention layer in model.forward(params, *inputs), dropout off.

    inputs: what `forward` takes  ->  {name: (B, H, T, S)}, each row over the S keys sums to 1;
    named like the layer's parameters ("block.0.attention", "decoder.1.cross_attention"), in the
    order of the forward pass. A recurrent model's is "alignment", with H = 1.
    TypeError for a model without attention.
    """
    maps: dict[str, Array] = {}
    unnamed: list[tuple[Array, int]] = []

    def attend(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Cache]:
        unnamed.append((attention_weights(q, k, mask), v.shape[-1]))
        return attention(q, k, v, mask)

    def hear(name: str, x: Array) -> None:
        if unnamed:
            weights, head_dim = unnamed.pop()
            # heads that share their keys come below one another; x has them side by side again
            B, S, heads = len(weights), weights.shape[-1], x.shape[-1] // head_dim
            maps[name.rpartition(".")[0]] = weights.reshape(B, heads, -1, S)

    opened = {"attend": attend} if "attend" in signature(model.forward).parameters else {}
    _, cache = model.forward(listening(params, hear), *inputs, **opened)
    if ALIGNMENT in cache:
        maps[ALIGNMENT] = cache[ALIGNMENT][:, None]
    if not maps:
        raise TypeError(f"model must have attention, a {type(model).__name__} has none")
    return maps


def head_change(
    before: dict[str, Array],
    after: dict[str, Array],
    counted: dict[str, Array] | None = None,
) -> dict[str, Array]:
    """How far each head's map has moved: {name: (H,)}, mean total variation in [0, 1].

    before, after: what attention_maps answers for the same inputs; counted: {name: (B, T) bool},
    the queries that count in these layers (leave out padding), by default all.
    ValueError if the maps differ in names or shapes.
    """
    if before.keys() != after.keys():
        raise ValueError(f"after must have the maps {list(before)}, got {list(after)}")
    changes = {}
    for name, p in before.items():
        q = after[name]
        if p.shape != q.shape:
            raise ValueError(f"{name} must have maps of one shape, got {p.shape} and {q.shape}")
        seen = (p > 0) | (q > 0)
        changes[name] = mean_over(abs(p - q).sum(axis=-1) / 2, choosing(name, seen, counted))
    return changes


def head_entropy(
    maps: dict[str, Array], counted: dict[str, Array] | None = None
) -> dict[str, Array]:
    """How widely each head looks: {name: (H,)}, mean entropy of its rows in nats.

    0: always one key; log n: all n keys alike. counted: as in head_change.
    """
    entropies = {}
    for name, p in maps.items():
        nats = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)  # 0 log 0 = 0
        entropies[name] = mean_over(nats, choosing(name, p > 0, counted))
    return entropies


def choosing(name: str, seen: Array, counted: dict[str, Array] | None) -> Array:
    """(B, T) bool: the queries that see several keys, and are counted.

    seen: (B, H, T, S). The mask is the same for all heads, so a key that one head sees is visible.
    """
    several = seen.any(axis=1).sum(axis=-1) > 1
    if counted is None or name not in counted:
        return several
    if counted[name].dtype != bool or counted[name].shape != several.shape:
        raise ValueError(f"counted[{name!r}] must be bool of shape {several.shape}, "
                         f"got {counted[name].dtype} {counted[name].shape}")
    return several & counted[name]


def mean_over(values: Array, queries: Array) -> Array:
    """The mean of values (B, H, T) over the queries (B, T) that are True: (H,); 0 if none is."""
    total = (values * queries[:, None]).sum(axis=(0, 2))
    return total / max(int(queries.sum()), 1)
