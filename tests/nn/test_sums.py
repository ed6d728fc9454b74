"""Sums as matrix products agree with plain sums, for every layout of memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn.sums import flat, ones, row_dot, row_mean, row_sum, sum_to_last

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@settings(max_examples=40)
@given(shape=shapes, seed=st.integers(0, 99))
def test_against_numpy(shape, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, *shape))
    for x, y in ((a, b), (a.T, b.T)):  # contiguous and not
        assert flat(x).shape == (x.size // x.shape[-1], x.shape[-1])
        np.testing.assert_allclose(sum_to_last(x), x.sum(axis=tuple(range(x.ndim - 1))), atol=1e-12)
        np.testing.assert_allclose(row_sum(x), x.sum(-1, keepdims=True), atol=1e-12)
        np.testing.assert_allclose(row_mean(x), x.mean(-1, keepdims=True), atol=1e-12)
        np.testing.assert_allclose(row_dot(x, y), (x * y).sum(-1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_no_rows(shape):
    x = np.zeros(shape, np.float32)
    assert flat(x).shape == (0, 3)
    assert np.array_equal(sum_to_last(x), np.zeros(3))
    assert row_sum(x).shape == (*shape[:-1], 1)


def test_the_ones_that_sums_share_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        ones(3, np.dtype(np.float32))[0] = 2
