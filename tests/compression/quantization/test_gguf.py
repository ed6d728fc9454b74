import numpy as np
import pytest

from minilm.compression.quantization.gguf import FORMATS, from_gguf, to_gguf

BITS = {"Q8_0": 8.5, "Q4_0": 4.5, "Q4_1": 5, "Q5_0": 5.5, "MXFP4": 4.25}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def hard_blocks():
    """Blocks on which roundings differ: ties, zeros, one-sided, outliers, many sizes."""
    rng = np.random.default_rng(1)
    sizes = np.exp2(rng.integers(-12, 12, (400, 1))).astype(np.float32)
    smooth = normal(400, 64) * sizes
    quarters = rng.integers(-32, 33, (200, 64)).astype(np.float32) / 4
    whole = rng.integers(-8, 9, (100, 64)).astype(np.float32)
    halves = np.clip(rng.integers(-254, 255, (100, 64)) / 2, -127, 127).astype(np.float32)
    halves[:, ::32] = 127  # d = 1, so that every x.5 is half-way between two codes of Q8_0
    zeros, positive = np.zeros((4, 64), np.float32), np.abs(normal(50, 64, seed=3))
    some_zero = smooth[:50] * (normal(50, 64, seed=4) > 0)
    # just below and at powers of two: where the logarithm of MXFP4 turns
    powers = np.exp2(np.arange(-10, 10, dtype=np.float32))[:, None] * np.ones(64, np.float32)
    below = np.nextafter(powers, np.float32(0))
    return np.concatenate([smooth, quarters, whole, halves, zeros, positive, -positive, some_zero,
                           powers, below, np.nextafter(powers, np.float32(np.inf))])


def test_q4_0_by_hand():
    x = np.zeros(32, np.float32)
    x[:5] = [-8, 7, 0.5, 8 - 1e-3, -0.6]   # m = −8 comes first: d = 1
    x[16] = 3
    data = to_gguf(x, "Q4_0")
    assert data.dtype == np.uint8 and data.shape == (18,)
    assert data[:2].view("<f2") == 1
    # codes 0, 15, 9, 15 (one too few above), 7; number 16 in the high half of number 0's byte
    assert data[2:7].tolist() == [0 | (3 + 8) << 4, 0x8F, 0x89, 0x8F, 0x87]
    assert from_gguf(data, "Q4_0")[:5].tolist() == [-8, 7, 1, 7, -1]
    assert from_gguf(data, "Q4_0")[16] == 3


def test_q8_0_rounds_away_from_zero_by_hand():
    x = np.zeros(32, np.float32)
    x[:4] = [127, 0.5, -2.5, 1.49]
    data = to_gguf(x, "Q8_0")
    assert data[2:6].view(np.int8).tolist() == [127, 1, -3, 1]  # np.rint would say 127, 0, −2, 1


def test_q4_1_and_q5_0_by_hand():
    x = np.full(32, 5.0, np.float32)
    x[:3] = [20, 5.5, 7.4]
    data = to_gguf(x, "Q4_1")  # min 5, d 1
    assert data[:4].view("<f2").tolist() == [1, 5]
    assert from_gguf(data, "Q4_1")[:4].tolist() == [20, 6, 7, 5]
    x = np.zeros(32, np.float32)
    x[:3], x[31] = [16, 15.4, -15.6], -1  # m = 16: d = −1, the codes run downwards
    data = to_gguf(x, "Q5_0")
    assert data[:2].view("<f2") == -1
    assert data[2:6].tolist() == [0b11111100, 255, 255, 255]  # fifth bits: only 16 and 15.4 lack it
    assert from_gguf(data, "Q5_0")[[0, 1, 2, 31]].tolist() == [16, 15, -15, -1]


def test_mxfp4_by_hand():
    x = np.zeros(32, np.float32)
    x[:6] = [7, -2.5, 0.25, 0.26, -0.1, 5]
    data = to_gguf(x, "MXFP4")  # ⌊log2 7⌋ − 2 = 0
    assert data[0] == 127
    assert (data[1:7] & 15).tolist() == [7, 8 | 4, 0, 1, 0, 6]  # half-way goes to the smaller
    assert from_gguf(data, "MXFP4")[:6].tolist() == [6, -2, 0, 0.5, 0, 4]


