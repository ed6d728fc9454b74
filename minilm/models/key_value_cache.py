"""The key–value cache: what a Transformer remembers of what it has read.

    a new token looks back:  y = softmax(q Kᵀ / √d) V,   K and V: a row for each token so far

A token's key and value depend on it and on what came before it, never on what comes after. So
they are made once, when it is read, and kept. To read T more tokens a model makes their q, k and
v alone, and looks back at the rows that are there: each token is read once, where a model without
a cache reads the whole text again for every token that it writes.

A cache holds what was computed, nothing that was learned: it is not a weight.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minilm.types import Array, Cache

Attend = Callable[..., tuple[Array, Cache]]


class KeyValueCache:
    """The keys and values of one layer, with room for `context` tokens; `length` are in it.

    The room is made at the first `append`, which knows the sizes: G heads, which may be fewer than
    those of the queries. Rotary keys come turned, each by its own position, and stay as they are.
    """

    def __init__(self, context: int) -> None:
        self.context = context
        self.length = 0
        self.keys: Array | None = None  # (B, G, context, d)
        self.values: Array | None = None  # (B, G, context, d_v)

    @property
    def nbytes(self) -> int:
        """The bytes held, of the whole room: none before the first `append`."""
        return sum(held.nbytes for held in (self.keys, self.values) if held is not None)

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Take in the keys and values of T new tokens; answer with all so far, K and V.

        k: (B, G, T, d), v: (B, G, T, d_v)  ->  K: (B, G, length, d), V: (B, G, length, d_v)
        K and V are views of what the cache holds, to be read only.
        Raises ValueError for more tokens than there is room for, another batch size, number of
        heads, width or dtype than before, or a k and a v of different T.
        """
        start, end = self.length, self.length + k.shape[2]
        if end > self.context:
            raise ValueError(f"a cache with room for {self.context} tokens cannot hold {end}")
        if self.keys is None or self.values is None:
            self.keys, self.values = (
                np.empty((*new.shape[:2], self.context, new.shape[3]), new.dtype) for new in (k, v)
            )
        K, V = self.keys[:, :, :end], self.values[:, :, :end]
        new_K, new_V = K[:, :, start:], V[:, :, start:]
        check_fit("k", k, new_K)
        check_fit("v", v, new_V)
        new_K[:], new_V[:] = k, v
        self.length = end
        return K, V

    def chosen(self, rows: Array) -> "KeyValueCache":
        """A new cache that holds the texts `rows` of this one's batch: (B, …) -> (B', …).

        This one stays as it is, and a row may be chosen twice: each copy goes its own way.
        """
        cache = KeyValueCache(self.context)
        if self.keys is not None and self.values is not None:
            written = slice(self.length)
            cache.append(self.keys[rows, :, written], self.values[rows, :, written])
        return cache

    def looking_back(self, attend: Attend) -> Attend:
        """`attend`, but over all keys and values so far in the place of the new ones alone."""
        return lambda q, k, v, mask=None: attend(q, *self.append(k, v), mask)


def check_fit(name: str, new: Array, room: Array) -> None:
    """ValueError unless new rows are like the room for them: NumPy would broadcast and cast."""
    if new.shape != room.shape or new.dtype != room.dtype:
        raise ValueError(
            f"{name} must be {room.dtype} of shape {room.shape} to go with what the cache holds, "
            f"got {new.dtype} of shape {new.shape}"
        )


class TransformerState(NamedTuple):
    """A Transformer's memory after `length` tokens: a cache for each layer.

    The caches are written in place, so a state can be read on from once; what leads on from there
    is the state that this reading returned.
    """

    caches: tuple[Any, ...]  # KeyValueCache, or what fresh_state was given in its place
    length: int

    @property
    def nbytes(self) -> int:
        """The bytes that all caches hold."""
        return sum(cache.nbytes for cache in self.caches)

    def chosen(self, rows: Array) -> "TransformerState":
        """The state of the texts `rows` of the batch alone, in new caches.

        Raises ValueError if this state has been read on from.
        """
        length, caches = remembered(self, len(self.caches))
        return TransformerState(tuple(cache.chosen(rows) for cache in caches), length)


def remembered(state: TransformerState | None, layers: int) -> tuple[int, tuple[Any, ...]]:
    """(length, a cache for each layer); without a state 0 and None for each layer.

    Raises TypeError for something else than a state, ValueError for one with another number of
    layers or that has been read on from.
    """
    if state is None:
        return 0, (None,) * layers
    if not isinstance(state, TransformerState):
        raise TypeError(f"state must come from fresh_state() or cache, got {type(state).__name__}")
    if len(state.caches) != layers:
        raise ValueError(f"state must have {layers} layers, got {len(state.caches)}")
    if any(cache.length != state.length for cache in state.caches):
        raise ValueError(
            f"this state, after {state.length} tokens, has been read on from, which wrote into it: "
            'pass the cache["state"] of that reading, or begin with a fresh_state()'
        )
    return state.length, state.caches
