import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.compression import fake_quantize, quantize
from minilm.compression.quantization.affine import codes_of, in_scales, values_of
from minilm.compression.quantization.grids import Integers
from minilm.compression.quantization.scales import from_ranges as scales
from minilm.compression.quantization.scales import objectives
from minilm.compression.quantization.scales.entropy import BINS, LITTLE, divergences
from minilm.compression.quantization.scales.half_quadratic import best_zero_point

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
    both = (objectives.mse, objectives.absmax)
    found, widest = (of_rows(objective, x, FINE) for objective in both)
    assert error(x, *found, FINE) <= error(x, *widest, FINE)


# --- few levels


def test_absmean_by_hand():
    # mean|x| = 2, which is one step: 1.0 lies half-way and goes to even, 1.1 to the first level
    x = np.array([1, -1.1, 0.9, 5], np.float32)
    q = quantize(x, 2, objective="absmean")
    assert q.scale == 2
    assert q.codes.tolist() == [0, -1, 0, 1]
    assert quantize(x, 4, objective="absmean").scale == 2  # one step, not the whole range


@pytest.mark.parametrize("objective", ["absmean", "lsq", "norm", "mean_magnitude"])
@pytest.mark.parametrize("size", [1e-44, 1e-38, 3e38])
def test_ranges_beyond_the_largest_number_are_cut_off_there(objective, size):
    x = np.array([1, -1, 0.5, 0], np.float32) * np.float32(size)
    assert np.isfinite(fake_quantize(x, 8, objective=objective)).all()


