"""One combination of grid × scale × rounding, and one array placed on it.

    range = objective(x)                 scales.py
    s, z  = affine_scale(range)          rounded as they are stored, before any code is chosen
    q     = saturate(round(x / s) + z)   grids.py, rounding.py
    x̂     = s·(q − z)

Grid, objective and rounding are looked up by name in the tables GRIDS, OBJECTIVES and ROUNDINGS;
nothing here asks which it was, so a new one is a new row there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import check_finite
from minilm.compression.quantization.grids import GRIDS, Codebook, Grid
from minilm.compression.quantization.layout import Layout
from minilm.compression.quantization.rounding import (
    ROUNDINGS,
    codes_of,
    in_scales,
    may_saturate,
    nonzero,
    values_of,
)
from minilm.compression.quantization.scales import (
    LARGEST,
    OBJECTIVES,
    Place,
    affine_scale,
    chunks,
    extremes,
    sharing,
)
from minilm.types import Array
from minilm.weights.packing import check_bits
from minilm.weights.rows import rows_shape

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Scheme:
    """How to quantize: the keyword arguments of `quantize`, checked."""

    symmetric: bool = True
    axis: int | str | None = None
    group_size: int | None = None
    grid: str = "int"
    objective: str = "absmax"
    percentile: float = 99.9
    rounding: str = "nearest"
    seed: int = 0

    def __post_init__(self) -> None:
        tables: dict[str, dict[str, Any]] = {
            "grid": GRIDS, "objective": OBJECTIVES, "rounding": ROUNDINGS
        }
        for name, table in tables.items():
            if getattr(self, name) not in table:
                rows = ", ".join(map(repr, table))
                raise ValueError(f"{name} must be one of {rows}, got {getattr(self, name)!r}")
        size = self.group_size
        if size is not None and not (is_integer(size) and size >= 1):
            raise ValueError(f"group_size must be None or a positive integer, got {size!r}")
        if not 0 < self.percentile <= 100:
            raise ValueError(f"percentile must lie in (0, 100], got {self.percentile!r}")
        if not (self.axis is None or self.axis == "tensor" or is_integer(self.axis)):
            raise ValueError(f'axis must be None, an integer or "tensor", got {self.axis!r}')

    def for_parameter(self, name: str) -> "Scheme":
        """The scheme for the parameter `name`: by channel where no axis is given."""
        by_channel = 0 if name.endswith("embedding") else -1
        return replace(self, axis=by_channel) if self.axis is None else self

    @property
    def rows_axis(self) -> int | None:
        """The axis whose entries have scales of their own; None: one for the whole tensor."""
        return None if self.axis == "tensor" else self.axis  # type: ignore[return-value]


def is_integer(value: Any) -> bool:
    """A whole number of Python's or NumPy's, and not a bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


class OnGrid(NamedTuple):
    """An array on its grid: numbers (A, n, B), with scale and zero_point (A, 1, B) beside them.

    zero_point holds whole floats, all 0 where the grid is not affine. saturates: whether numbers
    may be rounded to beyond the grid, and be clipped.
    """

    numbers: Array
    grid: Grid
    scale: Array
    zero_point: Array
    saturates: bool


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
    bits = check_bits(bits)
    kind = GRIDS[scheme.grid]
    grid = kind.start(bits, scheme.symmetric)
    layout = layout_of(name, x, scheme)
    numbers = layout.by_scale(x)
    ends = extremes(numbers)
    # the level beyond the end of an asymmetric range, or a mean of huge numbers, must not overflow
    largest = LARGEST / 4 if grid.affine or kind.fit else FLOAT32_MAX
    if not (-largest <= ends[0].min() and ends[1].max() <= largest):
        check_finite(name, x, largest)  # says what is wrong
    objective = OBJECTIVES[grid.objective or scheme.objective]
    low, high = objective(numbers, ends, grid, scheme.percentile)
    scale, zero_point = affine_scale(low, high, grid, half=scheme.group_size is not None)
    if kind.fit is not None:
        # an error in x is s times the error in x / s
        weights = np.square(in_scales(scale, scale.max()), dtype=np.float32)
        weights = np.broadcast_to(weights, numbers.shape)
        v = in_scales(numbers, scale)
        grid = Codebook(kind.fit(layout.rows(v), bits, weights=layout.rows(weights)))
    v_low, v_high = (in_scales(end, scale.astype(np.float32)) for end in ends)
    saturates = may_saturate((v_low, v_high), zero_point, grid, scheme.rounding)
    return OnGrid(numbers, grid, scale, zero_point, saturates)


def rounded(on_grid: OnGrid, scheme: Scheme, rng: np.random.Generator) -> Iterator[Piece]:
    """The codes of an array on its grid, piece by piece."""
    numbers, grid, scales, zero_points, saturates = on_grid
    rounding = ROUNDINGS[scheme.rounding].function
    for place in chunks(numbers.shape):
        part = numbers[place]
        if place[1].start == 0:  # pieces with the same scales follow each other: made at the first
            scale = scales[sharing(place)].astype(np.float32)
            # a scale copied to each number it serves: one long loop, not one for each row
            factor = repeated(scale, part.shape)
            divisor = factor if scale.all() else repeated(nonzero(scale), part.shape)
            z = zero_points[sharing(place)]
        with np.errstate(over="ignore"):  # a clipped outlier may become infinite: it saturates
            v = part / divisor[:, : part.shape[1]]
        codes = codes_of(v, z, grid, rounding, rng, out=v, saturate=saturates)
        yield Piece(place, codes, factor[:, : part.shape[1]], z)


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


def shaped_like(x: Array, numbers: Array, scheme: Scheme) -> Array:
    """(A, n, B) back in x's shape, contiguous."""
    return layout_of("x", x, scheme).array(numbers)
