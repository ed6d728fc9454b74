"""Rows for more words than the text had: "<pad>", a name whose vector one makes oneself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minilm.types import Array

if TYPE_CHECKING:
    from minilm.embeddings.keyed_vectors import KeyedVectors


def with_words(
    wv: "KeyedVectors", keys: Sequence[str], weights: Any, replace: bool = False
) -> tuple[list[str], Array, Array | None]:
    """The words, vectors and counts of `wv` and of these: see `KeyedVectors.add_vectors`."""
    if not isinstance(wv.vectors, np.ndarray):
        kind = type(wv.vectors).__name__
        raise TypeError(f"vectors must be an array for words to be added, got a {kind}")
    rows = np.asarray(weights, wv.vectors.dtype)
    if isinstance(keys, str) or rows.shape != (len(keys), wv.vector_size):
        raise ValueError(
            f"keys must be a list of n words and weights of shape (n, {wv.vector_size}), "
            f"got {keys!r} and {rows.shape}"
        )
    place = dict(wv.key_to_index)
    for key in keys:
        place.setdefault(key, len(place))
    more = len(place) - len(wv)
    table = np.concatenate([wv.vectors, np.zeros((more, wv.vector_size), wv.vectors.dtype)])
    for key, row in zip(keys, rows, strict=True):
        if replace or key not in wv.key_to_index:
            table[place[key]] = row
    counts = None if wv.counts is None else np.append(wv.counts, np.zeros(more, np.int64))
    return list(place), table, counts
