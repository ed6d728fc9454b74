"""Rules for ranges and thresholds: by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.course.published import ranges

positive = st.floats(0.01, 100)


@given(positive, positive)
def test_where_the_ends_of_a_range_go(bound, target):
    ends = np.array([-bound, bound])
    assert ranges.shifted_to_minus_one(ends, bound) == pytest.approx([-1, 0])
    assert ranges.divided_by_the_bound(ends, bound) == pytest.approx([-1, 1])
    assert ranges.mapped_too_low(ends, bound, target) == pytest.approx([-3 * target, -target])
    assert ranges.mapped(ends, bound, target) == pytest.approx([-target, target])


def test_the_worked_example_step_by_step():
    x, B, M = 0.5, ranges.B, ranges.M
    assert (x + B) / (2 * B) * 2 * M - M == 0.25
    assert ranges.mapped(x, B, M) == 0.25, "what its formula was to be"
    assert ranges.mapped_too_low(x, B, M) != 0.25, "and what it is"
    assert ranges.worked_example(x, B, M) == 0
    assert ranges.worked_right(x, B, M) == pytest.approx(32 * 2 / 127)


def test_a_hard_threshold_leaves_the_inside_as_it_is():
    x = np.array([-3.0, -1.0, 0.5, 3.0])
    assert ranges.sign_threshold(x, 2.0).tolist() == [-2, -2, -2, 2]
    assert ranges.hard(x, 2.0).tolist() == [-2, -1, 0.5, 2]


@given(positive)
def test_a_soft_threshold_stays_within_both_ends_and_does_not_jump(t):
    x = np.linspace(-5 * t, 5 * t, 1001)
    y = ranges.soft(x, t)
    assert np.abs(y).max() <= t and (np.diff(y) >= 0).all()
    assert np.diff(y).max() <= 0.01 * t * 1.001


def test_five_bits_by_hand():
    # steps of 2/3: 0.15, 0.75, −0.45 and 1.35 steps
    x = np.array([0.1, 0.5, -0.3, 0.9])
    assert ranges.five_bits(x) == pytest.approx([0, 2 / 3, 0, 2 / 3])
    assert not (np.argsort(ranges.five_bits_as_printed(x)) == np.argsort(x)).all()
