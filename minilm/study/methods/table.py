"""The methods by name, each with its way to make a compressed model: what the study tries.

    post-training   a row of METHODS: quantize(params, bits, **its arguments)
    trained         the model is trained, further or from nothing, with what it will be in view
    whole model     more than the weights by themselves: activations, corrections, budgets, caches

A method comes in as a row of one of these tables; nothing asks for a method's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from minilm.compression import quantize
from minilm.compression.quantization.methods import METHODS, Method
from minilm.study.methods.bench import Bench, Made, fitting
from minilm.study.methods.kinds import POST_TRAINING_KIND, TRAINED_KIND, WHOLE_KIND
from minilm.study.methods.trained import FURTHER, TRAINED, Trained
from minilm.study.methods.whole import WHOLE, Whole

COMPARED = (4, 3, 2, 1)  # the bit-widths at which post-training methods stand side by side


@dataclass(frozen=True)
class Tried:
    """One method as the study tries it.

    make: of a bench and an amount, such as bits. amounts: those tried. coder: by which its codes
    are counted. refusal: what `make` raises where a model has no place for the method; the reason
    is then its row. control: the method that goes on from the trained model for as long, and does
    nothing else; none for what does not go on from it. needs: what the bench gathers before the
    method's own time begins.
    """

    kind: str
    make: Callable[[Bench, int], Made]
    amounts: tuple[int, ...]
    coder: str = "packed"
    refusal: type[Exception] | tuple[type[Exception], ...] = ()
    control: str = ""
    needs: tuple[str, ...] = ("seen",)


def post_training(method: Method) -> Tried:
    """Rounded once, after training; where a method has none of the compared bits, at its own."""

    def make(bench: Bench, bits: int) -> Made:
        how = fitting(method.arguments, bench.params)
        calibration = bench.seen if method.needs == "calibration" else None
        return Made(quantize(bench.params, bits, calibration=calibration, **how))

    bits = tuple(b for b in COMPARED if b in method.bits) or method.bits
    return Tried(POST_TRAINING_KIND, make, bits, method.coder)


def trained(method: Trained) -> Tried:
    control = FURTHER if method.begins == "trained" and method is not TRAINED[FURTHER] else ""
    return Tried(TRAINED_KIND, method.make, method.bits, control=control)


def whole(method: Whole) -> Tried:
    return Tried(WHOLE_KIND, method.make, method.bits, refusal=method.refusal)


TRIED: Mapping[str, Tried] = MappingProxyType({
    **{name: post_training(method) for name, method in METHODS.items()},
    **{name: trained(method) for name, method in TRAINED.items()},
    **{name: whole(method) for name, method in WHOLE.items()},
})
