"""Rules for steps: by hand, on a few numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression import quantize
from minilm.course.published import steps
from minilm.metrics import sqnr_db

W = np.array([-1.0, -0.3, 0.2, 0.5, 1.5], np.float32)


def test_a_step_as_wide_as_the_range_leaves_one_weight():
    # Δ = 2.5: only 1.5 lies nearer to 2.5 than to 0
    for bits in (2, 8):
        assert steps.step_is_the_range(W, bits).tolist() == [0, 0, 0, 0, 2.5]


def test_from_the_minimum_every_weight_goes_to_one_of_two_ends():
    assert steps.range_step_from_the_minimum(W, 4).tolist() == [-1, -1, -1, 1.5, 1.5]


@given(st.integers(2, 8))
def test_small_weights_divided_by_a_power_of_two_are_all_zero(bits):
    assert not steps.divided_by_a_power_of_two(W * 0.1, bits).any()
    # large ones come in steps of 2^(b−1)
    restored = steps.there_and_back(1000 * W, bits)
    assert np.array_equal(restored % 2 ** (bits - 1), np.zeros(5))


def test_a_power_of_two_restores_nothing_and_the_scale_does():
    q = quantize(W, 4)
    assert steps.restored_by_a_power_of_two(q.codes, 0.2, 4).tolist() == (8 * q.codes).tolist()
    assert np.array_equal(steps.restored_by_the_scale(q.codes, q.scale, 4), q.dense())


def test_a_fixed_grid_has_steps_of_two_to_the_minus_b_plus_one_and_does_not_clip():
    assert steps.fixed_grid(np.array([0.3, 0.05, 9.0]), 4).tolist() == [0.25, 0, 9]
    assert 9 * 2**3 > 7, "its code, of four bits"


def test_as_many_steps_as_codes_cut_off_the_largest():
    x_hat, step = steps.as_many_steps_as_codes(W, 4)
    assert step == 2.5 / 16 and x_hat[-1] == 1.5 - step
    x_hat, step = steps.one_step_less_than_codes(W, 4)
    assert step == pytest.approx(2.5 / 15) and x_hat[-1] == pytest.approx(1.5)


def test_multiples_of_a_step_but_not_of_a_number_of_levels():
    x = np.array([0.26, -0.74, 0.49], np.float32)
    for rule in (steps.rounded_to_steps, steps.rounded_with_codes):
        assert rule(x, 0.25).tolist() == [0.25, -0.75, 0.5]
        assert sqnr_db(x, rule(x, 16.0)) == 0, "16 levels taken for the step: all zero"
