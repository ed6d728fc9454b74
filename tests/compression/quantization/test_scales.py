import numpy as np
import pytest

from minilm.compression.quantization import objectives, scales
from minilm.compression.quantization.affine import codes_of, in_scales, values_of
from minilm.compression.quantization.grids import Integers

SYMMETRIC, AFFINE = Integers(-3, 3), Integers(0, 7, affine=True)
FINE = Integers(-127, 127)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def of_rows(objective, x, grid, *percent):
    """The range that an objective gives each row of x (S, n): (S, 1) each."""
    x = x[:, :, None]
    low, high = objective(x, scales.extremes(x), grid, *percent)
    return low[:, :, 0], high[:, :, 0]


def error(x, low, high, grid):
    s, z = scales.affine_scale(low, high, grid)
    values = values_of(codes_of(in_scales(x, s), z, grid), s, z, grid)
    return ((x - values).astype(float) ** 2).sum(axis=-1)


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


def test_percentile_by_hand():
    x = np.array([list(range(-20, 81))], np.float32)
    # 90 % inside: 5 % cut off at either end; symmetric, 10 % of |x| above
    low, high = of_rows(objectives.percentile, x, AFFINE, 90)
    assert (low.item(), high.item()) == (-15, 75)
    low, high = of_rows(objectives.percentile, x, SYMMETRIC, 90)
    assert (low.item(), high.item()) == (-70, 70)
    assert high.dtype == np.float32


def test_percentile_of_a_row_nearly_all_zero_is_its_absmax():
    x = np.zeros((1, 1000), np.float32)
    x[0, 7] = 2
    assert of_rows(objectives.percentile, x, SYMMETRIC, 90)[1].item() == 2
    assert of_rows(objectives.percentile, x, AFFINE, 90)[1].item() == 2


def test_mean_magnitude_is_the_best_scale_of_signs():
    x = normal(1, 500)
    a = of_rows(objectives.mean_magnitude, x, SYMMETRIC)[1].item()
    assert a == pytest.approx(float(np.abs(x).mean()))
    errors = [((x - b * np.sign(x)) ** 2).sum() for b in (a, a * 1.01, a / 1.01)]
    assert min(errors) == errors[0]


@pytest.mark.parametrize(
    ("grid", "n"),
    [(SYMMETRIC, 16), (SYMMETRIC, 64), (AFFINE, 64), (SYMMETRIC, 70_000), (FINE, 70_000)],
)
def test_mse_is_near_an_exhaustive_search(grid, n):
    x = normal(3, n, seed=n)
    low, high = of_rows(objectives.absmax, x, grid)
    found = error(x, *of_rows(objectives.mse, x, grid), grid)
    trials = [error(x, low * f, high * f, grid) for f in np.linspace(0.05, 1.15, 300)]
    assert (found <= error(x, low, high, grid)).all()
    assert (found <= 1.03 * np.min(trials, axis=0)).all()


def test_mse_clips_an_outlier_away():
    x = normal(1, 100_000)
    x[0, 0] = 40  # one number costs 40² at most, the others gain more than that by finer steps
    high = of_rows(objectives.mse, x, SYMMETRIC)[1].item()
    assert high == pytest.approx(1.99, rel=0.1)  # as if it were not there: 3 bits clip at 1.99σ


def test_mse_of_rows_is_that_of_each_row():
    x = normal(300, 64) * np.linspace(0.1, 10, 300, dtype=np.float32)[:, None]
    high = of_rows(objectives.mse, x, SYMMETRIC)[1]
    for row in (0, 150, 299):
        alone = of_rows(objectives.mse, x[row : row + 1], SYMMETRIC)[1]
        assert alone == pytest.approx(high[row : row + 1])


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_mse_of_tiny_and_huge_numbers_is_the_same_but_for_their_size(size):
    x = normal(1, 1000)
    high = of_rows(objectives.mse, x * np.float32(size), SYMMETRIC)[1]
    assert high / size == pytest.approx(of_rows(objectives.mse, x, SYMMETRIC)[1], rel=1e-4)


def test_mse_is_no_worse_than_absmax_where_scales_are_as_small_as_they_get():
    x = normal(1, 64) * np.float32(1e-36)  # 8 bits of this stand at about float32's last normal
    found, widest = (of_rows(objective, x, FINE) for objective in (objectives.mse, objectives.absmax))
    assert error(x, *found, FINE) <= error(x, *widest, FINE)


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
