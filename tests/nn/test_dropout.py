"""Dropout: on exactly when an rng is passed."""

import numpy as np
import pytest

from minilm.nn import check_gradient, dropout, dropout_backward


def test_off_without_rng_and_at_rate_zero(normal):
    x = normal(3, 4)
    for y, cache in (dropout(x, 0.5), dropout(x, 0.0, np.random.default_rng(0))):
        assert np.array_equal(y, x)
        assert np.array_equal(dropout_backward(x, cache), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_keeps_the_mean_and_drops_the_rate(rate):
    x = np.full((200, 500), 3, np.float32)
    y, cache = dropout(x, rate, np.random.default_rng(0))
    kept = y != 0
    np.testing.assert_allclose(y[kept], 3 / (1 - rate), rtol=1e-6)
    spread = np.sqrt(rate * (1 - rate) / x.size)
    assert abs(kept.mean() - (1 - rate)) < 5 * spread
    # what was dropped gets no gradient, the rest is scaled the same way
    np.testing.assert_array_equal(dropout_backward(x, cache), y)


def test_same_rng_same_mask(normal):
    x = normal(5, 6)
    first, second = (dropout(x, 0.5, np.random.default_rng(3))[0] for _ in range(2))
    assert np.array_equal(first, second)
    rng = np.random.default_rng(3)
    assert not np.array_equal(dropout(x, 0.5, rng)[0], dropout(x, 0.5, rng)[0])


def test_gradient(normal):
    rng = np.random.default_rng(1)
    check_gradient(dropout, dropout_backward, normal(4, 5), 0.4, rng)
    check_gradient(dropout, dropout_backward, normal(4, 5), rate=0.4, rng=rng)
    check_gradient(dropout, dropout_backward, normal(4, 5), 0.4)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0, float("nan")])
def test_rate_outside_its_range(normal, rate):
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\), got"):
        dropout(normal(3), rate)


def test_wrong_types(normal):
    with pytest.raises(TypeError, match=r"rng must be a np.random.Generator or None, got int 3"):
        dropout(normal(3), 0.5, 3)
    with pytest.raises(TypeError, match="x must be a float array"):
        dropout(np.arange(3), 0.5)
