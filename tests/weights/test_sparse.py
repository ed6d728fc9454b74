import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.weights import QuantizedTensor, SparseTensor, load, pack, rows, save, to_rows
from minilm.weights.sparse import compressed_rows


def in_both_forms(x, mask):
    """The same tensor with a bitmask, and with columns."""
    s = SparseTensor.from_dense(x, mask)
    kept = to_rows(mask, s.axis)
    offsets, columns = compressed_rows(kept)
    return (
        SparseTensor(pack(kept.view(np.uint8), 1), s.values, s.shape, s.axis),
        SparseTensor(None, s.values, s.shape, s.axis, offsets=offsets, columns=columns),
    )


shapes = st.lists(st.integers(0, 12), min_size=0, max_size=3).map(tuple)


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


@given(shapes, st.floats(0, 1), st.integers(0, 100), st.booleans())
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
    np.testing.assert_array_equal(s.kept, mask)
    np.testing.assert_array_equal(s.T.kept, mask.T)
    s.check()


def test_columns_by_hand():
    x = np.zeros((3, 80), np.float32)
    x[0, 70], x[2, 1], x[2, 79] = 5, 7, 8
    s = SparseTensor.from_dense(x, x != 0)
    assert s.mask is None  # three rows of ten bytes; or three columns and four offsets
    assert s.columns.tolist() == [70, 1, 79]
    assert s.offsets.tolist() == [0, 1, 1, 3]
    assert s.values.tolist() == [5, 7, 8]
    assert s.columns.dtype == s.offsets.dtype == np.uint8
    assert s.nbytes == 3 + 4 + 3 * 4
    assert s[np.array([2, 1, -1, 0])][:, [1, 70]].tolist() == [[7, 0], [0, 0], [7, 0], [0, 5]]


@given(shapes, st.floats(0, 1), st.integers(0, 100))
def test_both_forms_are_one_tensor(shape, density, seed):
    rng = np.random.default_rng(seed)
    x, mask = np.asarray(rng.normal(size=shape)), np.asarray(rng.random(shape) < density)
    smallest = SparseTensor.from_dense(x, mask)
    both = in_both_forms(x, mask)
    for s in both:
        s.check()
        np.testing.assert_array_equal(s.dense(), smallest.dense())
        np.testing.assert_array_equal(s.T.kept, mask.T)
    assert smallest.nbytes == min(s.nbytes for s in both)


@pytest.mark.parametrize(("n", "crossover"), [(256, 1 / 8), (257, 1 / 16), (4096, 1 / 16)])
def test_the_smaller_form_is_taken(n, crossover):
    rng = np.random.default_rng(0)
    for density in np.array([0.5, 0.8, 0.9, 1.1, 1.5]) * crossover:
        mask = rng.permutation(64 * n).reshape(64, n) < round(density * 64 * n)
        s = SparseTensor.from_dense(mask.astype(np.float32), mask)
        in_columns = s.mask is None
        assert in_columns == (density < crossover)  # offsets hardly count in rows so long
        if in_columns:
            assert s.columns.dtype == (np.uint8 if n <= 256 else np.uint16)
            assert s.offsets.dtype == (np.uint16 if s.values.size < 65536 else np.uint32)


def test_the_last_column_and_the_last_offset_fit():
    for n, kind in ((256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)):
        kept = np.zeros((1, n), np.bool_)
        kept[0, -1] = True
        offsets, columns = compressed_rows(kept)
        assert columns.dtype == kind
        assert columns.tolist() == [n - 1]
        offsets, _ = compressed_rows(np.ones((1, n), np.bool_))
        assert offsets.tolist() == [0, n]


def test_columns_of_any_unsigned_type(make):
    s = make.sparse(24, 20, density=0.03)
    for kind in (np.uint16, np.uint32, np.uint64):
        wide = dataclasses.replace(
            s, columns=s.columns.astype(kind), offsets=s.offsets.astype(kind)
        )
        wide.check()
        np.testing.assert_array_equal(wide.dense(), s.dense())


@given(st.lists(st.integers(-9, 8), max_size=20), st.floats(0, 1))
def test_any_rows_in_any_order(ids, density):
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(9, 13)), rng.random((9, 13)) < density
    ids = np.array(ids, np.int64)
    for s in in_both_forms(x, mask):
        np.testing.assert_array_equal(s[ids], (x * mask)[ids])


