"""An array as its channels, for a rounding that chooses all codes of a channel together.

A channel's numbers are those that are summed over in x @ w, so their errors meet in one sum, where
they can make up for each other.
"""

from typing import NamedTuple

from minilm.compression.quantization.affine import Rounding, codes_of, nearest, nonzero, values_of
from minilm.compression.quantization.grids import Grid
from minilm.types import Array


class Rows(NamedTuple):
    """An array's channels with their scales: what a rounding of whole channels is given.

    numbers: (channels, n) float32, n the length that is summed over in x @ w. scale, zero_point:
    float32, (channels, n), (channels, 1) or (1, 1); zero_point is 0 where the grid has none. Scales
    are fixed: they have been chosen, and rounded as they are stored, before.
    """

    numbers: Array
    scale: Array
    zero_point: Array
    grid: Grid

    def project(self, columns: slice, values: Array, rounding: Rounding = nearest) -> Array:
        """The levels x̂ that values (channels, k), of these columns, are rounded to."""
        scale, z = _columns(self.scale, columns), _columns(self.zero_point, columns)
        codes = codes_of(values / nonzero(scale), z, self.grid, rounding)
        return values_of(codes, scale, z, self.grid)


def _columns(beside: Array, columns: slice) -> Array:
    return beside if beside.shape[1] == 1 else beside[:, columns]
