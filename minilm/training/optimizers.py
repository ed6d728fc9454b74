"""Optimizers: from gradients to the change of the parameters.

`optimizer.update(arrays, grads, state, learning_rate, step)` changes `arrays` and `state` in place;
`fit` hands it copies of its own. `state` is a flat dict of arrays that the optimizer fills at the
first step, and that a checkpoint saves.

An update reads and writes several numbers per parameter and computes little with each, so memory
sets its speed: the arrays are walked in chunks small enough to stay in the cache from the first
line of the update to the last.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from minilm.types import Array, Params

CHUNK = 16384  # entries: 64 kB of float32; the five arrays of an update fit a second-level cache


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

    def __post_init__(self) -> None:
        check_fraction("momentum", self.momentum)

    def update(
        self, arrays: Params, grads: Params, state: Params, learning_rate: float, step: int
    ) -> None:
        """One step down the gradients, in place on `arrays` and `state`."""
        for name, grad in grads.items():
            if not self.momentum:
                arrays[name] -= learning_rate * grad
                continue
            velocity = moment(state, f"velocity:{name}", arrays[name])
            for w, g, m in chunks(arrays[name], grad, velocity):
                m *= self.momentum
                m += g
                w -= learning_rate * m


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
        """One step, in place on `arrays` and `state`."""
        step_size = learning_rate / (1 - self.beta1 ** (step + 1))  # lr m̂ = step_size m
        root_factor = 1 / math.sqrt(1 - self.beta2 ** (step + 1))  # √v̂ = root_factor √v
        for name, grad in grads.items():
            array = arrays[name]
            mean = moment(state, f"mean:{name}", array)
            mean_square = moment(state, f"mean_square:{name}", array)
            decays = array.ndim >= 2 and ":" not in name
            keep = 1 - learning_rate * self.weight_decay if decays else 1.0
            for w, g, m, v in chunks(array, grad, mean, mean_square):
                # m += (1 − β₁)(g − m) and v += (1 − β₂)(g² − v), with one temporary of a chunk
                change = g - m
                change *= 1 - self.beta1
                m += change
                np.multiply(g, g, out=change)
                change -= v
                change *= 1 - self.beta2
                v += change
                np.sqrt(v, out=change)
                change *= root_factor
                change += self.eps
                np.divide(m, change, out=change)
                change *= step_size
                w *= keep
                w -= change


def moment(state: Params, name: str, like: Array) -> Array:
    """The running mean kept under this name; zeros of the parameter's shape at first."""
    if name not in state:
        state[name] = np.zeros(like.shape, dtype=like.dtype)
    return state[name]


def chunks(*arrays: Array) -> Iterator[list[Array]]:
    """The same stretch of each array (all of one shape), at most CHUNK entries at a time.

    C-contiguous arrays, as `fit` keeps them, come as views that may be written to.
    """
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, CHUNK):
        yield [array[start : start + CHUNK] for array in flat]


def check_fraction(name: str, value: float) -> None:
    """Refuse a running mean's weight outside [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")
