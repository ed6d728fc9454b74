"""A weight that clips and rounds what it is multiplied by: static quantization of activations.

    y = threshold(x) within ±clip,    Q(x) = s·round(y / s),   s = clip / (2^(b−1) − 1)
    x @ leaf = Q(x) @ weight

    dx      = (dy @ weightᵀ) ⊙ ∂y/∂x        straight through the rounding
    dweight = Q(x)ᵀ @ dy
    dclip   = Σ (dy @ weightᵀ) ⊙ ∂y/∂clip               Choi et al. 2018 (PACT), eq. 1–3

PACT itself is for inputs that are never negative (after a ReLU): signed=False, 2^b − 1 steps from 0
to clip. Here most inputs have both signs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.compression.quantization.thresholds import THRESHOLDS
from minilm.types import Array, Cache
from minilm.weights import Weight, as_dense


def clip_and_round(
    x: Array, clip: float, bits: int, threshold: str = "hard", signed: bool = True
) -> tuple[Array, Cache]:
    """Q(x) as above.   x: (...) floats, clip > 0  ->  Q(x): (...), cache"""
    steps = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    positive = x if signed else np.maximum(x, 0)
    y, cache = THRESHOLDS[threshold].forward(positive, clip)
    return np.rint(y * (steps / clip)) * (clip / steps), (threshold, cache, None if signed else x)


def clip_and_round_backward(dq: Array, cache: Cache) -> tuple[Array, float]:
    """dx, dclip; the derivative of rounding is taken as 1, all others are as they are."""
    threshold, threshold_cache, x = cache
    dx, dclip = THRESHOLDS[threshold].backward(dq, threshold_cache)
    return dx if x is None else dx * (x > 0), dclip


@dataclass(frozen=True, eq=False, repr=False)
class ClippedInputs(Weight):
    """`weight`, behind a clip: x @ leaf = Q(x) @ weight; rows leaf[ids] are the weight's.

    weight: (in, out), an array or a leaf; clip: () float, positive; bits: 2 … 16; threshold: "hard"
    or "soft"; signed: whether x may be negative. Its transpose is the weight's alone, without a
    clip, and the transpose of that is this leaf again: so for a table E whose Eᵀ is a head,
    ClippedInputs(Eᵀ, …).T looks up rows, and clips what the head reads.
    """

    weight: Any
    clip: Array
    bits: int
    threshold: str = "hard"
    signed: bool = True

    def __post_init__(self) -> None:
        check_activation_bits(self.bits, self.signed)
        if self.threshold not in THRESHOLDS:
            rows = ", ".join(map(repr, THRESHOLDS))
            raise ValueError(f"threshold must be one of {rows}, got {self.threshold!r}")
        if self.clip.shape != () or not 0 < float(self.clip) < np.inf:
            raise ValueError(f"clip must be one positive number, got {self.clip!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.weight.shape)

    @property
    def T(self) -> "LinearPart":
        return LinearPart(self)

    def dense(self) -> Array:
        return as_dense(self.weight)

    def unpacked(self) -> "ClippedInputs":
        """Itself: a loop must round what it multiplies at every step."""
        return self

    def rounded(self, x: Array) -> tuple[Array, Cache]:
        """Q(x), cache."""
        return clip_and_round(np.asarray(x), float(self.clip), self.bits, self.threshold,
                              self.signed)

    def __rmatmul__(self, x: Array) -> Array:
        return self.rounded(x)[0] @ self.weight

    def __getitem__(self, ids: Array) -> Array:
        return self.weight[ids]

    def gradients(self, dy: Array, x: Array) -> tuple[Array, float]:
        """dx and dclip of x @ leaf."""
        q, cache = self.rounded(x)
        dq = self.weight.input_gradient(dy, q) if isinstance(self.weight, Weight) else (
            dy @ self.weight.T)
        return clip_and_round_backward(dq, cache)

    def input_gradient(self, dy: Array, x: Array) -> Array:
        return self.gradients(dy, x)[0]

    def weight_gradient(self, dy: Array, x: Array) -> Array:
        return super().weight_gradient(dy, self.rounded(x)[0])


@dataclass(frozen=True, eq=False, repr=False)
class LinearPart(Weight):
    """The transpose of a leaf that bends its inputs: linear, and its own transpose is the leaf."""

    leaf: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.leaf.shape[::-1]

    @property
    def T(self) -> Any:
        return self.leaf

    def dense(self) -> Array:
        return self.leaf.dense().T

    def __rmatmul__(self, x: Array) -> Array:
        return np.asarray(x) @ self.leaf.weight.T

    def __getitem__(self, ids: Array) -> Array:
        return self.leaf.weight.T[ids]

    def input_gradient(self, dy: Array, x: Array) -> Array:
        return dy @ self.leaf.weight


def check_activation_bits(bits: int, signed: bool = True) -> None:
    """Refuse a number of bits with no level but 0, or more than float32 counts exactly."""
    least = 2 if signed else 1
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not least <= bits <= 16:
        raise ValueError(f"bits of an input must be a whole number in [{least}, 16], got {bits!r}")
