"""Codebooks: grids whose levels are a table, and two families of them that need no data.

    NF-b           levels where N(0, 1) has its quantiles: each is used equally often
    logarithmic    0 and ±√2^−k: equal ratios, as fine for small numbers as for large ones

(Powers of two are floats without a mantissa: float_formats.py. Levels that follow the data:
lloyd_max.py.)
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from minilm.compression.quantization.grids.float_formats import check_symmetric
from minilm.types import Array


@dataclass(frozen=True, eq=False)
class Codebook:
    """Any increasing levels: code q stands for levels[q]. levels: (2^bits,) float32."""

    levels: Array
    low: ClassVar[int] = 0
    affine: ClassVar[bool] = False
    real_zero: ClassVar[bool] = False
    objective: ClassVar[None] = None

    @property
    def high(self) -> int:
        return len(self.levels) - 1

    @property
    def reach(self) -> float:
        return float(np.abs(self.levels).max())

    def position(self, v: Array) -> Array:
        # straight lines from level to level: half-way between two levels is half-way in position
        return np.interp(v, self.levels, np.arange(len(self.levels)))

    def code(self, position: Array) -> Array:
        return position

    def value(self, code: Array) -> Array:
        return np.take(self.levels, code.astype(np.intp))

    def inside(self, v: Array) -> Array:
        # its outer cells have no end, and their levels are the means of all that lies in them
        return np.ones(v.shape, np.bool_)


def normal_float(bits: int, symmetric: bool) -> Codebook:
    """NF-b, "normal float": evenly spaced quantiles of N(0, 1), divided by the largest, and 0.

        δ = ½·(1/2^(b+1) + 1/(2^(b+1) − 2))
        positive   Φ⁻¹ at 2^(b−1) + 1 points from ½ to 1 − δ, without the first: 2^(b−1) levels
        negative   −Φ⁻¹ at 2^(b−1) points from ½ to 1 − δ, without the first: 2^(b−1) − 1 levels

    Φ⁻¹(p): the number that N(0, 1) is below with probability p. Dettmers et al. 2023 (QLoRA),
    section 3 and eq. 4, which do not print δ; the published table of NF4 has it. Equal use is not
    least error: at 4 bits 0.2 dB below Lloyd–Max.
    """
    check_symmetric(symmetric)
    if bits < 2:
        raise ValueError(f"bits must be at least 2 for a normal float with both signs, got {bits}")
    delta = (1 / 2 ** (bits + 1) + 1 / (2 ** (bits + 1) - 2)) / 2
    half = 2 ** (bits - 1)
    normal = NormalDist()
    positive = [normal.inv_cdf(p) for p in np.linspace(0.5, 1 - delta, half + 1)[1:].tolist()]
    negative = [-normal.inv_cdf(p) for p in np.linspace(0.5, 1 - delta, half)[:0:-1].tolist()]
    levels = np.array([*negative, 0.0, *positive]) / positive[-1]
    return Codebook(levels.astype(np.float32))


def logarithmic(bits: int, symmetric: bool) -> Codebook:
    """0 and ±√2^−k, k = 0 … 2^(b−1) − 2; one code is spare.

    Miyashita et al. 2016, section 5: of the bases tried √2 lost least. (Base 2: power_of_two.)
    """
    check_symmetric(symmetric)
    if not 2 <= bits <= 8:  # more would be levels below float32's smallest number
        raise ValueError(f"bits must be at least 2 for zero and both signs, and at most 8, "
                         f"got {bits}")
    magnitudes = 2.0 ** (-np.arange(2 ** (bits - 1) - 1) / 2)
    levels = [*-magnitudes, 0.0, *magnitudes[::-1], 1.0]
    return Codebook(np.array(levels, np.float32))
