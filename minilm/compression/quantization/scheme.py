"""How to quantize: one row of each table, transform × grid × objective × rounding, and the rest.

Each part is looked up by name in TRANSFORMS, GRIDS, OBJECTIVES, ROUNDINGS and SCALE_FORMATS;
nothing asks which it was, so a new one is a new row there. What becomes of an array is told in
on_grid.py.
"""

from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from minilm.compression.parameters import is_table
from minilm.compression.quantization.calibration.statistics import as_seen
from minilm.compression.quantization.grids import GRIDS
from minilm.compression.quantization.rounding.table import ROUNDINGS
from minilm.compression.quantization.scales.formats import SCALE_FORMATS, ScaleFormat
from minilm.compression.quantization.scales.objectives import OBJECTIVES
from minilm.compression.quantization.transforms import TRANSFORMS
from minilm.weights import Seen

TABLES: dict[str, dict[str, Any]] = {
    "transform": TRANSFORMS,
    "grid": GRIDS,
    "objective": OBJECTIVES,
    "rounding": ROUNDINGS,
}

UNMULTIPLIED = object()  # the calibration of what no vector was seen to multiply


@dataclass(frozen=True)
class Scheme:
    """The keyword arguments of `quantize`, checked."""

    symmetric: bool = True
    axis: int | str | None = None
    group_size: int | None = None
    grid: str = "int"
    objective: str = "absmax"
    percentile: float = 99.9
    rounding: str = "nearest"
    transform: str = "none"
    scale_format: str | None = None
    calibration: Any = field(default=None, compare=False, repr=False)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, table in TABLES.items():
            check_row(name, getattr(self, name), table)
        if self.scale_format is not None:
            check_row("scale_format", self.scale_format, SCALE_FORMATS)
        size = self.group_size
        if size is not None and not (is_integer(size) and size >= 1):
            raise ValueError(f"group_size must be None or a positive integer, got {size!r}")
        if not (is_real(self.percentile) and 0 < self.percentile <= 100):
            raise ValueError(f"percentile must lie in (0, 100], got {self.percentile!r}")
        if not (is_integer(self.seed) and self.seed >= 0):
            raise ValueError(f"seed must be an integer, 0 or more, got {self.seed!r}")
        if not (self.axis is None or self.axis == "tensor" or is_integer(self.axis)):
            raise ValueError(f'axis must be None, an integer or "tensor", got {self.axis!r}')

    def for_parameter(self, name: str) -> "Scheme":
        """The scheme for the parameter `name`: by channel where no axis is given, and with what
        calibration has seen of it."""
        by_channel = 0 if is_table(name) else -1
        given = self.calibration
        return replace(
            self,
            axis=by_channel if self.axis is None else self.axis,
            calibration=given.get(name, UNMULTIPLIED) if isinstance(given, dict) else given,
        )

    def seen(self, name: str, width: int) -> Seen | None:
        """What calibration has seen of the vectors that multiply `name`; None without one.

        A table whose rows are only taken is multiplied by unit vectors, all alike.
        """
        if self.calibration is UNMULTIPLIED:
            return as_seen(np.eye(width, dtype=np.float32), width, name)
        return None if self.calibration is None else as_seen(self.calibration, width, name)

    @property
    def scale_kind(self) -> ScaleFormat:
        """How scales are stored: those of groups, of which there are many, in half precision."""
        usual = "float32" if self.group_size is None else "float16"
        return SCALE_FORMATS[self.scale_format or usual]

    @property
    def rows_axis(self) -> int | None:
        """The axis whose entries have scales of their own; None: one for the whole tensor."""
        return None if self.axis == "tensor" else self.axis  # type: ignore[return-value]


def check_row(name: str, value: Any, table: dict[str, Any]) -> None:
    """ValueError that lists a table's rows, unless `value` is one of them."""
    if not isinstance(value, str) or value not in table:
        rows = ", ".join(map(repr, table))
        raise ValueError(f"{name} must be one of {rows}, got {value!r}")


def is_integer(value: Any) -> bool:
    """A whole number of Python's or NumPy's, and not a bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """A real number of Python's or NumPy's, also as an array of no axes."""
    return isinstance(value, Real) or (isinstance(value, np.ndarray) and value.ndim == 0)
