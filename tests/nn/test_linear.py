"""The linear map and the two functions through which derivatives pass a weight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import check_gradient, input_gradient, linear, linear_backward, weight_gradient
from minilm.nn.linear import LARGE, SHORT


def test_by_hand():
    x, w, b = np.array([[1.0, 2.0]]), np.array([[3.0, 0.0], [1.0, -1.0]]), np.array([10.0, 20.0])
    y, cache = linear(x, w, b)
    assert y.tolist() == [[15.0, 18.0]]
    dx, dw, db = linear_backward(np.array([[1.0, 10.0]]), cache)
    assert dx.tolist() == [[3.0, -9.0]]  # dy wᵀ
    assert dw.tolist() == [[1.0, 10.0], [2.0, 20.0]]  # xᵀ dy
    assert db.tolist() == [1.0, 10.0]


@settings(max_examples=30)
@given(lead=st.lists(st.integers(0, 3), max_size=3).map(tuple), seed=st.integers(0, 99))
def test_any_leading_axes_are_rows(lead, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((*lead, 4)), rng.standard_normal((4, 5))
    y, cache = linear(x, w)
    np.testing.assert_allclose(y, np.einsum("...i,io->...o", x, w), atol=1e-12)
    dx, dw, db = linear_backward(y, cache)
    assert dx.shape == x.shape and dw.shape == w.shape and db is None


@pytest.mark.parametrize("lead", [(), (3,), (1,), (2, 3), (1, 3), (2, 1, 3)])
def test_gradient(normal, lead):
    check_gradient(linear, linear_backward, normal(*lead, 4), normal(4, 5), normal(5))
    check_gradient(linear, linear_backward, normal(*lead, 4), normal(4, 5))
    check_gradient(linear, linear_backward, normal(4, *lead).T, normal(5, 4).T, None)


@pytest.mark.parametrize("lead", [(), (1,), (1, 1), (3,)])
def test_a_table_larger_than_the_caches_lies_as_it_will(lead):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((LARGE // 256 + 1, 64), dtype=np.float32)
    x = rng.standard_normal((*lead, 64), dtype=np.float32)
    exact = x.astype(np.float64) @ table.T.astype(np.float64)
    for w, step in ((table.T, 1), (np.ascontiguousarray(table.T), 1), (table[::2].T, 2)):
        y, _ = linear(x, w)
        assert y.dtype == np.float32 and y.shape == (*lead, w.shape[1])
        np.testing.assert_allclose(y, exact[..., ::step], atol=1e-4)
    y, _ = linear(x.astype(np.float64), table.T)
    assert y.dtype == np.float64
    spread = np.repeat(x, 2, axis=-1)[..., ::2]
    np.testing.assert_allclose(linear(spread, table.T)[0], exact, atol=1e-4)
    fine, wide = rng.standard_normal((*lead, 64)), table.astype(np.float64).T
    np.testing.assert_allclose(linear(fine, wide)[0], fine @ wide, atol=1e-12)
    long = table[: LARGE // SHORT * 16].reshape(-1, SHORT // 4)  # no column is short
    row = rng.standard_normal((*lead, long.shape[1]), dtype=np.float32)
    exact = row.astype(np.float64) @ long.T.astype(np.float64)
    np.testing.assert_allclose(linear(row, long.T)[0], exact, atol=1e-3)


def test_a_weight_may_say_what_its_gradients_are(normal):
    class Squares:
        """x @ w = x² · array: not linear in x, so only the weight knows the derivatives."""

        __array_ufunc__ = None
        shape, ndim = (4, 5), 2

        def __init__(self, array):
            self.array = array

        def __rmatmul__(self, x):
            return x**2 @ self.array

        def input_gradient(self, dy, x):
            return 2 * x * (dy @ self.array.T)

        def weight_gradient(self, dy, x):
            return (x**2).reshape(-1, 4).T @ dy.reshape(-1, 5)

    array = normal(4, 5)

    def op(x, array):
        return linear(x, Squares(array))

    def op_backward(dy, cache):
        return linear_backward(dy, cache)[:2]

    check_gradient(op, op_backward, normal(2, 3, 4), array)


def test_gradients_of_an_array(normal):
    x, w, dy = normal(2, 3, 4), normal(4, 5), normal(2, 3, 5)
    np.testing.assert_allclose(input_gradient(dy, x, w), dy @ w.T)
    np.testing.assert_allclose(weight_gradient(dy, x, w), np.einsum("bti,bto->io", x, dy))


def test_errors(normal):
    with pytest.raises(ValueError, match=r"w must have shape \(3, out\).*got \(4, 5\)"):
        linear(normal(2, 3), normal(4, 5))
    with pytest.raises(ValueError, match=r"w must"):
        linear(normal(2, 3), normal(3))
    with pytest.raises(ValueError, match=r"b must have shape \(5,\)"):
        linear(normal(2, 4), normal(4, 5), normal(1, 5))
    with pytest.raises(TypeError, match="x must be a float array, got int64 array"):
        linear(np.ones((2, 4), np.int64), normal(4, 5))
    with pytest.raises(TypeError, match="x must be a float array, got list"):
        linear([[1.0]], normal(1, 5))


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    x, w, b, dy = normal(2, 3, 4), normal(4, 5), normal(5), normal(2, 3, 5)
    tx, tw, tb = (torch.tensor(a, requires_grad=True) for a in (x, w, b))
    ty = torch.nn.functional.linear(tx, tw.T, tb)
    ty.backward(torch.tensor(dy))
    y, cache = linear(x, w, b)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    for ours, theirs in zip(linear_backward(dy, cache), (tx, tw, tb), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-10)
