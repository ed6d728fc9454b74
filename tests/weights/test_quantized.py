import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.weights import QuantizedTensor, from_rows, quantized, rows, to_rows


def test_by_hand_symmetric():
    # a column is a channel: column 0 has scale ½, column 1 scale 2
    codes = np.array([[-3, 1], [0, 2], [3, -1]])
    q = QuantizedTensor.from_codes(
        to_rows(codes, -1), np.array([[0.5], [2]], np.float32), bits=3, array_shape=(3, 2), axis=-1
    )
    # stored codes are q + 4: 1 4 7 = 001 100 111 and 5 6 3 = 101 110 011 from the right
    assert q.packed.tolist() == [[0b11_100_001, 0b1], [0b11_110_101, 0b0]]
    assert q.dense().tolist() == [[-1.5, 2], [0, 4], [1.5, -2]]
    assert q.codes.tolist() == codes.tolist()
    assert q.codes.dtype == np.int16
    assert q.scale.tolist() == [[0.5, 2]]
    assert q.zero_point is None
    assert (np.array([1, 1, 1], np.float32) @ q).tolist() == [0, 4]
    assert q[np.array([2, 0])].tolist() == [[1.5, -2], [-1.5, 2]]
    assert q.nbytes == 2 * 2 + 2 * 4
    assert q.bits_per_weight == 8 * 12 / 6


def test_by_hand_asymmetric_groups():
    # a table's row is a channel: two groups of two codes in it
    q = QuantizedTensor.from_codes(
        np.array([[0, 3, 1, 2]]),
        np.array([[1, 0.5]], np.float16),
        np.array([[1, 2]], np.uint8),
        bits=2,
        array_shape=(1, 4),
        axis=0,
    )
    assert q.packed.tolist() == [[0b10_01_11_00]]
    assert q.dense().tolist() == [[-1, 2, -0.5, 0]]
    assert q.scale.tolist() == [[1, 0.5]]
    assert q.zero_point.tolist() == [[1, 2]]
    assert q.group_size == 2
    assert q.nbytes == 1 + 4 + 2


def test_by_hand_one_bit_and_codebook():
    one = np.ones((1, 1), np.float32)
    sign = QuantizedTensor.from_codes(np.array([[1, -1, -1]]), 3 * one, bits=1, array_shape=(3,))
    assert sign.packed.tolist() == [[0b001]]
    assert sign.dense().tolist() == [3, -3, -3]
    levels = np.array([-2, -0.5, 0.5, 2], np.float32)
    book = QuantizedTensor.from_codes(
        np.array([[3, 0, 1]]), 2 * one, None, levels, bits=2, array_shape=(3,)
    )
    assert book.dense().tolist() == [4, -4, -1]
    assert book.codes.tolist() == [3, 0, 1]
    assert book.nbytes == 1 + 4 + 16  # the codebook is counted


def test_by_hand_bytes_for_scales():
    codes, shape = np.array([[1, -2], [3, 0]]), {"array_shape": (2, 2), "axis": 0, "bits": 4}
    powers = QuantizedTensor.from_codes(
        codes, np.array([[127], [124]], np.uint8), scale_format="e8m0", **shape
    )
    assert powers.dense().tolist() == [[1, -2], [0.375, 0]]  # 2^(127 − 127), 2^(124 − 127)
    assert powers.scale.tolist() == [[1], [0.125]]
    assert powers.nbytes == 2 + 2
    # e4m3: 0 1000 100 is 2^(8 − 7) · 1.5, and 0 0000 001 the smallest, 2^−9; times 10
    small = QuantizedTensor.from_codes(
        codes, np.array([[0b1000_100], [1]], np.uint8), scale_format="e4m3",
        tensor_scale=np.array([[10]], np.float32), **shape,
    )  # fmt: skip
    assert small.dense().tolist() == [[30, -60], [30 / 512, 0]]
    assert small.scale.tolist() == [[30], [10 / 512]]
    assert small.T.dense().tolist() == small.dense().T.tolist()
    assert small[np.array([1])].tolist() == [[30 / 512, 0]]
    assert small.nbytes == 2 + 2 + 4


def test_by_hand_zero_points_between_codes():
    q = QuantizedTensor.from_codes(
        np.array([[0, 3, 1]]), np.array([[2]], np.float32), np.array([[1.25]], np.float16),
        bits=2, array_shape=(1, 3), axis=0,
    )  # fmt: skip
    assert q.dense().tolist() == [[-2.5, 3.5, -0.5]]
    assert q.zero_point.tolist() == [[1.25]]


