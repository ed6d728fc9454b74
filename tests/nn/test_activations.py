"""Activations: known values, symmetries, extremes, derivatives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minilm.nn import (
    check_gradient,
    gelu,
    gelu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)

PAIRS = [
    (relu, relu_backward),
    (tanh, tanh_backward),
    (sigmoid, sigmoid_backward),
    (gelu, gelu_backward),
    (silu, silu_backward),
    (softmax, softmax_backward),
]
EXTREMES = [-np.inf, -1e30, -1000.0, -100.0, -1.0, -0.0, 0.0, 1.0, 100.0, 1000.0, 1e30, np.inf]
finite = arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-30, 30))


def test_by_hand():
    assert relu(np.array([-2.0, 0.0, 3.0]))[0].tolist() == [0, 0, 3]
    np.testing.assert_allclose(sigmoid(np.log([1.0, 3.0, 1 / 3]))[0], [1 / 2, 3 / 4, 1 / 4])
    np.testing.assert_allclose(tanh(np.array([math.log(2)]))[0], [0.6])  # (2 − ½) / (2 + ½)
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]]))[0], [[1 / 8, 2 / 8, 5 / 8]])
    x = np.array([-1.5, 0.5, 2.0])
    as_printed = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(gelu(x)[0], as_printed, rtol=1e-12)


def test_derivatives_by_hand():
    one = np.ones(3)
    assert relu_backward(one, relu(np.array([-2.0, 0.0, 3.0]))[1]).tolist() == [0, 0, 1]
    assert tanh_backward(np.ones(1), tanh(np.zeros(1))[1]).tolist() == [1]
    assert sigmoid_backward(np.ones(1), sigmoid(np.zeros(1))[1]).tolist() == [0.25]
    assert gelu_backward(np.ones(1), gelu(np.zeros(1))[1]).tolist() == [0.5]
    # a softmax does not change when all its inputs rise: the gradient's sum is 0
    _, cache = softmax(np.array([0.0, 1.0, 2.0]))
    assert abs(softmax_backward(np.array([3.0, -1.0, 4.0]), cache).sum()) < 1e-15


@pytest.mark.parametrize("op, op_backward", PAIRS)
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4, 5)])
def test_gradient(normal, op, op_backward, shape):
    check_gradient(op, op_backward, 2 * normal(*shape))
    check_gradient(op, op_backward, 2 * normal(*shape).T)


@pytest.mark.parametrize("axis", [0, 1, -2, -1])
def test_gradient_of_softmax_over_any_axis(normal, axis):
    check_gradient(softmax, softmax_backward, normal(3, 4, 5), axis=axis)
    np.testing.assert_allclose(softmax(normal(3, 4, 5), axis)[0].sum(axis), 1)


@settings(max_examples=40)
@given(x=finite)
def test_symmetries(x):
    np.testing.assert_allclose(sigmoid(x)[0] + sigmoid(-x)[0], 1, rtol=1e-12)
    np.testing.assert_allclose(tanh(x)[0], 2 * sigmoid(2 * x)[0] - 1, atol=1e-12)
    np.testing.assert_allclose(gelu(x)[0] - gelu(-x)[0], x, atol=1e-12)
    np.testing.assert_allclose(silu(x)[0] - silu(-x)[0], x, atol=1e-12)
    y, _ = softmax(x)
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(-1), 1)
    np.testing.assert_allclose(softmax(x + 1000)[0], y, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_give_limits_and_no_warning(dtype):
    x = np.array(EXTREMES, dtype)
    with np.errstate(over="raise", invalid="raise"):
        assert (relu(x)[0] == np.maximum(x, 0)).all()
        y, _ = sigmoid(x)
        assert (np.diff(y) >= 0).all() and y[0] == 0 and y[-1] == 1
        assert (np.abs(tanh(x)[0]) <= 1).all()
    y, _ = gelu(x[1:])
    assert (y[:3] <= 0).all() and (y[:3] > -1e-20).all() and (y[-4:] == x[-4:]).all()
    inner = gelu(np.array([-1e4, 1e4], dtype))[1]
    assert gelu_backward(np.ones(2, dtype), inner).tolist() == [0, 1]
    y, cache = silu(x[1:-1])
    assert (y[x[1:-1] < 0] <= 0).all() and (y >= -0.3).all() and y[-1] == x[-2]
    assert np.isfinite(silu_backward(np.ones_like(y), cache)).all()


def test_sigmoid_keeps_its_relative_precision_where_it_is_small():
    x = np.array([-80.0, -50.0, -20.0], np.float32)
    np.testing.assert_allclose(sigmoid(x)[0], np.exp(x.astype(np.float64)), rtol=1e-5)


def test_softmax_extremes():
    y, _ = softmax(np.array([[1e30, 0.0, -np.inf], [5.0, 5.0, -np.inf]], np.float32))
    assert y.tolist() == [[1, 0, 0], [0.5, 0.5, 0]]


@pytest.mark.parametrize("op", [op for op, _ in PAIRS])
def test_nan_stays_nan_and_empty_stays_empty(op):
    assert np.isnan(op(np.full((2, 3), np.nan))[0]).all()
    assert op(np.zeros((0, 3)))[0].shape == (0, 3)


@pytest.mark.parametrize("op", [op for op, _ in PAIRS])
@pytest.mark.parametrize("x", [np.arange(3), np.array([1 + 2j]), [1.0, 2.0], 1.0])
def test_errors(op, x):
    with pytest.raises(TypeError, match="x must be a float array"):
        op(x)


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    theirs = {
        relu: torch.relu,
        tanh: torch.tanh,
        sigmoid: torch.sigmoid,
        silu: torch.nn.functional.silu,
        gelu: lambda t: torch.nn.functional.gelu(t, approximate="tanh"),
        softmax: lambda t: torch.softmax(t, -1),
    }
    for op, op_backward in PAIRS:
        x, dy = 3 * normal(4, 50), normal(4, 50)
        t = torch.tensor(x, requires_grad=True)
        ty = theirs[op](t)
        ty.backward(torch.tensor(dy))
        y, cache = op(x)
        np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
        np.testing.assert_allclose(op_backward(dy, cache), t.grad, atol=1e-10)
