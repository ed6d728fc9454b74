"""Masks: of the scores, exactly so many of the lowest are left out.

    k = round(sparsity · n) of n scores             or all scores below a threshold

Cutting at a percentile of the scores would prune equal scores all or none (of a constant tensor,
none; of one that is nine tenths zero, nine tenths or nothing), so exactly k are chosen instead.
Which n are compared is the scope: those of one weight (local), of one output (output), of all
weights together (global).
"""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from minilm.compression.parameters import check_finite, float_type, plain_array
from minilm.compression.pruning.evidence import Evidence
from minilm.compression.pruning.scores import SCORES
from minilm.compression.pruning.structures import (
    STRUCTURES,
    columns,
    from_columns,
    kept_of_each,
    pattern_of,
)
from minilm.types import Array
from minilm.weights import SparseTensor, Weight


def keep_masks(
    weights: dict[str, Array],
    sparsity: float | None = None,
    *,
    threshold: float | None = None,
    structure: str = "element",
    scope: str = "local",
    score: str | dict[str, Array] = "magnitude",
    within: dict[str, Array] | None = None,
    **known: Any,
) -> dict[str, Array]:
    """The masks that `prune` prunes by: {name: bool of the weight's shape, True = kept}.

    within: masks of all these weights; what one leaves out stays left out, and is counted.
    All else is as for `prune`; known: calibration, gradients, damping, seed.
    """
    check_choice(sparsity, threshold, structure, scope, score)
    weights = {name: floats(name, w) for name, w in weights.items()}
    evidence = Evidence(weights, **known)
    scores = {
        name: group_scores(name, w, structure, score, evidence) for name, w in weights.items()
    }
    if within is not None:
        allowed = groups_within(within, scores, weights)
        scores = {name: np.where(allowed[name], s, -np.inf) for name, s in scores.items()}
    pattern = pattern_of(structure)
    if pattern is not None:
        kept = {
            name: from_columns(name, kept_of_each(name, columns(name, s), pattern), s.shape)
            for name, s in scores.items()
        }
    elif sparsity is None:
        kept = {name: not_below(s, threshold) for name, s in scores.items()}
    else:
        kept = SCOPES[scope](scores, sparsity)
    masks = {
        name: np.broadcast_to(keep, weights[name].shape).copy()
        for name, keep in kept.items()
    }
    return masks if within is None else {name: mask & within[name] for name, mask in masks.items()}


def floats(name: str, w: Any) -> Array:
    """The finite floats to prune; a SparseTensor's with its zeros in place.

    TypeError for one that is quantized already: its codes would be lost.
    """
    if isinstance(w, SparseTensor):
        if isinstance(w.values, Weight):
            raise TypeError(f"{name} must be of floats, got a SparseTensor of a "
                            f"{type(w.values).__name__}: prune first, then quantize; dense() "
                            "gives its floats")
        w = w.dense()
    array = plain_array(name, w)
    check_finite(name, array)
    return array.astype(float_type(array), copy=False)


def group_scores(
    name: str, w: Array, structure: str, score: str | dict[str, Array], evidence: Evidence
) -> Array:
    """The score of each group of w that is pruned as one; the axes that a group spans are 1 long.

    Of a dict the scores are given: of that shape or of w's, alike in a group.
    """
    axes = STRUCTURES.get(structure, STRUCTURES["element"])(w.ndim)
    if isinstance(score, dict):
        if name not in score:
            raise ValueError(f"score must hold {name}, got {', '.join(score)}")
        shape = tuple(1 if a in axes else side for a, side in enumerate(w.shape))
        found = plain_array(f"score of {name}", score[name])
        if found.shape != shape:
            raise ValueError(f"score of {name} must have shape {shape}, got {found.shape}")
    else:
        row = SCORES[score]
        by_output = row.of(columns(name, w), evidence.of(name, w, row.needs))
        found = from_columns(name, by_output, w.shape)
        found = row.together(found, axes) if axes else found
    check_finite(f"score of {name}", found, np.finfo(np.float64).max)
    return found


def groups_within(
    within: dict[str, Array], scores: dict[str, Array], weights: dict[str, Array]
) -> dict[str, Array]:
    """The groups of which `within` keeps a number at least: {name: bool of the scores' shape}."""
    allowed: dict[str, Array] = {}
    for name, score in scores.items():
        mask, shape = within.get(name), weights[name].shape
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != shape:
            raise ValueError(f"within must hold a bool mask of {name}, of its shape {shape}")
        spanned = tuple(a for a in range(mask.ndim) if score.shape[a] != mask.shape[a])
        allowed[name] = np.asarray(mask.any(axis=spanned, keepdims=True))
    return allowed


