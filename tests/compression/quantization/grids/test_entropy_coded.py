from statistics import NormalDist

import numpy as np
import pytest

from minilm.compression import fake_quantize, quantize
from minilm.compression.coding import entropy_of
from minilm.compression.quantization.coders import true_bits
from minilm.compression.quantization.grids.entropy_coded import EntropyCoded, fit_gain


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sqnr_db(x, rounded):
    x = x.astype(float)
    return 10 * np.log10((x**2).sum() / ((x - rounded) ** 2).sum())


def entropy(codes):
    return float(entropy_of(np.unique(codes, return_counts=True)[1]))


@pytest.fixture(scope="module")
def gaussian():
    n = 1 << 18
    half = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n // 2, n)])
    return np.random.default_rng(0).permutation(np.append(half, -half)).astype(np.float32)


def test_entropy_by_hand():
    assert entropy_of(np.array([2, 1, 1, 0])) == 1.5
    assert entropy_of(np.array([5])) == 0
    assert entropy_of(np.array([[1, 1], [0, 0]])).tolist() == [1, 0]


def test_by_hand():
    # codes with shares ½ ¼ ¼: 1.5 bits each; at 1 bit they would have to be fewer
    x = np.array([0, 0, 4, -4] * 4, np.float32)
    q = quantize(x, 2, grid="entropy_coded")
    assert entropy(q.codes) == 1.5
    np.testing.assert_allclose(q.dense(), x, rtol=1e-6)
    # 16 codes, one scale of 4 bytes, three shares of 16 bits
    assert true_bits(q, "entropy") == 16 * 1.5 + 32 + 3 * 16
    assert true_bits(q, "packed") == true_bits(q) == 16 * q.bits + 32


@pytest.mark.parametrize(
    ("bits", "sqnr"),
    [(1, 4.58), (2, 10.51), (3, 16.53), (4, 22.55), (5, 28.57), (6, 34.59), (8, 46.63)],
)
def test_sqnr_of_a_gaussian(gaussian, bits, sqnr):
    q = quantize(gaussian, bits, grid="entropy_coded")
    found = sqnr_db(gaussian, q.dense())
    assert found == pytest.approx(sqnr, abs=0.02)
    true = true_bits(q, "entropy") / q.size
    assert bits - 0.01 < true < bits + 0.04  # the shares too
    shannon = found / (20 * np.log10(2))
    assert shannon < bits
    if bits >= 2:
        assert bits < shannon + 0.26
    assert q.bits == (8 if bits < 8 else 16)


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("bits", [1, 3, 6])
def test_the_entropy_is_what_was_asked_for(axis, bits):
    x = np.random.default_rng(1).standard_t(4, size=(8, 6000)).astype(np.float32)
    x = x if axis == 0 else x.T
    q = quantize(x, bits, grid="entropy_coded", axis=axis)
    codes = q.codes if axis == 0 else q.codes.T
    for row in codes if axis is not None else [codes]:
        assert bits - 0.05 < entropy(row) < bits + 0.005
    np.testing.assert_array_equal(
        fake_quantize(x, bits, grid="entropy_coded", axis=axis), q.dense()
    )


def test_of_a_long_array_a_fair_sample_is_looked_at():
    x = normal(2**13, 128)  # four times what is looked at
    x[:, ::4] *= 30
    x[2**12 :] *= 9
    q = quantize(x, 2, grid="entropy_coded", axis="tensor")
    assert entropy(q.codes) == pytest.approx(2, abs=0.02)


def test_a_scale_for_the_least_error():
    x = normal(5000)
    q = quantize(x, 1, grid="entropy_coded")
    errors = [((x - f * q.dense()) ** 2).sum() for f in (1, 1.02, 0.98)]
    assert min(errors) == errors[0]
    assert sqnr_db(x, q.dense()) > 4.4  # the middle of each cell would be 3.3


@pytest.mark.parametrize("x", [np.zeros(8), np.full(8, 0.7), np.array([1e-30, 0, 0, -1e-30])])
def test_zeros_and_few_numbers(x):
    q = quantize(x, 2, grid="entropy_coded")
    np.testing.assert_allclose(q.dense(), x, rtol=1e-3)


def test_scales_of_groups_are_rounded_as_they_are_stored():
    x = normal(4, 2048)
    q = quantize(x, 2, grid="entropy_coded", axis=0, group_size=1024)
    assert q.scales.dtype == np.float16
    np.testing.assert_array_equal(
        fake_quantize(x, 2, grid="entropy_coded", axis=0, group_size=1024), q.dense()
    )


@pytest.mark.parametrize(("largest", "bits"), [(127.4, 8), (128, 16), (-127.6, 16)])
def test_codes_take_16_bits_where_8_are_too_few(largest, bits):
    v = np.array([[1, -1, largest]], np.float32)
    grid, _ = fit_gain(v, EntropyCoded(4), np.ones_like(v))
    assert grid.bits == bits
    assert grid.low <= np.rint(largest) <= grid.high


def test_it_has_no_zero_point():
    with pytest.raises(ValueError, match="symmetric=False"):
        quantize(np.ones(3), 2, grid="entropy_coded", symmetric=False)
    with pytest.raises(ValueError, match="entropy_coded"):
        quantize(np.ones(3), 2, objective="rate")


def test_a_power_of_two_is_no_scale_for_a_rate():
    with pytest.raises(ValueError, match="pass another scale_format"):
        quantize(np.ones(4), 2, grid="entropy_coded", scale_format="e8m0")
    q = quantize(normal(4096), 3, grid="entropy_coded", scale_format="e4m3")
    assert entropy(q.codes) == pytest.approx(3, abs=0.02)
