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
    require_integers("ids", ids)
    require_below(table.shape[0], "ids", ids)
    return table[ids], (ids, tuple(table.shape))


def embedding_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of embedding: dtable (V, D); a row used several times gets the sum.

    `dtable[ids] += dy` would keep only the last of several uses, and `np.add.at` is slow. Sorted
    by token, the uses of one token stand side by side: one use is copied, several are summed.
    """
    ids, shape = cache
    dtable, rows = np.zeros(shape, dy.dtype), flat(dy)
    order = np.argsort(ids, axis=None, kind="stable")
    tokens, starts, uses = np.unique(
        ids.reshape(-1)[order], return_index=True, return_counts=True
    )
    once = uses == 1
    dtable[tokens[once]] = rows[order[starts[once]]]
    for token, start, count in zip(tokens[~once], starts[~once], uses[~once], strict=True):
        np.matmul(np.ones(count, rows.dtype), rows[order[start : start + count]], out=dtable[token])
    return dtable
