"""A weight is anything that answers x @ w: the operations touch it in no other way.

The leaf here has nothing but what it must have. An operation that asked for its dtype, sliced it,
or handed it to a NumPy function would fail at once.
"""

import numpy as np
import pytest

from minilm.nn import (
    check_gradient,
    cross_attention,
    cross_attention_backward,
    embedding,
    embedding_backward,
    linear,
    linear_backward,
    lstm,
    lstm_backward,
    lstm_step,
    lstm_step_backward,
    multi_head_attention,
    multi_head_attention_backward,
    rnn,
    rnn_backward,
    rnn_step,
    rnn_step_backward,
    swiglu,
    swiglu_backward,
)


class Leaf:
    """The least that is a weight."""

    __array_ufunc__ = None
    __iter__ = None

    def __init__(self, array):
        self._array, self.shape, self.ndim, self.unpackings = array, array.shape, array.ndim, 0

    def __rmatmul__(self, x):
        return x @ self._array

    def __getitem__(self, ids):
        assert isinstance(ids, np.ndarray) and ids.dtype.kind in "iu"
        return self._array[ids]

    def __array__(self, *args, **kwargs):
        raise TypeError("a leaf does not become an array by itself")

    @property
    def T(self):
        return Leaf(self._array.T)

    def unpacked(self):
        self.unpackings += 1
        return self._array


class Bent:
    """x @ w = tanh(x) · array: the product is not linear in x, so a loop must use the leaf itself,
    and only the leaf knows its derivatives."""

    __array_ufunc__ = None
    __iter__ = None
    ndim = 2

    def __init__(self, array):
        self._array, self.shape = array, array.shape

    def __rmatmul__(self, x):
        return np.tanh(x) @ self._array

    @property
    def T(self):
        raise AssertionError("the transpose is not the derivative here")

    def unpacked(self):
        return self

    def input_gradient(self, dy, x):
        return (1 - np.tanh(x) ** 2) * (dy @ self._array.T)

    def weight_gradient(self, dy, x):
        x, dy = (a.reshape(-1, a.shape[-1]) for a in (x, dy))
        return np.tanh(x).T @ dy


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def assert_same(op, op_backward, arguments, weights, **options):
    """The same outputs and gradients, whether weights are arrays or leaves."""
    leaves = [Leaf(a) if i in weights else a for i, a in enumerate(arguments)]
    results = []
    for args in (arguments, leaves):
        y, cache = op(*args, **options)
        gradients = op_backward(y, cache)
        results.append([*as_tuple(y), *as_tuple(gradients)])
    for plain, packed in zip(*results, strict=True):
        np.testing.assert_allclose(packed, plain, rtol=0, atol=1e-12)


def cross(normal):
    shapes = [(2, 4, 6), (2, 3, 5), (6, 6), (6,), (5, 12), (12,), (6, 6), (6,)]
    return [normal(*shape) for shape in shapes]


def test_leaves(normal):
    assert_same(linear, linear_backward, [normal(2, 3, 4), normal(4, 5), normal(5)], {1})
    w = [normal(4, 5), normal(4, 5), normal(5, 4)]
    assert_same(swiglu, swiglu_backward, [normal(2, 3, 4), *w], {1, 2, 3})
    ids = np.array([[0, 1, 1]])
    assert_same(embedding, embedding_backward, [ids, normal(4, 5)], {1})
    w = [normal(3, 4), normal(4, 4), normal(4)]
    assert_same(rnn_step, rnn_step_backward, [normal(2, 3), normal(2, 4), *w], {2, 3})
    assert_same(rnn, rnn_backward, [normal(2, 5, 3), *w], {1, 2})
    w = [normal(3, 16), normal(4, 16), normal(16)]
    step = [normal(2, 3), normal(2, 4), normal(2, 4), *w]
    assert_same(lstm_step, lstm_step_backward, step, {3, 4})
    assert_same(lstm, lstm_backward, [normal(2, 5, 3), *w], {1, 2})
    attention = [normal(2, 4, 6), normal(6, 18), normal(18), normal(6, 6), normal(6)]
    pair = multi_head_attention, multi_head_attention_backward
    assert_same(*pair, attention, {1, 3}, head_dim=3)
    pair = cross_attention, cross_attention_backward
    assert_same(*pair, cross(normal), {2, 4, 6}, head_dim=3)


def test_a_tied_head_is_linear_with_the_table_transposed(normal):
    table, x = normal(7, 4), normal(2, 3, 4)
    leaf = Leaf(table)
    logits, cache = linear(x, leaf.T)
    np.testing.assert_array_equal(logits, linear(x, table.T)[0])
    assert linear_backward(logits, cache)[1].T.shape == table.shape


@pytest.mark.parametrize(
    "op, op_backward, gates", [(lstm, lstm_backward, 4), (rnn, rnn_backward, 1)]
)
def test_over_time_a_leaf_is_unpacked_once_each_way(normal, op, op_backward, gates):
    w_h = Leaf(normal(4, gates * 4))
    hs, cache = op(normal(2, 9, 3), normal(3, gates * 4), w_h, normal(gates * 4))
    assert w_h.unpackings == 1
    op_backward(hs, cache)
    assert w_h.unpackings == 2


def bend(op, op_backward, positions):
    """The pair with arrays at these positions wrapped in Bent."""

    def bent(*args, **options):
        return op(*(Bent(a) if i in positions else a for i, a in enumerate(args)), **options)

    return bent, op_backward


def test_leaves_that_bend_x(normal):
    check_gradient(*bend(linear, linear_backward, {1}), normal(2, 3, 4), normal(4, 5), normal(5))
    w = [normal(4, 5), normal(4, 5), normal(5, 4)]
    check_gradient(*bend(swiglu, swiglu_backward, {1, 2, 3}), normal(2, 3, 4), *w)
    w = [normal(3, 4), normal(4, 4), normal(4)]
    pair = bend(rnn_step, rnn_step_backward, {2, 3})
    check_gradient(*pair, normal(2, 3), normal(2, 4), *w)
    check_gradient(*bend(rnn, rnn_backward, {1, 2}), normal(2, 5, 3), *w, normal(2, 4))
    w = [normal(3, 16), normal(4, 16), normal(16)]
    state = normal(2, 4), normal(2, 4)
    check_gradient(*bend(lstm_step, lstm_step_backward, {3, 4}), normal(2, 3), *state, *w)
    check_gradient(*bend(lstm, lstm_backward, {1, 2}), normal(2, 5, 3), *w, *state)
    attention = [normal(2, 4, 6), normal(6, 18), normal(18), normal(6, 6), normal(6)]
    pair = bend(multi_head_attention, multi_head_attention_backward, {1, 3})
    check_gradient(*pair, *attention, head_dim=3)
    pair = bend(cross_attention, cross_attention_backward, {2, 4, 6})
    check_gradient(*pair, *cross(normal), head_dim=3)


def test_the_duck_is_strict(normal):
    """The leaf of these tests would notice: what NumPy would do to it raises."""
    leaf = Leaf(normal(3, 4))
    for touch in (np.asarray, np.sum, lambda w: w + 1, lambda w: w[0], len, list):
        with pytest.raises((TypeError, AssertionError)):
            touch(leaf)
    assert not hasattr(leaf, "dtype")