def test_by_hand_sixteen_bits():
    one = np.ones((1, 1), np.float32)
    signed = QuantizedTensor.from_codes(np.array([[-32767, 32767]]), one, bits=16, array_shape=(2,))
    assert signed.packed.tolist() == [[1, 0, 255, 255]]
    assert signed.codes.tolist() == signed.dense().tolist() == [-32767, 32767]
    zero = np.array([[65535]], np.uint16)
    ends = np.array([[0, 65535]])
    affine = QuantizedTensor.from_codes(ends, one, zero, bits=16, array_shape=(2,))
    assert affine.dense().tolist() == [-65535, 0]
    assert (affine.codes - affine.zero_point).tolist() == [-65535, 0]  # and nothing wraps


SHAPES = st.one_of(
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
)


@given(SHAPES, st.data())
def test_rows_and_back(shape, data):
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    x = np.arange(np.prod(shape)).reshape(shape)
    stored = to_rows(x, axis)
    assert stored.shape == rows.rows_shape(shape, axis)
    np.testing.assert_array_equal(from_rows(stored, shape, axis), x)
    if axis is not None and x.size:
        np.testing.assert_array_equal(stored[0], np.take(x, 0, axis).reshape(-1))


@given(SHAPES, st.data(), st.sampled_from([*range(1, 9), 16]), st.booleans(), st.booleans())
def test_formula(shape, data, bits, zero, turned):
    """x̂ = scale · (q − zero_point) in the array's own shape, and turned."""
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 2**bits, shape) - (0 if zero else 2 ** (bits - 1))
    if bits == 1 and not zero:
        codes = 2 * codes + 1
    stored = to_rows(codes, axis)
    scales = rng.uniform(0.5, 2, (len(stored) if axis is not None else 1, 1)).astype(np.float32)
    kind = np.uint8 if bits <= 8 else np.uint16
    zeros = rng.integers(0, 2**bits, scales.shape).astype(kind) if zero else None
    q = QuantizedTensor.from_codes(stored, scales, zeros, bits=bits, array_shape=shape, axis=axis)
    q = q.T if turned else q
    np.testing.assert_array_equal(q.codes, codes.T if turned else codes)
    assert q.scale.ndim in (0, len(shape))
    expected = q.scale * (q.codes - (q.zero_point if zero else 0)).astype(np.float32)
    np.testing.assert_array_equal(q.dense(), expected)
    assert q.shape == q.dense().shape == q.codes.shape
    assert q.dense().dtype == np.float32


