"""A rotation that spreads every number over many: random signs, then a Walsh–Hadamard transform.

    H_1 = (1),   H_2m = | H_m  H_m |       x @ Hadamard = (x ⊙ signs) H / √block, block by block
                        | H_m −H_m |

A vector with one large entry becomes one whose entries are all of one size, which suits a grid
better (Chee et al. 2023; Ashkboos et al. 2024). The transform needs no stored matrix: entries are
±1 at known places, so what is kept is one bit a sign.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from minilm.types import Array
from minilm.weights.protocol import Weight, row_ids


@dataclass(frozen=True, eq=False, repr=False)
class Hadamard(Weight):
    """The orthonormal matrix diag(signs) · blocks of H / √block: (width, width).

    signs: (⌈width/8⌉,) uint8, eight to a byte, a set bit is −1. block: how long a block is, a power
    of two that divides width: 192 is three blocks of 64. transposed: H's blocks, then the signs;
    H is symmetric, so that is the inverse, too. ValueError where these do not fit.
    """

    signs: Array
    width: int
    block: int
    transposed: bool = False

    def __post_init__(self) -> None:
        if not (self.block >= 1 and self.block & (self.block - 1) == 0):
            raise ValueError(f"block must be a power of two, got {self.block!r}")
        if self.width < 1 or self.width % self.block:
            raise ValueError(f"block must divide width {self.width}, got {self.block}")
        if self.signs.dtype != np.uint8 or self.signs.shape != (-(-self.width // 8),):
            raise ValueError(
                f"signs must be uint8 of shape ({-(-self.width // 8)},), a bit for each of "
                f"{self.width}, got {self.signs.dtype} {self.signs.shape}"
            )

    @classmethod
    def random(cls, width: int, rng: np.random.Generator) -> "Hadamard":
        """Random signs, and the largest blocks that there are for this width."""
        signs = rng.integers(0, 2, width, dtype=np.uint8)
        return cls(np.packbits(signs, bitorder="little"), width, largest_block(width))

    @property
    def shape(self) -> tuple[int, int]:
        return self.width, self.width

    @property
    def T(self) -> "Hadamard":
        return replace(self, transposed=not self.transposed)

    def dense(self) -> Array:
        return np.eye(self.width, dtype=np.float32) @ self

    def unpacked(self) -> "Hadamard":
        return self

    def __getitem__(self, ids: Array) -> Array:
        ids = row_ids(ids)
        here = np.arange(self.width)[ids]  # IndexError where there is none; −1 is the last
        return (here[..., None] == np.arange(self.width)).astype(np.float32) @ self

    def __rmatmul__(self, x: Array) -> Array:
        """x: (..., width)  ->  the same shape, at O(√block) operations a number."""
        x = np.asarray(x)
        if x.shape[-1:] != (self.width,):
            raise ValueError(f"x must have shape (..., {self.width}), got {x.shape}")
        x = np.ascontiguousarray(x, np.result_type(x, np.float32))  # rows, which are cut in blocks
        signs = 1 - 2 * np.unpackbits(self.signs, count=self.width, bitorder="little").view(np.int8)
        signs = signs.astype(x.dtype)
        if self.transposed:
            return _by_blocks(x, self.block) * signs
        return _by_blocks(x * signs, self.block)


def largest_block(width: int) -> int:
    """The largest power of two that divides width: 64 for 192, 1 for an odd width."""
    return width & -width


def walsh(size: int, dtype: np.dtype | type = np.float32) -> Array:
    """H of ±1, (size, size): H Hᵀ = size · I. size: a power of two."""
    h = np.ones((1, 1), dtype)
    while len(h) < size:
        h = np.block([[h, h], [h, -h]])
    return h


def _by_blocks(x: Array, size: int) -> Array:
    """x H / √size for every `size` neighbours along the last axis.

    H = H_a ⊗ H_b with a·b = size: seen as (a, b), a block is multiplied from either side by a
    small matrix. Two such products take O(√size) operations a number, and BLAS does them.
    """
    left, right = _factors(size, x.dtype)
    halfway = (x.reshape(-1, len(right)) @ right).reshape(-1, len(left), len(right))
    return (left @ halfway).reshape(x.shape)


@lru_cache(maxsize=64)
def _factors(size: int, dtype: np.dtype) -> tuple[Array, Array]:
    """H_a / √size and H_b, made once for all products; not to be written to."""
    a = 2 ** ((size.bit_length() - 1) // 2)
    left, right = walsh(a, dtype) * dtype.type(1 / math.sqrt(size)), walsh(size // a, dtype)
    left.flags.writeable = right.flags.writeable = False
    return left, right
