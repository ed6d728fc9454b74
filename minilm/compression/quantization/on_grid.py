"""An array placed on its grid, and rounded to it.

    range = objective(x)                 scales/objectives.py
    s, z  = affine_scale(range)          scales/from_ranges.py; s as it will be stored (formats.py)
    q     = saturate(round(x / s) + z)   grids/, rounding/
    x̂     = s·(q − z)                    affine.py

On a grid with a table of levels, levels[q] stands for q in the last line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import check_finite
from minilm.compression.quantization.affine import codes_of, in_scales, nearest, nonzero, values_of
from minilm.compression.quantization.grids import GRIDS, Grid
from minilm.compression.quantization.layout import Layout
from minilm.compression.quantization.rounding.channels import Rows
from minilm.compression.quantization.rounding.table import ROUNDINGS, may_saturate
from minilm.compression.quantization.scales.from_ranges import (
    LARGEST,
    Place,
    affine_scale,
    chunks,
    extremes,
    sharing,
)
from minilm.compression.quantization.scales.objectives import OBJECTIVES
from minilm.compression.quantization.scheme import Scheme
from minilm.types import Array
from minilm.weights import Seen
from minilm.weights.packing import check_bits
from minilm.weights.rows import rows_shape

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class OnGrid:
    """An array on its grid: numbers (A, n, B), with scale and zero_point (A, 1, B) beside them.

    zero_point holds whole floats (any, if the grid has a real zero), all 0 unless it is affine.
    saturates: whether numbers may be rounded to beyond the grid, and be clipped. bits: of a code.
    seen: of what multiplies a channel. tensor(on_grid, scheme, rng) makes the leaf, where it is not
    a QuantizedTensor.
    """

    numbers: Array
    grid: Grid
    scale: Array
    zero_point: Array
    saturates: bool
    layout: Layout
    bits: int
    seen: Seen | None = None
    tensor: Callable[..., Any] | None = None

    def rows(self) -> Rows:
        """The same by channels: numbers (channels, n)."""
        scale, z = (self.layout.beside_rows(s.astype(np.float32, copy=False))
                    for s in (self.scale, self.zero_point))
        return Rows(self.layout.rows(self.numbers), scale, z, self.grid)

    def values(self, scheme: Scheme, rng: np.random.Generator) -> Array:
        """x̂ in the array's own shape."""
        return self.layout.array(rounded_values(self, scheme, rng))

    def dense(self, scheme: Scheme, rng: np.random.Generator) -> Array:
        """x̂ as the leaf that is made of it gives it back."""
        if self.tensor is not None:
            return self.tensor(self, scheme, rng).dense()
        return self.values(scheme, rng)


class Piece(NamedTuple):
    """A part of an array on its grid, small enough for the processor's cache.

    codes: whole floats (a, n, b), the piece's own; scale likewise, zero_point (a, 1, b).
    """

    place: Place
    codes: Array
    scale: Array
    zero_point: Array


def layout_of(name: str, x: Array, scheme: Scheme) -> Layout:
    """Which numbers of x share a scale."""
    length = rows_shape(x.shape, scheme.rows_axis)[1]
    size = scheme.group_size
    if size is None:
        size = x.size if scheme.rows_axis is None else length
    elif length % size:
        raise ValueError(
            f"group_size must divide the {length} numbers of a channel of {name} "
            f"(shape {x.shape}), got {size}"
        )
    return Layout(x.shape, scheme.rows_axis, size)


