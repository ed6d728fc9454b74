"""GRIDS: each grid by name, and what follows the data about it."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from minilm.compression.quantization.grids.codebooks import Codebook, logarithmic, normal_float
from minilm.compression.quantization.grids.entropy_coded import (
    EntropyCoded,
    entropy_coded,
    fit_gain,
)
from minilm.compression.quantization.grids.float_formats import (
    BF16,
    E2M1,
    E4M3,
    E5M2,
    FP16,
    FloatFormat,
    float_grid,
    half_tensor,
    power_of_two,
)
from minilm.compression.quantization.grids.integers import (
    Integers,
    MidRise,
    Signs,
    all_integers,
    integers,
    integers_real_zero,
    mid_rise,
)
from minilm.compression.quantization.grids.lloyd_max import fit_levels, gaussian_levels

Grid: TypeAlias = Integers | Signs | MidRise | Codebook | FloatFormat | EntropyCoded


class GridKind(NamedTuple):
    """A row of the table.

    start(bits, symmetric): the grid by which the scale is chosen.
    fit(v, grid, weights): None, or for a grid that follows the data: v = x / scale and what a
        squared error costs, (channels, n) both -> the grid, and a factor on the scale.
    largest: numbers beyond it are refused.
    tensor(on_grid, scheme, rng): what makes the leaf, where it is not a QuantizedTensor.
    """

    start: Callable[[int, bool], Grid]
    fit: Callable[..., tuple[Grid, float]] | None = None
    largest: float = float("inf")
    tensor: Callable[..., Any] | None = None


GRIDS = {
    "int": GridKind(integers),
    "int_full": GridKind(all_integers, largest=2.0**127),  # its lowest level lies beyond its reach
    "int_real_zero": GridKind(integers_real_zero),
    "mid_rise": GridKind(mid_rise),
    "power_of_two": GridKind(power_of_two),
    "logarithmic": GridKind(logarithmic),
    "nf": GridKind(normal_float),
    "lloyd_max": GridKind(gaussian_levels, fit=fit_levels),
    "entropy_coded": GridKind(entropy_coded, fit=fit_gain),
    "e2m1": GridKind(float_grid("e2m1", E2M1)),
    "e4m3": GridKind(float_grid("e4m3", E4M3)),
    "e5m2": GridKind(float_grid("e5m2", E5M2)),
    "fp16": GridKind(float_grid("fp16", FP16), largest=FP16.reach, tensor=half_tensor("fp16")),
    "bf16": GridKind(float_grid("bf16", BF16), largest=BF16.reach, tensor=half_tensor("bf16")),
}
