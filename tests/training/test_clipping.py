import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.training import clip_in_place, global_norm


@pytest.mark.parametrize(("limit", "scale"), [(1.0, 0.2), (5.0, 1.0), (10.0, 1.0)])
def test_by_hand(limit, scale):
    grads = {"w": np.array([[3.0]], np.float32), "b": np.array([0.0, 4.0], np.float32)}
    w = grads["w"]
    assert global_norm(grads) == 5.0
    assert clip_in_place(grads, limit) == 5.0
    assert grads["w"] is w
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, [[3 * scale]])
    np.testing.assert_allclose(grads["b"], [0, 4 * scale])


def test_gradients_of_zero_stay():
    zero = {"w": np.zeros(3)}
    assert clip_in_place(zero, 1.0) == 0.0
    np.testing.assert_array_equal(zero["w"], 0)


@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), limit=st.floats(1e-3, 1e3))
def test_never_longer_than_the_limit_and_never_turned(seed, scale, limit):
    rng = np.random.default_rng(seed)
    grads = {"w": scale * rng.standard_normal((3, 2)), "b": scale * rng.standard_normal(4)}
    clipped = {name: grad.copy() for name, grad in grads.items()}
    norm = clip_in_place(clipped, limit)
    assert norm == pytest.approx(np.linalg.norm(np.concatenate([grads["w"].ravel(), grads["b"]])))
    assert global_norm(clipped) == pytest.approx(min(norm, limit))
    for name in grads:
        np.testing.assert_allclose(clipped[name] * norm, grads[name] * min(norm, limit))


@pytest.mark.parametrize("size", [1e-30, 1e-5, 1e18, 1e25, 3e38])
def test_squares_that_float32_cannot_hold(size):
    grads = {"w": np.full((2, 2), size, np.float32), "b": np.zeros(3, np.float32)}
    assert global_norm(grads) == pytest.approx(2 * size, rel=1e-6)
    assert clip_in_place(grads, size / 2) == pytest.approx(2 * size, rel=1e-6)
    np.testing.assert_allclose(grads["w"], size / 4, rtol=1e-6)


@pytest.mark.parametrize(
    ("entries", "norm"),
    [
        ([np.inf, 1], np.inf),
        ([1, -np.inf], np.inf),
        ([np.nan, 1], np.nan),
        ([np.inf, np.nan], np.nan),
    ],
)
@pytest.mark.parametrize("large", [1, 1e30])
def test_what_is_not_finite_has_no_length_and_is_left_alone(entries, norm, large):
    grads = {"w": np.array(entries, np.float32), "b": np.array([large], np.float32)}
    before = {name: grad.copy() for name, grad in grads.items()}
    np.testing.assert_equal(global_norm(grads), norm)
    np.testing.assert_equal(clip_in_place(grads, 0.5), norm)
    np.testing.assert_equal(grads, before)


def test_no_gradients_and_empty_ones_have_no_length():
    assert global_norm({}) == global_norm({"w": np.zeros((0, 3))}) == 0


@pytest.mark.parametrize("entry", [1e-20, 3e-23, 1e-30])
def test_the_norm_of_many_tiny_numbers(entry):
    grads = {"a": np.full(10_000, entry, np.float32), "b": np.array([entry], np.float32)}
    assert global_norm(grads) == pytest.approx(entry * math.sqrt(10_001), rel=1e-5)
