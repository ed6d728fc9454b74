"""Products cut so small that OpenBLAS computes them from where their operands lie.

Before OpenBLAS multiplies, it copies both operands into an order of its own. With AVX-512 it leaves
that out for products of at most SMALL multiply-adds. Where the copies take long beside the product
itself, it is cut into pieces that are small in this sense, and one `matmul` goes through them all:

    a few rows times a large weight, at every step of a loop     the weight, into blocks of columns
    many products of one size, as in attention                   the left operands, into rows

(20, 512) times (512, 2048), say, is 21 million multiply-adds: 32 blocks of 64 columns, each of
0.66 million.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from minilm.nn.linear import input_gradient, unpacked
from minilm.types import Array

SMALL = 10**6  # multiply-adds, M·N·K: OpenBLAS's limit for computing without copies
ROWS = 16  # of a piece: with fewer the right operand is read too often
FEW = 4  # steps: for fewer, laying out the weight costs more than it saves
WIDTHS = (64, 32, 16)  # columns of a block: whole vector registers


def many_products(a: Array, b: Array, out: Array | None = None) -> Array:
    """a b, for many matrices of one size; written into `out` if given.

    a: (..., M, K), b: (..., K, N)  ->  (..., M, N)
    """
    pieces = row_pieces(a.shape[-2], *b.shape[-2:])
    if pieces == 1:
        return np.matmul(a, b, out=out)
    if out is None:
        out = np.empty((*a.shape[:-1], b.shape[-1]), np.result_type(a, b))
    np.matmul(in_pieces(a, pieces), b[..., None, :, :], out=in_pieces(out, pieces))
    return out


def in_pieces(x: Array, pieces: int) -> Array:
    """A view with the rows in so many pieces: (..., M, N) -> (..., pieces, M / pieces, N)."""
    *leading, M, N = x.shape
    return x.reshape(*leading, pieces, M // pieces, N)


def row_pieces(M: int, K: int, N: int) -> int:
    """The fewest pieces of at least ROWS rows that make small products; 1 where there are none."""
    if M * K * N <= SMALL or not has_small_products():
        return 1
    fewest = math.ceil(M * K * N / SMALL)
    return next((p for p in range(fewest, M // ROWS + 1) if M % p == 0), 1)


def repeated_product(w: Any, rows: int, steps: int) -> Callable[[Array], Array]:
    """The function x -> x w, for a loop of so many steps with x: (rows, K) and w: (K, N).

    A weight that is no array multiplies as it does elsewhere, unpacked once if it can be.
    """
    w = unpacked(w)
    if steps < FEW or not isinstance(w, np.ndarray):
        return lambda x: x @ w
    width = block_width(rows, *w.shape)
    if width is None:
        w = np.ascontiguousarray(w)
        return lambda x: x @ w
    K, N = w.shape
    blocks = np.ascontiguousarray(w.reshape(K, N // width, width).transpose(1, 0, 2))

    def product(x: Array) -> Array:
        y = np.empty((rows, N), np.result_type(x, blocks))
        # out: a view of y, one block of columns after the other
        np.matmul(x, blocks, out=y.reshape(rows, N // width, width).transpose(1, 0, 2))
        return y

    return product


def repeated_input_gradient(
    w: Any, rows: int, steps: int
) -> Callable[[Array, Array], Array]:
    """The function (dy, x) -> dx of y = x w, for a loop with dy: (rows, N) and w: (K, N)."""
    w = unpacked(w)
    if not isinstance(w, np.ndarray):
        return lambda dy, x: input_gradient(dy, x, w)
    product = repeated_product(w.T, rows, steps)
    return lambda dy, x: product(dy)


def block_width(rows: int, K: int, N: int) -> int | None:
    """The widest block of columns that makes a small product; None where cutting does not help."""
    if rows == 1 or rows * K * N <= SMALL or not has_small_products():
        return None
    return next((n for n in WIDTHS if N % n == 0 and rows * K * n <= SMALL), None)


@cache
def has_small_products() -> bool:
    """Whether NumPy multiplies by OpenBLAS and the processor has AVX-512, as far as NumPy says."""
    try:
        built = np.show_config(mode="dicts")
        found = built["SIMD Extensions"]["found"]
        openblas = "openblas" in built["Build Dependencies"]["blas"]["name"]
    except (KeyError, TypeError):  # nothing was found, or not told
        return False
    return openblas and any(name.startswith(("AVX512", "X86_V4")) for name in found)
