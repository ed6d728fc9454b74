"""Structures: what is pruned as one, or in which pattern.

    element     each number for itself
    row         a row of the array, all of it or nothing
    column      a column (the last axis)
    n:m         of m neighbours along the inputs of an output, n are kept: "2:4", "4:8", "1:2"

Of a weight (in, out) an output is a column; of an embedding table, which multiplies as h @ E.T, it
is a row. `columns` shows either with its outputs as columns, (n, out).

n:m is the form of sparsity that hardware multiplies faster by: Mishra et al. 2021, section 3.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np

from minilm.compression.parameters import is_table
from minilm.types import Array

Axes = Callable[[int], tuple[int, ...]]  # number of axes -> those that a group spans

STRUCTURES: Mapping[str, Axes] = {
    "element": lambda ndim: (),
    "row": lambda ndim: tuple(range(1, ndim)),
    "column": lambda ndim: tuple(range(ndim - 1)),
}


def pattern_of(structure: str) -> tuple[int, int] | None:
    """(n, m) of "n:m"; None for a row of STRUCTURES. ValueError for all else."""
    text = structure if isinstance(structure, str) else ""
    if text in STRUCTURES:
        return None
    found = re.fullmatch(r"([0-9]+):([0-9]+)", text)
    n, m = map(int, found.groups()) if found else (0, 0)
    if not 0 < n < m:
        raise ValueError(f"structure must be one of {', '.join(STRUCTURES)} or n:m with "
                         f"0 < n < m, as 2:4, got {structure!r}")
    return n, m


def columns(name: str, x: Array) -> Array:
    """x with its outputs as columns, (n, out): of a weight of more axes than two all but the last
    are inputs, of a vector its one axis."""
    if is_table(name):
        return x.reshape(len(x), -1).T
    return x.reshape(-1, x.shape[-1] if x.ndim > 1 else 1)


def from_columns(name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """What `columns` showed, in its own shape again."""
    return (x.T if is_table(name) else x).reshape(shape)


def kept_of_each(name: str, scores: Array, pattern: tuple[int, int]) -> Array:
    """True at exactly the n highest of every m neighbours down each column: scores (inputs, out).

    ValueError, by name, where m does not divide the inputs.
    """
    n, m = pattern
    inputs, out = scores.shape
    if inputs % m:
        raise ValueError(f"structure {n}:{m} needs inputs in groups of {m}, "
                         f"but an output of {name} has {inputs}")
    groups = scores.reshape(-1, m, out)
    kept = np.ones(groups.shape, np.bool_)
    lowest = np.argpartition(groups, m - n - 1, axis=1)[:, : m - n]
    np.put_along_axis(kept, lowest, False, axis=1)
    return kept.reshape(scores.shape)
