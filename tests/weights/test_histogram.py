import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.weights.histogram import BINS, Histogram


def counted(*pieces):
    histogram = Histogram()
    for piece in pieces:
        histogram.add(np.asarray(piece, np.float32))
    return histogram


def test_counts_are_numpys():
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    histogram = counted(x)
    assert histogram.limit == 4  # the power of two above the largest, 3.2
    expected, _ = np.histogram(x, histogram.edges)
    np.testing.assert_array_equal(histogram.counts, expected)


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), max_size=5), min_size=1, max_size=6))
def test_the_same_in_any_order_and_in_any_pieces(pieces):
    together = counted(np.concatenate([np.asarray(piece, np.float32) for piece in pieces]))
    for order in (pieces, pieces[::-1]):
        one_by_one = counted(*order)
        np.testing.assert_array_equal(one_by_one.counts, together.counts)
        assert one_by_one.limit == together.limit
    assert together.counts.sum() == sum(map(len, pieces))


def test_numbers_on_the_edges_of_the_range():
    histogram = counted([2.0, -2.0, 0.0])  # 2 is no longer inside [−2, 2)
    assert histogram.limit == 4
    assert histogram.counts[BINS] == histogram.counts[BINS // 2] == 1
    assert histogram.counts[3 * BINS // 2] == 1
    assert counted([1.0], [2.0]).limit == 4  # the same a batch later


def test_from_tiny_to_huge_and_nothing():
    histogram = counted([0, 0], [-1e-40, 1e-40], [3e38], [])
    assert histogram.counts[BINS] == 3 and histogram.counts[BINS - 1] == 1
    assert histogram.limit == 2.0**128
    assert counted([0.0, -0.0]).limit == 0


def test_no_number_is_refused():
    for bad in (np.nan, np.inf, -np.inf, 1e308):
        with pytest.raises(ValueError, match="finite"):
            Histogram().add(np.array([1.0, bad]))
