import numpy as np
import pytest

from minilm.weights import ProductQuantizedTensor, load, product_quantized, save
from minilm.weights.rows import PackedRows


def test_by_hand():
    # rows of four numbers, two subvectors of two, four codewords each
    codebooks = np.array([[[0, 0], [1, 2], [3, 4], [5, 6]], [[0, 1], [-1, 0], [7, 7], [8, 9]]])
    q = ProductQuantizedTensor.from_codes(
        np.array([[1, 0], [3, 2], [0, 1]], np.uint8),
        codebooks.astype(np.float32),
        bits=2,
        array_shape=(3, 4),
    )
    assert q.packed.tolist() == [[0b00_01], [0b10_11], [0b01_00]]
    assert q.codes.tolist() == [[1, 0], [3, 2], [0, 1]]
    assert q.dense().tolist() == [[1, 2, 0, 1], [5, 6, 7, 7], [0, 0, -1, 0]]
    assert q[np.array([2, 0])].tolist() == [[0, 0, -1, 0], [1, 2, 0, 1]]
    y = np.array([1, 10, 100, 1000], np.float32)
    assert (y @ q.T).tolist() == [1021, 7765, -100]
    assert (np.array([1, 0, 2], np.float32) @ q).tolist() == [1, 2, -2, 1]
    assert q.subvectors == 2
    assert q.nbytes == 3 * 1 + 2 * 4 * 2 * 4


def test_bytes_by_hand():
    """1000 rows of 12: three codes of 6 bits, 18 bits, 3 bytes a row; 3·64 codewords of 4 floats"""
    codes, books = np.zeros((1000, 3), np.uint8), np.zeros((3, 64, 4), np.float32)
    q = ProductQuantizedTensor.from_codes(codes, books, 6, array_shape=(1000, 12))
    assert q.nbytes == q.T.nbytes == 3000 + 3 * 64 * 4 * 4
    assert q.bits_per_weight == 8 * 6072 / 12000


@pytest.mark.parametrize("queries", [(), (1,), (product_quantized.FEW,), (2, 2), (0,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_look_up_is_the_product(make, monkeypatch, queries, dtype):
    table = make.product_quantized((300, 24), 5, width=3, axis=0)
    x = make.normal(*queries, 24).astype(dtype)
    monkeypatch.setattr(product_quantized, "CHUNK", 70)
    expected = x.astype(np.float64) @ table.dense().T
    # no row is unpacked, neither for a table's scores nor for a weight (in, out)
    monkeypatch.setattr(ProductQuantizedTensor, "decode", None)
    scores = x @ table.T
    assert scores.dtype == dtype
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    weight = ProductQuantizedTensor(table.packed, table.codebooks, 5, (24, 300), axis=-1)
    np.testing.assert_array_equal(x @ weight, scores)


def test_what_is_not_looked_up(make, monkeypatch):
    """Many queries, short tables, and products along the rows go the way of all packed rows."""
    long, short = (make.product_quantized((V, 12), 4, axis=0) for V in (17, 16))
    monkeypatch.setattr(ProductQuantizedTensor, "_look_up", None)
    few, many = make.normal(product_quantized.FEW, 12), make.normal(product_quantized.FEW + 1, 12)
    np.testing.assert_array_equal(many @ long.T, many @ long.dense().T)
    np.testing.assert_array_equal(few @ short.T, few @ short.dense().T)
    np.testing.assert_array_equal(make.normal(1, 17) @ long, make.normal(1, 17) @ long.dense())
    with pytest.raises(TypeError):  # and this one is
        few @ long.T


def test_a_square_table_knows_its_sides(make):
    """A query and a sum over rows have the same length: only one of them is looked up."""
    table, x = make.product_quantized((20, 20), 3, axis=0), make.normal(2, 20)
    np.testing.assert_allclose(x @ table, x @ table.dense(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x @ table.T, x @ table.dense().T, rtol=1e-4, atol=1e-5)


def test_only_the_rows_asked_for_are_unpacked(make, monkeypatch):
    table = make.product_quantized((1000, 16), 3, axis=0)
    seen = []
    decode = ProductQuantizedTensor.decode
    monkeypatch.setattr(
        ProductQuantizedTensor, "decode", lambda self, w: seen.append(len(w)) or decode(self, w)
    )
    table[np.array([5, 7])]
    table.T.T[np.array([5])]
    assert seen == [2, 1]
    assert isinstance(table, PackedRows)


def test_saved_and_loaded(make, tmp_path):
    q = make.product_quantized((50, 12), 3, axis=0)
    save(tmp_path / "q.npz", {"embedding": q, "head": q.T})
    params = load(tmp_path / "q.npz")
    for name, own in (("embedding", q), ("head", q.T)):
        back = params[name]
        assert isinstance(back, ProductQuantizedTensor) and back.bits == 3
        np.testing.assert_array_equal(back.dense(), own.dense())
        assert back.nbytes == q.nbytes
    extra = (tmp_path / "q.npz").stat().st_size - 2 * q.nbytes
    assert 0 < extra < 4 * 280 + 1000


def test_more_than_two_axes():
    codes = np.arange(6, dtype=np.uint8).reshape(3, 2)
    books = np.random.default_rng(0).normal(size=(2, 8, 4)).astype(np.float32)
    q = ProductQuantizedTensor.from_codes(codes, books, 3, array_shape=(2, 3, 4), axis=1)
    assert q.shape == q.dense().shape == (2, 3, 4)
    np.testing.assert_array_equal(q.dense()[1, 2], books[1, 5])
    assert (np.ones((2, 3), np.float32) @ q).shape == (2, 2, 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bits": 0}, "bits must be an integer from 1 to 8, got 0"),
        ({"bits": 3}, r"codebooks must be float32 of shape \(M, 8, d\), got float32 \(2, 4, 2\)"),
        ({"codebooks": np.zeros((2, 4, 2))}, "codebooks must be float32 .* got float64"),
        ({"codebooks": np.zeros((4, 4), np.float32)}, "codebooks must be"),
        ({"array_shape": (3, 5)}, "2 subvectors of 2 numbers do not make a row of 5"),
        ({"array_shape": (4, 4)}, r"packed must be uint8 of shape \(4, 1\), got uint8 \(3, 1\)"),
        ({"packed": np.zeros((3, 1), np.int8)}, "packed must be uint8"),
        ({"axis": 2}, "axis must be None or an axis"),
    ],
)
def test_parts_that_do_not_fit(changed, message):
    parts = {
        "packed": np.zeros((3, 1), np.uint8),
        "codebooks": np.zeros((2, 4, 2), np.float32),
        "bits": 2,
        "array_shape": (3, 4),
    }
    ProductQuantizedTensor(**parts)
    with pytest.raises(ValueError, match=message):
        ProductQuantizedTensor(**{**parts, **changed})


def test_a_code_without_a_codeword_is_refused():
    with pytest.raises(ValueError, match=r"codes must be below 2\^2 = 4, got 4"):
        ProductQuantizedTensor.from_codes(
            np.full((3, 2), 4, np.uint8), np.zeros((2, 4, 2), np.float32), 2, array_shape=(3, 4)
        )
