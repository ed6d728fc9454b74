"""Mixed precision: more bits where a bit helps more.

A budget of bytes is shared out between the weights. By theory: for weights of nᵢ Gaussian numbers
of variance σ²ᵢ, in which a squared error costs gᵢ (the *sensitivity*), the total
Σ nᵢ·gᵢ·σ²ᵢ·2^(−2bᵢ) at a mean of b̄ bits is least with

    bᵢ = b̄ + ½·log₂(gᵢσ²ᵢ / their geometric mean)       each weight counts nᵢ times in that mean

Where that is negative a weight gets 0 bits, and the others share out what is left, by the same
formula (*reverse water-filling*). For instance

    gᵢσ²ᵢ = 1, 4, 16, as many numbers each, b̄ = 2:       1, 2 and 3 bits

By measurement: the damage of every choice is measured for each weight alone, and bytes are bought
one upgrade at a time, each time the one with

    the most damage undone per byte                      greedy marginal gain

Both suppose that damages add up, which holds while they are small.

Cover & Thomas 2006, section 10.3.3; Shoham & Gersho 1988 for the second: where each weight's
choices are first thinned to their convex hull, it is optimal at every budget that it spends whole.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import matrices
from minilm.compression.quantization import quantize
from minilm.training.openings import Loss, cross_entropy_loss
from minilm.types import Array, Batch, Params
from minilm.weights import as_dense, nbytes

Damage = Callable[[str, Any], float]  # (name, the weight in its place) -> how much worse


class Choice(NamedTuple):
    """One way to keep one weight. label: which; weight: the leaf; size: bytes; damage: measured."""

    label: str
    weight: Any
    size: int
    damage: float


def water_filling_bits(variances: Array, sizes: Array, mean_bits: float) -> Array:
    """The bits of each weight that make Σ size·variance·2^(−2·bits) least at this mean.

    variances: (k,) gᵢσ²ᵢ, the sensitivity included, positive; sizes: (k,) how many numbers
    ->  (k,) float64, 0 or more, whose mean weighted by size is mean_bits.
    ValueError for a variance or size that is not positive and finite, or a negative mean.
    The water level is raised until the budget is spent; what stays under water gets 0 bits.
    """
    variances, sizes = np.asarray(variances, np.float64), np.asarray(sizes, np.float64)
    for what, numbers in (("variances", variances), ("sizes", sizes)):
        if not (np.isfinite(numbers).all() and (numbers > 0).all() and numbers.size):
            raise ValueError(f"{what} must be positive and finite, got {numbers}")
    if variances.ndim != 1 or variances.shape != sizes.shape:
        raise ValueError("variances and sizes must be (k,), one for each weight, "
                         f"got {variances.shape} and {sizes.shape}")
    if not 0 <= mean_bits < math.inf:
        raise ValueError(f"mean_bits must be 0 or more, got {mean_bits!r}")
    half_log = np.log2(variances) / 2
    dry = np.ones(len(variances), np.bool_)
    while True:
        # over the dry ones: Σ n·(½log₂ v − level) = the whole budget
        level = (sizes[dry] @ half_log[dry] - mean_bits * sizes.sum()) / sizes[dry].sum()
        bits = np.where(dry, half_log - level, 0)
        if (bits > -1e-9).all():  # a rounding error below
            return np.maximum(bits, 0)
        dry &= bits > 0


def choices_for(
    params: Params, arguments: Mapping[str, Mapping[str, Any]], damage: Damage
) -> dict[str, list[Choice]]:
    """Every choice for every weight, tried by itself.

    arguments: {label: keyword arguments of `quantize`}, {} for float; for example
        {"2": {"bits": 2, "group_size": 32}, "4": {"bits": 4}, "fp16": {"bits": 16, "grid": "fp16"}}
    damage(name, weight): how much worse the model is with this weight alone in its place.
    """
    if not arguments:
        raise ValueError("arguments must name one choice or more, got none")
    return {
        name: [_choice(name, w, label, how, damage) for label, how in arguments.items()]
        for name, w in matrices(params).items()
    }


def _choice(name: str, w: Array, label: str, how: Mapping[str, Any], damage: Damage) -> Choice:
    weight = quantize({name: w}, **how)[name] if how else w
    cost = float(damage(name, weight))
    if not math.isfinite(cost):
        raise ValueError(f"damage of {name} at {label!r} must be finite, got {cost!r}")
    return Choice(label, weight, weight.nbytes, cost)


def loss_damage(params: Params, loss: Callable[[Params], float]) -> Damage:
    """How much the loss of the model rises when one weight is replaced: measured, weight by weight.

    loss: of parameters, on data that the compressed model will not be judged by.
    """
    before = loss(params)
    return lambda name, weight: loss({**params, name: weight}) - before


def error_damage(params: Params, sensitivities: Mapping[str, float]) -> Damage:
    """½·g·Σ(w − ŵ)², by which the mean loss of a trained model rises; no loss is run.

    sensitivities: {name: g}, see `sensitivities`. ValueError for a weight that is not in it.
    That is Taylor's second term: the first is 0 at a minimum, and g stands for every H_ii.
    """

    def damage(name: str, weight: Any) -> float:
        if name not in sensitivities:
            raise ValueError(f"sensitivities must hold {name}, got {', '.join(sensitivities)}")
        error = as_dense(params[name]) - as_dense(weight)
        return sensitivities[name] / 2 * float(np.square(error, dtype=np.float64).sum())

    return damage


class Gradients(NamedTuple):
    """What training data say of one weight, each of its shape, float64.

    mean: the gradient of the mean loss, Σ over batches of G / Σ terms. mean_square: the mean square
    of the gradient of one term, Σ over batches of G² / Σ terms, the diagonal of the Fisher
    information.         G: the gradient of a batch's summed loss
    """

    mean: Array
    mean_square: Array


def gather_gradients(
    model: Any, params: Params, batches: Iterable[Batch], *, loss: Loss = cross_entropy_loss
) -> dict[str, Gradients]:
    """{name: Gradients} of the weights that have a gradient, from one pass over the batches.

    Terms whose gradients have mean 0, as at a minimum, and are independent add up their squares,
    so that G² is the sum of theirs; for terms of one text that is only nearly so.
    batches, loss: as for `fit`; training data. The parameters stay as they are.
    ValueError for no batches or no terms, and a gradient that is not finite.
    """
    sums: dict[str, Gradients] = {}
    terms = 0
    for batch in batches:
        _, grads, count = loss(model, params, batch, None)
        terms += count
        for name, gradient in matrices(grads).items():
            g = gradient.astype(np.float64)
            if not np.isfinite(g).all():
                raise ValueError(f"the gradient of {name} must be finite, got NaN or infinity")
            so_far = sums.get(name, Gradients(np.zeros_like(g), np.zeros_like(g)))
            sums[name] = Gradients(so_far.mean + g, so_far.mean_square + np.square(g))
    if not terms:
        raise ValueError("batches must hold at least one term of the loss, got none")
    return {name: Gradients(s.mean / terms, s.mean_square / terms) for name, s in sums.items()}


def sensitivities(
    model: Any, params: Params, batches: Iterable[Batch], *, loss: Loss = cross_entropy_loss
) -> dict[str, float]:
    """g of each weight: the mean squared gradient of one term of the loss (Fisher information).

    The mean over the weight's numbers of what `gather_gradients` finds, which says what is refused.
    """
    found = gather_gradients(model, params, batches, loss=loss)
    return {name: float(gradients.mean_square.mean()) for name, gradients in found.items()}


def greedy(choices: Mapping[str, Sequence[Choice]], budget: int) -> dict[str, Choice]:
    """One choice for each weight, of at most `budget` bytes together, by greedy marginal gain.

    ValueError if even the smallest choices take more, or a weight has none.
    """
    paths = {name: convex_hull(options) for name, options in choices.items()}
    if not all(paths.values()):
        raise ValueError("choices must hold one or more for each weight, got none for "
                         + ", ".join(name for name, path in paths.items() if not path))
    spent = sum(path[0].size for path in paths.values())
    if not spent <= budget:
        raise ValueError(f"budget must be at least {spent} bytes, the smallest of all choices "
                         f"together, got {budget}")
    # of one weight the gains fall from upgrade to upgrade, so the order of all keeps its own
    upgrades = sorted(
        ((gain(*pair), name, i) for name, path in paths.items()
         for i, pair in enumerate(pairwise(path))), reverse=True,
    )  # fmt: skip
    taken = dict.fromkeys(paths, 0)
    for _, name, i in upgrades:
        more = paths[name][i + 1].size - paths[name][i].size
        if taken[name] == i and spent + more <= budget:  # after one that did not fit, none follows
            taken[name], spent = i + 1, spent + more
    return {name: paths[name][i] for name, i in taken.items()}


def gain(small: Choice, large: Choice) -> float:
    """Damage undone per byte."""
    return (small.damage - large.damage) / (large.size - small.size)


def convex_hull(options: Sequence[Choice]) -> list[Choice]:
    """The choices worth making, by rising size: each undoes less damage per byte than the last."""
    hull: list[Choice] = []
    for option in sorted(options, key=lambda o: (o.size, o.damage)):
        if hull and option.damage >= hull[-1].damage:
            continue  # larger and no better
        while len(hull) > 1 and gain(hull[-1], option) >= gain(hull[-2], hull[-1]):
            hull.pop()
        hull.append(option)
    return hull


def mixed_precision(
    params: Params, arguments: Mapping[str, Mapping[str, Any]], damage: Damage, *, budget: int
) -> Params:
    """The parameters with each weight kept as its best choice, in `budget` bytes altogether.

    params: floats; budget: of everything in memory, vectors that stay float included.
    arguments, damage: see `choices_for`. ValueError for a budget that no choices keep to.
    """
    choices = choices_for(params, arguments, damage)
    rest = nbytes({name: w for name, w in params.items() if name not in choices})
    least = rest + sum(min(choice.size for choice in options) for options in choices.values())
    if not budget >= least:
        raise ValueError(f"budget must be at least {least} bytes, of which {rest} stay as they "
                         f"are, got {budget}")
    chosen = greedy(choices, budget - rest)
    return {name: chosen[name].weight if name in chosen else w for name, w in params.items()}
