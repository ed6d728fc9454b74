"""The signal-to-noise ratio by hand, at the edges, and under changes of scale."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.metrics import sqnr_db


def test_sqnr_by_hand():
    assert sqnr_db(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20.0)
    assert sqnr_db(np.ones(4), np.ones(4)) == math.inf == sqnr_db(np.zeros(3), np.zeros(3))
    assert sqnr_db(np.zeros(3), np.ones(3)) == -math.inf
    assert sqnr_db(np.ones((2, 3)), np.zeros((2, 3))) == 0


@given(st.floats(1e-30, 1e30), st.floats(0.001, 0.9))
def test_sqnr_does_not_change_with_scale_even_where_float32_squares_vanish(scale, error):
    x = np.array([scale, -scale, 2 * scale], dtype=np.float32)
    x_hat = x * np.float32(1 - error)
    assert sqnr_db(x, x_hat) == pytest.approx(-20 * math.log10(error), rel=1e-2)
    assert type(sqnr_db(x, x_hat)) is float


def test_both_are_compared_in_float64_whatever_their_dtypes():
    x = np.array([1.0, 2.0])
    nearly = (x * (1 + 1e-9)).astype(np.longdouble)
    assert sqnr_db(x, nearly) == pytest.approx(180, abs=0.01)
    big = np.array([60_000.0], dtype=np.float16)
    assert sqnr_db(big, -big) == pytest.approx(-20 * math.log10(2))  # the difference overflows


def test_half_the_error_is_six_decibels_more():
    x = np.random.default_rng(0).normal(size=100)
    noise = np.random.default_rng(1).normal(size=100)
    gained = sqnr_db(x, x + noise / 2) - sqnr_db(x, x + noise)
    assert gained == pytest.approx(20 * math.log10(2))


def test_sqnr_refuses_what_it_cannot_measure():
    with pytest.raises(ValueError, match=r"x_hat: must have the shape of x \(2,\)"):
        sqnr_db(np.ones(2), np.ones((2, 1)))
    with pytest.raises(ValueError, match="x: is empty"):
        sqnr_db(np.ones(0), np.ones(0))
    with pytest.raises(ValueError, match="x_hat: contains NaN"):
        sqnr_db(np.ones(2), np.array([1, np.nan]))
    with pytest.raises(ValueError, match="x: contains NaN or inf"):
        sqnr_db(np.array([np.inf, 1]), np.ones(2))