def test_half_a_byte_per_eight_elements(make):
    s = make.sparse(64, 64, density=0.25)
    assert s.nbytes == 64 * 64 // 8 + 4 * s.values.size
    assert s.bits_per_weight == 1 + 32 * s.density


def test_rows_are_those_of_the_first_axis():
    x = np.arange(1, 61, dtype=np.float32).reshape(3, 4, 5)
    s = SparseTensor.from_dense(x, x % 2 == 1)
    assert s.axis == 0 and s.mask.shape == (3, 3)  # 20 bits each, in whole bytes
    np.testing.assert_array_equal(s[np.array([2, 0])], (x * (x % 2 == 1))[[2, 0]])
    empty = SparseTensor.from_dense(x[:0], x[:0] > 0)
    assert empty.density == 0 and empty.sparsity == 1


def test_transposed_input_and_zeros_kept():
    x = np.zeros((3, 5), np.float32).T  # kept zeros are values like others; x is not contiguous
    s = SparseTensor.from_dense(x, np.ones((5, 3), bool))
    assert s.values.size == 15
    assert s.density == 1.0


@pytest.mark.parametrize("kind", ["sparse", "sparse_quantized"])
@pytest.mark.parametrize("density", [0.3, 0.02])
def test_chunks(make, monkeypatch, kind, density):
    s = getattr(make, kind)(48, 40, density=density)
    x, dy = make.normal(3, 48), make.normal(3, 40)
    whole, back = x @ s, dy @ s.T
    monkeypatch.setattr(rows, "WHOLE", 300)
    np.testing.assert_allclose(x @ s, whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dy @ s.T, back, rtol=1e-4, atol=1e-4)


def test_values_in_few_bits(make):
    s = make.sparse(64, 64, density=0.25)
    q = make.sparse_quantized(64, 64, density=0.25)
    np.testing.assert_array_equal(q.kept, s.kept)
    np.testing.assert_array_equal(q.dense()[s.kept], q.values.dense())
    assert not q.dense()[~s.kept].any()
    assert q.density == s.density
    # the mask, 3 bits a value kept, and one scale
    assert q.nbytes == 64 * 64 // 8 + -(-3 * s.values.size // 8) + 4


@pytest.mark.parametrize("density", [0.3, 0.02])
def test_saved_and_loaded(make, tmp_path, density):
    params = {"s": make.sparse(24, 20, density=density), "q": make.sparse_quantized(24, 20).T}
    save(tmp_path / "s.npz", params)
    again = load(tmp_path / "s.npz")
    for name, w in params.items():
        np.testing.assert_array_equal(again[name].dense(), w.dense())
        assert again[name].nbytes == w.nbytes
        assert (again[name].mask is None) == (w.mask is None)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"offsets": np.array([0, 2, 1, 3], np.uint8)}, "offsets must begin with 0 and nowhere"),
        ({"columns": np.array([70, 1, 80], np.uint8)}, "columns must .* below 80"),
        ({"columns": np.array([70, 79, 1], np.uint8)}, "columns must rise within each row"),
        ({"columns": np.array([70, 1, 1], np.uint8)}, "columns must rise"),
        ({"columns": np.array([2**63, 1, 79], np.uint64)}, "columns must .* below 80"),
    ],
)
def test_damaged_columns_are_refused(damage, message, tmp_path):
    x = np.zeros((3, 80), np.float32)
    x[0, 70], x[2, 1], x[2, 79] = 5, 7, 8
    s = SparseTensor.from_dense(x, x != 0)
    for name, value in damage.items():
        object.__setattr__(s, name, value)  # as a damaged file would have it
    save(tmp_path / "s.npz", {"w": s})
    with pytest.raises(ValueError, match=f"cannot be loaded: w.*({message})"):
        load(tmp_path / "s.npz")


