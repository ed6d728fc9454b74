import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.weights import SparseTensor, rows


def test_by_hand():
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    s = SparseTensor.from_dense(x, np.array([[True, False, True], [False, False, True]]))
    assert s.mask.tolist() == [[0b101], [0b100]]
    assert s.values.tolist() == [1, 3, 6]
    assert s.dense().tolist() == [[1, 0, 3], [0, 0, 6]]
    assert (np.array([1, 1], np.float32) @ s).tolist() == [1, 0, 9]
    assert s[np.array([1, 0, 1])].tolist() == [[0, 0, 6], [1, 0, 3], [0, 0, 6]]
    assert s.density == 0.5 == s.sparsity
    assert s.nbytes == 2 + 3 * 4


@given(
    st.lists(st.integers(0, 12), min_size=0, max_size=3).map(tuple),
    st.floats(0, 1),
    st.integers(0, 100),
    st.booleans(),
)
def test_keeps_what_the_mask_says(shape, density, seed, double):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(np.float64 if double else np.float32)
    x = np.asarray(x)
    mask = np.asarray(rng.random(shape) < density)
    s = SparseTensor.from_dense(x, mask)
    np.testing.assert_array_equal(s.dense(), np.where(mask, x, 0))
    np.testing.assert_array_equal(s.T.dense(), np.where(mask, x, 0).T)
    assert s.dense().dtype == s.values.dtype == x.dtype
    assert s.values.size == mask.sum()
    assert s.shape == x.shape


@given(st.lists(st.integers(-9, 8), max_size=20), st.floats(0, 1))
def test_any_rows_in_any_order(ids, density):
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(9, 13)), rng.random((9, 13)) < density
    s = SparseTensor.from_dense(x, mask)
    ids = np.array(ids, np.int64)
    np.testing.assert_array_equal(s[ids], (x * mask)[ids])


def test_half_a_byte_per_eight_elements(make):
    s = make.sparse(64, 64, density=0.25)
    assert s.nbytes == 64 * 64 // 8 + 4 * s.values.size
    assert s.bits_per_weight == 1 + 32 * s.density


def test_transposed_input_and_zeros_kept():
    x = np.zeros((3, 5), np.float32).T  # kept zeros are values like others; x is not contiguous
    s = SparseTensor.from_dense(x, np.ones((5, 3), bool))
    assert s.values.size == 15
    assert s.density == 1.0


def test_chunks(make, monkeypatch):
    s = make.sparse(48, 40)
    x, dy = make.normal(3, 48), make.normal(3, 40)
    whole, back = x @ s, dy @ s.T
    monkeypatch.setattr(rows, "WHOLE", 300)
    np.testing.assert_allclose(x @ s, whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dy @ s.T, back, rtol=1e-4, atol=1e-4)


def test_parts_that_do_not_fit():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"mask must be bool of shape \(2, 3\)"):
        SparseTensor.from_dense(x, np.ones((3, 2), bool))
    with pytest.raises(ValueError, match="mask must be bool"):
        SparseTensor.from_dense(x, x)
    s = SparseTensor.from_dense(x, x > 0)
    with pytest.raises(ValueError, match="values must be 6 floats"):
        SparseTensor(s.mask, s.values[:-1], (2, 3))
    with pytest.raises(ValueError, match=r"mask must be uint8 of shape \(3, 1\)"):
        SparseTensor(s.mask, s.values, (3, 2))
    with pytest.raises(ValueError, match="values must be 6 floats"):
        SparseTensor.from_dense(x.astype(np.int64), x > 0)
