"""An encoder of LSTMs: each level reads the sequence forwards and, with another LSTM, backwards.

    f_1 … f_n = lstm(x_1 … x_n),   b_n … b_1 = lstm(x_n … x_1)        of width D/2 each
    y_s = [f_s; b_s],   state = [f_n; b_1]                             of width D

So every y_s knows the whole sequence. Sequences of different lengths stand in one array, filled up
with a padding id on the right. Each is turned round within its own length, and each LSTM ends a row
where its tokens end, so that padding enters neither what is read nor the state.

Schuster & Paliwal 1997; as the encoder of a translation, Bahdanau et al. 2015.
"""

import math
from typing import Any

import numpy as np

from minilm.models.language_model import normal
from minilm.nn import (
    dropout,
    dropout_backward,
    embedding,
    embedding_backward,
    lstm,
    lstm_backward,
)
from minilm.types import Array, Cache, Params

WAYS = ("forwards", "backwards")
PARTS = ("w_x", "w_h", "b")


def new_lstm(rng: np.random.Generator, prefix: str, inputs: int, width: int) -> Params:
    """Fresh parameters of one LSTM: std 1/√fan_in, biases 0, forget bias 1 (Jozefowicz 2015)."""
    bias = np.zeros(4 * width, dtype=np.float32)
    bias[width : 2 * width] = 1
    return {
        f"{prefix}.w_x": normal(rng, (inputs, 4 * width), 1 / math.sqrt(inputs)),
        f"{prefix}.w_h": normal(rng, (width, 4 * width), 1 / math.sqrt(width)),
        f"{prefix}.b": bias,
    }


def new_lstm_encoder(
    rng: np.random.Generator, prefix: str, inputs: int, width: int, layers: int
) -> Params:
    """Fresh parameters of the encoder: prefix.level.forwards.w_x and so on."""
    params: Params = {}
    for level in range(layers):
        for way in WAYS:
            fan_in = width if level else inputs
            params |= new_lstm(rng, f"{prefix}.{level}.{way}", fan_in, width // 2)
    return params


def check_even(width: int) -> None:
    """Refuse a width that two directions cannot share."""
    if width % 2:
        raise ValueError(f"width must be even, half for each direction, got {width}")


def token_vectors(ids: Array, table: Any) -> tuple[Array, Cache]:
    """x = √E · table[ids].   ids: (B, T), table: (V, E)  ->  x: (B, T, E), cache

    A table of std 1/√E, which suits a tied head, so gives an x of variance 1.
    """
    x, embedding_cache = embedding(ids, table)
    x *= math.sqrt(table.shape[1])
    return x, (embedding_cache, table.shape[1])


def token_vectors_backward(dx: Array, cache: Cache) -> Array:
    """The gradient of token_vectors: dtable."""
    embedding_cache, width = cache
    return embedding_backward(dx * math.sqrt(width), embedding_cache)


def lstm_encoder(
    x: Array,
    mask: Array,
    params: Params,
    prefix: str,
    *,
    layers: int,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[tuple[Array, list[tuple[Array, Array]]], Cache]:
    """Read x level by level, both ways.

    x: (B, T, E), mask: (B, T) bool, in each row first all that is to be read, then the padding
      ->  (y, states), cache.  y: (B, T, D), 0 at padding; states: for each level a pair (h, c) of
    (B, D), which each way leaves at its end: forwards at the last token, backwards at the first.
    rate: of dropout at the input of each level. ValueError where a token stands after padding.
    """
    lengths = mask.sum(axis=1)
    place = np.arange(mask.shape[1])
    if not np.array_equal(mask, place < lengths[:, None]):
        raise ValueError("padding must stand after the tokens of its row, got a token behind it")
    rows = np.arange(len(mask))[:, None]
    turned = rows, np.where(mask, lengths[:, None] - 1 - place, place)  # its own inverse
    states, caches = [], []
    for level in range(layers):
        x, dropout_cache = dropout(x, rate, rng)
        (w_x, w_h, b), other = (
            [params[f"{prefix}.{level}.{way}.{part}"] for part in PARTS] for way in WAYS
        )
        forwards, forwards_cache = lstm(x, w_x, w_h, b, lengths=lengths)
        w_x, w_h, b = other
        backwards, backwards_cache = lstm(x[turned], w_x, w_h, b, lengths=lengths)
        x = np.concatenate([forwards, backwards[turned]], axis=-1)
        ends = zip(forwards_cache["state"], backwards_cache["state"], strict=True)
        h, c = (np.concatenate(pair, axis=-1) for pair in ends)
        states.append((h, c))
        caches.append((forwards_cache, backwards_cache, dropout_cache))
    return (x, states), (caches, turned, prefix)


def lstm_encoder_backward(
    dy: Array, dstates: list[tuple[Array, Array]] | None, cache: Cache
) -> tuple[Array, Params]:
    """Gradients of lstm_encoder: dx, and those of the weights by name.

    dy: (B, T, D); dstates: for each level a pair (dh, dc), or None where the states were not used.
    """
    caches, turned, prefix = cache
    grads: Params = {}
    for level in reversed(range(len(caches))):
        forwards_cache, backwards_cache, dropout_cache = caches[level]
        half = forwards_cache["state"][0].shape[1]
        dforwards = dbackwards = None
        if dstates is not None:
            dh, dc = dstates[level]
            dforwards, dbackwards = (dh[:, :half], dc[:, :half]), (dh[:, half:], dc[:, half:])
        dx, *dweights = lstm_backward(dy[..., :half], forwards_cache, dforwards)
        dturned, *dothers = lstm_backward(dy[..., half:][turned], backwards_cache, dbackwards)
        dy = dropout_backward(dx + dturned[turned], dropout_cache)
        for way, parts in zip(WAYS, (dweights, dothers), strict=True):
            names = [f"{prefix}.{level}.{way}.{part}" for part in PARTS]
            grads |= dict(zip(names, parts[:3], strict=True))
    return dy, grads
