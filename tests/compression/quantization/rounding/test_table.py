import numpy as np
import pytest

from minilm.compression.quantization.grids import Codebook, Integers, Signs
from minilm.compression.quantization.rounding.table import ROUNDINGS, may_saturate, stochastic


def test_stochastic_rounding_is_right_on_average():
    rng = np.random.default_rng(0)
    n = 200_000
    for position in (-1.75, 0.3, 126.5):
        rounded = stochastic(np.full(n, position, np.float32), rng)
        fraction = position - np.floor(position)
        assert set(rounded) == {np.floor(position), np.floor(position) + 1}
        # E[Q(x)] = x within 5 standard errors, Var = p(1 − p) ≤ ¼
        assert abs(rounded.mean(dtype=float) - position) < 5 * 0.5 / np.sqrt(n)
        assert rounded.var(dtype=float) == pytest.approx(fraction * (1 - fraction), rel=0.02)


def test_stochastic_rounding_keeps_whole_numbers():
    # position + u would carry: in float32 127 + 0.99999994 is 128
    whole = np.full(1 << 20, 127, np.float32)
    assert (stochastic(whole, np.random.default_rng(1)) == 127).all()


def test_every_rounding_gives_a_neighbour():
    position = np.random.default_rng(2).normal(0, 5, 1000).astype(np.float32)
    for rounding, lowest, highest, whole, tensor in ROUNDINGS.values():
        if whole or tensor:  # these see more than one number
            continue
        rounded = rounding(position, np.random.default_rng(3))
        assert (np.abs(rounded - position) <= 1).all()
        assert (rounded == np.rint(rounded)).all()
        assert (lowest(position) <= rounded).all() and (rounded <= highest(position)).all()


def test_what_may_saturate():
    """127.4 may be rounded up by chance only; at one bit all beyond 2 is clipped."""
    def may(low, high, grid, name, zero_point=0.0):
        ends = np.array([[low], [-1]], np.float32), np.array([[high], [1]], np.float32)
        return may_saturate(ends, np.float32(zero_point), grid, name)

    for end, by_nearest, by_chance in ((127, 0, 0), (127.4, 0, 1), (127.6, 1, 1), (np.inf, 1, 1)):
        for low, high in ((-end, 0), (0, end)):
            assert may(low, high, Integers(-127, 127), "nearest") == by_nearest
            assert may(low, high, Integers(-127, 127), "stochastic") == by_chance
    affine = Integers(0, 15, affine=True)
    assert not may(-6.5, 9.4, affine, "nearest", zero_point=6)  # to −6 and to 9, plus 6
    assert may(-6.6, 0, affine, "nearest", zero_point=6)
    assert may(0, 9.6, affine, "nearest", zero_point=6)
    assert not may(-1.9, 1.9, Signs(), "nearest") and may(-1.9, 3.5, Signs(), "nearest")
    levels = Codebook(np.array([-1, 0, 3, 4], np.float32))
    assert not may(-1e9, 1e9, levels, "stochastic")  # a codebook's outer cells have no end
