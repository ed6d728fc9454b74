import math

import numpy as np
import pytest

from minilm.compression.coding import entropy_of
from minilm.study.limits import (
    absmax,
    best_scale,
    best_scale_sqnr,
    block_sqnr,
    cells,
    ecsq_sqnr,
    lloyd_max_sqnr,
    nearest_sqnr,
    power_of_two,
    shannon_sqnr,
    small_float,
    ternary_sqnr,
    uniform_cells,
)


def test_one_bit_by_hand():
    # Two levels at ±E|x| = ±√(2/π): D = 1 − 2/π.
    one_bit = -10 * np.log10(1 - 2 / np.pi)
    assert lloyd_max_sqnr(1) == pytest.approx(one_bit, abs=1e-9)
    mean = math.sqrt(2 / math.pi)
    assert best_scale([-1, 1]) == pytest.approx(mean, abs=1e-6)
    assert best_scale_sqnr([1, -1]) == pytest.approx(one_bit, abs=1e-9)
    assert ternary_sqnr(0, mean) == pytest.approx(one_bit, abs=1e-9)
    assert nearest_sqnr([0]) == 0


def test_published_lloyd_max_figures():
    # Max 1960, table I, by 2, 4, 8, 16, 32 levels; 6 and 8 bits as others computed them.
    published = {1: 4.40, 2: 9.30, 3: 14.62, 4: 20.22, 5: 26.01, 6: 31.91, 8: 43.85}
    for bits, sqnr in published.items():
        assert lloyd_max_sqnr(bits) == pytest.approx(sqnr, abs=0.01)


def test_published_clip_points():
    # where the outermost of 2^b evenly spaced cells ends, in σ (Max 1960, table II; Hui, Neuhoff)
    published = {1: 1.596, 2: 1.991, 3: 2.344, 4: 2.681, 5: 3.010, 6: 3.330, 8: 3.938}
    for bits, clip in published.items():
        levels = np.arange(2**bits) - (2**bits - 1) / 2
        assert best_scale(levels) * 2 ** (bits - 1) == pytest.approx(clip, abs=0.001)


def test_shannon_is_six_decibels_a_bit_and_above_every_scalar_code():
    rates = np.arange(1, 9)
    limit = shannon_sqnr(rates)
    np.testing.assert_allclose(limit, 10 * np.log10(4.0**rates))
    for bits in rates.tolist():
        levels = np.arange(2**bits) - (2**bits - 1) / 2
        chain = [best_scale_sqnr(levels), lloyd_max_sqnr(bits), ecsq_sqnr(bits), limit[bits - 1]]
        assert chain == sorted(chain)


def test_moments_of_cells():
    mass, moment = cells(np.array([-np.inf, -1, 0, 2, np.inf]))
    assert mass.sum() == pytest.approx(1) and moment.sum() == pytest.approx(0, abs=1e-15)
    x = (np.arange(100_000) + 0.5) / 50_000  # the middles of small cells of 0 … 2
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    assert mass[2] == pytest.approx(2 * density.mean(), rel=1e-8)
    assert moment[2] == pytest.approx((1 - math.exp(-2)) / math.sqrt(2 * math.pi))


def test_entropy_of_an_entropy_coded_uniform():
    assert entropy_of(np.array([0.5, 0.25, 0.25, 0])) == 1.5
    # fine steps: h(x) − log2 step, and half a step's variance step²/12
    step = 1 / 64
    differential = math.log2(2 * math.pi * math.e) / 2
    assert entropy_of(uniform_cells(step)[0]) == pytest.approx(differential + 6, abs=1e-4)
    gap = 10 * math.log10(math.pi * math.e / 6)
    assert shannon_sqnr(7) - ecsq_sqnr(7) == pytest.approx(gap, abs=1e-3)


def test_entropy_coding_comes_within_a_quarter_of_a_bit_of_shannon():
    for rate in np.arange(2, 8.1, 0.25):
        assert shannon_sqnr(rate) - ecsq_sqnr(rate) < shannon_sqnr(0.26)


@pytest.mark.parametrize(
    ("levels", "scale"),
    [([-1, 0, 1], absmax(1)), (range(-7, 9), absmax(8)), ([0, 1, 1.5, -2, -1], power_of_two(2.0))],
)
def test_blocks_against_a_sample(levels, scale):
    x = np.random.default_rng(0).normal(size=(60_000, 8))
    furthest = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)
    x *= np.sign(furthest)  # the largest magnitude is positive
    s = np.array([scale(m) for m in np.abs(furthest[:, 0])])
    v = x / s[:, None]
    grid = np.unique(np.asarray(levels, float))
    rounded = grid[np.abs(v[..., None] - grid).argmin(axis=-1)]
    error = ((x - rounded * s[:, None]) ** 2).mean()
    assert block_sqnr(levels, 8, scale) == pytest.approx(-10 * np.log10(error), abs=0.02)


def test_scales_by_hand():
    assert [power_of_two(6.0)(m) for m in (6, 7.9, 8, 3.9)] == [1, 1, 2, 0.5]
    # the last level, 4, belongs to the tensor's largest, 24, on a grid that reaches 3: steps of 2
    assert [small_float(3, 24, [0, 1, 2, 4])(m) for m in (24, 13.5, 4.5)] == [8, 4, 2]
