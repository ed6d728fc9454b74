"""A product is the same however it is cut."""

import numpy as np
import pytest

from minilm.nn import small_products
from minilm.nn.small_products import (
    block_width,
    many_products,
    repeated_input_gradient,
    repeated_product,
    row_pieces,
)

STEPS = 9


@pytest.fixture(params=[True, False], ids=["small products", "none"])
def has_small_products(monkeypatch, request):
    monkeypatch.setattr(small_products, "has_small_products", lambda: request.param)
    return request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows, K, N", [(20, 64, 1280), (5, 600, 400), (3, 16, 8), (1, 512, 2048)])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_the_same_product(has_small_products, rows, K, N, dtype, layout):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((rows, K)), rng.standard_normal((rows, N))
    w = layout(rng.standard_normal((K, N)).astype(dtype))
    for x_form in (x, np.asfortranarray(x)):
        y = repeated_product(w, rows, STEPS)(x_form.astype(dtype))
        np.testing.assert_allclose(y, x @ w, atol=1e-3 if dtype == np.float32 else 1e-10)
        assert y.dtype == dtype and y.flags.c_contiguous
    dx = repeated_input_gradient(w, rows, STEPS)(dy.astype(dtype), x.astype(dtype))
    np.testing.assert_allclose(dx, dy @ w.T, atol=1e-3 if dtype == np.float32 else 1e-10)
    assert dx.dtype == dtype


def test_a_product_does_not_overwrite_the_one_before():
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((64, 1280)), rng.standard_normal((2, 20, 64))
    product = repeated_product(w, 20, STEPS)
    first = product(x[0])
    kept = first.copy()
    product(x[1])
    np.testing.assert_array_equal(first, kept)


def test_the_wider_of_two_dtypes(has_small_products):
    x, w = np.ones((20, 64)), np.ones((64, 1280), np.float32)
    assert repeated_product(w, 20, STEPS)(x).dtype == np.float64


def test_block_width(monkeypatch):
    monkeypatch.setattr(small_products, "has_small_products", lambda: True)
    assert block_width(20, 512, 2048) == 64
    assert block_width(20, 2048, 512) == 16  # 20 · 2048 · 32 is above a million
    assert block_width(20, 650, 2600) is None  # 2600 is no multiple of 16
    assert block_width(128, 2048, 512) is None  # even 16 columns would be too many
    assert block_width(12, 128, 512) is None  # small as it is
    assert block_width(1, 512, 2048) is None  # a matrix times a vector
    monkeypatch.setattr(small_products, "has_small_products", lambda: False)
    assert block_width(20, 512, 2048) is None


BLAS = {"Build Dependencies": {"blas": {"name": "scipy-openblas"}}}
FOUND = {"SIMD Extensions": {"found": ["X86_V3", "AVX512F"]}}


@pytest.mark.parametrize("built, has", [
    (BLAS | FOUND, True),
    (BLAS | {"SIMD Extensions": {"found": ["X86_V3", "X86_V4"]}}, True),
    (BLAS | {"SIMD Extensions": {"found": ["X86_V3"]}}, False),
    (BLAS | {"SIMD Extensions": {"baseline": ["ASIMD"]}}, False),  # an empty list is left out
    ({"Build Dependencies": {"blas": {"name": "mkl"}}} | FOUND, False),
    (FOUND, False),
    ({}, False),
    (None, False),
])  # fmt: skip
def test_numpy_is_asked_what_it_runs_on(monkeypatch, built, has):
    monkeypatch.setattr(np, "show_config", lambda mode: built)
    assert small_products.has_small_products.__wrapped__() is has


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("M, K, N", [(128, 128, 64), (128, 64, 128), (130, 128, 64), (4, 3, 5)])
def test_many_products(has_small_products, M, K, N, dtype):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 3, M, K)).astype(dtype)
    turned = np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    b = rng.standard_normal((2, 3, K, N)).astype(dtype)
    part = np.full((2, M, 2, 3, N), np.nan, dtype)  # as attention's gradients lie in one array
    out = part[:, :, 1].transpose(0, 2, 1, 3)
    many_products(turned, b, out=out)
    for y in (many_products(a, b), out):
        np.testing.assert_allclose(y, a @ b, atol=1e-4 if dtype == np.float32 else 1e-12)
        assert y.dtype == dtype
    assert np.isnan(part[:, :, 0]).all()


def test_row_pieces(monkeypatch):
    monkeypatch.setattr(small_products, "has_small_products", lambda: True)
    assert row_pieces(64, 32, 64) == 1  # small as it is
    assert row_pieces(128, 128, 64) == 2
    assert row_pieces(256, 256, 64) == 8  # five pieces would do, but 256 is no multiple of 5
    assert row_pieces(131, 128, 64) == 1  # a prime number of rows
    assert row_pieces(1024, 1024, 64) == 1  # small only with fewer than 16 rows
    monkeypatch.setattr(small_products, "has_small_products", lambda: False)
    assert row_pieces(128, 128, 64) == 1
