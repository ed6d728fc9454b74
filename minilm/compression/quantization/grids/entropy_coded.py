"""A grid for an entropy coder: integers without an end, used as unequally as they come.

    q = round(x / Δ)          Δ such that the entropy of q is the bits asked for (scales/rate.py)
    x̂ = g·Δ·q                 g = Σ(x/Δ)·q / Σq²: the least squared error, for these codes

Codes of few bits must be few; codes that an entropy coder writes need only be rarely large. At the
same bits evenly spaced levels then come within 1.53 dB of Shannon's bound, closer than Lloyd–Max's
(Gish and Pierce 1968). The mean of what falls into a cell lies nearer to 0 than its middle, by
nearly the same ratio in every cell of a Gaussian, so one factor g stands for all the centroids.

Codes are kept in 8 bits, or where one is too large in 16, until a coder writes them.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minilm.compression.quantization.grids.float_formats import check_symmetric
from minilm.types import Array


@dataclass(frozen=True)
class EntropyCoded:
    """The levels are the integers within ±(2^(bits−1) − 1).

    rate: the entropy wanted, in bits. gain: g, by which positions are multiplied again once the
    scale is g·Δ: so codes are those of x / Δ.
    """

    rate: int
    bits: int = 16
    gain: float = 1.0
    affine: ClassVar[bool] = False
    real_zero: ClassVar[bool] = False
    levels: ClassVar[None] = None
    objective: ClassVar[str] = "rate"

    @property
    def high(self) -> int:
        return 2 ** (self.bits - 1) - 1

    @property
    def low(self) -> int:
        return -self.high

    @property
    def reach(self) -> float:
        return float(self.high)

    def position(self, v: Array) -> Array:
        return v * np.asarray(self.gain, v.dtype)

    def code(self, position: Array) -> Array:
        return position

    def value(self, code: Array) -> Array:
        return code

    def inside(self, v: Array) -> Array:
        return np.ones(v.shape, np.bool_)


def entropy_coded(bits: int, symmetric: bool) -> EntropyCoded:
    """The grid for so many bits of entropy."""
    check_symmetric(symmetric)
    return EntropyCoded(bits)


def fit_gain(v: Array, grid: EntropyCoded, weights: Array) -> tuple[EntropyCoded, float]:
    """The grid, once v = x / Δ is known, and g, by which the scale grows. v, weights: one shape."""
    q = np.rint(v)
    used = np.einsum("cn,cn,cn->", q, q, weights, dtype=np.float64)
    gain = float(np.einsum("cn,cn,cn->", v, q, weights, dtype=np.float64) / used) if used else 1.0
    largest = float(np.abs(q).max())
    return EntropyCoded(grid.rate, 8 if largest < 2**7 else 16, gain), gain
