"""Half precision: a float in two bytes, fp16 or bf16.

    fp16   1 sign, 5 exponent, 10 mantissa bits    relative error ≤ 2^−11,   |x| ≤ 65504
    bf16   1 sign, 8 exponent,  7 mantissa bits    relative error ≤ 2^−8,    |x| ≤ 3.39·10^38

bf16 is the upper half of a float32, so it reaches as far and keeps fewer digits. Both are rounded
to nearest, from half-way to even:

    bits(x̂) = (bits(x) + 0x7FFF + last kept bit) >> 16           bf16, on float32 read as integers

The carry out of the mantissa is the exponent's increment: it goes on to the next power of two by
itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.rows import PackedRows, rows_shape, to_rows

LARGEST = {"fp16": 65504.0, "bf16": (2 - 2.0**-7) * 2.0**127}


@dataclass(frozen=True, eq=False, repr=False)
class HalfTensor(PackedRows):
    """An array kept in half precision; x @ h, h[ids] and h.T work in float32.

    halves: (rows, n) float16 for fp16, or uint16, the bits, for bf16, which NumPy does not have.
    Use `HalfTensor.from_dense` to make one. ValueError where the fields do not fit.
    """

    halves: Array
    array_shape: tuple[int, ...]
    axis: int | None = 0
    transposed: bool = False
    largest_error: float = float("nan")

    def __post_init__(self) -> None:
        shape = rows_shape(self.array_shape, self.axis)
        if self.halves.dtype not in (np.float16, np.uint16) or self.halves.shape != shape:
            raise ValueError(f"halves must be float16 or uint16 of shape {shape}, "
                             f"got {self.halves.dtype} {self.halves.shape}")

    @classmethod
    def from_dense(cls, x: Array, kind: str = "bf16") -> "HalfTensor":
        """x rounded to "fp16" or "bf16". x: real numbers of any shape, taken as float32.

        ValueError for NaN, infinity, or a number beyond the largest of its kind, which would
        become infinite. TypeError for other than real numbers.
        """
        if kind not in LARGEST:
            raise ValueError(f"kind must be one of {', '.join(LARGEST)}, got {kind!r}")
        x = np.asarray(x)
        if x.dtype.kind not in "fiu":
            raise TypeError(f"x must hold real numbers, got {x.dtype}")
        # in x's own precision: a float64 just above float32's largest would become infinite
        if not (np.abs(x) <= LARGEST[kind]).all():
            raise ValueError(f"x must be finite and within ±{LARGEST[kind]:g} for {kind}, got a "
                             f"largest magnitude of {np.abs(x).max()}")
        axis = 0 if x.ndim > 1 else None
        rows = np.ascontiguousarray(to_rows(x, axis), np.float32)
        halves = rows.astype(np.float16) if kind == "fp16" else to_bf16(rows)
        error = rows - floats(halves)
        return cls(halves, x.shape, axis, largest_error=float(np.abs(error).max(initial=0)))

    @property
    def kind(self) -> str:
        return "fp16" if self.halves.dtype == np.float16 else "bf16"

    def decode(self, which: Any = slice(None)) -> Array:
        """These stored rows as floats, (k, n) float32: exactly, a half is a float32."""
        return floats(self.halves[which])

    def check(self) -> None:
        """Refuse what no rounding writes: see `Weight.check`."""
        super().check()
        if not np.isfinite(floats(self.halves)).all():
            raise ValueError(f"halves must be finite, as {self.kind}")

    @property
    def max_error(self) -> float:
        """The largest |x − x̂| when x was rounded (nan when nobody measured it)."""
        return self.largest_error


def to_bf16(x: Array) -> Array:
    """The bits of the nearest bf16, half to even. x: float32, finite  ->  uint16 of its shape."""
    bits = x.view(np.uint32)
    return ((bits + (np.uint32(0x7FFF) + (bits >> 16 & 1))) >> 16).astype(np.uint16)


def floats(halves: Array) -> Array:
    """float32 of either kind: float16, or uint16 that are the upper halves of a float32's bits."""
    if halves.dtype == np.float16:
        return halves.astype(np.float32)
    return (halves.astype(np.uint32) << 16).view(np.float32)
