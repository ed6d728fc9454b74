"""Learned masks: which weights are kept is trained, by a score for each.

    seen = w ⊙ mask,   mask = 1 at the k highest scores,   k = (1 − sparsity)·n
    ∂seen/∂score := w                                 Ramanujan et al. 2020, section 3 (edge-popup)
    ∂seen/∂w = mask, if the weights are trained too           Sanh et al. 2020, section 4 (movement)

The mask's derivative by the score is 0 or does not exist; straight through it is taken as 1, so a
score rises where having w lowers the loss (gradient · w < 0), whether or not w is kept now. The
weights may be random and never trained (Ramanujan), or a trained network's, which learns a new task
by choosing among them, one bit each (Mallya et al. 2018).

    params = add_scores(model.init(0), seed=0)
    params, _ = fit(model, params, batches, view=learned_masks(sparsity=0.5))
    sparse = prune_by_scores(params, sparsity=0.5)        exactly what the model saw last

**Movement pruning** trains weights and scores together, and more and more is left out. Scores begin
at 0 and become −Σ rate·g·w: a weight that training moves away from 0 (g·w < 0) is kept however
small it is. Magnitude pruning asks how large it is, which after fine-tuning is mostly how large it
was before.

    params = add_scores(trained, zeros=True)
    params, _ = fit(model, params, batches, view=learned_masks(cubic(0.8, end=800), weights=True))
    sparse = prune_by_scores(params, sparsity=0.8)
"""

import math
from collections.abc import Iterator

import numpy as np

from minilm.compression.parameters import check_finite, matrices, plain_array
from minilm.compression.pruning import as_schedule, check_sparsity, floats, keep_highest
from minilm.compression.pruning.schedules import Sparsities
from minilm.compression.views.combining import trainable
from minilm.training.openings import Pullback, View, as_is
from minilm.types import Array, Params
from minilm.weights import SparseTensor


def add_scores(params: Params, *, seed: int | None = None, zeros: bool = False) -> Params:
    """The parameters with a companion `w:score` for each weight of two or more axes.

    seed: draws the scores from U(−a, a), a = √(6 / number of inputs), as Ramanujan et al. do; None:
    they begin as |w|, so that the first mask is that of magnitude pruning, or at 0 (zeros), for
    movement pruning: then let the sparsity begin at 0 too, for all are equal.
    ValueError for both of seed and zeros.
    """
    if zeros and seed is not None:
        raise ValueError(f"zeros are not drawn: give one of zeros and seed, got seed {seed!r}")
    rng = np.random.default_rng(seed)
    scores = {}
    for name, w in matrices(trainable(params)).items():
        w = floats(name, w)
        bound = math.sqrt(6 / w.shape[0])
        begun = rng.uniform(-bound, bound, w.shape) if seed is not None else np.abs(w) * (not zeros)
        scores[f"{name}:score"] = begun.astype(w.dtype)
    return {**params, **scores}


def learned_masks(sparsity: float | Sparsities, *, weights: bool = False) -> View:
    """The model sees w ⊙ mask of each weight that has a `w:score`; its score is trained, w is not.

    sparsity: the share of each weight that is left out: exactly round(sparsity·n) of n; or a
    schedule of it, step -> share, see `cubic`. weights: train those that are seen too. Parameters
    without a score (biases, gains) are seen and trained as they are.
    ValueError for a sparsity outside [0, 1], or params in which nothing has a score.
    """
    sparsity_at = as_schedule(sparsity)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        seen, scored = dict(params), {}
        for name, w, mask in masks_of(params, sparsity_at(step)):
            seen[name], scored[name] = w * mask, (w, mask)

        def pullback(grads: Params) -> Params:
            pulled = {name: g for name, g in grads.items() if name not in scored}
            for name, (w, mask) in scored.items():  # in their order: a set's changes with each run
                if name not in grads:
                    continue
                pulled[f"{name}:score"] = grads[name] * w
                if weights:
                    pulled[name] = grads[name] * mask
            return as_is(params, step)[1](pulled)

        return seen, pullback

    return view


def prune_by_scores(params: Params, sparsity: float) -> Params:
    """Each weight that has a `w:score` as a SparseTensor: what `learned_masks` saw, and no scores.

    All else is as it was. ValueError for a sparsity outside [0, 1], weights or scores that are not
    finite, or params in which nothing has a score.
    """
    check_sparsity(sparsity)
    pruned = dict(params)
    for name, w, mask in masks_of(params, sparsity):
        check_finite(f"{name}:score", params[f"{name}:score"])
        pruned[name] = SparseTensor.from_dense(floats(name, w), mask)
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
