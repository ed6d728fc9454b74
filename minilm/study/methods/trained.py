"""Methods that train: what the model sees, what the optimizer is handed, and how it ends.

    begin      the parameters, with what the method trains beside them (steps, clips, scores)
    view       what the model sees of them                   minilm/compression/views
    optimizer  what becomes of its gradients, and of the optimizer's state
    pack       the compressed parameters

A method goes on from the trained model for as long as the control does, "float, trained further";
or it begins with the fresh parameters of the float model and sees the same batches, and that model
is its control. Those that freeze part after part say themselves what is trained when.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from minilm.compression import (
    AdamW8bit,
    QuantizedGradients,
    add_clips,
    add_scores,
    add_steps,
    by_damage,
    clip_inputs,
    compose,
    in_portions,
    learned_clips,
    learned_masks,
    learned_steps,
    one_at_a_time,
    prune_by_scores,
    quantize,
    quantize_with_steps,
    straight_through,
)
from minilm.compression.parameters import matrices
from minilm.compression.progressive import PORTIONS, Retrain
from minilm.study.methods.bench import Bench, Made
from minilm.training import AdamW, View, as_is
from minilm.training.optimizers import Optimizer
from minilm.types import Params

FLOAT_BITS = 32
FURTHER = "float, trained further"
SPARSITY = 0.5


@dataclass(frozen=True)
class Trained:
    """One row. does: in a line. begins: "trained" or "fresh". bits: those tried."""

    source: str
    does: str
    bits: tuple[int, ...]
    make: Callable[[Bench, int], Made]
    begins: str = "trained"


def floats_of(params: Params) -> Params:
    """The parameters without what a method trained beside them."""
    return {name: w for name, w in params.items() if ":" not in name}


def training(
    source: str,
    does: str,
    bits: tuple[int, ...],
    *,
    begin: Callable[[Bench, Params, int], Params] = lambda bench, params, bits: params,
    view: Callable[[Bench, int], View] = lambda bench, bits: as_is,
    optimizer: Callable[[Bench, int], Optimizer] = lambda bench, bits: AdamW(),
    pack: Callable[[Bench, Params, int], Params] = lambda bench, params, bits: params,
    begins: str = "trained",
) -> Trained:
    """A row of the parts above."""

    def make(bench: Bench, bits: int) -> Made:
        start, train = {
            "trained": (bench.params, bench.further),
            "fresh": (bench.fresh(), bench.from_scratch),
        }[begins]
        how = {"view": view(bench, bits), "optimizer": optimizer(bench, bits)}
        params = train(begin(bench, start, bits), **how)
        return Made(pack(bench, params, bits), floats=floats_of(params))

    return Trained(source, does, bits, make, begins)


def rounding(source: str, does: str, bits: tuple[int, ...], begins: str = "trained",
             groups: bool = True, final: str = "nearest", **how: Any) -> Trained:
    """Straight through `quantize(…, **how)`, and packed by the same. final: rounding at the end."""

    def scheme(bench: Bench) -> dict[str, Any]:
        return {**how, **(bench.group if groups else {})}

    return training(
        source, does, bits, begins=begins,
        view=lambda bench, bits: straight_through(bits, **scheme(bench)),
        pack=lambda bench, params, bits: quantize(
            params, bits, **{**scheme(bench), "rounding": final}
        ),
    )  # fmt: skip


def learning_steps(source: str, does: str, grid: str) -> Trained:
    """The steps of groups are trained with the weights, on a grid of fixed levels."""
    return training(
        source, does, (3, 2),
        begin=lambda bench, params, bits: add_steps(params, bits, grid=grid, **bench.group),
        view=lambda bench, bits: learned_steps(bits, grid=grid),
        pack=lambda bench, params, bits: quantize_with_steps(params, bits, grid=grid),
    )  # fmt: skip


def clipping(source: str, does: str, bits: tuple[int, ...], threshold: str = "hard",
             **how: Any) -> Trained:
    """Weights straight-through in groups, activations rounded below a clip that is trained."""
    return training(
        source, does, bits, **how,
        begin=lambda bench, params, bits: add_clips(params, bench.seen),
        view=lambda bench, bits: compose(
            straight_through(bits, **bench.group), learned_clips(bits, threshold=threshold)),
        pack=lambda bench, params, bits: clip_inputs(
            quantize(params, bits, **bench.group), bits, threshold=threshold),
    )  # fmt: skip


def gradients(source: str, does: str, bits: tuple[int, ...], groups: bool = False,
              **how: Any) -> Trained:
    """Trained from nothing by gradients in so many bits; the weights stay floats."""
    return training(
        source, does, bits, begins="fresh",
        optimizer=lambda bench, bits: QuantizedGradients(
            AdamW(), bits, **how, **(bench.group if groups else {})
        ),
    )  # fmt: skip


def retraining(bench: Bench, stages: int) -> Retrain:
    """All stages together take as many steps as the control."""
    steps = max(1, bench.subject.recipe.tuning_steps // stages)

    def retrain(params: Params, view: View, stage: int) -> Params:
        return bench.further(params, steps, view=view)

    return retrain


def portions(bench: Bench, bits: int, groups: bool, **how: Any) -> Made:
    group = bench.group if groups else {}
    # what is trained after the last portion are vectors, as after every one
    return Made(in_portions(
        bench.params, bits, retraining(bench, len(PORTIONS)), **how, **group
    ))


def one_by_one(bench: Bench, bits: int, worst_first: bool) -> Made:
    how = {"objective": "mse", "symmetric": False, **bench.group}
    order = by_damage(bench.params, bits, bench.loss, **how) if worst_first else None
    retrain = retraining(bench, len(matrices(bench.params)))
    return Made(one_at_a_time(bench.params, bits, retrain, order=order, **how))


TRAINED: Mapping[str, Trained] = MappingProxyType({
    FURTHER: training(
        "the control", "as long as the others, nothing rounded", (FLOAT_BITS,)),
    # weights are seen rounded
    "straight-through": rounding(
        "Bengio et al. 2013; Jacob et al. 2018", "asymmetric in groups, least squares",
        (3, 2), objective="mse", symmetric=False),
    "straight-through, stochastic": rounding(
        "Gupta et al. 2015", "asymmetric in groups, rounded by chance, at the end to nearest",
        (2,), symmetric=False, rounding="stochastic"),
    "straight-through, codebook": rounding(
        "Han et al. 2016", "Lloyd–Max levels in groups, fitted anew at each step",
        (2,), grid="lloyd_max"),
    "LSQ": learning_steps(
        "Esser et al. 2020", "steps in groups, trained with the weights", "int"),
    "LSQ, mid-rise": learning_steps(
        "Esser et al. 2020; Max 1960", "the same, with levels on both sides of 0", "mid_rise"),
    "binary, from scratch": rounding(
        "Rastegari et al. 2016 (BWN)", "signs times the mean magnitude of the channel",
        (1,), "fresh", groups=False),
    "ternary, TWN, from scratch": rounding(
        "Li et al. 2016", "−1, 0, 1 with a scale a channel", (2,), "fresh", groups=False,
        objective="twn"),
    "ternary, absmean, from scratch": rounding(
        "Ma et al. 2024 (BitNet b1.58)", "−1, 0, 1 with a scale a tensor", (2,), "fresh",
        groups=False, objective="absmean", axis="tensor"),
    # activations and gradients too
    "PACT": clipping(
        "Choi et al. 2018", "weights straight-through, activations clipped where it is learned",
        (8, 4, 2)),
    "PACT, soft threshold": clipping(
        "Choi et al. 2018, with a tanh", "the same, without a corner at the clip", (4,),
        threshold="soft"),
    "PACT, gradients too": clipping(
        "Zhou et al. 2016 (DoReFa)", "weights, activations and gradients of as many bits",
        (8, 4), optimizer=lambda bench, bits: QuantizedGradients(AdamW(), bits)),
    "gradients, error feedback": gradients(
        "Seide et al. 2014; Karimireddy et al. 2019", "what rounding took is added to the next",
        (4, 2)),
    "1-bit SGD": gradients(
        "Seide et al. 2014", "signs times the mean magnitude, with error feedback", (1,)),
    "QSGD": gradients(
        "Alistarh et al. 2017", "rounded by chance, without bias", (4,), groups=True,
        rounding="stochastic", objective="norm", error_feedback=False),
    "AdamW, 8-bit state": training(
        "Dettmers et al. 2022", "the optimizer's two means in a byte each", (8,),
        begins="fresh", optimizer=lambda bench, bits: AdamW8bit()),
    # a mask is learned, or part after part is rounded
    "learned masks": training(
        "Ramanujan et al. 2020", "random weights; which half is kept is learned", (FLOAT_BITS,),
        begins="fresh",
        begin=lambda bench, params, bits: add_scores(params, seed=bench.subject.seed),
        view=lambda bench, bits: learned_masks(SPARSITY),
        pack=lambda bench, params, bits: prune_by_scores(params, SPARSITY)),
    "in portions, powers of two": Trained(
        "Zhou et al. 2017 (INQ)", "the largest half is rounded, the rest retrained, and so on",
        (4, 3),
        lambda bench, bits: portions(bench, bits, False, grid="power_of_two", objective="mse")),
    "in portions, least error first": Trained(
        "Zhou et al. 2017, with another score", "integers in groups; first what is near a level",
        (3, 2),
        lambda bench, bits: portions(bench, bits, True, objective="mse", score="error")),
    "in portions, at random": Trained(
        "Zhou et al. 2017, their control", "the same, in an order that is drawn", (3,),
        lambda bench, bits: portions(bench, bits, True, objective="mse", score="random",
                                     seed=bench.subject.seed)),
    "one at a time": Trained(
        "Xu et al. 2018 (ILC)", "a weight is packed, all others are retrained, and so on",
        (2,), lambda bench, bits: one_by_one(bench, bits, False)),
    "one at a time, worst first": Trained(
        "Xu et al. 2018 (ILC)", "the same, first what costs most alone", (2,),
        lambda bench, bits: one_by_one(bench, bits, True)),
})  # fmt: skip
