"""Learned masks: which weights are kept is trained, by a score for each; the weights are not.

    seen = w ⊙ mask,   mask = 1 at the k highest scores,   k = (1 − sparsity)·n
    ∂seen/∂score := w                                 Ramanujan et al. 2020, section 3 (edge-popup)

The mask's derivative by the score is 0 or does not exist; straight through it is taken as 1, so a
score rises where a larger w ⊙ mask would lower the loss, whether or not its weight is kept now. The
weights may be random and never trained (Ramanujan), or a trained network's, which learns a new task
by choosing among them, one bit each (Mallya et al. 2018).

    params = add_scores(model.init(0), seed=0)
    params, _ = fit(model, params, batches, view=learned_masks(sparsity=0.5))
    sparse = prune_by_scores(params, sparsity=0.5)        exactly what the model saw last
"""

import math
from collections.abc import Iterator

import numpy as np

from minilm.compression.parameters import matrices, plain_array
from minilm.compression.pruning import floats, keep_highest
from minilm.compression.views.combining import trainable
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Params
from minilm.weights import SparseTensor


def add_scores(params: Params, *, seed: int | None = None) -> Params:
    """The parameters with a companion `w:score` for each weight of two or more axes.

    seed: draws the scores from U(−a, a), a = √(6 / number of inputs), as the paper does; None: they
    begin as |w|, so that the first mask is that of magnitude pruning.
    """
    rng = np.random.default_rng(seed)
    scores = {}
    for name, w in matrices(trainable(params)).items():
        w = floats(name, w)
        bound = math.sqrt(6 / w.shape[0])
        drawn = rng.uniform(-bound, bound, w.shape) if seed is not None else np.abs(w)
        scores[f"{name}:score"] = drawn.astype(w.dtype)
    return {**params, **scores}


def learned_masks(sparsity: float) -> View:
    """The model sees w ⊙ mask of each weight that has a `w:score`; its score is trained, w is not.

    sparsity: the share of each weight that is left out: exactly round(sparsity·n) of n. Parameters
    without a score (biases, gains) are seen and trained as they are.
    ValueError for a sparsity outside [0, 1], or params in which nothing has a score.
    """
    check_sparsity(sparsity)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        seen, weights = dict(params), {}
        for name, w, mask in masks_of(params, sparsity):
            seen[name], weights[name] = w * mask, w

        def pullback(grads: Params) -> Params:
            pulled = {name: g for name, g in grads.items() if name not in weights}
            for name in weights.keys() & grads.keys():
                pulled[f"{name}:score"] = grads[name] * weights[name]
            return as_is(params, step)[1](pulled)

        return seen, pullback

    return view


def prune_by_scores(params: Params, sparsity: float) -> Params:
    """Each weight that has a `w:score` as a SparseTensor: what `learned_masks` saw, and no scores.

    All else is as it was.
    """
    check_sparsity(sparsity)
    pruned = dict(params)
    for name, w, mask in masks_of(params, sparsity):
        pruned[name] = SparseTensor.from_dense(w, mask)
        del pruned[f"{name}:score"]
    return pruned


def masks_of(params: Params, sparsity: float) -> Iterator[tuple[str, Array, Array]]:
    """(name, weight, mask) of each weight that has a companion of scores."""
    scored = [name for name in params if f"{name}:score" in params]
    if not scored:
        raise ValueError("params must have a companion w:score: add_scores makes them")
    for name in scored:
        w, scores = plain_array(name, params[name]), params[f"{name}:score"]
        if scores.shape != w.shape:
            raise ValueError(f"{name}:score must have the shape of {name}, {w.shape}, "
                             f"got {scores.shape}")
        yield name, w, keep_highest(scores, sparsity)


def check_sparsity(sparsity: float) -> None:
    """Refuse a share outside [0, 1]."""
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must lie in [0, 1], got {sparsity!r}")
