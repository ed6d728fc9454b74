"""exact_gelu: beside the error function of Python's math, everywhere; no polynomial is better."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minilm.nn import check_gradient, exact_gelu, exact_gelu_backward, gelu
from minilm.nn.exact_gelu import PIECE, P

WITHIN = {4: 7e-8, 8: 3e-11}  # of x Φ(x), says the page


@np.vectorize
def distribution(x: float) -> float:
    """Φ(x), with its relative precision on both sides"""
    return math.erfc(-x / math.sqrt(2)) / 2


def density(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def test_by_hand():
    """68.27 % of a normal distribution lie within one σ, 95.45 % within two."""
    y, _ = exact_gelu(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    one, two = (1 + 0.682689492) / 2, (1 + 0.954499736) / 2
    np.testing.assert_allclose(y, [-2 * (1 - two), -(1 - one), 0, one, 2 * two], atol=1e-7)
    slope = exact_gelu_backward(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(slope, [0.5, 2 * (one + math.exp(-0.5) / 2.506628275)], atol=1e-7)


RANGES = {
    "the bend": np.linspace(-6, 6, 24_001),
    "the tails": np.linspace(-60, 60, 4_001),
    "near zero": np.concatenate([s * np.geomspace(1e-30, 1, 2_000) for s in (-1, 1)]),
    "huge": np.concatenate([s * np.geomspace(1, 3e38, 2_000) for s in (-1, 1)]),
    "not normal": np.array([-1e-45, -1e-40, 0.0, 1e-45, 1e-40, 1.1e-38]),
}


@pytest.mark.parametrize("x", RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("dtype, within", [(np.float64, WITHIN[8]), (np.float32, 3e-7)])
def test_against_the_error_function(x, dtype, within):
    """Beside Python's erfc: absolutely where |x| < 1, relatively to x elsewhere."""
    x = x.astype(dtype)
    exact = x.astype(np.float64) * distribution(x.astype(np.float64))
    y, cache = exact_gelu(x)
    assert y.dtype == dtype
    assert (np.abs(y - exact) <= within * np.maximum(1, np.abs(x, dtype=float))).all()
    slope = distribution(x.astype(np.float64))
    with np.errstate(over="ignore", under="ignore"):
        slope += x * density(x.astype(np.float64))
    np.testing.assert_allclose(exact_gelu_backward(np.ones_like(x), cache), slope, atol=10 * within)


@pytest.mark.parametrize("size, end", [(4, 6), (8, 7)])
def test_no_polynomial_is_better(size, end):
    """Chebyshev: an error that is largest n + 1 times, up and down in turn, is the least that n
    coefficients allow. The last peak may be lower: x Φ(−x) ends before the error has risen."""
    x = np.linspace(1e-3, end + 0.3, 20_001)
    p = np.polynomial.Polynomial(P[size][::-1])
    error = x * (1 + np.tanh(x * p(x * x))) / 2 - x * distribution(x)
    turns = np.flatnonzero(np.diff(np.sign(error))) + 1
    peaks = np.array([np.abs(part).max() for part in np.split(error, turns)])
    assert len(peaks) == len(P[size]) + 1
    assert peaks.max() < WITHIN[size]
    assert np.ptp(peaks[:-2]) < 0.02 * peaks[0]
    assert P[size][0] > 0  # so that x P(x²) goes on to ±∞, and the tanh to ±1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits(dtype):
    with np.errstate(over="raise", divide="raise"):
        y, cache = exact_gelu(np.array([-1e30, -100, -0.0, 0.0, 100, 1e30, np.inf], dtype))
        slope = exact_gelu_backward(np.ones(7, dtype)[:6], cache[:6])
    assert y.tolist() == [0, 0, 0, 0, 100, dtype(1e30), np.inf]
    assert np.signbit(y).tolist() == [True, True, True, False, False, False, False]
    assert slope.tolist() == [0, 0, 0.5, 0.5, 1, 1]
    y, _ = exact_gelu(np.array([1.0, np.nan, 2.0], dtype))
    assert np.isnan(y).tolist() == [False, True, False]
    with np.errstate(invalid="ignore"):
        assert np.isnan(exact_gelu(np.array([-np.inf], dtype))[0]).all()
    assert exact_gelu(np.zeros((0, 3), dtype))[0].shape == (0, 3)
    assert exact_gelu(np.array(1.0, dtype))[0].shape == ()


def test_pieces_are_one_array():
    x = np.random.default_rng(0).standard_normal((3, PIECE - 5), dtype=np.float32)
    y, cache = exact_gelu(x)
    dx = exact_gelu_backward(2 * np.ones_like(x), cache)
    for row in range(3):
        np.testing.assert_array_equal(y[row], exact_gelu(x[row])[0])
        np.testing.assert_array_equal(dx[row], 2 * exact_gelu_backward(np.ones_like(x[0]), x[row]))


@settings(max_examples=40)
@given(arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-30, 30)))
def test_symmetry_and_the_tanh_form_beside_it(x):
    y, _ = exact_gelu(x)
    np.testing.assert_allclose(y - exact_gelu(-x)[0], x, atol=1e-12)
    assert (np.minimum(x, 0) - 0.17 <= np.minimum(y, 0)).all() and (y <= np.maximum(x, 0)).all()
    np.testing.assert_allclose(y, gelu(x)[0], atol=5e-4)


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4, 5)])
def test_gradient(normal, shape):
    check_gradient(exact_gelu, exact_gelu_backward, 2 * normal(*shape))
    check_gradient(exact_gelu, exact_gelu_backward, 2 * normal(*shape).T)


@pytest.mark.parametrize("x", [np.arange(3), np.array([1 + 2j]), [1.0, 2.0], 1.0])
def test_errors(x):
    with pytest.raises(TypeError, match="x must be a float array"):
        exact_gelu(x)


def test_half_precision_is_refused():
    """P has coefficients that it would round to 0."""
    with pytest.raises(TypeError, match="x must be of float32 or float64, got float16 array"):
        exact_gelu(np.ones(3, np.float16))


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    for dtype, within in ((np.float64, 1e-10), (np.float32, 1e-6)):
        x, dy = ((3 * normal(4, 500)).astype(dtype) for _ in range(2))
        t = torch.tensor(x, requires_grad=True)
        ty = torch.nn.functional.gelu(t)
        ty.backward(torch.tensor(dy))
        y, cache = exact_gelu(x)
        np.testing.assert_allclose(y, ty.detach(), atol=within)
        np.testing.assert_allclose(exact_gelu_backward(dy, cache), t.grad, atol=10 * within)