def place_on_grid(name: str, x: Array, bits: int, scheme: Scheme) -> OnGrid:
    """Choose the grid and the scales for an array (`name` is what errors call it)."""
    bits = check_bits(bits, wide=True)
    kind = GRIDS[scheme.grid]
    grid = kind.start(bits, scheme.symmetric)
    layout = layout_of(name, x, scheme)
    seen = scheme.seen(name, layout.length)
    numbers = layout.by_scale(x)
    ends = extremes(numbers)
    # the level beyond the end of an asymmetric range, or a mean of huge numbers, must not overflow
    largest = min(kind.largest, LARGEST / 4 if grid.affine or kind.fit else FLOAT32_MAX)
    if not (-largest <= ends[0].min() and ends[1].max() <= largest):
        check_finite(name, x, largest)  # says what is wrong
    stored = scheme.scale_kind
    low, high = OBJECTIVES[grid.objective or scheme.objective](
        numbers, ends, grid, scheme.percentile, stored.rounded if stored.coarse else None
    )
    scale, zero_point = affine_scale(low, high, grid, stored.rounded)
    if kind.fit is not None:
        weights = sensitivity(scale, numbers, layout, seen)
        grid, gain = kind.fit(layout.rows(in_scales(numbers, scale)), grid, weights)
        scale = scale if gain == 1 else stored.rounded(scale * np.float32(gain), grid.reach)
    v_low, v_high = (in_scales(end, scale.astype(np.float32)) for end in ends)
    saturates = may_saturate((v_low, v_high), zero_point, grid, scheme.rounding)
    tensor = ROUNDINGS[scheme.rounding].tensor or kind.tensor
    bits = getattr(grid, "bits", bits)  # of a code as it is kept
    return OnGrid(numbers, grid, scale, zero_point, saturates, layout, bits, seen, tensor)


def sensitivity(scale: Array, numbers: Array, layout: Layout, seen: Seen | None) -> Array:
    """What a squared error in x / s costs: s² · Σ(what multiplies the number)²; (channels, n)."""
    weights = np.square(in_scales(scale, scale.max()), dtype=np.float32)
    rows = layout.rows(np.broadcast_to(weights, numbers.shape))
    if seen is None or seen.cost is None:
        return rows
    inputs = np.diagonal(seen.cost)
    if not inputs.any():  # only zeros came: they say nothing of any number
        return rows
    return (rows * (inputs / inputs.max())).astype(np.float32)


def rounded(on_grid: OnGrid, scheme: Scheme, rng: np.random.Generator) -> Iterator[Piece]:
    """The codes of an array on its grid, piece by piece."""
    kind = ROUNDINGS[scheme.rounding]
    if kind.whole is not None:
        # what it answers are levels: the nearest code is theirs
        on_grid, rounding = settled(on_grid, kind.whole(on_grid.rows(), on_grid.seen, rng)), nearest
    else:
        rounding = kind.function
    grid, scales, zero_points = on_grid.grid, on_grid.scale, on_grid.zero_point
    for place in chunks(on_grid.numbers.shape):
        part = on_grid.numbers[place]
        if place[1].start == 0:  # pieces with the same scales follow each other: made at the first
            scale = scales[sharing(place)].astype(np.float32)
            # a scale copied to each number it serves: one long loop, not one for each row
            factor = repeated(scale, part.shape)
            divisor = factor if scale.all() else repeated(nonzero(scale), part.shape)
            z = zero_points[sharing(place)]
        with np.errstate(over="ignore"):  # a clipped outlier may become infinite: it saturates
            v = part / divisor[:, : part.shape[1]]
        codes = codes_of(v, z, grid, rounding, rng, out=v, saturate=on_grid.saturates)
        yield Piece(place, codes, factor[:, : part.shape[1]], z)


def settled(on_grid: OnGrid, values: Array) -> OnGrid:
    """Other numbers, (channels, n), in the place of an array's own."""
    numbers = on_grid.layout.laid(values.astype(np.float32, copy=False))
    return replace(on_grid, numbers=numbers, saturates=True)


def repeated(scale: Array, shape: tuple[int, ...]) -> Array:
    """(a, 1, b) -> (a, n, b)."""
    return np.broadcast_to(scale, shape).copy()


def rounded_values(on_grid: OnGrid, scheme: Scheme, rng: np.random.Generator) -> Array:
    """x̂ of the numbers: (A, n, B) float32."""
    x_hat = np.empty_like(on_grid.numbers)
    for place, codes, scale, z in rounded(on_grid, scheme, rng):
        values_of(codes, scale, z, on_grid.grid, out=x_hat[place])
    return x_hat


def inside(on_grid: OnGrid) -> Array:
    """Where the numbers are not clipped by their grid: (A, n, B) bool."""
    return on_grid.grid.inside(in_scales(on_grid.numbers, on_grid.scale) + on_grid.zero_point)
