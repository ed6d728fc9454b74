import numpy as np
import pytest

from minilm.compression.quantization import scales
from minilm.compression.quantization.grids import Integers
from minilm.compression.quantization.rounding import codes_of, in_scales, values_of

SYMMETRIC, AFFINE = Integers(-3, 3), Integers(0, 7, affine=True)
FINE = Integers(-127, 127)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


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
    low, high = scales.absmax(x, AFFINE)
    assert (low.tolist(), high.tolist()) == ([[0], [-5]], [[5], [0]])
    z = scales.affine_scale(low, high, AFFINE)[1]
    assert z.tolist() == [[0], [7]]  # a point of the grid, not one clamped to it


def test_percentile_by_hand():
    x = np.array([list(range(-20, 81))], np.float32)
    # 90 % inside: 5 % cut off at either end; symmetric, 10 % of |x| above
    low, high = scales.percentile(x, AFFINE, 90)
    assert (low.item(), high.item()) == (-15, 75)
    low, high = scales.percentile(x, SYMMETRIC, 90)
    assert (low.item(), high.item()) == (-70, 70)
    assert high.dtype == np.float32


def test_percentile_of_a_row_nearly_all_zero_is_its_absmax():
    x = np.zeros((1, 1000), np.float32)
    x[0, 7] = 2
    assert scales.percentile(x, SYMMETRIC, 90)[1].item() == 2
    assert scales.percentile(x, AFFINE, 90)[1].item() == 2


def test_mean_magnitude_is_the_best_scale_of_signs():
    x = normal(1, 500)
    a = scales.mean_magnitude(x, SYMMETRIC)[1].item()
    assert a == pytest.approx(float(np.abs(x).mean()))
    errors = [((x - b * np.sign(x)) ** 2).sum() for b in (a, a * 1.01, a / 1.01)]
    assert min(errors) == errors[0]


@pytest.mark.parametrize(
    ("grid", "n"),
    [(SYMMETRIC, 16), (SYMMETRIC, 64), (AFFINE, 64), (SYMMETRIC, 70_000), (FINE, 70_000)],
)
def test_mse_is_near_an_exhaustive_search(grid, n):
    x = normal(3, n, seed=n)
    low, high = scales.absmax(x, grid)
    found = error(x, *scales.mse(x, grid), grid)
    trials = [error(x, low * f, high * f, grid) for f in np.linspace(0.05, 1.15, 300)]
    assert (found <= error(x, low, high, grid)).all()
    assert (found <= 1.03 * np.min(trials, axis=0)).all()


def test_mse_clips_an_outlier_away():
    x = normal(1, 100_000)
    x[0, 0] = 40  # one number costs 40² at most, the others gain more than that by finer steps
    high = scales.mse(x, SYMMETRIC)[1].item()
    assert high == pytest.approx(1.99, rel=0.1)  # as if it were not there: 3 bits clip at 1.99σ


def test_mse_of_rows_is_that_of_each_row():
    x = normal(300, 64) * np.linspace(0.1, 10, 300, dtype=np.float32)[:, None]
    high = scales.mse(x, SYMMETRIC)[1]
    for row in (0, 150, 299):
        assert scales.mse(x[row : row + 1], SYMMETRIC)[1] == pytest.approx(high[row : row + 1])


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_mse_of_tiny_and_huge_numbers_is_the_same_but_for_their_size(size):
    x = normal(1, 1000)
    high = scales.mse(x * np.float32(size), SYMMETRIC)[1]
    assert high / size == pytest.approx(scales.mse(x, SYMMETRIC)[1], rel=1e-4)


def test_mse_is_no_worse_than_absmax_where_scales_are_as_small_as_they_get():
    x = normal(1, 64) * np.float32(1e-36)  # 8 bits of this stand at about float32's last normal
    assert error(x, *scales.mse(x, FINE), FINE) <= error(x, *scales.absmax(x, FINE), FINE)


def test_half_precision_is_rounded_up_and_refused_where_it_loses_digits():
    fine = np.array([[0.1], [0.3], [0]], np.float32)
    half = scales.up_to_half(fine)
    assert half.dtype == np.float16
    assert (half >= fine).all()
    assert (half.astype(np.float32) <= fine * (1 + 2.0**-10)).all()
    for outside in (1e-6, 1e6):
        assert scales.up_to_half(np.array([[1], [outside]], np.float32)).dtype == np.float32


def test_chunks_cover_everything_once():
    for shape in ((1, 5), (7, 3), (1, scales.CHUNK + 5), (3, scales.CHUNK * 2 + 1), (5000, 64)):
        seen = np.zeros(shape, int)
        for place in scales.chunks(shape):
            seen[place] += 1
            assert seen[place].size <= scales.CHUNK
        assert (seen == 1).all()
