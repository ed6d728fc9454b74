import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.compression import dequantize, fake_quantize, lloyd_max, quantize
from minilm.compression.quantization.grids import GRIDS, Codebook, Integers, MidRise, Signs

ordinary = st.floats(-100, 100, width=32)


def test_integers_by_hand():
    symmetric, affine = GRIDS["int"].start(3, True), GRIDS["int"].start(3, False)
    assert (symmetric.low, symmetric.high, symmetric.reach, symmetric.affine) == (-3, 3, 3, False)
    assert (affine.low, affine.high, affine.affine) == (0, 7, True)
    assert isinstance(GRIDS["int"].start(1, True), Signs)


def test_signs_by_hand():
    v = np.array([-7, -0.1, 0.1, 5], np.float32)
    codes = Signs().code(np.rint(Signs().position(v)))
    assert np.clip(codes, -1, 1).tolist() == [-1, -1, 1, 1]


def test_full_range_by_hand():
    grid = GRIDS["int_full"].start(4, True)
    assert (grid.low, grid.high, grid.reach) == (-8, 7, 7.5)
    # s = 15 / 7.5: both ends are half a step from their levels
    q = quantize(np.array([-15, 15, 0, 3], np.float32), 4, grid="int_full")
    assert (q.scale, q.codes.tolist(), q.max_error) == (2, [-8, 7, 0, 2], 1)


def test_mid_rise_by_hand():
    grid = GRIDS["mid_rise"].start(2, True)
    assert grid.levels.tolist() == [-1.5, -0.5, 0.5, 1.5] and grid.reach == 2
    q = quantize(np.array([-2, -0.9, 0.1, 1.1, 2], np.float32), 2, grid="mid_rise")
    assert (q.scale, q.codes.tolist()) == (1, [0, 1, 2, 3, 3])
    assert dequantize(q).tolist() == [-1.5, -0.5, 0.5, 1.5, 1.5]
    assert q.max_error == 0.5
    assert grid.inside(np.float32([-2.1, -2, 0, 2, 2.1])).tolist() == [0, 1, 1, 1, 0]


def test_one_bit_of_mid_rise_is_the_signs():
    x = np.random.default_rng(0).normal(size=200).astype(np.float32)
    signs = fake_quantize(x, 1)
    best = 2 * np.abs(x).mean()  # ±½ at a scale of 2·mean|x|
    fixed = MidRise(1)
    np.testing.assert_allclose(best * fixed.value(np.clip(np.rint(fixed.position(x / best)), 0, 1)),
                               signs, rtol=1e-5)


def test_codebook_positions_by_hand():
    book = Codebook(np.array([-2, 0, 1, 4], np.float32))
    # half-way between two levels is half-way between two positions, whatever their distance
    positions = book.position(np.array([-9, -2, -1, 0.5, 2.5, 9]))
    assert positions.tolist() == [0, 0, 0.5, 1.5, 2.5, 3]
    assert book.value(np.array([0.0, 3.0])).tolist() == [-2, 4]
    assert (book.low, book.high, book.reach) == (0, 3, 4)


def test_what_the_grid_clips():
    v = np.array([-3.1, -3, 0, 3, 3.1], np.float32)
    assert Integers(-3, 3).inside(v).tolist() == [False, True, True, True, False]
    assert Signs().inside(v).all()
    assert Codebook(np.array([0, 1], np.float32)).inside(v).all()


# as bitsandbytes publishes it
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
       0.7229568362236023, 1.0]


def test_nf4_is_the_published_table():
    levels = GRIDS["nf"].start(4, True).levels
    np.testing.assert_allclose(levels, NF4, rtol=0, atol=1e-6)
    assert levels[7] == 0 and levels.dtype == np.float32


@pytest.mark.parametrize("bits", range(2, 9))
def test_normal_floats(bits):
    levels = GRIDS["nf"].start(bits, True).levels
    assert len(levels) == 2**bits and (np.diff(levels) > 0).all()
    assert (levels[0], levels[-1], levels[2 ** (bits - 1) - 1]) == (-1, 1, 0)
    if bits > 2:  # one level more above zero than below, so they stand closer
        assert levels[2 ** (bits - 1)] < -levels[2 ** (bits - 1) - 2]


def test_logarithmic_levels():
    levels = GRIDS["logarithmic"].start(3, True).levels
    root = np.sqrt(0.5)
    assert levels == pytest.approx([-1, -root, -0.5, 0, 0.5, root, 1, 1])
    q = quantize(np.array([2, -1.5, 0.1, 0.8], np.float32), 3, grid="logarithmic")
    assert dequantize(q) == pytest.approx([2, -2 * root, 0, 1])


