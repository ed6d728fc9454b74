"""Requantization by integers alone, against exact fractions."""

import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

from minilm.compression.quantization.integers.fixed_point import (
    Multiplier,
    code_type,
    requantize,
    scaled,
    to_fixed_point,
)

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIERS = st.floats(2.0**-31, 2.0**29)


def half_up(exact):
    return math.floor(exact + Fraction(1, 2))


def test_by_hand():
    M = to_fixed_point(0.75)  # 0.75 = 0.11 in binary
    assert (int(M.M0), int(M.shift)) == (3 << 29, 31)
    acc = np.array([-3, -2, -1, 0, 1, 2, 3], np.int32)  # −2.25 −1.5 −0.75 0 0.75 1.5 2.25
    np.testing.assert_array_equal(scaled(acc, *M), [-2, -1, -1, 0, 1, 2, 2])
    np.testing.assert_array_equal(requantize(acc, *M, 10, 9, 11), [9, 9, 9, 10, 11, 11, 11])


@given(MULTIPLIERS)
@example(1.0)
@example(0.5)
@example(np.nextafter(1.0, 0))  # its fraction rounds up to 2³¹
@example(2.0**-31)
def test_31_bits_of_the_multiplier(M):
    M0, shift = to_fixed_point(M)
    assert M0.dtype == np.int32 and shift.dtype == np.int8
    assert 2**30 <= int(M0) < 2**31 and 1 <= int(shift) <= 62
    given_M, kept = Fraction(M), Fraction(int(M0), 1 << int(shift))
    assert abs(kept - given_M) <= given_M / 2**31
    assert Multiplier(M0, shift).value == float(kept)
    assert to_fixed_point(-M) == (-M0, shift)


@given(INT32, MULTIPLIERS)
@example(-(2**31), 0.99999)
@example(2**31 - 1, 2.0**-31)
@example(-1, 0.5)
@example(1, 0.5)
def test_rounds_the_exact_product_half_way_up(acc, M):
    M0, shift = to_fixed_point(M)
    for number in (acc, -acc):
        exact = Fraction(number) * Fraction(int(M0), 1 << int(shift))
        assert int(scaled(np.array(number), M0, shift)) == half_up(exact)
    exact = -Fraction(acc) * Fraction(int(M0), 1 << int(shift))
    assert int(scaled(np.array(acc), *to_fixed_point(-M))) == half_up(exact)


@given(INT32, st.floats(2.0**-31, 1.0))
def test_31_bits_are_enough(acc, M):
    """The code is the real product's, or beside it; never two away."""
    code = int(scaled(np.array(acc), *to_fixed_point(M)))
    assert abs(code - half_up(Fraction(acc) * Fraction(M))) <= 1


def test_one_multiplier_a_channel():
    """As an array, exponents come in int32 from frexp; shifts of 32 and more must survive."""
    M = np.array([2.0**-20, 2.0**-2, 3.0, 0.1])
    multiplier = to_fixed_point(M)
    assert multiplier.shift.max() > 32
    acc = np.random.default_rng(0).integers(-(2**28), 2**28, (50, 4)).astype(np.int32)
    each = [[int(scaled(acc[i, j], *to_fixed_point(M[j]))) for j in range(4)] for i in range(50)]
    np.testing.assert_array_equal(scaled(acc, *multiplier), each)
    np.testing.assert_allclose(scaled(acc, *multiplier), acc * M, atol=0.51)


def test_what_is_too_small_to_matter_is_0():
    for M in (0.0, 2.0**-40, -(2.0**-33), 1e-300):
        assert int(scaled(np.array(2**31 - 1), *to_fixed_point(M))) == 0


@pytest.mark.parametrize("M", [np.nan, np.inf, 2.0**30, -(2.0**31), [0.5, np.nan]])
def test_what_is_too_large_is_refused(M):
    with pytest.raises(ValueError, match="M must be finite"):
        to_fixed_point(M)


def test_codes_saturate_in_the_smallest_type():
    acc = np.array([-(2**31), -129, -128, 0, 127, 128, 2**31 - 1])
    one = to_fixed_point(1.0)
    for low, high, kind in (
        (-128, 127, np.int8), (-127, 127, np.int8), (0, 255, np.uint8), (0, 127, np.int8),
        (-(2**15), 2**15 - 1, np.int16), (-(2**31), 2**31 - 1, np.int32),
    ):  # fmt: skip
        q = requantize(acc, *one, 0, low, high)
        assert q.dtype == kind
        np.testing.assert_array_equal(q, np.clip(acc, low, high))
    for low, high in ((3, 3), (0, 2**32)):
        with pytest.raises(ValueError, match="low must be below high"):
            code_type(low, high)


def test_inputs_stay_as_they_are():
    acc = np.arange(-4, 4)
    before = acc.copy()
    requantize(acc, *to_fixed_point(0.3), 5)
    np.testing.assert_array_equal(acc, before)


def test_fractions_are_refused():
    with pytest.raises(TypeError, match="acc must hold integers"):
        requantize(np.array([1.5]), 2**30, 30)
