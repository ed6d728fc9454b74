"""The numbers that pages work out in their docstrings are true."""

import numpy as np

from minilm.compression.allocation import water_filling_bits
from minilm.compression.quantization import (
    dequantize,
    fake_quantize,
    lloyd_max,
    quantize,
    requantize,
    to_fixed_point,
)
from minilm.compression.quantization.grids import Codebook
from minilm.compression.quantization.grids.float_formats import E2M1
from minilm.compression.second_order import sweep
from minilm.weights.trellis import level_indices

X = np.array([0.1, -0.4, 0.75], np.float32)


def test_three_numbers_in_four_bits():
    q = quantize(X, bits=4)
    assert q.scale.round(3) == np.float32(0.107) and q.codes.tolist() == [1, -4, 7]
    np.testing.assert_allclose(dequantize(q), [0.11, -0.43, 0.75], atol=0.005)
    q = quantize(X, bits=4, symmetric=False)
    assert q.scale.round(3) == np.float32(0.077) and q.zero_point == 5
    assert q.codes.tolist() == [6, 0, 15]


def test_positions_between_levels():
    assert Codebook(np.array([0, 1, 2, 4], np.float32)).position(np.array(3.5)) == 2.75
    assert E2M1.position(np.array(5.0)) == 6.5
    assert fake_quantize(np.array([5.0, 6.0]), 4, grid="e2m1", objective="unit")[0] == 4
    assert lloyd_max(np.array([1, 2, 3, 9]), bits=1).tolist() == [2, 9]


def test_a_tenth_in_fixed_point():
    M0, shift = to_fixed_point(0.1)
    assert (M0, shift) == (1717986918, 34)
    assert requantize(np.array([100, 7, -4]), M0, shift).tolist() == [10, 1, 0]


def test_what_one_weight_spoils_the_next_makes_good():
    H, w = np.array([[1, 0.9], [0.9, 1]]), np.array([[0.4], [0.4]])
    q = sweep(w, H, lambda place, values: np.rint(values), damping=0.0)
    assert q.ravel().tolist() == [0, 1]
    nearest, swept = (((w - made).T @ H @ (w - made)).item() for made in (np.rint(w), q))
    assert (round(nearest, 3), round(swept, 3)) == (0.608, 0.088)


def test_levels_of_four_bits_and_bits_of_three_weights():
    assert level_indices(np.array([[1, 0, 1, 1]], np.uint8), 4).tolist() == [[1, 3, 0, 3]]
    np.testing.assert_allclose(water_filling_bits([1, 4, 16], [7, 7, 7], 2), [1, 2, 3])
