"""Metrics by hand, at the edges, and against one another."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.metrics import accuracy, bits, perplexity, sqnr_db


def test_perplexity_and_bits_by_hand():
    assert perplexity(math.log(27)) == pytest.approx(27)
    assert perplexity(0.0) == 1 and perplexity(1e6) == math.inf
    assert math.isnan(perplexity(math.nan))
    assert bits(math.log(8)) == pytest.approx(3)


@given(st.floats(0, 700))
@settings(deadline=None)
def test_two_to_the_bits_is_the_perplexity(nats):
    assert 2 ** bits(nats) == pytest.approx(perplexity(nats))


def test_accuracy_by_hand():
    logits = np.array([[[0.0, 1, 2], [5, 1, 2]], [[0, 9, 2], [1, 1, 0]]], dtype=np.float32)
    targets = np.array([[2, 1], [1, 0]])
    assert accuracy(logits, targets) == 0.75  # the tie goes to the first
    targets[0, 1] = -100
    assert accuracy(logits, targets) == 1.0
    assert accuracy(logits, targets, ignore_index=2) == pytest.approx(2 / 3)


def test_accuracy_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match=r"targets: shape must be .*\(2,\), got \(3,\)"):
        accuracy(np.zeros((2, 4)), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="nothing to count"):
        accuracy(np.zeros((2, 4)), np.array([-100, -100]))
    with pytest.raises(ValueError, match="NaN"):
        accuracy(np.full((2, 4), np.nan), np.array([0, 1]))


def test_sqnr_by_hand():
    assert sqnr_db(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20.0)
    assert sqnr_db(np.ones(4), np.ones(4)) == math.inf == sqnr_db(np.zeros(3), np.zeros(3))
    assert sqnr_db(np.zeros(3), np.ones(3)) == -math.inf
    assert sqnr_db(np.ones((2, 3)), np.zeros((2, 3))) == 0


@given(st.floats(1e-30, 1e30), st.floats(0.001, 0.9))
@settings(deadline=None)
def test_sqnr_does_not_change_with_scale_even_where_float32_squares_vanish(scale, error):
    x = np.array([scale, -scale, 2 * scale], dtype=np.float32)
    x_hat = x * np.float32(1 - error)
    assert sqnr_db(x, x_hat) == pytest.approx(-20 * math.log10(error), rel=1e-2)
    assert type(sqnr_db(x, x_hat)) is float


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
