import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.weights import pack, packing, unpack

UINT8 = np.uint8


def test_by_hand():
    # 4 bits: the low nibble first, the last byte padded
    assert pack(np.array([[1, 2, 3]], UINT8), 4).tolist() == [[0x21, 0x03]]
    # 3 bits: 100 010 110 001 from the lowest bit up, padded with zeros
    assert pack(np.array([[1, 2, 3, 4]], UINT8), 3).tolist() == [[0b11_010_001, 0b0000_100_0]]
    # 1 bit: a bitmask; each row begins a byte of its own
    assert pack(np.array([[1, 0, 1], [0, 0, 1]], UINT8), 1).tolist() == [[0b101], [0b100]]
    # 6 bits: four codes in three bytes
    assert pack(np.array([[63, 0, 63, 0]], UINT8), 6).tolist() == [[0x3F, 0xF0, 0x03]]
    assert pack(np.array([[7, 200]], UINT8), 8).tolist() == [[7, 200]]
    # 16 bits: two bytes, the low one first
    assert pack(np.array([[0x0102, 65535]], np.uint16), 16).tolist() == [[2, 1, 255, 255]]


def as_defined(codes, bits):
    """The definition, bit by bit: code i takes the bits i·b … of its row, lowest first."""
    rows, n = codes.shape
    packed = np.zeros((rows, -(-n * bits // 8)), UINT8)
    for row in range(rows):
        for k in range(n * bits):
            bit = int(codes[row, k // bits]) >> (k % bits) & 1
            packed[row, k // 8] |= bit << (k % 8)
    return packed


@st.composite
def rows_of_codes(draw):
    bits = draw(st.sampled_from([*range(1, 9), 16]))
    rows, n = draw(st.integers(0, 4)), draw(st.integers(0, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, 2**bits, (rows, n)).astype(packing.code_type(bits)), bits


@given(rows_of_codes())
def test_bytes_as_defined_and_back(case):
    codes, bits = case
    packed = pack(codes, bits)
    assert packed.shape == (len(codes), -(-codes.shape[1] * bits // 8))
    np.testing.assert_array_equal(packed, as_defined(codes, bits))
    back = unpack(packed, bits, codes.shape[1])
    assert back.dtype == codes.dtype
    np.testing.assert_array_equal(back, codes)


@given(rows_of_codes())
def test_values_in_the_same_look_up(case):
    codes, bits = case
    values = np.random.default_rng(bits).normal(size=2**bits).astype(np.float32)
    found = unpack(pack(codes, bits), bits, codes.shape[1], values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values[codes])


def test_non_contiguous_rows():
    codes = np.random.default_rng(0).integers(0, 8, (22, 14)).astype(UINT8)
    np.testing.assert_array_equal(pack(codes.T[::2], 3), pack(codes.T[::2].copy(), 3))
    packed = pack(codes, 3)
    np.testing.assert_array_equal(unpack(packed[::3], 3, 14), codes[::3])


@given(rows_of_codes())
def test_columns_first_in_memory(case):
    codes, bits = case
    packed = pack(np.asfortranarray(codes), bits)
    np.testing.assert_array_equal(packed, as_defined(codes, bits))
    assert packed.flags.c_contiguous


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_more_than_one_chunk(bits, order, monkeypatch):
    monkeypatch.setattr(packing, "CHUNK", 100)
    codes = np.random.default_rng(1).integers(0, 2**bits, (21, 53)).astype(UINT8)
    packed = pack(np.asarray(codes, order=order), bits)
    np.testing.assert_array_equal(packed, as_defined(codes, bits))


@pytest.mark.parametrize("bits", [0, 9, 15, 32, -1, 3.0, True, None])
def test_bits_outside_1_to_8_and_16(bits):
    with pytest.raises(ValueError, match="bits must be an integer from 1 to 8, or 16"):
        pack(np.zeros((1, 1), UINT8), bits)
    with pytest.raises(ValueError, match="bits must be an integer from 1 to 8, or 16"):
        unpack(np.zeros((1, 1), UINT8), bits, 1)


def test_bad_codes():
    with pytest.raises(ValueError, match=r"below 2\^3 = 8, got 8"):
        pack(np.array([[8]], UINT8), 3)
    with pytest.raises(ValueError, match="uint8"):
        pack(np.array([[1]], np.int8), 3)
    with pytest.raises(ValueError, match="uint16"):
        pack(np.array([[1]], UINT8), 16)
    with pytest.raises(ValueError, match=r"\(rows, n\)"):
        pack(np.array([1], UINT8), 3)
    with pytest.raises(ValueError, match=r"\(rows, 2\) for 3 codes of 4 bits"):
        unpack(np.zeros((1, 1), UINT8), 4, 3)


@pytest.mark.parametrize("bits", range(1, 9))
def test_bit_by_bit(bits):
    codes = np.random.default_rng(bits).integers(2**bits, size=(3, 21)).astype(np.uint8)
    row = codes[:, :, None] >> np.arange(bits, dtype=np.uint8) & 1
    packed = np.packbits(row.reshape(3, -1), axis=1, bitorder="little")
    np.testing.assert_array_equal(pack(codes, bits), packed)