EVENLY = {"int", "int_real_zero"}
WIDTHS = {"e2m1": 4, "e4m3": 8, "e5m2": 8, "fp16": 16, "bf16": 16}


@pytest.mark.parametrize("name", sorted(set(GRIDS) - EVENLY))
def test_only_integers_have_a_zero_point(name):
    with pytest.raises(ValueError, match="symmetric=False"):
        GRIDS[name].start(WIDTHS.get(name, 4), False)


@pytest.mark.parametrize("name", ["int_real_zero", "logarithmic", "power_of_two"])
def test_sixteen_bits_are_too_many_where_they_could_not_be_used(name):
    with pytest.raises(ValueError, match=r"at most 8.* got 16"):
        GRIDS[name].start(16, name != "int_real_zero")


@pytest.mark.parametrize("name", ["int_full", "nf", "logarithmic", "power_of_two"])
def test_one_bit_is_too_few_for_zero_and_both_signs(name):
    with pytest.raises(ValueError, match=r"bits must be at least 2 .* got 1"):
        GRIDS[name].start(1, True)


@pytest.mark.parametrize("name", sorted(set(GRIDS) - EVENLY - {"fp16", "bf16"}))
@pytest.mark.parametrize("how", [{}, {"objective": "mse"}, {"rounding": "stochastic"}])
def test_every_grid_through_quantize(name, how):
    x = np.random.default_rng(0).normal(size=(48, 20)).astype(np.float32)
    bits = WIDTHS.get(name, 4)
    for where in ({"axis": -1}, {"axis": 0}, {"axis": -1, "group_size": 16}):
        q = quantize(x, bits, grid=name, **where, **how)
        np.testing.assert_array_equal(dequantize(q), fake_quantize(x, bits, grid=name, **where,
                                                                   **how))
        assert np.square(dequantize(q) - x).mean() < 0.1
        if GRIDS[name].fit is None and "rounding" not in how:
            # each code is the nearest level of all
            levels = GRIDS[name].start(bits, True).levels
            levels = np.arange(-8, 8) if levels is None else np.unique(levels[~np.isnan(levels)])
            if where == {"axis": -1}:
                v = x / q.scale
                least = np.abs(v[..., None] - levels).min(axis=-1)
                np.testing.assert_allclose(np.abs(v - dequantize(q) / q.scale), least,
                                           atol=1e-6 * levels.max())


@pytest.mark.parametrize("name", sorted(set(GRIDS) - EVENLY - {"fp16", "bf16"}))
def test_zeros_stay_zeros_on_every_grid(name):
    zeros = np.zeros((8, 8), np.float32)
    assert (fake_quantize(zeros, WIDTHS.get(name, 4), grid=name, axis=0) == 0).all()


def test_lloyd_max_by_hand():
    # two heaps: the levels are their means, the threshold lies between them
    levels = lloyd_max(np.array([0, 1, 2, 10, 11, 12], np.float32), 1)
    assert levels.tolist() == [1, 11]
    assert levels.dtype == np.float32
    # 2 counts three times: (0 + 1 + 3·2) / 5
    weighted = lloyd_max(
        np.array([0, 1, 2, 10, 11, 12], np.float32), 1, weights=np.array([1, 1, 3, 1, 1, 1])
    )
    assert weighted == pytest.approx([1.4, 11])


def test_where_it_matters_levels_are_closer():
    """Weighted by sensitivity, the levels go to the numbers whose errors cost more."""
    x = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    weights = np.where(x > 0, 9, 1).astype(np.float32)

    def cost(levels):
        nearest = levels[np.abs(x[:, None] - levels).argmin(axis=1)]
        return float((weights * (x - nearest) ** 2).sum())

    plain, weighted = lloyd_max(x, 3), lloyd_max(x, 3, weights=weights)
    assert (plain > 0).sum() == 4 and (weighted > 0).sum() > 4
    assert cost(weighted) < 0.8 * cost(plain)


def test_few_distinct_numbers_are_the_levels():
    assert lloyd_max(np.array([3, -1, 3, 3, -1]), 2).tolist() == [-1, 3, 3, 3]
    assert lloyd_max(np.zeros(5), 1).tolist() == [0, 0]


