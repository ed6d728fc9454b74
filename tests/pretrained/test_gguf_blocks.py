"""Codes chosen here, written as gguf's blocks without being rounded anew."""

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization.gguf import from_gguf
from minilm.pretrained.gguf_blocks import Codes, blocks_of, codes_of
from minilm.weights import QuantizedTensor

OPTIONS = {
    "Q8_0": {"bits": 8, "group_size": 32},
    "Q4_0": {"bits": 4, "group_size": 64, "objective": "mse"},
    "Q4_1": {"bits": 4, "group_size": 32, "symmetric": False},
}


def transposed(codes):
    """As rows (out, in), which is how a file holds a map."""
    return Codes(*(part.T for part in codes))


def test_a_block_by_hand():
    q = np.arange(32, dtype=np.float32)[None] % 16
    codes = Codes(q, np.full((1, 32), 0.5, np.float32), np.full((1, 32), -2, np.float32))
    data = blocks_of(codes, "Q4_1")
    assert data[0, :4].tobytes() == np.array([0.5, -2], "<f2").tobytes()
    assert data[0, 4:].tolist() == [17 * i for i in range(16)]  # number i low, number i + 16 high
    assert (from_gguf(data, "Q4_1") == q * 0.5 - 2).all()


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("axis", [-1, 0])
def test_what_was_rounded_in_groups_is_written_as_it_is(kind, axis):
    w = np.random.default_rng(0).standard_normal((128, 64), np.float32)
    leaf = quantize(w, axis=axis, **OPTIONS[kind])
    codes, dense = codes_of(leaf, kind), leaf.dense()
    if axis == -1:
        codes, dense = transposed(codes), dense.T
    values = from_gguf(blocks_of(codes, kind), kind)
    if kind == "Q4_1":  # min is rounded to float16
        least = codes.least
        assert (np.abs(values - dense) <= np.abs(least) * 2.0**-11 + 1e-6).all()
    else:
        assert (values == dense).all()


@pytest.mark.parametrize(("kind", "options"), [
    ("Q4_0", {"bits": 4, "group_size": 16}),  # two scales in a block
    ("Q4_0", {"bits": 4, "group_size": 32, "symmetric": False}),
    ("Q4_1", {"bits": 4, "group_size": 32}),
    ("Q4_0", {"bits": 3, "group_size": 32}),
    ("Q4_0", {"bits": 4, "group_size": 32, "grid": "nf"}),
    ("Q8_0", {"bits": 8, "axis": -1}),  # scales of float32
    ("F16", {"bits": 8, "group_size": 32}),
])  # fmt: skip
def test_other_codes_are_no_blocks(kind, options):
    w = np.random.default_rng(0).standard_normal((64, 3), np.float32)
    assert blocks_of(transposed(codes_of(quantize(w, **options), kind)), kind) is None
    assert blocks_of(transposed(codes_of(w, kind)), kind) is None


def test_two_zero_points_in_a_block_are_no_block_though_the_scale_is_one():
    q = np.arange(32)[None] % 16
    scales, zeros = np.full((1, 2), 0.5, np.float16), np.array([[0, 15]], np.uint8)
    leaf = QuantizedTensor.from_codes(q, scales, zeros, bits=4, array_shape=(1, 32), axis=0)
    assert blocks_of(codes_of(leaf, "Q4_1"), "Q4_1") is None
    same = np.array([[15, 15]], np.uint8)
    leaf = QuantizedTensor.from_codes(q, scales, same, bits=4, array_shape=(1, 32), axis=0)
    assert (from_gguf(blocks_of(codes_of(leaf, "Q4_1"), "Q4_1"), "Q4_1") == leaf.dense()).all()


@pytest.mark.parametrize("scale", [0.0, -0.5, 2.0**-24, 65504.0])
def test_one_scale_for_the_whole_tensor(scale):
    q = np.arange(-128, 128).reshape(4, 64)
    scales = np.full((1, 1), scale, np.float32)
    turned = QuantizedTensor.from_codes(q, scales, bits=8, array_shape=(64, 4))
    for leaf in (turned.T, QuantizedTensor.from_codes(q.T, scales, bits=8, array_shape=(4, 64))):
        values = from_gguf(blocks_of(codes_of(leaf, "Q8_0"), "Q8_0"), "Q8_0")
        assert (values == leaf.dense()).all() and (values == q * np.float32(scale)).all()


@pytest.mark.parametrize("scale", [2.0**-26, 1 / 3, 1e5, np.nan])
def test_a_scale_that_float16_does_not_hold(scale):
    codes = Codes(np.ones((1, 32)), np.full((1, 32), scale, np.float32), np.zeros((1, 32)))
    assert blocks_of(codes, "Q8_0") is None


def test_scales_of_one_byte():
    w = np.random.default_rng(0).standard_normal((64, 32), np.float32)
    fits = quantize(w, bits=8, group_size=32, scale_format="e8m0")  # powers of two
    values = from_gguf(blocks_of(transposed(codes_of(fits, "Q8_0")), "Q8_0"), "Q8_0")
    assert (values == fits.dense().T).all()


def test_more_axes_than_two_are_no_blocks():
    w = np.random.default_rng(0).standard_normal((2, 4, 32), np.float32)
    codes = codes_of(quantize(w, bits=8, group_size=32), "Q8_0")
    assert codes.q.shape == w.shape and blocks_of(codes, "Q8_0") is None


@pytest.mark.oracle
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_library_reads_the_same_numbers(kind):
    from gguf import GGMLQuantizationType, quants

    w = np.random.default_rng(0).standard_normal((64, 5), np.float32)
    leaf = quantize(w, **OPTIONS[kind])
    data = blocks_of(transposed(codes_of(leaf, kind)), kind)
    values = quants.dequantize(data, getattr(GGMLQuantizationType, kind))
    assert np.abs(values - leaf.dense().T).max() <= (2e-3 if kind == "Q4_1" else 0)
