"""Optimizers: from gradients to the change of the parameters.

`optimizer.update(arrays, grads, state, learning_rate, step)` changes `arrays` and `state` in place;
`fit` hands it copies of its own. `state` is a flat dict of arrays that the optimizer fills at the
first step, and that a checkpoint saves; what belongs to the array `name` is called `role:name` and
has its shape. An optimizer that treats each number by itself says so, `elementwise = True`: then
`fit` may hand it all parameters as one long vector, and its state belongs to all of them or none.

An update reads and writes several numbers per parameter and computes little with each, so memory
sets its speed: the arrays are walked in chunks small enough to stay in the cache from the first
line of the update to the last, and what is computed in between goes to one chunk of scratch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from minilm.types import Array, Params

# Entries: AdamW holds five arrays of 128 kB of float32 at once. Of 2^13 … 2^18, tried with 1 MB of
# second-level cache, the smallest took 1.4 times as long, and the largest 0.87 times, thanks to a
# third level of 32 MB that not every machine has.
CHUNK = 2**15


class Optimizer(Protocol):
    """What `fit` calls."""

    def update(
        self, arrays: Params, grads: Params, state: Params, learning_rate: float, step: int
    ) -> None:
        """One update, in place; `step` counts from 0."""


@dataclass(frozen=True)
class SGD:
    """m = momentum · m + g,   w = w − lr · m                            (Polyak's heavy ball)

    Without momentum, plain stochastic gradient descent. Raises ValueError for a momentum outside
    [0, 1).
    """

    momentum: float = 0.0
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_fraction("momentum", self.momentum)

    def update(
        self, arrays: Params, grads: Params, state: Params, learning_rate: float, step: int
    ) -> None:
        """One step down the gradients, in place on `arrays` and `state`."""
        for name, grad in grads.items():
            velocity = running(state, f"velocity:{name}", arrays[name]) if self.momentum else grad
            for w, g, m, change in chunks(arrays[name], grad, velocity):
                if self.momentum:
                    m *= self.momentum
                    m += g
                np.multiply(m, learning_rate, out=change)
                w -= change


@dataclass(frozen=True)
class AdamW:
    """Each parameter's own step length, from running means of its gradient and of its square.

    m = β₁ m + (1 − β₁) g,      m̂ = m / (1 − β₁ᵗ)
    v = β₂ v + (1 − β₂) g²,     v̂ = v / (1 − β₂ᵗ)                        t = step + 1
    w = w − lr · (weight_decay · w + m̂ / (√v̂ + ε))

    Weight decay acts on matrices and tables only: not on biases and gains, which have one
    dimension, and not on companions (`w:role`). weight_decay=0 is Adam.
    Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2. Raises ValueError for
    β outside [0, 1), ε that is not positive, or a negative weight decay.
    """

    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.1
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_fraction("beta1", self.beta1)
        check_fraction("beta2", self.beta2)
        if not (self.eps > 0 and math.isfinite(self.eps)):
            raise ValueError(f"eps must be a positive number, got {self.eps!r}")
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(f"weight_decay must be 0 or more, got {self.weight_decay!r}")

    def update(
        self, arrays: Params, grads: Params, state: Params, learning_rate: float, step: int
    ) -> None:
        """One step, in place on `arrays` and `state`.

        Kept are the sums M = β₁ M + g and V = β₂ V + g², which take fewer passes over memory than
        the means. They are M = m / (1 − β₁) and V = v / (1 − β₂), so that

        m̂ = M · (1 − β₁) / (1 − β₁ᵗ),     √v̂ = √V · root,     root = √((1 − β₂) / (1 − β₂ᵗ)),
        lr · m̂ / (√v̂ + ε) = step_length · M / (√V + ε / root).
        """
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2 ** (step + 1)))
        step_length = learning_rate * (1 - self.beta1) / (1 - self.beta1 ** (step + 1)) / root
        for name, grad in grads.items():
            array = arrays[name]
            sums = running(state, f"sum:{name}", array)
            squares = running(state, f"sum_of_squares:{name}", array)
            keep = 1 - learning_rate * self.weight_decay if decays(name, array) else 1.0
            for w, g, M, V, change in chunks(array, grad, sums, squares):
                M *= self.beta1
                M += g
                np.multiply(g, g, out=change)
                V *= self.beta2
                V += change
                np.sqrt(V, out=change)
                change += self.eps / root
                np.divide(M, change, out=change)
                change *= step_length
                w *= keep
                w -= change


def decays(name: str, array: Array) -> bool:
    """Whether weight decay acts on a parameter: a matrix or table that is no companion."""
    return array.ndim >= 2 and ":" not in name


def running(state: Params, name: str, like: Array) -> Array:
    """The running sum kept under this name; zeros of the parameter's shape at first."""
    if name not in state:
        state[name] = np.zeros(like.shape, dtype=like.dtype)
    return state[name]


def chunks(*arrays: Array) -> Iterator[list[Array]]:
    """The same stretch of each array (all of one shape), at most CHUNK entries at a time, and last
    a scratch as long, of the first one's dtype.

    They come as views to be written to. ValueError unless the first, the parameter, is
    C-contiguous, as `fit` keeps it.
    """
    check_contiguous(arrays[0])
    flat = [array.reshape(-1) for array in arrays]
    scratch = np.empty(min(CHUNK, flat[0].size), dtype=flat[0].dtype)
    for start in range(0, flat[0].size, CHUNK):
        pieces = [array[start : start + CHUNK] for array in flat]
        yield [*pieces, scratch[: pieces[0].size]]


def check_contiguous(array: Array) -> None:
    """Refuse a parameter whose flat view would be a copy: an update of that would be lost."""
    if not array.flags.c_contiguous:
        raise ValueError("arrays must be C-contiguous to be updated in place, got one of shape "
                         f"{array.shape} and strides {array.strides}")


def check_fraction(name: str, value: float) -> None:
    """Refuse a running mean's weight outside [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")
