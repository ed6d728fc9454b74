"""The embedding: a table of vectors, one row for each token."""

from typing import Any

import numpy as np

from minilm.nn.checks import require_below, require_integers
from minilm.nn.sums import flat
from minilm.types import Array, Cache


def embedding(ids: Array, table: Any) -> tuple[Array, Cache]:
    """y = table[ids]: the row of each token.

    ids: (...) integers in [0, V), table: (V, D)  ->  y: (..., D), cache
    TypeError if ids are not integers, ValueError if one lies outside the table.
    """
    if table.ndim != 2:
        raise ValueError(f"table must have shape (V, D), got {tuple(table.shape)}")
    require_integers(ids=ids)
    require_below(table.shape[0], ids=ids)
    return table[ids], (ids, tuple(table.shape))


def embedding_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of embedding: dtable (V, D); a row used several times gets the sum.

    `dtable[ids] += dy` would keep only the last of several uses, and `np.add.at` is slow:
    sorted by token, equal tokens stand side by side and each run of them is one sum.
    """
    ids, shape = cache
    dtable = np.zeros(shape, dy.dtype)
    if ids.size:
        order = np.argsort(ids, axis=None, kind="stable")
        tokens = ids.reshape(-1)[order]
        starts = np.flatnonzero(np.r_[True, tokens[1:] != tokens[:-1]])
        dtable[tokens[starts]] = np.add.reduceat(flat(dy)[order], starts, axis=0)
    return dtable