@pytest.mark.parametrize(
    "offsets",
    [[1, 1, 1, 3], [0, 1, 1, 2], [0, 3, 3, 200], [255, 0, 0, 3], [3, 2, 1, 0], [0, 200, 1, 3]],
)
def test_any_offsets_are_refused_as_a_damaged_file(offsets, tmp_path):
    x = np.zeros((3, 80), np.float32)
    x[0, 70], x[2, 1], x[2, 79] = 5, 7, 8
    s = SparseTensor.from_dense(x, x != 0)
    object.__setattr__(s, "offsets", np.array(offsets, np.uint8))
    save(tmp_path / "s.npz", {"w": s})
    with pytest.raises(ValueError, match="cannot be loaded"):
        load(tmp_path / "s.npz")


def test_a_damaged_mask_is_refused():
    s = SparseTensor.from_dense(np.ones((2, 3), np.float32), np.ones((2, 3), bool))
    s.check()
    s.mask[0] = 0b1011  # three ones still
    with pytest.raises(ValueError, match="mask must be 0 beyond the 3 elements"):
        s.check()


def test_damaged_codes_are_refused(make):
    q = make.sparse_quantized(24, 20)
    q.check()
    q.values.scales[:] = np.nan
    with pytest.raises(ValueError, match="scales must be finite"):
        q.check()


def test_parts_that_do_not_fit():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"mask must be bool of shape \(2, 3\)"):
        SparseTensor.from_dense(x, np.ones((3, 2), bool))
    with pytest.raises(ValueError, match="mask must be bool"):
        SparseTensor.from_dense(x, x)
    s = SparseTensor.from_dense(x, x > 0)
    with pytest.raises(ValueError, match="values must be 6 floats"):
        SparseTensor(s.mask, s.values[:-1], (2, 3))
    with pytest.raises(ValueError, match=r"values must be 6 floats.* got float32 \(2, 3\)"):
        SparseTensor(s.mask, s.values.reshape(2, 3), (2, 3))
    with pytest.raises(ValueError, match=r"mask must be uint8 of shape \(2, 1\), got int64"):
        SparseTensor(s.mask.astype(np.int64), s.values, (2, 3))
    with pytest.raises(ValueError, match=r"mask must be uint8 of shape \(3, 1\)"):
        SparseTensor(s.mask, s.values, (3, 2))
    with pytest.raises(ValueError, match=r"values must be 6 floats.* got int64"):
        SparseTensor.from_dense(x.astype(np.int64), x > 0)


def test_fields_that_do_not_fit(make):
    s = make.sparse(24, 20, density=0.03)
    fields = {f.name: getattr(s, f.name) for f in dataclasses.fields(s)}
    mask = np.zeros((24, 3), np.uint8)
    has = "has a mask, or else offsets and columns"
    for change, message in (
        ({"mask": mask}, has),
        ({"offsets": None}, has),
        ({"columns": None}, has),
        ({"mask": mask, "offsets": None}, has),
        ({"offsets": s.offsets[:-1]}, r"offsets must be unsigned of shape \(25,\)"),
        ({"offsets": s.offsets.astype(int)}, "offsets must be unsigned .* got int64"),
        ({"columns": s.columns[:-1]}, "columns must be unsigned of shape"),
        ({"columns": 3}, "columns must be unsigned .* got 3"),
        ({"values": s.values[:-1]}, "values must be"),
        ({"values": make.quantized((4, 5))}, r"values must be .* got QuantizedTensor \(4, 5\)"),
    ):
        with pytest.raises(ValueError, match=message):
            SparseTensor(**{**fields, **change})


def test_every_tiny_mask():
    x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    for bits in itertools.product([False, True], repeat=6):
        mask = np.array(bits).reshape(2, 3)
        for s in in_both_forms(x, mask):
            np.testing.assert_array_equal(s.dense(), x * mask)
            np.testing.assert_array_equal(s[np.array([1, 0])], (x * mask)[::-1])


def test_values_in_few_bits_are_decoded_once_a_product(make, monkeypatch):
    q, x = make.sparse_quantized(48, 40, density=0.3), make.normal(3, 48)
    expected, decode, calls = x @ q.dense(), QuantizedTensor.decode, []
    monkeypatch.setattr(rows, "WHOLE", 300)
    monkeypatch.setattr(QuantizedTensor, "decode", lambda *a: calls.append(1) or decode(*a))
    np.testing.assert_allclose(x @ q, expected, rtol=1e-4, atol=1e-4)
    assert len(calls) == 1
