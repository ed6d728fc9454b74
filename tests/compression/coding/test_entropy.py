import numpy as np
import pytest

from minilm.compression.coding import bits_with, entropy_of


def test_by_hand():
    assert entropy_of(np.array([2, 1, 1, 0])) == 1.5
    assert entropy_of(np.array([0.5, 0.25, 0.25])) == 1.5
    assert entropy_of(np.array([5])) == 0
    assert entropy_of(np.full(256, 3)) == 8
    assert entropy_of(np.array([[1, 1], [0, 0], [0, 9]])).tolist() == [1, 0, 0]
    assert entropy_of(np.zeros(0)) == 0


def test_what_other_shares_cost():
    counts = np.array([2, 1, 1, 0])
    assert bits_with(counts, np.array([2, 1, 1, 0])) == 6
    assert bits_with(counts, np.array([1, 1, 1, 1])) == 8
    assert bits_with(counts, np.array([4, 2, 1, 1])) == pytest.approx(2 * 1 + 2 + 3)
    assert bits_with(counts, np.array([1, 1, 0, 0])) == np.inf
    assert bits_with(np.zeros(3), np.array([1, 0, 0])) == 0


def test_one_s_own_shares_cost_least():
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts, shares = rng.integers(0, 50, 9), rng.integers(1, 50, 9)
        ideal = counts.sum() * float(entropy_of(counts))
        assert bits_with(counts, counts) == pytest.approx(ideal)
        assert bits_with(counts, shares) >= ideal
