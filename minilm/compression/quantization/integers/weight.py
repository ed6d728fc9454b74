"""A weight's codes as products of integers want them: w = scale·(q − zero_point), a column a scale.

Sums over K can be left in integers until the end only where all numbers of a column share one
scale: by channel or by tensor, not in groups. A codebook's levels are no whole numbers at all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.compression.quantization.integers.products import Codes
from minilm.types import Array
from minilm.weights import QuantizedTensor, from_rows, unpack
from minilm.weights.quantized import code_values


@dataclass(frozen=True, eq=False, repr=False)
class IntegerWeight:
    """A weight's codes laid out for exact products: scale·(codes − zero_point), (in, out).

    scale, zero_point: one number, or one a column.
    """

    codes: Codes
    scale: Array
    zero_point: Array | int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def ndim(self) -> int:
        return 2

    @property
    def T(self) -> Array:
        """The floats, transposed: what a gradient is multiplied by."""
        return ((self.codes.floats - self.zero_point) * self.scale).astype(np.float32).T


def integer_weight(weight: Any) -> IntegerWeight | None:
    """The codes of a weight whose every column has one scale; None for all other kinds."""
    if isinstance(weight, IntegerWeight):
        return weight
    if not isinstance(weight, QuantizedTensor) or weight.levels is not None or weight.bits > 8:
        return None
    scale, zero_point = weight.scale, weight.zero_point
    by_column = scale.ndim == 0 or scale.shape[0] == 1  # and not a group of a column's
    whole = zero_point is None or zero_point.dtype.kind == "i"
    if not (by_column and whole):
        return None
    symmetric = zero_point is None
    levels = code_values(weight.bits, symmetric).astype(np.float32)
    rows = unpack(weight.packed, weight.bits, weight.stored_shape[1], levels)
    floats = from_rows(rows, weight.array_shape, weight.axis)
    codes = Codes(floats.T if weight.transposed else floats, int(np.abs(levels).max()))
    return IntegerWeight(codes, scale, 0 if zero_point is None else zero_point)
