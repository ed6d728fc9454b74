"""A tensor of b-bit codes and their scales: x̂ = scale · (q − zero_point).

    stored code u     0 … 2^b − 1, packed (packing.py); b is 1 … 8, or 16
    symmetric         no zero point;  q = u − 2^(b−1)   (at 1 bit q = 2u − 1, so q is −1 or +1)
    asymmetric        q = u, and a zero point per scale: an integer code, or any number
    codebook          q = u picks a level:  x̂ = scale · (levels[q] − zero_point)

One scale serves the whole tensor, one stored row (a channel), or a group: `group_size` neighbours
inside a row. Which axis of the array is the rows, see rows.py. Scales are floats, or codes of one
byte that stand for floats (byte_scales.py).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.byte_scales import BYTE_SCALES
from minilm.weights.packing import check_bits, code_type, pack, row_bytes, unpack
from minilm.weights.rows import PackedRows, from_rows, rows_shape

CHUNK = 1 << 16  # numbers unpacked at once: what is made of them stays in the processor's cache


def code_values(bits: int, symmetric: bool) -> Array:
    """q for every stored code u, (2^bits,): int16, or int32 at 16 bits, wide enough that
    q − zero_point cannot wrap."""
    u = np.arange(2**bits, dtype=np.int16 if bits <= 8 else np.int32)
    if not symmetric:
        return u
    return 2 * u - 1 if bits == 1 else u - u.dtype.type(2 ** (bits - 1))


def stored_codes(q: Array, bits: int, symmetric: bool, out: Array | None = None) -> Array:
    """u for codes q, whole numbers of any type within `code_values`: q's shape, `code_type`."""
    kind = code_type(bits)
    low = int(code_values(check_bits(bits, wide=True), symmetric)[0])
    u = np.empty(q.shape, kind) if out is None else out
    np.copyto(u.view(f"i{u.itemsize}") if symmetric else u, q, casting="unsafe")
    u -= kind(low % 256**u.itemsize)  # it wraps around, so that the type is wide enough
    if bits == 1 and symmetric:
        u >>= 1
    return u


