import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.quantization.layout import Layout
from minilm.weights.rows import to_rows

CASES = [
    # shape, axis, numbers to a scale  ->  (A, n, B)
    ((12, 5), -1, 12, (1, 12, 5)),
    ((12, 5), -1, 4, (3, 4, 5)),
    ((12, 5), 0, 5, (12, 5, 1)),
    ((5, 12), 0, 4, (15, 4, 1)),
    ((12, 5), None, 60, (1, 60, 1)),
    ((12, 5), None, 4, (3, 4, 5)),
    ((7,), None, 7, (1, 7, 1)),
    ((7,), 0, 1, (7, 1, 1)),
    ((2, 3, 4), -1, 6, (1, 6, 4)),
    ((2, 3, 4), 1, 8, (3, 8, 1)),  # channels in the middle: these are moved
    ((2, 3, 4), None, 24, (1, 24, 1)),
    ((6, 1), -1, 3, (2, 3, 1)),
]


@pytest.mark.parametrize(("shape", "axis", "size", "laid"), CASES)
def test_there_and_back(shape, axis, size, laid):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    layout = Layout(shape, axis, size)
    numbers = layout.by_scale(x)
    assert numbers.shape == laid
    assert numbers.flags.c_contiguous
    assert np.shares_memory(numbers, x) == (axis != 1)
    np.testing.assert_array_equal(layout.rows(numbers), to_rows(x, axis))
    np.testing.assert_array_equal(layout.array(numbers), x)


@pytest.mark.parametrize(("shape", "axis", "size", "laid"), CASES)
def test_scales_are_those_of_the_groups_of_each_channel(shape, axis, size, laid):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    layout = Layout(shape, axis, size)
    largest = layout.scales(np.abs(layout.by_scale(x)).max(axis=1, keepdims=True))
    groups = to_rows(x, axis).reshape(*largest.shape, size)
    np.testing.assert_array_equal(largest, np.abs(groups).max(axis=-1))


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize(
    "how", [{}, {"group_size": 16}, {"symmetric": False}, {"rounding": "stochastic"}]
)
@pytest.mark.parametrize("bits", [3, 4, 8])
def test_order_in_memory_changes_nothing(axis, how, bits):
    x = np.random.default_rng(1).normal(size=(48, 80)).astype(np.float32)
    first = quantize(x, bits, axis=axis, **how)
    for same in (np.asfortranarray(x), x.astype(float), np.repeat(x, 2, axis=1)[:, ::2]):
        q = quantize(same, bits, axis=axis, **how)
        np.testing.assert_array_equal(q.packed, first.packed)
        np.testing.assert_array_equal(q.scales, first.scales)
        assert q.max_error == first.max_error


def test_more_chunks_than_one():
    # what a chunk holds, and where it ends, must not show: columns are whatever lies beside them
    x = np.random.default_rng(2).normal(size=(1200, 600)).astype(np.float32)
    for axis in (0, -1):
        for how in ({}, {"symmetric": False}, {"group_size": 40}):
            q = quantize(x, 5, axis=axis, **how)
            part = np.array([3, 599])
            some = quantize(np.take(x, part, axis=axis), 5, axis=axis, **how)
            np.testing.assert_array_equal(np.take(q.dense(), part, axis=axis), some.dense())
            error = np.abs(x - q.dense()).max()
            assert q.max_error == error


def test_numbers_are_not_changed():
    x = np.random.default_rng(3).normal(size=(16, 8)).astype(np.float32)
    kept = x.copy()
    for rounding in ("nearest", "stochastic"):
        for grid in ("int", "lloyd_max"):
            quantize(x, 1, axis=-1, rounding=rounding, grid=grid)
            quantize(x, 4, axis=0, rounding=rounding, grid=grid)
    np.testing.assert_array_equal(x, kept)
