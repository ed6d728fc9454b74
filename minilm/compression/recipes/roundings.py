"""What quantized weights are trained by, until they are packed.

    straight-through   weights are trained, scales taken from them anew at each step
    steps              the steps of the grid are trained too (LSQ)
    levels             codes stay, the levels of a codebook are trained

Each is a view of that name: straight_through, learned_steps, learned_levels (compression/views).
A row of ROUNDINGS is a function (params, bits by name, other arguments of `quantize`) -> params,
perhaps with companions, and a Rounding. What the model sees last is what is packed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minilm.compression.quantization import quantize
from minilm.compression.views.learned_levels import (
    add_levels,
    learned_levels,
    quantize_with_levels,
)
from minilm.compression.views.learned_steps import add_steps, learned_steps, quantize_with_steps
from minilm.compression.views.straight_through import straight_through
from minilm.training import View
from minilm.types import Params


@dataclass(frozen=True)
class Rounding:
    """view: what the model sees of the parameters; pack: what becomes of them."""

    view: View
    pack: Callable[[Params], Params]


def straight(params: Params, bits: dict[str, int], how: dict[str, Any]) -> tuple[Params, Rounding]:
    """Any grid and objective. In training numbers are rounded to nearest, whatever rounds them at
    the end: GPTQ at each step would take days."""
    seen = {name: value for name, value in how.items() if name not in ("calibration", "rounding")}
    return params, Rounding(
        straight_through(bits, **seen), lambda params: quantize(params, bits, **how)
    )


def steps(params: Params, bits: dict[str, int], how: dict[str, Any]) -> tuple[Params, Rounding]:
    """A grid of fixed levels: "int", "mid_rise", "nf", …"""
    grid = {name: value for name, value in how.items() if name == "grid"}
    check_options("steps", how, ("grid", "objective", "axis", "group_size"))
    return add_steps(params, bits, **how), Rounding(
        learned_steps(bits, **grid), lambda params: quantize_with_steps(params, bits, **grid)
    )


def levels(params: Params, bits: dict[str, int], how: dict[str, Any]) -> tuple[Params, Rounding]:
    """A codebook for each weight; its levels begin as Lloyd and Max choose them."""
    if how.get("grid", "lloyd_max") != "lloyd_max":
        raise ValueError(f"train 'levels' has grid 'lloyd_max', got {how['grid']!r}")
    check_options("levels", how, ("grid",))
    return add_levels(params, bits), Rounding(
        learned_levels, lambda params: quantize_with_levels(params, bits)
    )


def check_options(train: str, how: dict[str, Any], allowed: tuple[str, ...]) -> None:
    foreign = sorted(how.keys() - set(allowed))
    if foreign:
        raise ValueError(f"train {train!r} has no {', '.join(foreign)}; it has "
                         f"{', '.join(allowed)}")


ROUNDINGS: dict[
    str, Callable[[Params, dict[str, int], dict[str, Any]], tuple[Params, Rounding]]
] = {"straight-through": straight, "steps": steps, "levels": levels}
