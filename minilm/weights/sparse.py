"""A tensor that is mostly zero: an index says where the others are, values say what they are.

    row  0 5 0 0 7 0        bitmask  0b010010        columns  1 4        values  5 7

    bitmask    one bit an element, packed like 1-bit codes              rows · ⌈n/8⌉ bytes
    columns    one number an element kept, and where each row's begin   1, 2 or 4 bytes each

The second is CSR, "compressed sparse rows". A column takes one byte in rows of up to 256 elements
and two in rows of up to 65 536, so below a density of about 1/8, or 1/16, it is the smaller form;
`from_dense` counts the bytes of both.

The values follow each other row by row of the array's first axis. They are floats, or a leaf of
their own that holds them in fewer bits: what was pruned then has no code at all, and stays zero.

    density d, b bits a value, bitmask:   1 + b·d bits a weight

A product unpacks the array: NumPy multiplies zeros as fast as anything else, and a loop over the
others would be slower. Bytes are saved here, not time.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.packing import pack, row_bytes, unpack
from minilm.weights.protocol import Weight, as_dense
from minilm.weights.rows import PackedRows, rows_shape, to_rows

UNSIGNED = (np.uint8, np.uint16, np.uint32, np.uint64)


@dataclass(frozen=True, eq=False, repr=False)
class SparseTensor(PackedRows):
    """The elements kept and where they stand; x @ s, s[ids] and s.T as for an array.

    values: (kept,) floats, or a leaf of that shape. mask: (rows, ⌈n/8⌉) uint8; or None, and then
    offsets: (rows + 1,) and columns: (kept,), unsigned, row r's being columns[offsets[r] :
    offsets[r + 1]]. Use `SparseTensor.from_dense` to make one. ValueError where these do not fit.
    """

    mask: Array | None
    values: Any
    array_shape: tuple[int, ...]
    axis: int | None = 0
    transposed: bool = False
    offsets: Array | None = None
    columns: Array | None = None

    def __post_init__(self) -> None:
        rows, n = rows_shape(self.array_shape, self.axis)
        if (self.mask is None) == (self.offsets is None) or (
            (self.offsets is None) != (self.columns is None)
        ):
            raise ValueError("a SparseTensor has a mask, or else offsets and columns")
        if self.mask is not None:
            if self.mask.shape != (rows, row_bytes(n, 1)) or self.mask.dtype != np.uint8:
                raise ValueError(
                    f"mask must be uint8 of shape {(rows, row_bytes(n, 1))}, "
                    f"got {self.mask.dtype} {self.mask.shape}"
                )
        else:
            _check_unsigned("offsets", self.offsets, rows + 1)
            _check_unsigned("columns", self.columns, int(self.offsets[-1]))  # type: ignore[index]
        kept = int(self._kept_per_row().sum())
        kind = type(self.values) if isinstance(self.values, Weight) else self.values.dtype.type
        if self.values.shape != (kept,) or not issubclass(kind, Weight | np.floating):
            raise ValueError(
                f"values must be {kept} floats, as many as the index says are kept, "
                f"got {kind.__name__} {self.values.shape}"
            )

    @classmethod
    def from_dense(cls, x: Array, mask: Array) -> "SparseTensor":
        """Keep the elements of x where mask (bool, of x's shape) is True; the smaller index."""
        if mask.shape != x.shape or mask.dtype != np.bool_:
            raise ValueError(f"mask must be bool of shape {x.shape}, got {mask.dtype} {mask.shape}")
        axis = 0 if x.ndim > 1 else None
        rows, kept = to_rows(x, axis), to_rows(mask, axis)
        if compressed_bytes(kept) < len(kept) * row_bytes(kept.shape[1], 1):
            offsets, columns = compressed_rows(kept)
            return cls(None, rows[kept], x.shape, axis, offsets=offsets, columns=columns)
        return cls(pack(kept.view(np.uint8), 1), rows[kept], x.shape, axis)

    def decode(self, which: Any = slice(None)) -> Array:
        """These stored rows with their zeros in place, (k, n)."""
        # Row r has counts[r] values, from start[r] on. Those of the picked rows, one row after the
        # other: numbers 0, 1, 2, …, each plus the shift from there to where its row stands.
        counts = self._kept_per_row()
        start = np.cumsum(counts) - counts
        picked = counts[which]
        shift = start[which] - (np.cumsum(picked) - picked)
        numbers = np.repeat(shift, picked) + np.arange(picked.sum())
        values, n = as_dense(self.values), self.stored_shape[1]
        rows = np.zeros((len(picked), n), values.dtype)
        if self.mask is None:
            places = np.repeat(np.arange(len(picked)) * n, picked)
            places += self.columns[numbers].astype(np.int64)  # type: ignore[index]
        else:
            places = np.flatnonzero(unpack(self.mask[which], 1, n).view(np.bool_))
        rows.reshape(-1)[places] = values[numbers]  # five times faster than by a mask
        return rows

    def __rmatmul__(self, x: Array) -> Array:
        """As all packed rows; values in few bits are decoded once, not for every few rows anew."""
        if isinstance(self.values, Weight):
            return np.asarray(x) @ replace(self, values=self.values.dense())
        return super().__rmatmul__(x)

    def _kept_per_row(self) -> Array:
        """(rows,) int64; of a byte of the bitmask, a table says how many ones it has."""
        if self.mask is None:
            return np.diff(self.offsets.astype(np.int64))  # type: ignore[union-attr]
        ones = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)
        return np.take(ones, self.mask).sum(axis=1, dtype=np.int64)

    def check(self) -> None:
        """Refuse an index that `from_dense` does not write: see `Weight.check`."""
        super().check()
        n = self.stored_shape[1]
        if self.mask is not None:
            if n % 8 and (self.mask[:, -1] >> n % 8).any():
                raise ValueError(f"mask must be 0 beyond the {n} elements of a row")
            return
        counts = self._kept_per_row()
        if self.offsets[0] or counts.min(initial=0) < 0:  # type: ignore[index]
            raise ValueError("offsets must begin with 0 and nowhere fall")
        # their places in the array, one row after the other: each beyond the one before
        columns: Any = self.columns
        places = np.repeat(np.arange(len(counts)) * n, counts) + columns.astype(np.int64)
        if (columns >= n).any() or (np.diff(places) <= 0).any():
            raise ValueError(f"columns must rise within each row, and be below {n}")

    @property
    def kept(self) -> Array:
        """Where elements are kept: bool, of this tensor's shape."""
        return replace(self, values=np.ones(self.values.shape, np.float32)).dense() != 0

    @property
    def density(self) -> float:
        """The share of elements kept (0 when empty)."""
        return self.values.size / self.size if self.size else 0.0

    @property
    def sparsity(self) -> float:
        """1 − density: the share of elements pruned away."""
        return 1 - self.density


