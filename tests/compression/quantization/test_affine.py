import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.compression import affine_codes, affine_values
from minilm.compression.quantization.affine import nearest


def test_affine_codes_by_hand():
    x = np.array([-10, -1, -0.25, 0, 0.25, 0.75, 1.25, 10], np.float32)
    # x / 0.5 = −20 −2 −½ 0 ½ 1½ 2½ 20; halves go to the even neighbour; then + 3, then saturate
    codes = affine_codes(x, 0.5, 3, 0, 7)
    assert codes.tolist() == [0, 1, 3, 3, 3, 5, 5, 7]
    assert codes.dtype == np.uint8
    assert affine_values(codes, 0.5, 3).tolist() == [-1.5, -1, 0, 0, 0, 1, 1, 2]
    assert affine_values(codes, 0.5, 3).dtype == np.float32


def test_the_code_type_follows_the_range():
    x = np.ones(2, np.float32)
    ranges = {(-127, 127): np.int8, (0, 255): np.uint8, (-1, 200): np.int16, (0, 65535): np.uint16}
    for (qmin, qmax), kind in ranges.items():
        assert affine_codes(x, 1.0, 0, qmin, qmax).dtype == kind


def test_subtracting_the_zero_point_does_not_wrap():
    assert affine_values(np.array([0, 255], np.uint8), 1.0, np.uint8(200)).tolist() == [-200, 55]
    assert affine_values(np.array([-128], np.int8), 1.0, np.int8(127)).tolist() == [-255]


def test_codes_of_32_bits_are_exact():
    """float32 has no 2³¹ − 1, and no odd number above 2²⁴."""
    x = np.array([1e10, -1e10, 2**24], np.float32)
    codes = affine_codes(x, 1.0, 1, -(2**31), 2**31 - 1)
    assert codes.tolist() == [2**31 - 1, -(2**31), 2**24 + 1]
    assert affine_values(codes, np.ones(1), 1).tolist() == [2**31 - 2, -(2**31) - 1, 2**24]
    assert affine_values(np.array([2**30 + 1]), 0.5, 2**30).tolist() == [0.5]


def test_one_scale_a_channel_or_a_block():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    by_row = affine_codes(x, np.array([1, 2, 4]), np.array([0, 1, 2]), 0, 15, axis=0)
    assert by_row.tolist() == [[0, 1, 2, 3], [3, 3, 4, 5], [4, 4, 4, 5]]
    by_column = affine_codes(x, np.array([1, 2, 4, 8]), 0, 0, 15, axis=-1)
    assert by_column[:, 3].tolist() == [0, 1, 1]
    # blocks of 3 along the last axis: the second block has one column left
    scale = np.array([[1, 2], [1, 2], [1, 2]])
    assert affine_codes(x, scale, 0, 0, 15, axis=1, block_size=3)[1].tolist() == [4, 5, 6, 4]
    back = affine_values(by_row, np.array([1, 2, 4]), np.array([0, 1, 2]), axis=0)
    assert back[2].tolist() == [8, 8, 8, 12]
    broadcast = affine_codes(x, np.array([[1], [2], [4]]), np.array([[0], [1], [2]]), 0, 15)
    assert (broadcast == by_row).all()


def test_a_scale_of_zero_is_of_zeros():
    assert affine_codes(np.zeros(3, np.float32), 0.0, 5, 0, 7).tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([1, np.nan])}, "NaN"),
        ({"qmin": 3, "qmax": 3}, "qmin"),
        ({"qmax": 2**40}, "32 bits"),
        ({"scale": np.nan}, "scale must not contain NaN"),
        ({"zero_point": np.nan}, "zero_point must not contain NaN"),
        ({"scale": np.ones(2), "axis": 0, "block_size": 0}, "block_size"),
        ({"scale": np.ones(3)}, "scale"),
        ({"scale": np.ones(3), "axis": 0}, r"scale must have shape \(2,\)"),
        ({"scale": np.ones(2), "axis": 1}, "axis"),
        ({"zero_point": np.ones(3), "axis": 0, "block_size": 1}, "zero_point"),
    ],
)
def test_affine_codes_refuses(change, message):
    given = {"x": np.ones(2), "scale": 1.0, "zero_point": 0, "qmin": 0, "qmax": 7}
    with pytest.raises(ValueError, match=message):
        affine_codes(**{**given, **change})


@given(st.floats(0.01, 100), st.integers(0, 15), st.integers(0, 15))
def test_codes_come_back_from_their_values(scale, zero_point, code):
    value = affine_values(np.array([code]), scale, zero_point)
    assert affine_codes(value, scale, zero_point, 0, 15).tolist() == [code]


def test_nearest_is_half_to_even():
    assert nearest(np.array([-1.5, -0.5, 0.5, 1.5, 2.5])).tolist() == [-2, 0, 0, 2, 2]


@pytest.mark.oracle
def test_parity_with_torch():
    import torch

    rng = np.random.default_rng(4)
    x = rng.normal(size=(64, 33)).astype(np.float32)
    scale = rng.uniform(0.01, 0.1, 33).astype(np.float32)
    for zero, low, high in ((0, -128, 127), (100, 0, 255), (3, 0, 15)):
        zeros = np.full(33, zero, np.int32)
        ours = affine_codes(x, scale, zeros, low, high, axis=1)
        theirs = torch.fake_quantize_per_channel_affine(
            torch.from_numpy(x), torch.from_numpy(scale), torch.from_numpy(zeros), 1, low, high
        )
        # torch multiplies by 1 / s; that could differ on a tie, and there is none here
        np.testing.assert_array_equal(affine_values(ours, scale, zeros, axis=1), theirs)
