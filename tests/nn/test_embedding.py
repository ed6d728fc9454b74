"""The embedding: rows out, sums of gradients back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import check_gradient, embedding, embedding_backward


def test_by_hand():
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    y, cache = embedding(np.array([2, 0, 2]), table)
    assert y.tolist() == [[5, 6], [1, 2], [5, 6]]
    dtable = embedding_backward(np.array([[1.0, 1.0], [2.0, 2.0], [10.0, 20.0]]), cache)
    assert dtable.tolist() == [[2, 2], [0, 0], [11, 21]]  # token 2 was used twice


@settings(max_examples=40)
@given(
    lead=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    V=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_backward_is_add_at(lead, V, seed):
    rng = np.random.default_rng(seed)
    ids, dy = rng.integers(0, V, lead), rng.standard_normal((*lead, 3))
    y, cache = embedding(ids, rng.standard_normal((V, 3)))
    assert y.shape == dy.shape
    expected = np.zeros((V, 3))
    np.add.at(expected, ids, dy)
    np.testing.assert_allclose(embedding_backward(dy, cache), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_gradient(normal, dtype):
    ids = np.array([[0, 3, 3], [3, 1, 0]], dtype)
    check_gradient(embedding, embedding_backward, ids, normal(5, 4))
    check_gradient(embedding, embedding_backward, ids.T, normal(4, 5).T)


def test_errors(normal):
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 5\), got 5"):
        embedding(np.array([1, 5]), normal(5, 4))
    with pytest.raises(ValueError, match=r"got -1"):
        embedding(np.array([[-1, 2]]), normal(5, 4))
    with pytest.raises(TypeError, match="ids must be an integer array, got float64"):
        embedding(np.array([1.0]), normal(5, 4))
    with pytest.raises(TypeError, match="ids must be an integer array, got bool"):
        embedding(np.array([True]), normal(5, 4))
    with pytest.raises(TypeError, match="ids must be an integer array, got list"):
        embedding([1, 2], normal(5, 4))
    with pytest.raises(ValueError, match=r"table must have shape \(V, D\)"):
        embedding(np.array([0]), normal(5))


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    table, ids, dy = normal(6, 4), np.array([[0, 5, 5], [2, 0, 5]]), normal(2, 3, 4)
    t = torch.tensor(table, requires_grad=True)
    torch.nn.functional.embedding(torch.tensor(ids), t).backward(torch.tensor(dy))
    _, cache = embedding(ids, table)
    np.testing.assert_allclose(embedding_backward(dy, cache), t.grad, atol=1e-12)


def test_many_uses_of_one_token_are_summed_exactly_enough():
    n = 100_000
    _, cache = embedding(np.zeros(n, np.int32), np.zeros((2, 1), np.float32))
    dtable = embedding_backward(np.full((n, 1), 0.1, np.float32), cache)
    np.testing.assert_allclose(dtable[0], n * 0.1, rtol=2e-4)  # one after the other: off by 8e-4
