import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.compression import lloyd_max
from minilm.compression.quantization.grids import GRIDS, Codebook, Integers, Signs

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


def test_a_codebook_has_no_zero_point():
    with pytest.raises(ValueError, match="symmetric=False"):
        GRIDS["lloyd_max"].start(4, False)


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


def test_few_distinct_numbers_are_the_levels():
    assert lloyd_max(np.array([3, -1, 3, 3, -1]), 2).tolist() == [-1, 3, 3, 3]
    assert lloyd_max(np.zeros(5), 1).tolist() == [0, 0]


@given(arrays(np.float32, st.integers(40, 200), elements=ordinary), st.integers(1, 4))
@settings(deadline=None)
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


@pytest.mark.parametrize("bad", [np.array([]), np.array([1, np.nan]), np.array([np.inf])])
def test_lloyd_max_refuses(bad):
    with pytest.raises(ValueError, match="finite"):
        lloyd_max(bad, 2)


@pytest.mark.parametrize("bits", [0, 9, 4.0, True])
def test_lloyd_max_refuses_bits(bits):
    with pytest.raises(ValueError, match="bits"):
        lloyd_max(np.ones(3), bits)
