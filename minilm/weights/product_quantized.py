"""A tensor whose rows are cut into pieces, each piece one of a few learned vectors.

    row        x = [x₁ | x₂ | … | x_M]                  M subvectors of d numbers
    code       q_m in 0 … K − 1,  K = 2^bits            a row is M·bits bits
    x̂          [C₁[q₁] | C₂[q₂] | … | C_M[q_M]]         C_m: (K, d), the codebook of place m

M codebooks of K codewords stand for K^M different rows (Jégou, Douze and Schmid 2011, section II).
A query needs no row unpacked. Its product with a codeword is the same wherever that codeword
stands, so it is worked out once and looked up for every row (their section III, the asymmetric
form: the query is not rounded):

    y · x̂ = Σ_m table_m[q_m],    table_m[k] = y_m · C_m[k]

That costs K·D products and then M look-ups a row, in the place of D products a row.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.types import Array
from minilm.weights.packing import check_bits, pack, row_bytes, unpack
from minilm.weights.rows import PackedRows, rows_shape

FEW = 4  # queries up to which looking up is quicker than unpacking once for one large product
CHUNK = 1 << 13  # rows looked up at once: their sums stay in the processor's cache


@dataclass(frozen=True, eq=False, repr=False)
class ProductQuantizedTensor(PackedRows):
    """b-bit codes of subvectors with a codebook for each place; x @ q, q[ids], q.T on the codes.

    packed: (rows, ⌈M·bits/8⌉) uint8; codebooks: (M, 2^bits, d) float32, M·d numbers a row.
    Use `ProductQuantizedTensor.from_codes` to make one. ValueError where these do not fit.
    """

    packed: Array
    codebooks: Array
    bits: int
    array_shape: tuple[int, ...]
    axis: int | None = 0
    transposed: bool = False

    def __post_init__(self) -> None:
        check_bits(self.bits)
        rows, n = rows_shape(self.array_shape, self.axis)
        books = self.codebooks
        if books.ndim != 3 or books.dtype != np.float32 or books.shape[1] != 2**self.bits:
            raise ValueError(
                f"codebooks must be float32 of shape (M, {2**self.bits}, d), "
                f"got {books.dtype} {books.shape}"
            )
        if books.shape[0] * books.shape[2] != n:
            raise ValueError(
                f"{books.shape[0]} subvectors of {books.shape[2]} numbers do not make a row of {n}"
            )
        packed = (rows, row_bytes(len(books), self.bits))
        if self.packed.shape != packed or self.packed.dtype != np.uint8:
            raise ValueError(
                f"packed must be uint8 of shape {packed}, "
                f"got {self.packed.dtype} {self.packed.shape}"
            )

    @classmethod
    def from_codes(
        cls,
        codes: Array,
        codebooks: Array,
        bits: int = 8,
        *,
        array_shape: tuple[int, ...],
        axis: int | None = 0,
    ) -> "ProductQuantizedTensor":
        """Pack the numbers of codewords. codes: (rows, M) uint8, each below 2^bits."""
        shape = tuple(int(side) for side in array_shape)
        axis = None if axis is None else int(axis)
        return cls(pack(codes, bits), codebooks, check_bits(bits), shape, axis)

    def check(self) -> None:
        """Refuse what no k-means makes: see `Weight.check`."""
        super().check()
        if not np.isfinite(self.codebooks).all():
            raise ValueError("codebooks must be finite")

    @property
    def subvectors(self) -> int:
        """M: into how many pieces a row is cut."""
        return len(self.codebooks)

    @property
    def codes(self) -> Array:
        """The numbers of the codewords as stored, (rows, M) uint8, unpacked on demand."""
        return unpack(self.packed, self.bits, self.subvectors)

    def decode(self, which: Any = slice(None)) -> Array:
        """x̂ of these stored rows, (k, n) float32: codewords laid side by side."""
        codes = unpack(self.packed[which], self.bits, self.subvectors)
        M, K, d = self.codebooks.shape
        # all codebooks as one table of codewords: place m's begin at m·K
        codewords = self.codebooks.reshape(M * K, d)
        return np.take(codewords, codes + K * np.arange(M), axis=0).reshape(len(codes), M * d)

    def __rmatmul__(self, x: Array) -> Array:
        """By look-up for a few queries of many stored rows; else unpacked, as any packed rows."""
        x = np.asarray(x)
        rows, n = self.stored_shape
        queries = x.size // n if n else 0
        looked_up = self.ndim == 2 and not self._rows_first and x.shape[-1:] == (n,)
        if looked_up and queries <= FEW and rows > 2**self.bits:  # else the tables cost more
            return self._look_up(x.reshape(queries, n)).reshape(*x.shape[:-1], rows)
        return super().__rmatmul__(x)

    def _look_up(self, y: Array) -> Array:
        """y · x̂ for every stored row x̂: (queries, n) -> (queries, rows)."""
        rows = len(self.packed)
        M, _, d = self.codebooks.shape
        pieces = y.reshape(len(y), M, d).transpose(1, 0, 2)                 # (M, queries, d)
        tables = pieces @ self.codebooks.transpose(0, 2, 1)                 # (M, queries, K)
        scores = np.zeros((len(y), rows), tables.dtype)
        for start in range(0, rows, CHUNK):
            chunk = slice(start, start + CHUNK)
            codes = unpack(self.packed[chunk], self.bits, M)
            by_place = np.ascontiguousarray(codes.T)
            for table, code in zip(tables, by_place, strict=True):
                scores[:, chunk] += np.take(table, code, axis=1)
        return scores
