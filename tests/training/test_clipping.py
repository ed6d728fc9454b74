import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.training import clip_by_global_norm, global_norm


def test_by_hand():
    grads = {"w": np.array([[3.0]], np.float32), "b": np.array([0.0, 4.0], np.float32)}
    assert global_norm(grads) == 5.0
    clipped, norm = clip_by_global_norm(grads, 1.0)
    assert norm == 5.0
    np.testing.assert_allclose(clipped["w"], [[0.6]])
    np.testing.assert_allclose(clipped["b"], [0, 0.8])
    assert clipped["w"].dtype == np.float32
    np.testing.assert_array_equal(grads["w"], [[3.0]])  # what was given is left alone


def test_short_gradients_and_no_gradient_at_all_stay():
    grads = {"w": np.array([0.3, 0.4])}
    assert clip_by_global_norm(grads, 1.0)[0] is grads
    zero = {"w": np.zeros(3)}
    assert clip_by_global_norm(zero, 1.0) == (zero, 0.0)


@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), limit=st.floats(1e-3, 1e3))
def test_never_longer_than_the_limit_and_never_turned(seed, scale, limit):
    rng = np.random.default_rng(seed)
    grads = {"w": scale * rng.standard_normal((3, 2)), "b": scale * rng.standard_normal(4)}
    clipped, norm = clip_by_global_norm(grads, limit)
    assert norm == pytest.approx(np.linalg.norm(np.concatenate([grads["w"].ravel(), grads["b"]])))
    assert global_norm(clipped) == pytest.approx(min(norm, limit))
    for name in grads:
        np.testing.assert_allclose(clipped[name] * norm, grads[name] * min(norm, limit))
