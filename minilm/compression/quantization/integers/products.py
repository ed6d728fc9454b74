"""Products of integers: int8 × int8 → int32, exact, at the speed of float products.

    acc = Σ_k q1·q2,   k = 1 … K                               integer_matmul
    Σ_k (q1 − Z1)(q2 − Z2)
        = acc − Z2 Σ_k q1 − Z1 Σ_k q2 + K Z1 Z2                affine_matmul

`int8 @ int8` in NumPy wraps silently, and its product of wider integers is a hundred times slower
than one of floats. But float32 counts every whole number up to 2²⁴ exactly: as long as K times the
largest |q1·q2| stays within that, each partial sum is exact, in whatever order BLAS takes them. So
the sum over K is cut into blocks of 2²⁴ / largest product, whose sums are added as integers:

    K ≤ 1040 for codes within ±127, 1024 where −128 occurs, 514 for uint8 × int8, 258 for uint8 ×
    uint8

The second formula multiplies codes with zero points without widening them (Jacob et al. 2018,
section 2.3): the sums of q1's rows and of q2's columns correct the plain product.
"""

from typing import NamedTuple, TypeAlias

import numpy as np

from minilm.types import Array

EXACT = 1 << 24  # float32 holds every whole number up to here
INT32_MAX = 2**31 - 1
CODE_TYPES = (np.int8, np.uint8)


class Codes(NamedTuple):
    """8-bit codes as whole floats, made once for many products, and their largest magnitude."""

    floats: Array
    largest: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.floats.shape


Operand: TypeAlias = Array | Codes


def laid_out(q: Operand, name: str = "q") -> Codes:
    """Codes ready to be multiplied. TypeError unless they are int8 or uint8."""
    if isinstance(q, Codes):
        return q
    _check_type(name, q)
    return Codes(q.astype(np.float32), _largest(q))


def integer_matmul(a: Operand, b: Operand) -> Array:
    """acc = Σ_k a·b, every bit as int64 has it.

    a: (..., M, K), b: (..., K, N), int8 or uint8, or laid_out  ->  (..., M, N) int32
    TypeError for other types, ValueError where shapes do not meet or a sum does not fit in int32.
    """
    return _as_int32(_product(a, b))


def affine_matmul(q1: Operand, q2: Operand, z1: Array | int = 0, z2: Array | int = 0) -> Array:
    """Σ_k (q1 − z1)(q2 − z2): what codes with zero points stand for, in units of both scales.

    q1: (..., M, K), q2: (..., K, N); z1: a whole number, or (..., M, 1), one a row; z2: a whole
    number, or (..., N) or (..., 1, N), one a column  ->  (..., M, N) int32. Raises as
    `integer_matmul` does, of which this is MatMulInteger (ONNX) with the zero points in one shape.
    """
    _check_whole("z1", z1)
    _check_whole("z2", z2)
    acc, K = _product(q1, q2), q1.shape[-1]
    if np.any(z1) or np.any(z2):
        acc = acc.astype(np.int64)  # a correction alone may not fit in 32 bits
    if np.any(z2):
        acc -= np.asarray(z2, np.int64) * code_sums(q1, axis=-1)
    if np.any(z1):
        acc -= np.asarray(z1, np.int64) * code_sums(q2, axis=-2)
    if np.any(z1) and np.any(z2):
        acc += K * (np.asarray(z1, np.int64) * np.asarray(z2, np.int64))
    return _as_int32(acc)


def code_sums(q: Operand, axis: int) -> Array:
    """Σ q over one axis, which stays as a 1: int64."""
    if isinstance(q, Codes):  # float64 adds whole numbers exactly, too, up to 2⁵³
        return q.floats.sum(axis=axis, dtype=np.float64, keepdims=True).astype(np.int64)
    return q.sum(axis=axis, dtype=np.int64, keepdims=True)


def block_length(largest_a: int, largest_b: int) -> int:
    """How many products of codes of these magnitudes float32 adds exactly."""
    return EXACT // max(largest_a * largest_b, 1)


def _product(a: Operand, b: Operand) -> Array:
    """a b as int32 where no sum can leave it, else as int64."""
    _check_shapes(a, b)
    K = a.shape[-1]
    allowed = block_length(_bound(a), _bound(b))
    if allowed < K:  # so much for what the types allow: look at the codes themselves
        a, b = laid_out(a, "a"), laid_out(b, "b")
    largest_a, largest_b = _bound(a), _bound(b)
    block = block_length(largest_a, largest_b)
    a_floats, b_floats = _floats("a", a), _floats("b", b)
    if block >= K:
        return (a_floats @ b_floats).astype(np.int32)
    acc: Array | None = None
    wide = np.int32 if K * largest_a * largest_b <= INT32_MAX else np.int64
    for start in range(0, K, block):
        part = slice(start, start + block)
        products = (a_floats[..., part] @ b_floats[..., part, :]).astype(wide)
        acc = products if acc is None else np.add(acc, products, out=acc)
    assert acc is not None
    return acc


def _as_int32(acc: Array) -> Array:
    """The same numbers as int32; ValueError where they do not fit."""
    if acc.dtype == np.int32:
        return acc
    if acc.size and not -INT32_MAX - 1 <= acc.min() <= acc.max() <= INT32_MAX:
        raise ValueError("the sum over K must fit in 32 bits, "
                         f"got sums from {acc.min()} to {acc.max()}")
    return acc.astype(np.int32)


def _floats(name: str, q: Operand) -> Array:
    if isinstance(q, Codes):
        return q.floats
    _check_type(name, q)
    return q.astype(np.float32)


def _bound(q: Operand) -> int:
    """The largest magnitude: of codes laid out the true one, else what the type can hold."""
    if isinstance(q, Codes):
        return q.largest
    _check_type("codes", q)
    return -int(np.iinfo(q.dtype).min) or int(np.iinfo(q.dtype).max)


def _largest(q: Array) -> int:
    return max(-int(q.min()), int(q.max())) if q.size else 0


def _check_type(name: str, q: Array) -> None:
    if not isinstance(q, np.ndarray) or q.dtype not in CODE_TYPES:
        got = q.dtype if isinstance(q, np.ndarray) else type(q).__name__
        raise TypeError(f"{name} must be an array of int8 or uint8 codes, got {got}")


def _check_whole(name: str, z: Array | int) -> None:
    if np.asarray(z).dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, got {np.asarray(z).dtype}")


def _check_shapes(a: Operand, b: Operand) -> None:
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"a and b must be (..., M, K) and (..., K, N), got {a.shape} and {b.shape}"
        )
