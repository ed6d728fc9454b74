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
from minilm.compression.quantization.rounding import ROUNDINGS, codes_of, in_scales, values_of
from minilm.compression.quantization.scales import LARGEST, OBJECTIVES, affine_scale, chunks
from minilm.types import Array
from minilm.weights import from_rows, to_rows
from minilm.weights.packing import check_bits
from minilm.weights.rows import rows_shape

Piece = tuple[tuple[slice, slice], Array, Array]


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
    """An array on its grid: rows (S, n) that share a scale; scale, zero_point (S, 1).

    zero_point holds whole floats, all 0 where the grid is not affine.
    """

    rows: Array
    grid: Grid
    scale: Array
    zero_point: Array


def place_on_grid(name: str, x: Array, bits: int, scheme: Scheme) -> OnGrid:
    """Choose the grid and the scales for an array (`name` is what errors call it)."""
    bits = check_bits(bits)
    kind = GRIDS[scheme.grid]
    grid = kind.start(bits, scheme.symmetric)
    # the level beyond the end of an asymmetric range, or a mean of huge numbers, must not overflow
    check_finite(name, x, *([LARGEST / 4] if grid.affine or kind.fit else []))
    rows = sharing_rows(name, x, scheme)
    low, high = OBJECTIVES[grid.objective or scheme.objective](rows, grid, scheme.percentile)
    scale, zero_point = affine_scale(low, high, grid, half=scheme.group_size is not None)
    if kind.fit is not None:
        # an error in x is s times the error in x / s
        weights = np.square(in_scales(scale, scale.max()), dtype=np.float32)
        grid = Codebook(kind.fit(in_scales(rows, scale), bits, weights=weights))
    return OnGrid(rows, grid, scale, zero_point)


def rounded(on_grid: OnGrid, scheme: Scheme, rng: np.random.Generator) -> Iterator[Piece]:
    """The codes and the values x̂ of an array on its grid, in pieces: (place, codes, values)."""
    rows, grid, scales, zero_points = on_grid
    rounding = ROUNDINGS[scheme.rounding]
    for place in chunks(rows.shape):
        scale, z = scales[place[0]].astype(np.float32), zero_points[place[0]]
        codes = codes_of(in_scales(rows[place], scale), z, grid, rounding, rng)
        yield place, codes, values_of(codes, scale, z, grid)


def rounded_values(on_grid: OnGrid, scheme: Scheme, rng: np.random.Generator) -> Array:
    """x̂ of the rows: (S, n) float32."""
    out = np.empty_like(on_grid.rows)
    for place, _, values in rounded(on_grid, scheme, rng):
        out[place] = values
    return out


def inside(on_grid: OnGrid) -> Array:
    """Where the rows are not clipped by their grid: (S, n) bool."""
    return on_grid.grid.inside(in_scales(on_grid.rows, on_grid.scale) + on_grid.zero_point)


def shaped_like(x: Array, rows: Array, scheme: Scheme) -> Array:
    """Rows (S, n) back in x's shape, contiguous."""
    stored = rows.reshape(rows_shape(x.shape, scheme.rows_axis))
    return np.ascontiguousarray(from_rows(stored, x.shape, scheme.rows_axis))


def sharing_rows(name: str, x: Array, scheme: Scheme) -> Array:
    """x as contiguous float32 rows (S, n), one for each scale."""
    rows = np.ascontiguousarray(to_rows(x, scheme.rows_axis), np.float32)
    size = scheme.group_size
    if size is None:
        return rows.reshape(1, -1) if scheme.rows_axis is None else rows
    if rows.shape[1] % size:
        raise ValueError(
            f"group_size must divide the {rows.shape[1]} numbers of a channel of {name} "
            f"(shape {x.shape}), got {size}"
        )
    return rows.reshape(-1, size)
