"""What holds for every kind of leaf."""

import copy
import io

import numpy as np
import pytest

from minilm.weights import (
    Product,
    ProductQuantizedTensor,
    QuantizedTensor,
    SparseTensor,
    Weight,
    row_ids,
)


def arrays_of(weight):
    """Every array inside a leaf, however deep."""
    if isinstance(weight, np.ndarray):
        return [weight]
    parts = [v for v in vars(weight).values() if isinstance(v, np.ndarray | Weight)]
    return [array for part in parts for array in arrays_of(part)]


def test_product_is_that_of_the_floats(leaf, make):
    dense = leaf.dense()
    assert leaf.shape == dense.shape == (24, 20)
    assert (leaf.ndim, leaf.size) == (2, 480)
    assert dense.dtype == np.float32
    for x in (make.normal(24), make.normal(7, 24), make.normal(2, 3, 24), make.normal(0, 24)):
        y = x @ leaf
        assert y.dtype == np.float32
        if isinstance(leaf, QuantizedTensor | SparseTensor):
            np.testing.assert_array_equal(y, x @ dense)  # unpacked whole: bit for bit
        else:
            np.testing.assert_allclose(y, x @ dense, rtol=1e-4, atol=1e-4)
        wide = x.astype(np.float64) @ leaf
        assert wide.dtype == np.float64
        np.testing.assert_allclose(wide, x.astype(np.float64) @ dense, rtol=1e-5, atol=1e-5)


def test_rows(leaf):
    for ids in (np.array(3), np.array([0, 23, 3, 3, -1]), np.array([[1, 2], [5, 0]], np.int32)):
        rows = leaf[ids]
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, leaf.dense()[ids], rtol=1e-5, atol=1e-5)
    assert leaf[np.array([], np.int64)].shape == (0, 20)
    with pytest.raises(IndexError):
        leaf[np.array([24])]


@pytest.mark.parametrize("ids", [slice(0, 3), (1, 2), np.array([True]), 1.5, None, [0.5]])
def test_rows_are_asked_for_by_integers(leaf, ids):
    with pytest.raises(TypeError, match="integer array"):
        leaf[ids]
    with pytest.raises(TypeError, match="integer array"):
        row_ids(ids)


def test_transposed_shares_every_byte(leaf, make):
    turned = leaf.T
    assert turned.shape == (20, 24)
    np.testing.assert_allclose(turned.dense(), leaf.dense().T, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(turned.T.dense(), leaf.dense())
    assert turned.nbytes == leaf.nbytes
    mine, theirs = arrays_of(leaf), arrays_of(turned)
    assert len(mine) == len(theirs)
    assert all(any(np.shares_memory(a, b) for b in theirs) for a in mine)
    y = make.normal(3, 20)
    np.testing.assert_allclose(y @ turned, y @ leaf.dense().T, rtol=1e-4, atol=1e-4)
    ids = np.array([19, 0])
    np.testing.assert_allclose(turned[ids], leaf.dense().T[ids], rtol=1e-5, atol=1e-5)


def test_bytes_are_those_of_the_fields(leaf):
    assert leaf.nbytes == sum(array.nbytes for array in arrays_of(leaf))
    assert leaf.bits_per_weight == 8 * leaf.nbytes / 480
    before = leaf.nbytes
    leaf.dense(), np.ones((2, 24), np.float32) @ leaf  # nothing is kept behind
    assert leaf.nbytes == before == sum(array.nbytes for array in arrays_of(leaf))


def test_gradients(leaf, make):
    x, dy = make.normal(2, 3, 24), make.normal(2, 3, 20)
    dx, dw = leaf.input_gradient(dy, x), leaf.weight_gradient(dy, x)
    np.testing.assert_allclose(dx, dy @ leaf.dense().T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dw, np.einsum("bti,bto->io", x, dy), rtol=1e-4, atol=1e-4)
    assert dx.dtype == dw.dtype == np.float32


def test_unpacked_multiplies_alike(leaf, make):
    x = make.normal(4, 24)
    if isinstance(leaf, ProductQuantizedTensor | Product):  # sum or multiply in another order
        np.testing.assert_allclose(x @ leaf.unpacked(), x @ leaf, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_array_equal(x @ leaf.unpacked(), x @ leaf)


def test_inputs_are_not_changed(leaf, make):
    before = copy.deepcopy(arrays_of(leaf))
    x = make.normal(4, 24)
    kept = x.copy()
    x @ leaf, leaf.T, leaf.dense(), leaf[np.arange(3)], leaf.input_gradient(x[:, :20], x)
    np.testing.assert_array_equal(x, kept)
    for old, new in zip(before, arrays_of(leaf), strict=True):
        np.testing.assert_array_equal(old, new)


def test_numpy_never_makes_floats_of_a_leaf(leaf, make):
    x = make.normal(3, 24)
    for attempt in (
        lambda: np.asarray(leaf),
        lambda: np.array(leaf, dtype=np.float32),
        lambda: np.dot(x, leaf),
        lambda: np.savez(io.BytesIO(), w=leaf),
        lambda: np.save(io.BytesIO(), leaf),
        lambda: np.matmul(x, leaf),
        lambda: np.matmul(x, leaf, out=np.empty((3, 20), np.float32)),
        lambda: np.exp(leaf),
        lambda: np.concatenate([leaf, leaf]),
        lambda: x * leaf,
        lambda: leaf @ x.T,
        lambda: leaf + leaf,
        lambda: len(leaf),
        lambda: list(leaf),
        lambda: 1.0 in leaf,
    ):
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(TypeError, match=r"call its dense\(\)"):
        np.asarray(leaf)


def test_wrong_width_is_refused(leaf, make):
    with pytest.raises(ValueError):
        make.normal(3, 20) @ leaf


def test_frozen(leaf):
    with pytest.raises(AttributeError):
        leaf.axis = 3


def test_repr_is_one_line(leaf):
    assert repr(leaf) == f"{type(leaf).__name__}(shape=(24, 20), nbytes={leaf.nbytes})"


def test_empty_leaf_has_no_bits():
    empty = SparseTensor.from_dense(np.zeros((0, 4), np.float32), np.zeros((0, 4), bool))
    assert empty.bits_per_weight == 0.0
    assert empty.density == 0.0
