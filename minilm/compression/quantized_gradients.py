"""Gradients in few bits, as workers would send them to each other, and what that rounding does.

    p = g + e              the gradient, and what was not sent before
    sent = Q(p)            on a grid of 2^b levels: what the optimizer is given
    e = p − sent           error feedback: Σ sent + e = Σ g, nothing is lost for good

e is `residual` in the code; ‖·‖ is the norm of all numbers that share a scale.

Q is any grid × objective × rounding of `quantize`. Two combinations have names:

    QSGD        rounding="stochastic", objective="norm", error_feedback=False, group_size=512, say
                s = ‖g‖ / (2^(b−1) − 1): nothing is clipped, so E[Q(g)] = g     Alistarh et al. 2017
    1-bit SGD   bits=1: sign(p) times mean|p|, with error feedback              Seide et al. 2014
                (they keep a mean for each sign; one for both is Karimireddy et al. 2019)

Bias has two cures; take one. Nearest rounding is biased, and error feedback makes up for it:
what is not sent is never longer than p, so e stays bounded. Stochastic rounding has no bias to make
up for, and where its variance is more than ‖p‖² (the norm of many numbers, few bits) what it adds
to e grows from step to step. What is clipped is biased again: objectives other than "norm" and
"absmax" do that.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.compression.parameters import matrices
from minilm.compression.quantization.on_grid import place_on_grid
from minilm.compression.quantization.quantize import quantize
from minilm.compression.quantization.scheme import Scheme
from minilm.training.optimizers import Optimizer, running
from minilm.types import Array, Params
from minilm.weights.packing import check_bits

STREAM = 0x677261  # a stream of its own, beside those of batches, dropout and views


@dataclass(frozen=True)
class QuantizedGradients:
    """An optimizer that hands another one its gradients rounded to `bits` bits; for `fit`.

    optimizer: what takes the step. grid, objective, rounding, axis, group_size: as for `quantize`,
    by channel where no axis is given; rounding is drawn anew at each step from `seed`.
    error_feedback: whether what rounding took away is added to the next gradient; it is kept in
    the optimizer's state as `residual:name`, so a checkpoint has it. Gradients of vectors (biases,
    gains) and of companions are few, and pass as they are.
    ValueError for what `quantize` refuses.
    """

    optimizer: Optimizer
    bits: int
    rounding: str = "nearest"
    error_feedback: bool = True
    objective: str = "absmax"
    grid: str = "int"
    axis: int | str | None = None
    group_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_bits(self.bits, wide=True)
        Scheme(**self.how())

    def how(self) -> dict[str, Any]:
        """The keyword arguments of `quantize`."""
        names = ("rounding", "objective", "grid", "axis", "group_size", "seed")
        return {name: getattr(self, name) for name in names}

    def update(
        self, arrays: Params, grads: Params, state: Params, learning_rate: float, step: int
    ) -> None:
        """One step of the inner optimizer, down the gradients as they are sent."""
        rng = np.random.default_rng([self.seed, step, STREAM])
        sent = dict(grads)
        for name, gradient in matrices(grads).items():
            if not self.error_feedback:
                sent[name] = self.sent(name, gradient, rng)
                continue
            residual = running(state, f"residual:{name}", gradient)
            residual += gradient
            sent[name] = self.sent(name, residual, rng)
            residual -= sent[name]
        self.optimizer.update(arrays, sent, state, learning_rate, step)

    def sent(self, name: str, gradient: Array, rng: np.random.Generator) -> Array:
        """Q(gradient), in its shape and dtype."""
        scheme = Scheme(**self.how()).for_parameter(name)
        values = place_on_grid(name, gradient, self.bits, scheme).dense(scheme, rng)
        return values.astype(gradient.dtype, copy=False)

    def bytes_sent(self, grads: Params) -> int:
        """The bytes of one message of these gradients, scales included."""
        packed = quantize(grads, self.bits, **self.how())
        return sum(part.nbytes for part in packed.values())
