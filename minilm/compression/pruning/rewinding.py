"""Iterative pruning: train, prune a little, go back, train again what is left.

    θ₀;   θ = train(θ₀ ⊙ m);   m ← m without the lowest-scoring of θ;   again, from θ₀

Going back to where training began is the lottery ticket's (Frankle and Carbin 2019, appendix B,
"iterative pruning with resetting"), and θ₀ may be parameters from early in training (Frankle et al.
2019, "rewinding"). Without going back it is Han et al. 2015, section 3. What was pruned once stays
pruned: the masks of each round lie within those of the last.

    def train(params, masks, stage):
        return fit(model, params, batches, view=masked(masks), checkpoint=f"stage-{stage}.npz")[0]

    ticket, masks = lottery_ticket(model.init(0), train, [1 - 0.8**i for i in range(1, 8)])
    control = train(model.init(1), masks, 8)            the same masks, other weights: worse
"""

from collections.abc import Callable, Sequence
from typing import Any

from minilm.compression.parameters import matrices
from minilm.compression.pruning.masks import check_sparsity, floats, keep_masks
from minilm.types import Array, Params
from minilm.weights import SparseTensor

Masks = dict[str, Array]
Train = Callable[[Params, Masks, int], Params]


def lottery_ticket(
    start: Params, train: Train, sparsities: Sequence[float], *, rewind: bool = True, **how: Any
) -> tuple[Params, Masks]:
    """Train once for each sparsity and once before: (the last trained and pruned, the masks).

    start: floats, θ₀. train(params, masks, stage): trains the parameters seen through the masks
    ({} at stage 0) and returns them; see above. sparsities: shares of all, rising.
    rewind: each round begins at `start`; False: where the last one ended.
    how: structure, scope, score, … as for `keep_masks`. ValueError for sparsities that do not rise,
    and what `keep_masks` refuses.
    """
    for sparsity in sparsities:
        check_sparsity(sparsity, "sparsities")
    if not len(sparsities) or list(sparsities) != sorted(set(sparsities)):
        raise ValueError(f"sparsities must rise, one or more, got {tuple(sparsities)!r}")
    for sparsity in sparsities:
        keep_masks({}, sparsity, **how)  # refuses settings now, and not when it has been trained
    masks: Masks = {}
    params = train(start, masks, 0)
    for stage, sparsity in enumerate(sparsities, 1):
        weights = {name: floats(name, w) for name, w in matrices(params).items()}
        masks = keep_masks(weights, sparsity, within=masks or None, **how)
        params = train(start if rewind else params, masks, stage)
    pruned = {
        name: SparseTensor.from_dense(floats(name, params[name]), mask)
        for name, mask in masks.items()
    }
    return {**params, **pruned}, masks