def check_choice(
    sparsity: float | None, threshold: float | None, structure: str, scope: str, score: Any
) -> None:
    """Refuse, by name, what no table has and what does not go together."""
    pattern = pattern_of(structure)
    if not (isinstance(scope, str) and scope in SCOPES):
        raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
    if not isinstance(score, dict) and not (isinstance(score, str) and score in SCORES):
        raise ValueError(f"score must be one of {', '.join(SCORES)} or a dict by name, "
                         f"got {score!r}")
    if scope == "output" and structure in STRUCTURES and structure != "element":
        raise ValueError(f"scope 'output' is for elements, got structure {structure!r}")
    if pattern is not None:
        check_pattern(sparsity, threshold, scope, pattern)
    elif (sparsity is None) == (threshold is None):
        raise ValueError(f"give one of sparsity and threshold, got {sparsity!r} and {threshold!r}")
    elif sparsity is not None:
        check_sparsity(sparsity)
    elif not (isinstance(threshold, Real) and 0 <= threshold < np.inf):
        raise ValueError(f"threshold must be a finite number of at least 0, got {threshold!r}")


def check_pattern(
    sparsity: float | None, threshold: float | None, scope: str, pattern: tuple[int, int]
) -> None:
    """n:m says how many are pruned, and each group is compared within itself."""
    n, m = pattern
    if threshold is not None:
        raise ValueError(f"threshold and structure {n}:{m} exclude each other: the pattern says "
                         "how many are pruned")
    if sparsity is not None and not abs(sparsity - (1 - n / m)) < 1e-9:
        raise ValueError(f"sparsity of structure {n}:{m} is {1 - n / m:g}, got {sparsity!r}")
    if scope == "global":
        raise ValueError(f"scope 'global' is not for structure {n}:{m}: its groups are local")


def check_sparsity(sparsity: float, argument: str = "sparsity") -> None:
    """Refuse a share outside [0, 1]."""
    if not isinstance(sparsity, Real) or isinstance(sparsity, bool) or not 0 <= sparsity <= 1:
        raise ValueError(f"{argument} must lie in [0, 1], got {sparsity!r}")


def not_below(scores: Array, threshold: Any) -> Array:
    """scores ≥ threshold, in the scores' own precision: a float32 of 0.7 is not below 0.7."""
    with np.errstate(over="ignore"):  # a threshold above all numbers of the type
        return scores >= float(threshold)


def keep_highest(scores: Array, sparsity: float) -> Array:
    """False at exactly k = round(sparsity · n) of the n scores, the lowest; True elsewhere.

    ValueError for a sparsity outside [0, 1].
    """
    check_sparsity(sparsity)
    return all_but_lowest(scores.reshape(-1), round(sparsity * scores.size)).reshape(scores.shape)


def all_but_lowest(scores: Array, k: int) -> Array:
    """False at exactly k scores, the lowest: of a vector, or of each column by itself."""
    kept = np.ones(scores.shape, np.bool_)
    if k > 0:
        lowest = np.argpartition(scores, k - 1, axis=0)[:k]
        np.put_along_axis(kept, lowest, False, axis=0)
    return kept


def keep_highest_of_all(scores: dict[str, Array], sparsity: float) -> dict[str, Array]:
    """keep_highest of all scores laid end to end, cut up again."""
    if not scores:
        return {}
    kept = keep_highest(np.concatenate([s.reshape(-1) for s in scores.values()]), sparsity)
    ends = np.cumsum([s.size for s in scores.values()])
    parts = np.split(kept, ends[:-1])
    return {name: p.reshape(s.shape) for (name, s), p in zip(scores.items(), parts, strict=True)}


def keep_highest_of_each(scores: dict[str, Array], sparsity: float) -> dict[str, Array]:
    """keep_highest of each weight's scores."""
    return {name: keep_highest(s, sparsity) for name, s in scores.items()}


def keep_highest_of_outputs(scores: dict[str, Array], sparsity: float) -> dict[str, Array]:
    """keep_highest of the scores of each output of each weight."""
    kept = {}
    for name, s in scores.items():
        by_output = columns(name, s)
        k = round(sparsity * len(by_output))
        kept[name] = from_columns(name, all_but_lowest(by_output, k), s.shape)
    return kept


SCOPES: Mapping[str, Callable[[dict[str, Array], float], dict[str, Array]]] = {
    "local": keep_highest_of_each,
    "output": keep_highest_of_outputs,
    "global": keep_highest_of_all,
}
