"""Small leaves of every kind, for the tests beside this file."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from minilm.weights import (
    Diagonal,
    Hadamard,
    HalfTensor,
    Product,
    ProductQuantizedTensor,
    QuantizedTensor,
    SparseTensor,
    Sum,
    to_rows,
)
from minilm.weights.rows import rows_shape


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def quantized(shape, bits=4, axis=-1, groups=1, zero=False, codebook=False, seed=0):
    """Random codes with random scales: groups=0 is one scale for all, 1 one a row."""
    rng = np.random.default_rng([seed, bits, groups, zero, codebook])
    if zero or codebook:
        low, high = 0, 2**bits - 1
    else:
        low, high = (-1, 1) if bits == 1 else (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1)
    codes = rng.integers(low, high + 1, shape)
    if bits == 1 and low == -1:
        codes = 2 * rng.integers(0, 2, shape) - 1
    rows = to_rows(codes, axis)
    scales = rng.uniform(0.5, 2, (len(rows) if groups else 1, max(groups, 1)))
    return QuantizedTensor.from_codes(
        rows,
        scales.astype(np.float16 if groups > 1 else np.float32),
        rng.integers(0, 2**bits, scales.shape).astype(np.uint8) if zero else None,
        np.sort(rng.normal(size=2**bits)).astype(np.float32) if codebook else None,
        bits,
        array_shape=shape,
        axis=axis,
        largest_error=0.25,
    )


def product_quantized(shape, bits=4, width=4, axis=-1, seed=0):
    """Random codes and random codebooks."""
    rng = np.random.default_rng([seed, bits, width])
    rows, n = rows_shape(shape, axis)
    codes = rng.integers(0, 2**bits, (rows, n // width)).astype(np.uint8)
    codebooks = rng.normal(size=(n // width, 2**bits, width)).astype(np.float32)
    return ProductQuantizedTensor.from_codes(codes, codebooks, bits, array_shape=shape, axis=axis)


def sparse(*shape, density=0.3, seed=0):
    mask = np.random.default_rng([seed, 1]).random(shape) < density
    return SparseTensor.from_dense(normal(*shape, seed=seed), mask)


def sparse_quantized(*shape, density=0.3, bits=3, seed=0):
    """Random codes in the place of the values."""
    s = sparse(*shape, density=density, seed=seed)
    return replace(s, values=quantized((s.values.size,), bits, None, groups=0, seed=seed))


def every_leaf():
    """name -> a leaf of shape (24, 20)."""
    shape = (24, 20)
    leaves = {
        f"{bits}-bit {axis} {groups}": quantized(shape, bits, axis, groups)
        for bits in (1, 2, 3, 4, 5, 6, 7, 8)
        for axis, groups in ((-1, 1), (0, 1), (None, 0), (-1, 3), (0, 5))
    }
    leaves["zero points"] = quantized(shape, 3, groups=4, zero=True)
    leaves["codebook"] = quantized(shape, 3, axis=0, codebook=True)
    leaves["transposed"] = quantized((20, 24), 3, groups=5).T
    leaves["subvectors"] = product_quantized(shape, 8, width=6)
    leaves["subvectors of rows"] = product_quantized(shape, 3, width=5, axis=0)
    leaves["subvectors transposed"] = product_quantized((20, 24), 3, axis=0).T
    leaves["subvectors looked up"] = product_quantized(shape, 3, width=8)
    leaves["half"] = HalfTensor.from_dense(normal(*shape), "fp16")
    leaves["half transposed"] = HalfTensor.from_dense(normal(20, 24), "bf16").T
    leaves["sparse"] = sparse(*shape)
    leaves["sparse transposed"] = sparse(20, 24).T
    leaves["sparse columns"] = sparse(*shape, density=0.03)
    leaves["sparse columns transposed"] = sparse(20, 24, density=0.03).T
    leaves["sparse quantized"] = sparse_quantized(*shape)
    leaves["sparse columns quantized"] = sparse_quantized(20, 24, density=0.03).T
    leaves["low rank"] = Product(normal(24, 3), normal(3, 20))
    leaves["scaled"] = Product(Diagonal(normal(24)), quantized(shape, 4, groups=2))
    leaves["scaled after"] = Product(quantized(shape, 4, axis=0), Diagonal(normal(20)))
    rotation = Hadamard.random(24, np.random.default_rng(0))  # three blocks of 8
    leaves["rotated"] = Product(rotation, quantized(shape, 4, groups=2))
    leaves["rotated after"] = Product(quantized((20, 24), 4, axis=0), rotation.T).T
    leaves["adapted"] = Sum(
        quantized(shape, 2), Product(quantized((24, 2), 8), sparse(2, 20, density=0.8))
    )
    return leaves


@pytest.fixture(scope="session")
def make():
    """The makers above: make.quantized(shape, bits, …), make.sparse(…), make.normal(…), …."""
    return SimpleNamespace(
        normal=normal,
        quantized=quantized,
        product_quantized=product_quantized,
        sparse=sparse,
        sparse_quantized=sparse_quantized,
        every_leaf=every_leaf,
    )


@pytest.fixture(params=sorted(every_leaf()))
def leaf(request):
    """Each kind of leaf in turn, (24, 20)."""
    return every_leaf()[request.param]