@dataclass(frozen=True, eq=False, repr=False)
class QuantizedTensor(PackedRows):
    """b-bit codes with scales; x @ q, q[ids] and q.T run on the packed bytes.

    packed: (rows, ⌈n·bits/8⌉) uint8. scales: (1, 1), (rows, 1) or (rows, groups) float32, float16,
    or uint8 codes of `scale_format`, "e8m0" or "e4m3", the latter times tensor_scale (1, 1)
    float32. zero_points: like scales, uint8 (uint16 at 16 bits), or float16 for any numbers, or
    None. levels: (2^bits,) float32, or None for integers. Use `QuantizedTensor.from_codes` to make
    one. ValueError where these do not fit.
    """

    packed: Array
    scales: Array
    zero_points: Array | None
    levels: Array | None
    bits: int
    array_shape: tuple[int, ...]
    axis: int | None = None
    transposed: bool = False
    largest_error: float = float("nan")
    scale_format: str | None = None
    tensor_scale: Array | None = None

    def __post_init__(self) -> None:
        check_bits(self.bits, wide=True)
        rows, n = rows_shape(self.array_shape, self.axis)
        check_array("packed", self.packed, (np.uint8,), [(rows, row_bytes(n, self.bits))])
        groups = self.scales.shape[-1] if self.scales.ndim == 2 else 1
        kinds = (np.float16, np.float32) if self.scale_format is None else (np.uint8,)
        check_array("scales", self.scales, kinds, [(1, 1), (rows, groups)])
        if self.scale_format not in (None, *BYTE_SCALES):
            raise ValueError(f"scale_format must be None or one of {', '.join(BYTE_SCALES)}, "
                             f"got {self.scale_format!r}")
        if self.tensor_scale is not None:
            if self.scale_format is None:
                raise ValueError("tensor_scale belongs to scales of a scale_format, got None")
            check_array("tensor_scale", self.tensor_scale, (np.float32,), [(1, 1)])
        if groups < 1 or n % groups:
            raise ValueError(f"{groups} groups do not divide a row of {n} codes")
        if self.zero_points is not None:
            kinds = (code_type(self.bits), np.float16)
            check_array("zero_points", self.zero_points, kinds, [self.scales.shape])
        if self.levels is not None:
            check_array("levels", self.levels, (np.float32,), [(2**self.bits,)])

    @classmethod
    def from_codes(
        cls,
        codes: Array,
        scales: Array,
        zero_points: Array | None = None,
        levels: Array | None = None,
        bits: int = 8,
        *,
        array_shape: tuple[int, ...],
        axis: int | None = None,
        largest_error: float = float("nan"),
        scale_format: str | None = None,
        tensor_scale: Array | None = None,
    ) -> "QuantizedTensor":
        """Pack integer codes q, as the formula has them (signed when symmetric).

        codes: (rows, n) integers = to_rows(array of codes, axis); the rest as in the class.
        ValueError when a code does not fit in `bits`.
        """
        bits = check_bits(bits, wide=True)
        symmetric = zero_points is None and levels is None
        values = code_values(bits, symmetric)
        low, high = int(values[0]), int(values[-1])
        if codes.size and not low <= codes.min() <= codes.max() <= high:
            raise ValueError(
                f"codes of {bits} bits must lie in [{low}, {high}], "
                f"got [{codes.min()}, {codes.max()}]"
            )
        return cls(
            pack(stored_codes(codes, bits, symmetric), bits),
            scales,
            zero_points,
            levels,
            bits,
            tuple(int(side) for side in array_shape),
            None if axis is None else int(axis),
            largest_error=float(largest_error),
            scale_format=scale_format,
            tensor_scale=tensor_scale,
        )

    def decode(self, which: Any = slice(None)) -> Array:
        """x̂ = scale · (level − zero_point) of these stored rows, (k, n) float32."""
        n, groups = self.stored_shape[1], self.scales.shape[1]
        packed, levels = self.packed[which], self._levels.astype(np.float32)
        scales = picked(self._float_scales, which, len(packed))
        zero_points = None
        if self.zero_points is not None:
            zero_points = picked(self.zero_points, which, len(packed))
        x = np.empty((len(packed), groups, n // groups), np.float32)
        # a few rows at a time: what is made of them stays in the processor's cache
        step = max(1, CHUNK // max(n, 1))
        for start in range(0, len(packed), step):
            rows = slice(start, start + step)
            if self.bits >= 8 and self.levels is None:
                # whole numbers, a byte or two each: no need to look them up
                part = np.add(unpack(packed[rows], self.bits, n), levels[0], dtype=np.float32)
            else:
                part = unpack(packed[rows], self.bits, n, levels)
            part = part.reshape(x[rows].shape)
            if zero_points is not None:
                part -= zero_points[rows]
            np.multiply(part, scales[rows], out=x[rows])
        return x.reshape(len(packed), n)

    @property
    def _levels(self) -> Array:
        """What each stored code stands for before the zero point and the scale: (2^bits,)."""
        return self._values if self.levels is None else self.levels

    @property
    def _values(self) -> Array:
        return code_values(self.bits, symmetric=self.zero_points is None and self.levels is None)

    @property
    def codes(self) -> Array:
        """The integer codes q in the array's own shape, int16 (int32 at 16 bits), unpacked on
        demand."""
        rows = unpack(self.packed, self.bits, self.stored_shape[1], self._values)
        codes = from_rows(rows, self.array_shape, self.axis)
        return codes.T if self.transposed else codes

    @property
    def scale(self) -> Array:
        """The scales as the array sees them: () per tensor; (1, out) or (V, 1) per channel; per
        group one entry per group along the grouped axis, (in/group, out) or (V, D/group)."""
        return self._oriented(self._float_scales)

    @property
    def _float_scales(self) -> Array:
        """The scales as stored, (rows, groups), but floats."""
        if self.scale_format is None:
            return self.scales
        values = np.take(BYTE_SCALES[self.scale_format], self.scales)
        return values if self.tensor_scale is None else values * self.tensor_scale

    @property
    def zero_point(self) -> Array | None:
        """The zero points shaped like `scale`, of the codes' type or float32; None when
        symmetric."""
        if self.zero_points is None:
            return None
        real = self.zero_points.dtype == np.float16
        kind = np.float32 if real else self._values.dtype
        return self._oriented(self.zero_points.astype(kind))

    def _oriented(self, values: Array) -> Array:
        """Scales or zero points as stored, (rows, groups), in the order of the array's axes."""
        ndim, (rows, groups) = len(self.array_shape), values.shape
        if self.axis is None and values.size == 1:
            return values.reshape(())
        if ndim == 2:
            array = values if self.axis in (0, -2) else values.T
        elif self.axis is None:
            array = values.reshape(groups)
        elif groups == 1:
            array = values.reshape([rows if a == self.axis % ndim else 1 for a in range(ndim)])
        else:
            array = values  # groups of a flattened row have no place of their own in the array
        return array.T if self.transposed else array

    def check(self) -> None:
        """Refuse what no quantizer writes: see `Weight.check`."""
        super().check()
        scales = self._float_scales
        if not (np.isfinite(scales).all() and (scales >= 0).all()):
            raise ValueError("scales must be finite and not negative")
        zero_points = self.zero_points
        if zero_points is not None and not (
            np.isfinite(zero_points).all() and (
                zero_points.dtype == np.float16 or zero_points.max() < 2**self.bits
            )
        ):
            raise ValueError(f"zero_points of {self.bits} bits must lie in [0, {2**self.bits - 1}]")
        if self.levels is not None:
            used = np.unique(unpack(self.packed, self.bits, self.stored_shape[1]))
            if not np.isfinite(self.levels[used]).all():
                raise ValueError("codes must stand for finite levels")

    @property
    def group_size(self) -> int | None:
        """Codes that share a scale inside a row; None when a whole row or tensor does."""
        groups = self.scales.shape[1]
        return self.stored_shape[1] // groups if groups > 1 else None

    @property
    def max_error(self) -> float:
        """The largest |x − x̂| when x was quantized (nan when nobody measured it)."""
        return self.largest_error


def picked(values: Array, which: Any, count: int) -> Array:
    """The `count` picked rows' scales or zero points, (count, groups, 1) float32.

    A lone (1, 1) serves them all.
    """
    rows = values if values.shape == (1, 1) else values[which]
    return np.broadcast_to(rows.astype(np.float32), (count, values.shape[1]))[:, :, None]


def check_array(
    name: str, array: Any, dtypes: tuple[Any, ...], shapes: list[tuple[int, ...]]
) -> None:
    """Refuse by name what is not an array of one of these types and shapes."""
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes or array.shape not in shapes:
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else repr(array)
        allowed = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        raise ValueError(
            f"{name} must be {allowed} of shape {' or '.join(map(str, shapes))}, got {got}"
        )
