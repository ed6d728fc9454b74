"""The mean of some words: how a query of several words becomes one vector.

    x = Σ w_i x_i / Σ |w_i|          w_i = −1 for a word that is to be far
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minilm.embeddings.table_rows import unit_rows
from minilm.types import Array

if TYPE_CHECKING:
    from minilm.embeddings.keyed_vectors import KeyedVectors

KEY = (str, int, np.integer)

Key: TypeAlias = str | int | np.integer[Any]  # a word, or the number of its row


def mean_vector(
    wv: "KeyedVectors",
    keys: Sequence[Any],
    weights: Sequence[float] | Array | None = None,
    pre_normalize: bool = True,
    post_normalize: bool = False,
    ignore_missing: bool = True,
) -> Array:
    """See `KeyedVectors.get_mean_vector`."""
    if isinstance(keys, str) or not len(keys):
        raise ValueError(f"keys must be a list of at least one word or vector, got {keys!r}")
    weights = np.ones(len(keys)) if weights is None else np.asarray(weights)
    if weights.shape != (len(keys),):
        raise ValueError(f"weights must be {len(keys)}, one a key, got shape {weights.shape}")
    rows, used = [np.zeros(wv.vector_size, np.float32)], [0.0]  # for no key known: 0
    for key, weight in zip(keys, weights, strict=True):
        if isinstance(key, np.ndarray):
            rows.append(checked(key, wv.vector_size))
        elif key in wv or not ignore_missing:
            rows.append(wv.get_vector(key, norm=pre_normalize))
        else:
            continue
        used.append(float(weight))
    table = np.stack(rows)
    mean = np.array(used, table.dtype) @ table / (sum(map(abs, used)) or 1.0)
    return unit_rows(mean[None])[0] if post_normalize else mean


def similarity_of_means(wv: "KeyedVectors", ws1: Sequence[Key], ws2: Sequence[Key]) -> float:
    """See `KeyedVectors.n_similarity`."""
    means = [mean_vector(wv, words, None, False, ignore_missing=False) for words in (ws1, ws2)]
    x, y = unit_rows(np.stack(means))
    return float(x @ y)


def checked(vector: Array, size: int) -> Array:
    """The vector itself, if it is one of `size` finite numbers."""
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise ValueError(
            f"a vector must be finite and of shape ({size},), got {vector.dtype} {vector.shape}"
        )
    return vector