@pytest.mark.parametrize(
    ("axis", "groups", "scale_shape"),
    [(None, 0, ()), (-1, 1, (1, 20)), (0, 1, (24, 1)), (-1, 4, (4, 20)), (0, 5, (24, 5))],
)
def test_scale_lies_as_the_array_does(make, axis, groups, scale_shape):
    q = make.quantized((24, 20), 4, axis, groups)
    assert q.scale.shape == scale_shape
    assert q.T.scale.shape == scale_shape[::-1]
    scale = q.scale
    for side in range(scale.ndim):  # every group's scale stretched over the group
        scale = np.repeat(scale, q.shape[side] // scale.shape[side], axis=side)
    np.testing.assert_array_equal(q.dense(), scale.astype(np.float32) * q.codes)
    assert q.group_size == (None if groups < 2 else 24 // 4 if axis == -1 else 20 // 5)


def test_axis_none_matrix_may_have_group_scales(make):
    q = make.quantized((24, 20), 4, -1, 4)
    same = QuantizedTensor(q.packed, q.scales, None, None, 4, (24, 20), None)
    np.testing.assert_array_equal(same.dense(), q.dense())
    np.testing.assert_array_equal(same.scale, q.scale)


@pytest.mark.parametrize("axis", [0, -1, None])
@pytest.mark.parametrize("zero", [False, True])
def test_chunks_above_four_megabytes(make, monkeypatch, axis, zero):
    q = make.quantized((48, 40), 3, axis, 4 if axis is not None else 0, zero=zero)
    x, dy = make.normal(2, 5, 48), make.normal(3, 40)
    whole, back = x @ q, dy @ q.T
    monkeypatch.setattr(rows, "WHOLE", 500)
    calls = []
    decode = QuantizedTensor.decode
    monkeypatch.setattr(
        QuantizedTensor, "decode", lambda self, w: calls.append(w) or decode(self, w)
    )
    np.testing.assert_allclose(x @ q, whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(x[0, 0] @ q, whole[0, 0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dy @ q.T, back, rtol=1e-4, atol=1e-4)
    assert (x @ q).dtype == np.float32
    assert max((w.stop - w.start) * q.stored_shape[1] for w in calls) <= 500
    with pytest.raises(ValueError, match=r"x must have shape \(..., 48\), got \(3, 40\)"):
        dy @ q


def test_only_the_rows_asked_for_are_unpacked(make, monkeypatch):
    table = make.quantized((1000, 16), 3, axis=0, groups=2)
    seen = []
    decode = QuantizedTensor.decode
    monkeypatch.setattr(
        QuantizedTensor, "decode", lambda self, w: seen.append(len(w)) or decode(self, w)
    )
    table[np.array([5, 7])]
    table.T.T[np.array([5])]
    assert seen == [2, 1]


def test_three_bits_take_three_bits(make):
    per_tensor = make.quantized((256, 512), 3, None, 0)
    assert per_tensor.packed.nbytes == 256 * 512 * 3 // 8
    assert per_tensor.nbytes == 256 * 512 * 3 // 8 + 4
    per_group = make.quantized((256, 512), 3, -1, 256 // 64)
    assert per_group.bits_per_weight == 3 + 16 / 64


def test_largest_error_is_kept(make):
    q = make.quantized((4, 4))
    assert q.max_error == q.T.max_error == 0.25
    assert isinstance(q.max_error, float)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codes": np.full((2, 4), 8)}, r"codes of 4 bits must lie in \[-8, 7\], got \[8, 8\]"),
        ({"codes": np.full((2, 4), -9)}, r"\[-8, 7\]"),
        ({"zero_points": np.zeros((2, 1), np.uint8), "codes": np.full((2, 4), -1)}, r"\[0, 15\]"),
        ({"bits": 1, "codes": np.full((2, 4), 2)}, r"\[-1, 1\]"),
        ({"bits": 0}, "bits must be an integer from 1 to 8, or 16, got 0"),
        ({"scales": np.ones((3, 1), np.float32)}, r"scales must be .*got float32 \(3, 1\)"),
        ({"scales": np.ones((2, 3), np.float32)}, "3 groups do not divide a row of 4 codes"),
        ({"scales": np.ones((2, 1))}, "scales must be float16 or float32"),
        ({"scales": np.ones(2, np.float32)}, "scales must be"),
        ({"zero_points": np.ones((2, 1), np.int64)}, "zero_points must be uint8 or float16"),
        ({"scale_format": "e8m0"}, "scales must be uint8"),
        ({"tensor_scale": np.ones((1, 1), np.float32)}, "belongs to scales of a scale_format"),
        ({"scales": np.ones((2, 1), np.uint8)}, "scales must be float16 or float32"),
        ({"levels": np.ones(4, np.float32)}, r"levels must be float32 of shape \(16,\)"),
        ({"array_shape": (4, 3)}, r"packed must be uint8 of shape \(3, 2\)"),
        ({"axis": 2}, r"axis must be None or an axis of an array of shape \(4, 2\), got 2"),
    ],
)
def test_parts_that_do_not_fit(changed, message):
    parts = {
        "codes": np.ones((2, 4), int),
        "scales": np.ones((2, 1), np.float32),
        "bits": 4,
        "array_shape": (4, 2),
        "axis": -1,
    }
    QuantizedTensor.from_codes(**parts)
    if "levels" in changed:
        parts["codes"] = np.ones((2, 4), int)
    with pytest.raises(ValueError, match=message):
        QuantizedTensor.from_codes(**{**parts, **changed})


@pytest.mark.parametrize("bits", [1, 3, 4, 8])
@pytest.mark.parametrize("groups", [None, 1, 5])
@pytest.mark.parametrize("affine", [False, True])
def test_more_than_one_chunk(bits, groups, affine, monkeypatch):
    monkeypatch.setattr(quantized, "CHUNK", 100)
    rng = np.random.default_rng(bits)
    low, high = (0, 2**bits - 1) if affine or bits == 1 else (1 - 2 ** (bits - 1), 2 ** (bits - 1))
    codes = rng.integers(low, high, (13, 30), endpoint=affine)
    if bits == 1 and not affine:
        codes = 2 * codes + 1
    shape = (1, 1) if groups is None else (13, groups)
    scales = rng.uniform(0.5, 2, shape).astype(np.float32)
    zero_points = rng.integers(0, 2**bits, shape).astype(np.uint8) if affine else None
    q = QuantizedTensor.from_codes(
        codes, scales, zero_points, bits=bits, array_shape=(13, 30), axis=0
    )

    def of_each(values):
        values = np.broadcast_to(values, (13, shape[1])).astype(np.float32)
        return np.repeat(values, 30 // shape[1], axis=1)

    dense = (codes - of_each(zero_points if affine else np.zeros(shape))) * of_each(scales)
    assert q.dense().dtype == np.float32
    np.testing.assert_array_equal(q.dense(), dense.astype(np.float32))
    ids = np.array([12, 0, 7, 7, 3, 9, 11, 1])
    np.testing.assert_array_equal(q[ids], dense.astype(np.float32)[ids])
