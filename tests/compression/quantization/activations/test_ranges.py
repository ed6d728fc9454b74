"""How far static codes reach: each choice by its definition, on numbers that were seen."""

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization.activations.ranges import (
    RANGES,
    code_ends,
    scale_of,
)
from minilm.weights import Seen


def seen_of(*batches, histogram=True):
    seen = Seen(batches[0].shape[-1], histogram)
    for batch in batches:
        seen.add(batch.astype(np.float32))
        seen.end_batch()
    return seen


def reach(objective, seen, bits=8, symmetric=True, percent=99.0):
    return RANGES[objective]("w", seen, bits, symmetric, percent)


def test_absmax_and_moving_average():
    seen = seen_of(np.array([[1.0, -2.0]]), np.array([[11.0, 0.0]]), np.array([[1.0, -1.0]]))
    assert reach("absmax", seen) == (-2, 11)
    low, high = reach("moving_average", seen)
    assert high == pytest.approx(1 + 0.1 * 10 - 0.1 * 1.0)  # 1 -> 2 -> 1.9
    assert low == pytest.approx(-2 + 0.1 * 2 + 0.1 * 0.8)


@pytest.mark.parametrize("percent", [50.0, 99.0, 100.0])
def test_percentile_to_within_a_bin(percent):
    x = np.random.default_rng(0).normal(size=(4000, 5)) + 0.5
    seen = seen_of(x)
    width = seen.histogram.limit / 2048
    low, high = reach("percentile", seen, percent=percent)
    assert -low == high
    assert 0 <= high - np.percentile(np.abs(x), percent) <= 2 * width
    low, high = reach("percentile", seen, symmetric=False, percent=percent)
    tail = (100 - percent) / 2
    assert abs(low - np.percentile(x, tail)) <= 2 * width
    assert abs(high - np.percentile(x, 100 - tail)) <= 2 * width


@pytest.mark.parametrize("symmetric", [True, False])
def test_mse_is_least_among_ranges(symmetric):
    """At 4 bits of a Gaussian the best end is near 2.5 σ, far inside the largest number."""
    x = np.random.default_rng(0).normal(size=(20_000, 4))
    low, high = reach("mse", seen_of(x), bits=4, symmetric=symmetric)
    assert 2.3 < high < 3.0

    def error(factor):
        s, z = scale_of(np.array(low * factor), np.array(high * factor), 4, symmetric)
        first, last = code_ends(4, symmetric)
        return np.mean((s * (np.clip(np.rint(x / s) + z, first, last) - z) - x) ** 2)

    assert all(error(1.0) < error(factor) for factor in (0.75, 0.88, 1.14, 1.4))


def test_entropy_is_that_of_the_numbers_themselves():
    """The objective "entropy" on all numbers, which cuts its bins otherwise: nearly the same t."""
    x = np.random.default_rng(1).standard_t(4, size=(20_000, 2)).astype(np.float32)
    codes = quantize(x, 6, objective="entropy")
    low, high = reach("entropy", seen_of(x), bits=6)
    assert high == -low == pytest.approx(float(codes.scale) * 31, rel=0.1)


def test_entropy_clips_a_long_tail_and_not_a_short_one():
    rng = np.random.default_rng(0)
    gaussian, uniform = rng.normal(size=(50_000, 2)), rng.uniform(-1, 1, (50_000, 2))
    assert reach("entropy", seen_of(gaussian), bits=4)[1] < 3.5 < np.abs(gaussian).max()
    assert reach("entropy", seen_of(uniform), bits=4)[1] > 0.9
    # one side alone: what is not there needs no codes
    assert reach("entropy", seen_of(np.abs(uniform)), bits=4)[0] >= 0


@pytest.mark.parametrize("objective", ["percentile", "mse", "entropy"])
def test_a_histogram_is_asked_for(objective):
    seen = seen_of(np.ones((2, 2)), histogram=False)
    with pytest.raises(ValueError, match="calibration of w has no histogram: calibrate"):
        reach(objective, seen)


@pytest.mark.parametrize("objective", RANGES)
def test_zeros_alone(objective):
    low, high = reach(objective, seen_of(np.zeros((3, 2))))
    assert low <= 0 <= high
    scale, zero_point = scale_of(np.array(min(low, 0.0)), np.array(max(high, 0.0)), 8, False)
    assert np.isfinite(scale) and 0 <= zero_point <= 255


def test_scales_are_never_subnormal():
    tiny = np.finfo(np.float32).tiny
    scale, _ = scale_of(np.array([0.0, -1e-44]), np.array([0.0, 0.0]), 8, True)
    np.testing.assert_array_equal(scale, [0, tiny])