def test_twn_by_hand():
    # Δ = 0.7·mean|x| = 1.44: of what exceeds it the mean is 3.01, and half of that, 1.505, is the
    # least that is not rounded to 0
    x = np.array([1.45, 1.6, -4, -1.4, 0, 4, 0, 4], np.float32)
    assert 0.7 * np.abs(x).mean() == pytest.approx(1.44, abs=0.001)
    q = quantize(x, 2, objective="twn")
    assert q.scale == pytest.approx((1.45 + 1.6 + 4 + 4 + 4) / 5)
    assert q.codes.tolist() == [0, 1, -1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(("objective", "sqnr"), [("absmean", 5.79), ("twn", 7.18)])
def test_three_levels_of_a_gaussian(objective, sqnr):
    x = normal(1 << 19)
    error = x - fake_quantize(x, 2, objective=objective)
    assert 10 * np.log10((x**2).mean() / (error**2).mean()) == pytest.approx(sqnr, abs=0.05)


# --- entropy


def test_the_divergence_by_hand():
    # four bins, of which the two outer ones are cut off: what was in them is counted at the ends
    counts = np.zeros((1, BINS))
    counts[0, [0, 600, 1400, BINS - 1]] = 1, 3, 3, 1
    ones, grid = np.ones((1, 1)), Integers(-127, 127)
    wide = divergences(counts, -ones, ones, 1.0, grid, None)
    assert wide == pytest.approx(0)  # each of them has a level to itself
    narrow = divergences(counts, -ones, ones, 0.5, grid, None)
    # P = 1 3 3 1 over 8, and Q has nothing where the outer ones were put
    expected = 2 / 8 * np.log(1 / 8 / LITTLE) + 6 / 8 * np.log(3 / 8 / (1 / 2))
    assert narrow == pytest.approx(expected)


def test_flat_cells_cost_what_the_histogram_is_not():
    # one level for all: Q is flat over the bins that are not empty
    counts = np.zeros((1, BINS))
    counts[0, [1022, 1023, 1024, 1025]] = 1, 2, 4, 1
    found = divergences(counts, -np.ones((1, 1)), np.ones((1, 1)), 1.0, Integers(-1, 1), None)
    P = np.array([1, 2, 4, 1]) / 8
    assert found == pytest.approx((P * np.log(P / 0.25)).sum())


@pytest.mark.parametrize("grid", [FINE, Integers(0, 255, affine=True)])
def test_entropy_leaves_out_an_outlier(grid):
    x = normal(1, 100_000)
    x[0, :2] = -60, 60  # on both sides, for both ends move together
    low, high = of_rows(objectives.entropy, x, grid)
    assert 2.5 < high.item() < 15
    widest = of_rows(objectives.absmax, x, grid)
    assert error(x[:, 2:], low, high, grid) < 0.1 * error(x[:, 2:], *widest, grid)


def test_entropy_keeps_numbers_that_are_evenly_spread():
    x = np.linspace(-1, 1, 100_001, dtype=np.float32)[None]
    assert of_rows(objectives.entropy, x, FINE)[1].item() == pytest.approx(1, rel=0.05)


def test_entropy_of_rows_is_that_of_each_row():
    x = normal(40, 2000) * np.linspace(0.1, 10, 40, dtype=np.float32)[:, None]
    x[7] = 0
    high = of_rows(objectives.entropy, x, FINE)[1]
    for row in (0, 7, 39):
        alone = of_rows(objectives.entropy, x[row : row + 1], FINE)[1]
        assert alone == pytest.approx(high[row : row + 1])


# --- HQQ

REAL = {"symmetric": False, "grid": "int_real_zero", "axis": 0}


def lp(error):
    return (np.abs(error.astype(float)) ** 0.7).sum(axis=-1)


@given(arrays(np.float32, (3, 24), elements=st.floats(-100, 100, width=32)), st.integers(1, 8))
def test_hqq_is_never_worse_than_absmax_by_its_own_measure(x, bits):
    errors = [x - fake_quantize(x, bits, objective=name, **REAL) for name in ("hqq", "absmax")]
    assert (lp(errors[0]) <= lp(errors[1]) * (1 + 1e-3) + 1e-3).all()


def test_hqq_by_the_published_steps():
    # Badri and Shaji: p = 0.7, β = 10, κ = 1.01, 20 rounds; of the z passed the best is kept
    v, grid = np.random.default_rng(3).standard_t(3, (30, 64)), Integers(0, 15, True, True)
    v = (v - v.min(axis=1, keepdims=True)) * 15 / np.ptp(v, axis=1, keepdims=True)
    found = best_zero_point(v.astype(np.float32), np.zeros((30, 1), np.float32), grid)
    for row, answer in zip(v, found[:, 0], strict=True):
        z, beta, passed = 0.0, 10.0, []
        for _ in range(21):
            q = np.clip(np.rint(row + z), 0, 15)
            e = row - (q - z)
            passed.append((float((np.abs(e) ** 0.7).sum()), z))
            size = np.maximum(np.abs(e), 1e-6)
            large = np.sign(e) * np.maximum(size - size ** (0.7 - 1) / beta, 0)
            z, beta = float(np.float16(np.mean(q - (row - large)))), beta * 1.01
        assert min(passed)[0] == pytest.approx(
            float((np.abs(row - (np.clip(np.rint(row + answer), 0, 15) - answer)) ** 0.7).sum())
        )


def test_the_zero_point_is_sought_among_those_that_can_be_stored():
    # near 128 a float16 is a multiple of ⅛: what is best before it is rounded need not be so after
    v = normal(200, 64) * 40
    for z in best_zero_point(v, np.full((200, 1), 128, np.float32), Integers(0, 255, True, True)):
        assert z == np.float16(z)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_hqq_is_better_than_absmax(bits):
    x = np.random.default_rng(0).standard_t(4, (64, 128)).astype(np.float32)
    how = {**REAL, "group_size": 64}
    error = x - fake_quantize(x, bits, objective="hqq", **how)
    for grid in ("int", "int_real_zero"):
        other = x - fake_quantize(x, bits, **{**how, "grid": grid})
        assert lp(error).sum() < 0.97 * lp(other).sum()


def test_hqq_does_not_depend_on_the_unit():
    x = normal(4, 64)
    first = quantize(x, 3, objective="hqq", **REAL)
    for size in (2.0**-40, 2.0**40):
        q = quantize(x * np.float32(size), 3, objective="hqq", **REAL)
        np.testing.assert_array_equal(q.codes, first.codes)
        np.testing.assert_array_equal(q.zero_point, first.zero_point)


def test_a_zero_point_between_codes():
    q = quantize(np.array([-1.0, 0.0, 0.5, 2.0]), 2, symmetric=False, grid="int_real_zero")
    assert (q.scale, q.zero_point) == (1, 1)
    x = np.array([-0.5, 0.2, 1.0])  # 3 steps of ½, and 0 is one step from the lowest level
    moved = quantize(x, 2, symmetric=False, grid="int_real_zero")
    assert (moved.scale, moved.zero_point) == (0.5, 1)
    assert moved.zero_points.dtype == np.float16
    uneven = quantize(np.array([-0.25, 1.25]), 2, symmetric=False, grid="int_real_zero")
    assert (uneven.scale, uneven.zero_point) == (0.5, 0.5)
    assert uneven.dense().tolist() == [-0.25, 1.25]  # a whole zero point has to miss one of them


@pytest.mark.parametrize(
    "how",
    [{}, {"symmetric": False}, {"symmetric": True, "grid": "int_real_zero"}],
)
def test_hqq_needs_a_zero_point_that_is_any_number(how):
    with pytest.raises(ValueError, match="int_real_zero"):
        quantize(np.ones(4), 4, objective="hqq", **how)


@pytest.mark.parametrize("name", objectives.OBJECTIVES)
def test_every_objective_of_zeros_and_of_one_number(name):
    grid = "int_real_zero" if name == "hqq" else "entropy_coded" if name == "rate" else "int"
    how = {"objective": name, "grid": grid, "symmetric": name != "hqq", "axis": 0}
    x = np.zeros((3, 8), np.float32)
    x[1, 2] = 5
    x_hat = fake_quantize(x, 4, **how)
    assert (x_hat[[0, 2]] == 0).all()
    assert np.isfinite(x_hat).all()
