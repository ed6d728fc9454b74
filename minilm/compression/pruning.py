"""Pruning: the smallest weights become exactly zero, and a bitmask says where.

    score = |w|                   element by element
    score = √(mean of w²)         of a row or a column, so that all lengths compare
    keep exactly the size − k highest, k = round(sparsity · size);   or those ≥ threshold

Magnitude pruning (Han et al. 2015). Cutting at a percentile of the scores would prune equal scores
all or none (of a constant tensor, none), so exactly k are chosen instead.
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import check_finite, float_type, matrices, plain_array
from minilm.types import Array, Params
from minilm.weights import SparseTensor


def element_scores(w: Array) -> Array:
    """|w|, of w's shape."""
    return np.abs(w)


def row_scores(w: Array) -> Array:
    """√(mean of w²) of each row of w: (rows, …) -> (rows, 1, …)."""
    return root_mean_square(w, tuple(range(1, w.ndim)))


def column_scores(w: Array) -> Array:
    """√(mean of w²) of each column (last axis) of w: (…, columns) -> (1, …, columns)."""
    return root_mean_square(w, tuple(range(w.ndim - 1)))


def root_mean_square(w: Array, axes: tuple[int, ...]) -> Array:
    """√(mean of w²) over these axes; squared in units of the largest, so that none overflows."""
    unit = np.abs(w).max(initial=np.finfo(w.dtype).tiny)
    return unit * np.sqrt(np.square(w / unit).mean(axis=axes, keepdims=True))


STRUCTURES = {"element": element_scores, "row": row_scores, "column": column_scores}
SCOPES = ("local", "global")


def prune(
    x: Array | Params,
    sparsity: float | None = None,
    *,
    threshold: float | None = None,
    structure: str = "element",
    scope: str = "local",
) -> Any:
    """Zero the weights of least magnitude: an array -> SparseTensor, a params dict -> params dict.

    Give one of sparsity (the share in [0, 1] to prune: exactly round(sparsity · n) of n elements,
    rows or columns; among equals, which of them is not specified) and threshold (prune what scores
    below it). structure: "element", "row" or "column". scope, for a dict: "local" prunes that share
    of each weight, "global" that share of all together, the lowest scores wherever they are.

    Of a params dict every array of two or more axes is pruned, embeddings too; vectors and
    companions named `w:role` stay as they are. A SparseTensor is pruned further.
    ValueError: settings out of range, weights that are empty or not finite. TypeError: a leaf of
    another kind, such as a QuantizedTensor (prune first, then quantize), or not real numbers.
    """
    weights = matrices(x) if isinstance(x, dict) else {"x": x}
    dense = {name: floats(name, w) for name, w in weights.items()}
    masks = keep_masks(dense, sparsity, threshold=threshold, structure=structure, scope=scope)
    pruned = {name: SparseTensor.from_dense(w, masks[name]) for name, w in dense.items()}
    return {**x, **pruned} if isinstance(x, dict) else pruned["x"]


def keep_masks(
    weights: dict[str, Array],
    sparsity: float | None = None,
    *,
    threshold: float | None = None,
    structure: str = "element",
    scope: str = "local",
) -> dict[str, Array]:
    """The masks that `prune` prunes by: {name: bool of the weight's shape, True = kept}."""
    if structure not in STRUCTURES:
        raise ValueError(f"structure must be one of {', '.join(STRUCTURES)}, got {structure!r}")
    if scope not in SCOPES:
        raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
    if (sparsity is None) == (threshold is None):
        raise ValueError(f"give one of sparsity and threshold, got {sparsity!r} and {threshold!r}")
    scores = {name: STRUCTURES[structure](w) for name, w in weights.items()}
    if threshold is not None and not (threshold >= 0 and np.isfinite(threshold)):
        raise ValueError(f"threshold must be a finite number of at least 0, got {threshold!r}")
    if sparsity is None:
        kept = {name: score >= threshold for name, score in scores.items()}
    elif not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must lie in [0, 1], got {sparsity!r}")
    elif scope == "local":
        kept = {name: keep_highest(score, sparsity) for name, score in scores.items()}
    else:
        kept = keep_highest_of_all(scores, sparsity)
    return {
        name: np.ascontiguousarray(np.broadcast_to(keep, weights[name].shape))
        for name, keep in kept.items()
    }


def keep_highest(scores: Array, sparsity: float) -> Array:
    """False at exactly k = round(sparsity · n) of the n lowest scores, True elsewhere."""
    kept = np.ones(scores.size, np.bool_)
    k = round(sparsity * scores.size)
    if k > 0:
        kept[np.argpartition(scores.reshape(-1), k - 1)[:k]] = False
    return kept.reshape(scores.shape)


def keep_highest_of_all(scores: dict[str, Array], sparsity: float) -> dict[str, Array]:
    """keep_highest of all scores laid end to end, cut up again."""
    if not scores:
        return {}
    kept = keep_highest(np.concatenate([s.reshape(-1) for s in scores.values()]), sparsity)
    ends = np.cumsum([s.size for s in scores.values()])
    parts = np.split(kept, ends[:-1])
    return {name: p.reshape(s.shape) for (name, s), p in zip(scores.items(), parts, strict=True)}


def floats(name: str, w: Any) -> Array:
    """The finite floats to prune; a SparseTensor's with its zeros in place."""
    array = plain_array(name, w.dense() if isinstance(w, SparseTensor) else w)
    check_finite(name, array)
    return array.astype(float_type(array), copy=False)
