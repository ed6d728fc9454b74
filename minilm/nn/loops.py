"""A product that a loop over time repeats: its weight is laid out for it once.

Before OpenBLAS multiplies, it copies both operands into an order of its own. For a few rows times
a large weight that takes as long as the product itself, and a loop pays it at every step. With
AVX-512, small products are computed from where their operands lie; so the weight is cut into
blocks of columns that make small products, and one `matmul` goes through all of them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from minilm.nn.linear import input_gradient, unpacked
from minilm.types import Array

SMALL = 10**6  # multiply-adds: a product of at most so many is computed without copies
FEW = 4  # steps: for fewer, laying out the weight costs more than it saves
WIDTHS = (64, 32, 16)  # columns of a block: whole vector registers


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
    """Whether NumPy multiplies by OpenBLAS and the processor has AVX-512."""
    built = np.show_config(mode="dicts")
    found = built["SIMD Extensions"]["found"]
    openblas = "openblas" in built["Build Dependencies"]["blas"]["name"]
    return openblas and any(name.startswith(("AVX512", "X86_V4")) for name in found)