@given(arrays(np.float32, st.integers(40, 200), elements=ordinary), st.integers(1, 4))
def test_lloyd_max_is_a_fixed_point(x, bits):
    levels = lloyd_max(x, bits).astype(float)
    assert (np.diff(levels) >= 0).all()
    thresholds = (levels[1:] + levels[:-1]) / 2
    cell = np.searchsorted(thresholds, x, side="right")
    tolerance = 1e-5 * max(float(x.max() - x.min()), 1)
    assume((np.abs(x[:, None] - thresholds) > tolerance).all())  # a tie may go either way
    for k in np.unique(cell):  # each level is the centroid of what is rounded to it
        assert abs(x[cell == k].mean(dtype=float) - levels[k]) <= tolerance


def test_centroids_leave_an_error_uncorrelated_with_the_levels():
    # at the fixed point E[x̂(x − x̂)] = 0, hence D = σ² − Var(x̂)
    x = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    levels = lloyd_max(x, 3).astype(float)
    rounded = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, x)]
    assert abs((rounded * (x - rounded)).mean()) < 1e-6
    assert ((x - rounded) ** 2).mean() == pytest.approx(x.var() - rounded.var(), rel=1e-4)


def test_levels_that_nothing_is_rounded_to_move_to_where_they_are_needed():
    # of the first levels most lie in the gaps: best are 7 or 8 on either side, and 1 between
    x = np.concatenate([np.linspace(1, 1.001, 200), np.linspace(2, 2.001, 200), [1.5]])
    levels = lloyd_max(x, 4)
    assert (np.diff(levels) > 0).all()
    counts = [np.count_nonzero(np.abs(levels - middle) < 0.01) for middle in (1, 1.5, 2)]
    assert counts in ([7, 1, 8], [8, 1, 7])
    assert np.abs(x[:, None] - levels).min(axis=1).max() < 0.0001


@pytest.mark.parametrize("outlier", [20, 1000])
def test_an_outlier_costs_no_more_than_its_own_level(outlier):
    x = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    alone, beside = (
        np.square(np.abs(x[:, None] - levels).min(axis=1)).sum()
        for levels in (lloyd_max(x, 4), lloyd_max(np.append(x, np.float32(outlier)), 4))
    )
    assert beside < 1.2 * alone


@pytest.mark.parametrize("bad", [np.array([]), np.array([1, np.nan]), np.array([np.inf])])
def test_lloyd_max_refuses(bad):
    with pytest.raises(ValueError, match="finite"):
        lloyd_max(bad, 2)


@pytest.mark.parametrize("bad", [-np.ones(9), np.zeros(9), np.full(9, np.nan), np.full(9, np.inf)])
def test_lloyd_max_refuses_weights(bad):
    with pytest.raises(ValueError, match="weights must be finite, not negative, and not all 0"):
        lloyd_max(np.arange(9), 2, weights=bad)


def test_numbers_of_weight_0_get_no_levels():
    x, weights = np.arange(9), np.array([0, 1, 1, 0, 0, 0, 0, 0, 0])
    assert lloyd_max(x, 1, weights=weights).tolist() == [1, 2]


@pytest.mark.parametrize("bits", [0, 9, 4.0, True])
def test_lloyd_max_refuses_bits(bits):
    with pytest.raises(ValueError, match="bits"):
        lloyd_max(np.ones(3), bits)


LARGEST = float(np.finfo(np.float32).max)
EXTREME = {
    "subnormal": np.full((4, 8), 1e-45),
    "huge": np.array([[LARGEST, -LARGEST, 1e-45, 0] * 2] * 4),
    "half of it zero": np.array([[0.0] * 8, [1, -2, 3, 0.5] * 2] * 2),
    "constant": np.full((4, 8), -0.7),
    "one number": np.array([[3.0]]),
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("what", EXTREME)
@pytest.mark.parametrize("objective", ["absmax", "mse"])
def test_extreme_numbers_on_every_grid(name, what, objective):
    """They are rounded to finite numbers, or refused for their magnitude; nothing overflows."""
    x = EXTREME[what].astype(np.float32)
    how = {"grid": name, "objective": objective, "symmetric": name != "int_real_zero"}
    for where in ({}, {"axis": 0}):
        try:
            q = quantize(x, WIDTHS.get(name, 4), **how, **where)
        except ValueError as error:
            assert what == "huge" and "magnitude" in str(error)
            continue
        assert np.isfinite(dequantize(q)).all()
        if where:
            assert (dequantize(q)[(x == 0).all(axis=1)] == 0).all()
        # a scale is never below float32's normal numbers
        assert np.abs(dequantize(q) - x).max() <= 0.55 * np.abs(x).max() + 2.0**-126