def compressed_bytes(kept: Array) -> int:
    """The bytes that `compressed_rows` would take, without making it."""
    (rows, n), count = kept.shape, int(np.count_nonzero(kept))
    offset, column = (np.iinfo(narrowest(largest)).bits // 8 for largest in (count, n - 1))
    return (rows + 1) * offset + count * column


def compressed_rows(kept: Array) -> tuple[Array, Array]:
    """CSR's index of a mask: kept (rows, n) bool -> offsets (rows + 1,), columns (kept,), each of
    the narrowest unsigned type."""
    rows, n = kept.shape
    ends = np.cumsum(np.count_nonzero(kept, axis=1))
    offsets = np.zeros(rows + 1, narrowest(int(ends[-1]) if rows else 0))
    offsets[1:] = ends
    return offsets, np.nonzero(kept)[1].astype(narrowest(n - 1))


def narrowest(largest: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds 0 … largest."""
    return next(kind for kind in UNSIGNED if largest <= np.iinfo(kind).max)


def _check_unsigned(name: str, index: Any, length: int) -> None:
    if not isinstance(index, np.ndarray) or index.dtype not in UNSIGNED or index.shape != (length,):
        got = f"{index.dtype} {index.shape}" if isinstance(index, np.ndarray) else repr(index)
        raise ValueError(f"{name} must be unsigned of shape ({length},), got {got}")
