"""Methods that prune single weights: once, with training, and with fewer bits for what is left.

    once       a row of PRUNING, or of SAME_SCOPE: prune(params, sparsity, **its arguments)
    tuned      the same, then trained as long as the control, what is left out staying out
    on the way more and more is left out while it trains
    rounded    what is kept in fewer bits

An amount is the percentage of the weights that is left out.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from minilm.compression import (
    PRUNING,
    add_scores,
    cubic,
    learned_masks,
    lottery_ticket,
    masked,
    prune,
    prune_by_scores,
    quantize,
)
from minilm.compression.parameters import matrices
from minilm.compression.pruning import PruningMethod
from minilm.study.methods.bench import Bench, Made
from minilm.study.methods.kinds import (
    PRUNED,
    PRUNED_ROUNDED,
    PRUNED_TRAINED,
    PRUNED_TRAINED_ROUNDED,
)
from minilm.study.methods.table import Tried
from minilm.study.methods.trained import FURTHER
from minilm.types import Array, Params
from minilm.weights import SparseTensor, as_dense

AMOUNTS = (50, 60, 70)
MORE = (*AMOUNTS, 80, 90)
FOLLOWED = ("magnitude", "magnitude, global", "OBS, global", "SparseGPT, global")  # to the end
RISES_UNTIL = 0.75  # of the training: after that nothing more is left out
ROUNDS = 2
TWICE = "float, trained twice as far"
SHARED = {"calibration": "seen", "gradients": "gradients"}  # where a bench has what `prune` needs

# What PRUNING compares differs in scope as well as in score; these complete each scope.
SAME_SCOPE: Mapping[str, PruningMethod] = MappingProxyType({
    "random, global": PruningMethod("the control", score="random", scope="global"),
    "magnitude, by output": PruningMethod("Wanda's scope", scope="output"),
    "Wanda, local": PruningMethod("magnitude's scope", score="wanda"),
    "Wanda, global": PruningMethod("its score over all weights", score="wanda", scope="global"),
    "SparseGPT, by output": PruningMethod(
        "Wanda's scope", score="obs", scope="output", compensate=True, block=128),
})  # fmt: skip
ONCE = {**PRUNING, **SAME_SCOPE}


def pruned_by(bench: Bench, method: str, percent: int) -> Params:
    """The parameters, pruned by a row; a pattern n:m says itself how much."""
    row = ONCE[method]
    evidence: dict[str, Any] = {need: getattr(bench, SHARED[need]) for need in row.needs}
    sparsity = None if ":" in row.structure else percent / 100
    pruned: Params = prune(
        bench.params, sparsity, **row.arguments, **evidence, seed=bench.subject.seed
    )
    return pruned


def once(method: str) -> Tried:
    row = ONCE[method]
    amounts = MORE if method in FOLLOWED else (50,) if ":" in row.structure else AMOUNTS
    return Tried(PRUNED, lambda bench, percent: Made(pruned_by(bench, method, percent)), amounts,
                 needs=tuple(SHARED[need] for need in row.needs))  # fmt: skip


def tuned_by(bench: Bench, method: str, percent: int) -> Params:
    """Pruned by a row, then trained, what is left out staying out."""
    pruned = pruned_by(bench, method, percent)
    masks = {name: w.kept for name, w in pruned.items() if isinstance(w, SparseTensor)}
    dense = {name: as_dense(w) for name, w in pruned.items()}
    return sparse(bench.further(dense, view=masked(masks)), masks)


def sparse(params: Params, masks: dict[str, Array]) -> Params:
    kept = {name: SparseTensor.from_dense(params[name], mask) for name, mask in masks.items()}
    return {**params, **kept}


def rising(bench: Bench, percent: int) -> Callable[[int], float]:
    return cubic(percent / 100, end=max(1, int(RISES_UNTIL * bench.subject.recipe.tuning_steps)))


def gradual(bench: Bench, percent: int, regrow: bool = True, scope: str = "local") -> Made:
    """More and more of the smallest is left out, as it trains."""
    view = masked(rising(bench, percent), regrow=regrow, scope=scope)
    params = bench.further(bench.params, view=view)
    seen, _ = view(params, bench.subject.recipe.tuning_steps)
    return Made(sparse(seen, {name: w != 0 for name, w in matrices(seen).items()}))


def movement(bench: Bench, percent: int) -> Made:
    view = learned_masks(rising(bench, percent), weights=True)
    params = bench.further(add_scores(bench.params, zeros=True), view=view)
    return Made(prune_by_scores(params, percent / 100))


def ticket(bench: Bench, percent: int) -> Made:
    """The float model says what is left out first; each round begins where that began."""

    def train(params: Params, masks: dict[str, Array], stage: int) -> Params:
        return bench.params if stage == 0 else bench.from_scratch(params, view=masked(masks))

    kept = 1 - percent / 100
    shares = [1 - kept ** (each / ROUNDS) for each in range(1, ROUNDS + 1)]
    return Made(lottery_ticket(bench.fresh(), train, shares)[0])


def rounded(pruned: Callable[[Bench, str, int], Params], method: str, bits: int,
            amounts: tuple[int, ...]) -> Tried:  # fmt: skip
    """What a row keeps, in codes of so many bits, a scale for each channel."""
    trains = pruned is tuned_by

    def make(bench: Bench, percent: int) -> Made:
        return Made(quantize(pruned(bench, method, percent), bits, objective="mse"))

    return Tried(PRUNED_TRAINED_ROUNDED if trains else PRUNED_ROUNDED, make, amounts,
                 control=FURTHER if trains else "")  # fmt: skip


def training(make: Callable[[Bench, int], Made], *amounts: int, control: str = FURTHER) -> Tried:
    return Tried(PRUNED_TRAINED, make, amounts, control=control)


def tuned(method: str, *amounts: int) -> Tried:
    return training(lambda bench, percent: Made(tuned_by(bench, method, percent)), *amounts)


PRUNED_ROWS: Mapping[str, Tried] = MappingProxyType({
    **{method: once(method) for method in ONCE},
    # Han et al. 2015, section 3.1: prune, then train what is left
    "random, tuned": tuned("random", 50, 80),
    "magnitude, tuned": tuned("magnitude", 50, 80),
    "magnitude, global, tuned": tuned("magnitude, global", 50, 80, 90),
    "SparseGPT, global, tuned": tuned("SparseGPT, global", 50, 80),
    # Zhu and Gupta 2017
    "gradual": training(gradual, 80),
    "gradual, global": training(
        lambda bench, percent: gradual(bench, percent, scope="global"), 80),
    "gradual, global, twice as long": training(
        lambda bench, percent: gradual(bench.longer(2), percent, scope="global"), 80,
        control=TWICE),
    "gradual, without regrowth": training(
        lambda bench, percent: gradual(bench, percent, regrow=False), 80),
    "movement": training(movement, 80),  # Sanh et al. 2020
    "lottery ticket": training(ticket, 80, control=""),  # Frankle and Carbin 2019
    # Han et al. 2016 (Deep Compression), before its entropy coder
    "magnitude, 4 bits": rounded(pruned_by, "magnitude, global", 4, (50,)),
    "SparseGPT, 4 bits": rounded(pruned_by, "SparseGPT, global", 4, (50, 70)),
    "magnitude, tuned, 4 bits": rounded(tuned_by, "magnitude, global", 4, (50, 80)),
})  # fmt: skip
