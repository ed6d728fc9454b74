"""How a Transformer takes in its tokens: what each one is, and where it stands.

    sinusoidal   x = √D · E[ids] + P[t]      P as in nn/positions.py      Vaswani et al. 2017
    learned      x = E[ids] + W[t]           W a table like E             Radford et al. 2019
    rotary       x = E[ids]                  every attention turns its queries and keys by t
                                             instead                      Su et al. 2021
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from minilm.nn import (
    dropout,
    dropout_backward,
    embedding,
    embedding_backward,
    sinusoidal_positions,
)
from minilm.types import Array, Cache

POSITIONS = ("sinusoidal", "learned", "rotary")


def embed(
    ids: Array,
    table: Any,
    *,
    positions: str,
    context: int,
    position_table: Any = None,
    start: int = 0,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Cache]:
    """x = dropout(E[ids], and its positions): one of the three forms above.

    ids: (B, T) integers, table: (V, D), position_table: (context, D) where positions are learned
    ->  x: (B, T, D), cache
    The ids stand at start … start + T − 1. rate: of dropout, on exactly when an `rng` is passed.
    Raises ValueError if start + T > context or an id lies outside the table.
    """
    end = start + ids.shape[1]
    if end > context:
        raise ValueError(f"a text must be at most context={context} long, got {end} tokens")
    x, embedding_cache = embedding(ids, table)
    width = x.shape[-1]
    scale, position_cache = 1.0, None
    if positions == "sinusoidal":
        scale = math.sqrt(width)
        x *= scale
        x += window_positions(context, width, x.dtype)[start:end]
    elif positions == "learned":
        rows, position_cache = embedding(np.arange(start, end), position_table)
        x += rows
    x, dropout_cache = dropout(x, rate, rng)
    return x, (embedding_cache, scale, position_cache, dropout_cache)


def embed_backward(dx: Array, cache: Cache) -> tuple[Array, Array | None]:
    """Gradients of embed: dtable, and dposition_table where positions are learned, else None."""
    embedding_cache, scale, position_cache, dropout_cache = cache
    dx = dropout_backward(dx, dropout_cache)
    dpositions = None
    if position_cache is not None:  # a position's row was added in each of the B texts
        dpositions = embedding_backward(dx.sum(axis=0), position_cache)
    if scale != 1.0:
        dx = dx * scale
    return embedding_backward(dx, embedding_cache), dpositions


@lru_cache(maxsize=8)
def window_positions(context: int, width: int, dtype: np.dtype) -> Array:
    """`sinusoidal_positions`, computed once for all windows of a model; not to be written to."""
    positions = sinusoidal_positions(context, width, dtype)
    positions.flags.writeable = False
    return positions
