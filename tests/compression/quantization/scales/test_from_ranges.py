import numpy as np
import pytest

from minilm.compression.quantization.grids import Integers
from minilm.compression.quantization.scales import from_ranges as scales
from minilm.compression.quantization.scales import objectives

SYMMETRIC, AFFINE = Integers(-3, 3), Integers(0, 7, affine=True)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def of_rows(objective, x, grid, *percent):
    """The range that an objective gives each row of x (S, n): (S, 1) each."""
    x = x[:, :, None]
    low, high = objective(x, scales.extremes(x), grid, *percent)
    return low[:, :, 0], high[:, :, 0]


def test_affine_scale_by_hand():
    low, high = np.array([[-1.0], [0], [0]]), np.array([[2.5], [7], [0]])
    s, z = scales.affine_scale(low, high, AFFINE)
    assert s.tolist() == [[0.5], [1], [0]]  # (2.5 + 1) / 7; a row of zeros has scale 0
    assert z.tolist() == [[2], [0], [0]]
    s, z = scales.affine_scale(low, high, SYMMETRIC)
    assert s == pytest.approx(np.array([[2.5 / 3], [7 / 3], [0]]))
    assert s.dtype == np.float32
    assert not z.any()


def test_the_range_always_includes_zero():
    x = np.array([[3, 4, 5], [-5, -4, -3]], np.float32)
    low, high = of_rows(objectives.absmax, x, AFFINE)
    assert (low.tolist(), high.tolist()) == ([[0], [-5]], [[5], [0]])
    z = scales.affine_scale(low, high, AFFINE)[1]
    assert z.tolist() == [[0], [7]]  # a point of the grid, not one clamped to it


def test_chunks_cover_everything_once():
    for shape in ((1, 5, 1), (7, 3, 2), (1, 1005, 1), (3, 2001, 1), (500, 64, 1), (1, 50, 300),
                  (9, 4, 30), (2, 3, 1500)):  # fmt: skip
        seen, places = np.zeros(shape, int), list(scales.chunks(shape, 1000))
        for place, after in zip(places, [*places[1:], None], strict=True):
            seen[place] += 1
            assert seen[place].size <= 1000
            # pieces with the same scales follow each other, from the first of their numbers on
            if after and scales.sharing(place) == scales.sharing(after):
                assert after[1].start == place[1].stop
            elif after:
                assert after[1].start == 0
        assert (seen == 1).all()


def test_extremes_over_many_chunks(monkeypatch):
    monkeypatch.setattr(scales.chunks, "__defaults__", (100,))
    for shape in ((1, 1005, 1), (5, 64, 1), (3, 50, 30), (2, 3, 150)):
        x = normal(*shape)
        low, high = scales.extremes(x)
        np.testing.assert_array_equal(low, np.minimum(x.min(axis=1, keepdims=True), 0))
        np.testing.assert_array_equal(high, np.maximum(x.max(axis=1, keepdims=True), 0))
        for bad in (np.nan, np.inf, -np.inf):
            spoilt = x.copy()
            spoilt.flat[-1] = bad
            assert not all(np.isfinite(end).all() for end in scales.extremes(spoilt))
