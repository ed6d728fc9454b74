"""Sinusoidal and rotary positions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import check_gradient, rotary, rotary_backward, sinusoidal_positions
from minilm.nn.positions import ROUND, _cos_sin


def test_by_hand():
    positions = sinusoidal_positions(3, 4, np.float64)
    assert positions[0].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(positions[2], [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)])


def test_odd_width_is_the_even_one_without_its_last_cosine():
    speeds = 10000.0 ** (-np.array([0, 2, 4]) / 5)
    positions = sinusoidal_positions(7, 5, np.float64)
    np.testing.assert_allclose(positions[:, 0::2], np.sin(np.outer(np.arange(7), speeds)))
    np.testing.assert_allclose(positions[:, 1::2], np.cos(np.outer(np.arange(7), speeds[:2])))
    assert sinusoidal_positions(2, 1).shape == (2, 1)


def test_a_shift_is_a_rotation():
    P = sinusoidal_positions(50, 6, np.float64)
    for pair in (P[:, 0:2], P[:, 2:4], P[:, 4:6]):
        shift, *_ = np.linalg.lstsq(pair[:-5], pair[5:], rcond=None)
        np.testing.assert_allclose(pair[:-5] @ shift, pair[5:], atol=1e-9)
        np.testing.assert_allclose(shift @ shift.T, np.eye(2), atol=1e-9)


def test_late_positions_are_exact_in_float32():
    late = sinusoidal_positions(100_000, 2)[-1]
    assert late.dtype == np.float32
    np.testing.assert_allclose(late, [np.sin(99_999), np.cos(99_999)], rtol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="got -1 and 4"):
        sinusoidal_positions(-1, 4)
    with pytest.raises(ValueError, match="got 4 and 0"):
        sinusoidal_positions(4, 0)
    assert sinusoidal_positions(0, 4).shape == (0, 4)


def test_rotary_by_hand():
    # d = 4: pairs (x_0, x_2), turned by t, and (x_1, x_3), turned by t/100
    x = np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    y, _ = rotary(x)
    assert y[0].tolist() == [1, 1, 0, 0]
    np.testing.assert_allclose(y[1], [np.cos(1), np.cos(0.01), np.sin(1), np.sin(0.01)])
    np.testing.assert_allclose(y[2], [-np.sin(2), -np.sin(0.02), np.cos(2), np.cos(0.02)])
    np.testing.assert_allclose(rotary(x, base=4.0)[0][1, 1::2], [np.cos(0.5), np.sin(0.5)])


vectors = {"T": st.integers(1, 5), "half": st.integers(1, 4), "seed": st.integers(0, 99)}


@settings(max_examples=30)
@given(first=st.integers(0, 5000), **vectors)
def test_rotary_is_a_complex_product_that_keeps_norms(T, half, seed, first):
    x = np.random.default_rng(seed).standard_normal((2, 3, T, 2 * half))
    y, cache = rotary(x, first)
    t, i = np.arange(first, first + T)[:, None], np.arange(half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * t * 10000.0 ** (-i / half))
    np.testing.assert_allclose(y, np.concatenate([turned.real, turned.imag], -1), atol=1e-9)
    np.testing.assert_allclose((y * y).sum(-1), (x * x).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(rotary_backward(y, cache), x, atol=1e-12)  # turned there and back


@settings(max_examples=30)
@given(shift=st.integers(1, 5000), **vectors)
def test_scores_depend_on_distances_only(T, half, seed, shift):
    rng = np.random.default_rng(seed)
    q, k = rng.standard_normal((2, T, 2 * half))
    scores = rotary(q)[0] @ rotary(k)[0].T
    moved = rotary(q, shift)[0] @ rotary(k, shift)[0].T
    np.testing.assert_allclose(moved, scores, atol=1e-9)
    np.testing.assert_allclose(np.diagonal(scores), (q * k).sum(-1), atol=1e-12)  # distance 0
    apart = rotary(q, shift)[0] @ rotary(k)[0].T
    assert not np.allclose(apart, scores)


@settings(max_examples=20)
@given(known=st.integers(0, 5), **vectors)
def test_a_cache_of_turned_keys_can_go_on(T, half, seed, known):
    x = np.random.default_rng(seed).standard_normal((known + T, 2 * half))
    so_far, new = rotary(x[:known])[0], rotary(x[known:], known)[0]
    np.testing.assert_array_equal(np.concatenate([so_far, new]), rotary(x)[0])


@pytest.mark.parametrize("step", [1, 7, 64, 100])
def test_pieces_of_any_length_are_turned_as_the_whole(normal, step):
    # angles are made for ROUND positions at a time: pieces end within such a group and at its end
    x = normal(2, 3 * ROUND + 5, 6)
    pieces = [rotary(x[:, at : at + step], at)[0] for at in range(0, x.shape[1], step)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), rotary(x)[0])
    spread = np.asfortranarray(x)[:, ::2]
    np.testing.assert_array_equal(rotary(spread)[0], rotary(spread.copy())[0])


def test_the_angles_of_a_group_are_made_once_and_stay_as_they_are(normal):
    _cos_sin.cache_clear()
    for t in range(ROUND, 2 * ROUND):
        _, circles = rotary(normal(2, 1, 6), t)
        assert not any(circle.flags.writeable for circle in circles)
    assert _cos_sin.cache_info().misses == 1


@pytest.mark.parametrize("shape", [(1, 2), (4, 6), (2, 3, 4, 6)])
def test_gradient_of_rotary(normal, shape):
    check_gradient(rotary, rotary_backward, normal(*shape))
    check_gradient(rotary, rotary_backward, normal(*shape), 1000)
    check_gradient(rotary, rotary_backward, normal(*shape), 3, base=50.0)


def test_late_rotations_are_exact_in_float32(normal):
    x = normal(2, 4).astype(np.float32)
    late, _ = rotary(x, 10_000_000)
    assert late.dtype == np.float32
    np.testing.assert_allclose(late, rotary(x.astype(np.float64), 10_000_000)[0], atol=1e-6)
    # the sum first + T is Python's: it does not wrap around
    np.testing.assert_array_equal(rotary(x, np.uint8(255))[0], rotary(x, 255)[0])


def test_rotary_of_nothing():
    for shape in ((0, 4), (3, 0), (0, 2, 4)):
        y, cache = rotary(np.zeros(shape), 5)
        assert y.shape == rotary_backward(y, cache).shape == shape


def test_rotary_errors():
    x = np.zeros((3, 4))
    with pytest.raises(TypeError, match="x must be a float array, got int64"):
        rotary(np.zeros((3, 4), np.int64))
    with pytest.raises(ValueError, match=r"x must have .* an even d, got \(3, 5\)"):
        rotary(np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., T, d\)"):
        rotary(np.zeros(4))
    with pytest.raises(ValueError, match="first must be >= 0, got -1"):
        rotary(x, -1)
    for wrong in (1.0, np.arange(3), None):
        with pytest.raises(TypeError, match="first must be an integer, got"):
            rotary(x, wrong)
    for wrong in (0.0, -2.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="base must be positive and finite, got"):
            rotary(x, base=wrong)
