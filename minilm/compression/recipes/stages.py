"""STAGES: what each stage does to the state. A stage is a plain function, its options are named.

    distil    a smaller model, taught by the one there is
    shrink    neurons, heads or units that are gone from the matrices
    low_rank  matrices as products of thin ones
    prune     weights at zero, at once or more and more while training
    quantize  few bits a number, everywhere the same or where they help most
    tune      train further, while the model sees all that the stages before have fixed
    code      the file written by an entropy coder

That is the order too; tune may come between any two, and before all: what is then trained as a
whole float model is the teacher of what follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from minilm.compression.allocation import (
    choices_for,
    error_damage,
    gather_gradients,
    greedy,
    sensitivities,
)
from minilm.compression.coding.arrays import CODERS
from minilm.compression.distillation import distil as taught_by
from minilm.compression.low_rank import factorize, split_factors
from minilm.compression.parameters import matrices
from minilm.compression.pruning import SCORES, cubic
from minilm.compression.pruning import prune as pruned
from minilm.compression.quantization import calibrate
from minilm.compression.recipes.bench import training_batches
from minilm.compression.recipes.roundings import ROUNDINGS
from minilm.compression.recipes.state import VECTORS, State, kept_alone
from minilm.compression.shrinking import shrink as shrunk
from minilm.compression.views import masked
from minilm.training import Loss, View, cross_entropy_loss
from minilm.types import Batch, Params


def tune(
    state: State, *, steps: int, learning_rate: float | None = None, alpha: float = 0.0,
    temperature: float = 1.0, labels: str = "soft",
) -> State:  # fmt: skip
    """Train further what is left, in sight of all that is fixed.

    learning_rate: the highest; none given: that of the first training. alpha: the share of the
    teacher in the loss, see `minilm.compression.distil`; 0: the data alone.
    """
    loss = taught(state, alpha, temperature, labels)
    params, _ = state.bench.fit(
        state.params, steps, learning_rate=learning_rate, view=state.view(), loss=loss
    )
    large = state.whole and not state.resized
    return replace(state, params=params,
                   teacher=(state.bench.model, params) if large else state.teacher)


def taught(state: State, alpha: float, temperature: float, labels: str) -> Loss:
    """The loss. ValueError for settings of a teacher whose share is 0."""
    if not alpha:
        if (temperature, labels) != (1.0, "soft"):
            raise ValueError("temperature and labels are of a teacher: with alpha above 0, got "
                             f"{temperature!r}, {labels!r} and alpha {alpha!r}")
        return cross_entropy_loss
    return taught_by(*state.teacher, alpha=alpha, temperature=temperature, labels=labels)


def distil(
    state: State, *, width: int, steps: int, learning_rate: float | None = None,
    alpha: float = 0.5, temperature: float = 1.0, labels: str = "soft",
    seed: int | None = None,
) -> State:  # fmt: skip
    """A fresh model of this width, trained on the same data and taught by the one there is.

    seed: of its first, random numbers; None: that of the bench.
    """
    bench = state.bench.sized(width=width)
    params = bench.model.init(state.seed if seed is None else seed)
    student = replace(state, bench=bench, params=params, resized=True,
                      teacher=(state.bench.model, state.params))
    return tune(student, steps=steps, learning_rate=learning_rate, alpha=alpha,
                temperature=temperature, labels=labels)  # fmt: skip


def shrink(
    state: State, *, what: str = "neurons", share: float | None = None, number: int | None = None,
    scores: str = "magnitude", scope: str = "local",
) -> State:  # fmt: skip
    """See `minilm.compression.shrinking.shrink`; what the scores need comes from training data."""
    model = state.bench.model
    seen = calibration(state) if scores == "activation" else None
    small, params = shrunk(
        model, state.params, share, number=number, what=what, scores=scores, scope=scope,
        calibration=seen,
    )  # fmt: skip
    before, after = model.config(), small.config()
    changed = {name: value for name, value in after.items() if value != before[name]}
    bench = state.bench.sized(**changed) if changed else state.bench
    return replace(state, bench=bench, params=params, resized=True)


def low_rank(
    state: State, *, share: float | None = None, energy: float | None = None,
    rank: int | None = None, calibrated: bool = False,
) -> State:  # fmt: skip
    """See `factorize`. calibrated: nearest in the outputs, for the vectors that multiply it."""
    seen = calibration(state) if calibrated else None
    products = factorize(state.params, rank, share=share, energy=energy, calibration=seen)
    return replace(state, params=split_factors(products), factored=True)


def prune(
    state: State, *, sparsity: float | None = None, threshold: float | None = None,
    structure: str = "element", scope: str = "local", score: str = "magnitude",
    compensate: bool = False, block: int | None = None, steps: int = 0,
    learning_rate: float | None = None, seed: int | None = None,
) -> State:  # fmt: skip
    """See `minilm.prune`; what the score needs comes from training data.

    steps: 0, at once; or more and more in so many steps of training (see `cubic`), at this
    learning_rate. seed: of random scores; None: that of the bench.
    """
    known: dict[str, Any] = {"structure": structure, "scope": scope, "score": score,
                             "seed": state.seed if seed is None else seed}
    if learning_rate is not None and not steps:
        raise ValueError("learning_rate is of pruning while training: with steps, got none")
    needs = {SCORES[score].needs if score in SCORES else "", "calibration" if compensate else ""}
    if steps:
        if sparsity is None or needs != {""}:
            raise ValueError("with steps it needs a sparsity, and scores of the weights alone")
        gradual = masked(cubic(sparsity, end=steps), **known)
        params, _ = state.bench.fit(
            state.params, steps, learning_rate=learning_rate, view=state.view(gradual)
        )
        state = replace(state, params=params)
    if "calibration" in needs:
        known["calibration"] = calibration(state)
    if "gradients" in needs:
        known["gradients"] = slopes(state)
    found = pruned(state.dense(), sparsity, threshold=threshold, compensate=compensate,
                   block=block, **known)
    masks = {name: w.kept & state.masks.get(name, True) for name, w in matrices(found).items()}
    dense = {name: w.dense() if name in masks else w for name, w in found.items()}
    return replace(state, params=kept_alone(dense, masks), masks=masks)


def quantize(
    state: State, *, bits: int | list[int] | dict[str, int], mean_bits: float | None = None,
    train: str = "straight-through", grid: str | None = None, axis: str | None = None,
    group_size: int | None = None, objective: str | None = None, symmetric: bool | None = None,
    rounding: str | None = None, transform: str | None = None, scale_format: str | None = None,
    calibrated: bool = False,
) -> State:  # fmt: skip
    """See `minilm.quantize`. Of a pruned weight one scale, or one a group, serves the kept numbers.

    bits: one number; by name; or several, and mean_bits: each weight gets one of them, such that
    the loss should rise least at so many bits a number, scales included (mixed precision).
    train: what a later `tune` trains: see roundings.py. calibrated: for the inputs of each weight.
    """
    if train not in ROUNDINGS:
        raise ValueError(f"train must be one of {', '.join(map(repr, ROUNDINGS))}, got {train!r}")
    if calibrated and not state.whole:
        raise ValueError("calibrated goes with weights that are whole: not after prune or low_rank")
    given = {"grid": grid, "axis": axis, "group_size": group_size, "objective": objective,
             "symmetric": symmetric, "rounding": rounding, "transform": transform,
             "scale_format": scale_format}  # fmt: skip
    how: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if train == "levels":
        how.setdefault("grid", "lloyd_max")  # so that several bits are chosen by its own errors
    if state.masks:
        how.pop("axis", None)  # the kept numbers are one channel
    by_name = bits_of(state, bits, mean_bits, how)
    if calibrated:
        how["calibration"] = calibration(state)
    params, made = ROUNDINGS[train](state.params, by_name, how)
    return replace(state, params=params, rounding=made)


def bits_of(
    state: State, bits: int | list[int] | dict[str, int], mean_bits: float | None,
    how: dict[str, Any],
) -> dict[str, int]:  # fmt: skip
    """The bits of each weight; of several those by which the loss should rise least at mean_bits.

    What an error does to the loss is `error_damage`, from training data; the error of so many bits
    is that of rounding now, before any training.
    """
    if isinstance(bits, list) == (mean_bits is None):
        raise ValueError("several bits come with mean_bits, and others without, "
                         f"got {bits!r} and {mean_bits!r}")
    weights = matrices(state.params)
    if not isinstance(bits, list):
        return bits if isinstance(bits, dict) else dict.fromkeys(weights, bits)
    batches = training_batches(state.bench)
    damage = error_damage(weights, sensitivities(
        state.bench.model, state.params, batches, loss=through(state.view())
    ))
    choices = choices_for(weights, {str(b): {**how, "bits": b} for b in bits}, damage)
    budget = int((mean_bits or 0) * sum(w.size for w in weights.values()) / 8)
    return {name: int(choice.label) for name, choice in greedy(choices, budget).items()}


def calibration(state: State) -> dict[str, Any]:
    """What multiplies each weight when the model reads training data."""
    if state.factored:
        raise ValueError("what multiplies the factors of low_rank is not known")
    return calibrate(state.bench.model, state.dense(), training_batches(state.bench))


def slopes(state: State) -> dict[str, Any]:
    """Gradients of the loss on training data by the float numbers, pruned ones (zeros) included."""
    factors = replace(state, masks={}).view()
    return gather_gradients(state.bench.model, state.dense(), training_batches(state.bench),
                            loss=through(factors))


def through(view: View) -> Loss:
    """The loss as a function of what is stored, where the model sees that through a view."""

    def loss(model: Any, params: Params, batch: Batch, rng: Any) -> tuple[float, Params, int]:
        seen, pullback = view(params, 0)
        total, grads, count = cross_entropy_loss(model, seen, batch, rng)
        return total, pullback(grads), count

    return loss


def code(state: State, *, coder: str = "rans", vectors: str = "float32") -> State:
    """The file entropy-coded. vectors: "bf16" rounds biases and gains to the upper 16 bits."""
    for name, value, table in (("coder", coder, CODERS), ("vectors", vectors, VECTORS)):
        if value not in table:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, table))}, got {value!r}")
    return replace(state, coder=coder, vectors=vectors)


@dataclass(frozen=True)
class Kind:
    """A row of STAGES. place: where in the order; None: anywhere before code. once: not again.
    asks: what of the bench it cannot do without; of a stage that has steps, `fit` too."""

    do: Callable[..., State]
    place: int | None
    once: bool = False
    asks: tuple[str, ...] = ()


STAGES: Mapping[str, Kind] = MappingProxyType({
    "distil": Kind(distil, 0, once=True, asks=("model", "fit", "sized")),
    "shrink": Kind(shrink, 1, asks=("model", "sized")),
    "low_rank": Kind(low_rank, 2, once=True),
    "prune": Kind(prune, 3),
    "quantize": Kind(quantize, 4, once=True),
    "tune": Kind(tune, None, asks=("fit",)),
    "code": Kind(code, 5, once=True),
})  # fmt: skip
