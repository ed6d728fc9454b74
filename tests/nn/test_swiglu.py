"""SwiGLU: by hand, its gates, its gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import check_gradient, silu, swiglu, swiglu_backward


def weights(normal, D=3, F=5):
    return [normal(D, F), normal(D, F), normal(F, D)]


def test_by_hand():
    # gate = log 3: silu = ¾ log 3; up = 4; their product is taken twice
    x, w_gate, w_up, w_down = np.ones((1, 1)), math.log(3), 4.0, 2.0
    y, _ = swiglu(x, *(np.full((1, 1), w) for w in (w_gate, w_up, w_down)))
    np.testing.assert_allclose(y, [[6 * math.log(3)]])


def test_it_is_what_the_formula_says_at_each_position(normal):
    x, (w_gate, w_up, w_down) = normal(2, 4, 3), weights(normal)
    y, _ = swiglu(x, w_gate, w_up, w_down)
    for at in np.ndindex(2, 4):
        hidden = silu(x[at] @ w_gate)[0] * (x[at] @ w_up)
        np.testing.assert_allclose(y[at], hidden @ w_down, atol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 99), factor=st.floats(-9, 9), F=st.integers(1, 6))
def test_linear_in_up_and_down_and_closed_by_its_gates(seed, factor, F):
    rng = np.random.default_rng(seed)
    x, w_gate, w_up = rng.standard_normal((4, 3)), *rng.standard_normal((2, 3, F))
    w_down = rng.standard_normal((F, 3))
    y, _ = swiglu(x, w_gate, w_up, w_down)
    np.testing.assert_allclose(swiglu(x, w_gate, factor * w_up, w_down)[0], factor * y, atol=1e-9)
    np.testing.assert_allclose(swiglu(x, w_gate, w_up, factor * w_down)[0], factor * y, atol=1e-9)
    assert not swiglu(x, 0 * w_gate, w_up, w_down)[0].any()
    order = rng.permutation(F)  # hidden values have no order
    shuffled, _ = swiglu(x, w_gate[:, order], w_up[:, order], w_down[order])
    np.testing.assert_allclose(shuffled, y, atol=1e-9)


@pytest.mark.parametrize("lead", [(), (4,), (1, 4), (2, 4)])
def test_gradient(normal, lead):
    check_gradient(swiglu, swiglu_backward, normal(*lead, 3), *weights(normal))


def test_nothing_in_nothing_out(normal):
    y, cache = swiglu(np.zeros((0, 3)), *weights(normal))
    dx, *dweights = swiglu_backward(y, cache)
    assert y.shape == dx.shape == (0, 3)
    assert not any(dw.any() for dw in dweights)


def test_errors(normal):
    x, (w_gate, w_up, w_down) = normal(2, 3), weights(normal)
    with pytest.raises(TypeError, match="x must be a float array, got int64"):
        swiglu(np.ones((2, 3), np.int64), w_gate, w_up, w_down)
    with pytest.raises(ValueError, match=r"w_gate must have shape \(4, 5\), got \(3, 5\)"):
        swiglu(normal(2, 4), w_gate, w_up, w_down)
    with pytest.raises(ValueError, match=r"w_up must have shape \(3, 5\), got \(3, 4\)"):
        swiglu(x, w_gate, normal(3, 4), w_down)
    with pytest.raises(ValueError, match=r"w_down must have shape \(5, 3\), got \(3, 5\)"):
        swiglu(x, w_gate, w_up, w_down.T)
    with pytest.raises(ValueError, match="w_gate must have shape"):
        swiglu(x, normal(3), w_up, w_down)


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    arguments, dy = [normal(2, 4, 3), *weights(normal)], normal(2, 4, 3)
    x, w_gate, w_up, w_down = theirs = [torch.tensor(a, requires_grad=True) for a in arguments]
    ty = (torch.nn.functional.silu(x @ w_gate) * (x @ w_up)) @ w_down
    ty.backward(torch.tensor(dy))
    y, cache = swiglu(*arguments)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    for ours, t in zip(swiglu_backward(dy, cache), theirs, strict=True):
        np.testing.assert_allclose(ours, t.grad, atol=1e-10)
