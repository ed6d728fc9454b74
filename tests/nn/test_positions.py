"""Sinusoidal positions."""

import numpy as np
import pytest

from minilm.nn import sinusoidal_positions


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
