"""Rules that cast and clip: by hand, and at their edges."""

import numpy as np
import pytest

from minilm.course.published import casts
from minilm.course.published.yardsticks import absmax, gaussian_weights, min_max


def test_bounds_that_are_weights_cross_where_all_weights_are_negative():
    w, codes = np.array([-0.2, -0.1]), np.array([-2.0, -1.0, 3.0])
    # the lower bound is 0.05, the upper −0.05: whatever the code, the upper one remains
    assert casts.clipped_by_half_the_weight(codes, w, 4).tolist() == [-0.05] * 3
    assert casts.clipped_to_the_codes(codes, w, 2).tolist() == [-1, -1, 1]


def test_scaling_can_be_undone_to_the_last_digits_so_nothing_was_quantized():
    w = gaussian_weights().astype(np.float64)
    assert np.allclose((casts.scaled_and_shifted(w, 4) - 0.5) / 15, w, atol=1e-15)


def test_half_precision_keeps_every_connection():
    w = gaussian_weights()
    assert np.mean(casts.half_of_the_connections(w) == 0) == 0.5
    assert np.array_equal(casts.half_precision(w), w.astype(np.float16).astype(np.float32))


def test_cast_before_mapping_leaves_whole_standard_deviations():
    x = gaussian_weights().astype(np.float64)
    for bits in (8, 16):
        restored = (casts.cast_before_mapping(x, bits) - x.mean()) / x.std()
        assert len(np.unique(np.rint(restored))) <= 9
        assert np.abs(restored - np.rint(restored)).max() < 0.05


def test_a_cast_wraps_around():
    x = np.zeros(40_000)
    x[0] = 1
    # standardised, the 1 is √40000 = 200, and 200 − 256 = −56 (199.99… is cut to 199)
    assert casts.standardised_and_cast(x)[0] == pytest.approx((199 - 256) * x.std(), abs=1e-4)


def test_min_max_fails_for_constants_only_as_printed():
    for constant in (-2.0, 0.0, 3.0):
        x = np.full(4, constant, np.float32)
        assert np.isnan(casts.mapped_to_the_range(x, 8)).all()
        assert min_max(x, 8) == pytest.approx(x)
        assert absmax(x, 8) == pytest.approx(x)


def test_a_byte_has_no_sign():
    # 1.984·x − 0.992 is −1.09, −0.99, −0.89, 0.99: cut towards 0; −1 is stored as 255
    assert casts.cast_to_bytes(np.array([-0.05, 0, 0.05, 1])).tolist() == [255, 0, 0, 0]