@pytest.mark.parametrize("kind", FORMATS)
def test_shapes_sizes_and_zeros(kind):
    x = normal(2, 3, 96)
    data = to_gguf(x, kind)
    assert data.dtype == np.uint8
    assert 8 * data.size / x.size == BITS[kind]
    back = from_gguf(data, kind)
    assert back.shape == x.shape and back.dtype == np.float32
    wide = to_gguf(np.asfortranarray(x.astype(np.float64)), kind)
    np.testing.assert_array_equal(wide, data)
    assert (from_gguf(to_gguf(np.zeros((2, 32)), kind), kind) == 0).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_error_is_at_most_a_step(kind):
    x = hard_blocks()
    span = np.abs(x.reshape(-1, 32)).max(axis=1, keepdims=True)
    error = np.abs(from_gguf(to_gguf(x, kind), kind) - x).reshape(-1, 32)
    # of the largest number, and 2^−11 because the scale is rounded after the codes were chosen
    steps = {"Q8_0": 1 / 254, "Q4_0": 1 / 8, "Q5_0": 1 / 16, "Q4_1": 1 / 15, "MXFP4": 1 / 4}
    assert (error <= span * (steps[kind] + 2.0**-11) + 127 * 2.0**-25).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_tiny_and_huge_blocks(kind):
    tiny = np.full((1, 32), 1e-44, np.float32)
    assert (np.abs(from_gguf(to_gguf(tiny, kind), kind)) <= 2e-38).all()
    if kind == "MXFP4":
        huge = from_gguf(to_gguf(np.full((1, 32), 1e38), kind), kind)
        assert (np.abs(huge / 1e38 - 1) < 0.25).all()
    else:
        with pytest.raises(ValueError, match=r"float16.*65504"):
            to_gguf(np.tile([1e8, -1e8], 16), kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_refusals(kind):
    for bad in (np.zeros(33), np.zeros((32, 4))):
        with pytest.raises(ValueError, match="x must have a last axis of a multiple of 32"):
            to_gguf(bad, kind)
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN"):
        to_gguf(np.append(np.zeros(31), np.nan), kind)
    with pytest.raises(TypeError, match="real numbers"):
        to_gguf(np.zeros(32, complex), kind)
    with pytest.raises(ValueError, match=f"multiple of {FORMATS[kind].nbytes} for {kind}"):
        from_gguf(np.zeros(FORMATS[kind].nbytes + 1, np.uint8), kind)
    with pytest.raises(ValueError, match="uint8"):
        from_gguf(np.zeros(FORMATS[kind].nbytes, np.int8), kind)


def test_an_unknown_format_is_refused():
    for function, given in ((to_gguf, np.zeros(32)), (from_gguf, np.zeros(34, np.uint8))):
        with pytest.raises(ValueError, match=r"kind must be one of Q8_0, .* got 'Q6_K'"):
            function(given, "Q6_K")


@pytest.mark.oracle
@pytest.mark.parametrize("kind", FORMATS)
def test_gguf_has_the_same_bytes_and_the_same_values(kind):
    from gguf import GGMLQuantizationType, quants

    x, theirs = hard_blocks(), getattr(GGMLQuantizationType, kind)
    with np.errstate(divide="ignore"):  # theirs takes the logarithm of an empty block
        expected = quants.quantize(x, theirs)
    data = to_gguf(x, kind)
    np.testing.assert_array_equal(data, expected)
    values = from_gguf(data, kind)
    np.testing.assert_array_equal(values, quants.dequantize(expected, theirs))
    # bytes that no encoder would make, the scales within reason
    bytes_ = np.random.default_rng(5).integers(0, 256, (500, 2 * FORMATS[kind].nbytes), np.uint8)
    bytes_ = np.where(np.arange(bytes_.shape[1]) % FORMATS[kind].nbytes < 4, bytes_ & 0x3B, bytes_)
    bytes_ = bytes_.astype(np.uint8)
    np.testing.assert_array_equal(from_gguf(bytes_, kind), quants.dequantize(bytes_, theirs))
