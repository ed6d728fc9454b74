"""LayerNorm and RMSNorm."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import check_gradient, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward


def test_by_hand():
    x = np.array([[1.0, 3.0], [-2.0, 2.0]])  # means 2, 0; variances 1, 4
    y, _ = layer_norm(x, np.array([1.0, 10.0]), np.array([0.0, 5.0]), eps=0.0)
    np.testing.assert_allclose(y, [[-1, 15], [-1, 15]])
    y, _ = rms_norm(np.array([[3.0, -4.0]]), np.array([1.0, 2.0]), eps=0.0)  # mean square 12.5
    np.testing.assert_allclose(y, [[3 / math.sqrt(12.5), -8 / math.sqrt(12.5)]])


def test_eps_stands_inside_the_root():
    y, _ = layer_norm(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=3.0)
    np.testing.assert_allclose(y, [[-0.5, 0.5]])  # √(1 + 3) = 2


@pytest.mark.parametrize("lead", [(), (3,), (1, 1), (2, 3)])
def test_gradient(normal, lead):
    check_gradient(layer_norm, layer_norm_backward, normal(*lead, 6), normal(6), normal(6))
    check_gradient(rms_norm, rms_norm_backward, normal(*lead, 6), normal(6))
    check_gradient(layer_norm, layer_norm_backward, normal(6, *lead).T, normal(6), normal(6))
    check_gradient(layer_norm, layer_norm_backward, normal(2, 6), normal(6), normal(6), eps=0.5)
    check_gradient(rms_norm, rms_norm_backward, normal(2, 6), normal(6), 0.5)


@settings(max_examples=30)
@given(
    scale=st.floats(0.1, 100), shift=st.floats(-100, 100), D=st.integers(2, 20),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_layer_norm_forgets_scale_and_shift(scale, shift, D, seed):
    x = np.random.default_rng(seed).standard_normal((3, D))
    y, _ = layer_norm(x, np.ones(D), np.zeros(D), eps=0.0)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-9)
    np.testing.assert_allclose((y * y).mean(-1), 1)
    moved, _ = layer_norm(scale * x + shift, np.ones(D), np.zeros(D), eps=0.0)
    np.testing.assert_allclose(moved, y, atol=1e-6)
    np.testing.assert_allclose(
        rms_norm(scale * x, np.ones(D), 0.0)[0], rms_norm(x, np.ones(D), 0.0)[0]
    )


def test_constant_rows_give_the_bias(normal):
    bias = normal(4).astype(np.float32)
    y, cache = layer_norm(np.full((2, 4), 7, np.float32), np.ones(4, np.float32), bias)
    np.testing.assert_array_equal(y, [bias, bias])
    assert np.isfinite(layer_norm_backward(normal(2, 4), cache)[0]).all()
    y, _ = rms_norm(np.zeros((2, 4)), np.ones(4))
    assert not y.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_position_is_normed_as_one_of_many(normal, dtype):
    """Alone, its mean and deviation are numbers; what comes out is as before, to the dtype."""
    x, gain, bias, dy = (normal(*lead, 6).astype(dtype) for lead in ((2, 3), (), (), (2, 3)))
    y, cache = layer_norm(x, gain, bias)
    dx, _, _ = layer_norm_backward(dy, cache)
    for lead in ((), (1,), (1, 1)):
        y_1, cache_1 = layer_norm(x[1, 2].reshape(*lead, 6), gain, bias)
        dx_1, _, _ = layer_norm_backward(dy[1, 2].reshape(*lead, 6), cache_1)
        assert y_1.dtype == dx_1.dtype == cache_1[1].dtype == dtype
        assert y_1.shape == dx_1.shape == (*lead, 6)
        np.testing.assert_allclose(y_1.reshape(6), y[1, 2], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(dx_1.reshape(6), dx[1, 2], rtol=1e-5, atol=1e-6)


def test_no_rows():
    y, cache = layer_norm(np.zeros((0, 4)), np.ones(4), np.ones(4))
    assert [g.shape for g in layer_norm_backward(y, cache)] == [(0, 4), (4,), (4,)]


def test_errors(normal):
    with pytest.raises(ValueError, match=r"gain must have shape \(4,\), got \(5,\)"):
        layer_norm(normal(2, 4), normal(5), normal(4))
    with pytest.raises(ValueError, match=r"bias must have shape \(4,\), got \(1,\)"):
        layer_norm(normal(2, 4), normal(4), normal(1))
    with pytest.raises(ValueError, match=r"gain must have shape"):
        rms_norm(normal(2, 4), normal(2, 4))
    with pytest.raises(TypeError, match="x must be a float array"):
        rms_norm(np.ones((2, 4), int), normal(4))


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    x, gain, bias, dy = normal(3, 4, 8), normal(8), normal(8), normal(3, 4, 8)
    tx, tg, tb = (torch.tensor(a, requires_grad=True) for a in (x, gain, bias))
    ty = torch.nn.functional.layer_norm(tx, (8,), tg, tb, 1e-5)
    ty.backward(torch.tensor(dy))
    y, cache = layer_norm(x, gain, bias)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    for ours, theirs in zip(layer_norm_backward(dy, cache), (tx, tg, tb), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-10)

    tx, tg = (torch.tensor(a, requires_grad=True) for a in (x, gain))
    ty = torch.nn.functional.rms_norm(tx, (8,), tg, 1e-5)
    ty.backward(torch.tensor(dy))
    y, cache = rms_norm(x, gain)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    for ours, theirs in zip(rms_norm_backward(dy, cache), (tx, tg), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-10)


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("width", [384, 768, 100])
def test_equal_numbers_have_their_own_mean(rows, width):
    x = np.full((rows, width), 1000, np.float32)
    y, _ = layer_norm(x, np.ones(width, np.float32), np.zeros(width, np.float32))
    np.testing.assert_array_equal(y, 0)
