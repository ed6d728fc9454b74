import numpy as np
import pytest

from minilm.weights import Diagonal, Hadamard, Product, Recorder, Sum, Weight, load, save


class Squaring(Weight):
    """x -> x² W: bends x, so it brings its own gradients."""

    def __init__(self, w):
        self.w = w

    shape = property(lambda self: self.w.shape)
    T = property(lambda self: self.w.T)
    nbytes = property(lambda self: self.w.nbytes)

    def dense(self):
        return self.w

    def unpacked(self):
        return self

    def __rmatmul__(self, x):
        return x**2 @ self.w

    def input_gradient(self, dy, x):
        return dy @ self.w.T * 2 * x

    def weight_gradient(self, dy, x):
        return super().weight_gradient(dy, x**2)


def test_by_hand():
    a, b = np.array([[1.0], [2.0]]), np.array([[3.0, 4.0, 5.0]])
    product = Product(a, b)
    assert product.dense().tolist() == [[3, 4, 5], [6, 8, 10]]
    assert (np.array([1.0, 1.0]) @ product).tolist() == [9, 12, 15]
    assert product[np.array([1])].tolist() == [[6, 8, 10]]
    assert product.T.a.tolist() == b.T.tolist()
    assert product.nbytes == 5 * 8
    both = Sum(product, np.ones((2, 3)))
    assert both.dense().tolist() == [[4, 5, 6], [7, 9, 11]]
    scaled = Product(Diagonal(np.array([10.0, 100.0])), both)
    assert scaled.dense().tolist() == [[40, 50, 60], [700, 900, 1100]]
    assert scaled[np.array([[1]])].tolist() == [[[700, 900, 1100]]]
    assert (np.array([1.0, 0.0]) @ scaled).tolist() == [40, 50, 60]
    assert Diagonal(np.array([2.0, 3.0])).dense().tolist() == [[2, 0], [0, 3]]
    assert Diagonal(np.array([2.0, 3.0]))[np.array([1])].tolist() == [[0, 3]]


def test_scaling_undone_is_the_weight(make):
    """W = diag(1/s) (s W): what SmoothQuant and AWQ round between."""
    w, x = make.normal(24, 20), make.normal(5, 24)
    s = np.float32(2) ** np.arange(-12, 12, dtype=np.float32)
    np.testing.assert_array_equal(x @ Product(Diagonal(1 / s), s[:, None] * w), x @ w)


@pytest.mark.parametrize("wrap", [lambda w: w, Recorder])
def test_a_part_that_bends_x_keeps_its_gradient(make, wrap):
    rng = np.random.default_rng(0)
    a, b, low, x, dy = (rng.normal(size=s) for s in [(6, 4), (4, 5), (6, 5), (3, 6), (3, 5)])
    for weight in (
        Product(a, wrap(Squaring(b))),
        Product(wrap(Squaring(a)), b),
        Sum(low, Product(Diagonal(x[0]), wrap(Squaring(low)))),
        Product(wrap(Squaring(a)), Squaring(b)).unpacked(),
    ):
        gradient = weight.input_gradient(dy, x)
        step = 1e-6 * rng.normal(size=x.shape)
        difference = np.sum(dy * ((x + step) @ weight - (x - step) @ weight)) / 2
        np.testing.assert_allclose(np.sum(gradient * step), difference, rtol=1e-6)


def test_unpacked_keeps_low_rank_thin(make):
    product = Product(make.quantized((24, 2), 8), make.quantized((2, 20), 8)).unpacked()
    assert isinstance(product, Product)
    assert isinstance(product.a, np.ndarray)
    assert product.nbytes == 4 * 2 * (24 + 20)


def test_unpacked_a_transform_is_multiplied_into_the_other_factor(make):
    turn, q = Hadamard.random(24, np.random.default_rng(0)), make.quantized((24, 2), 8)
    for left in (turn, Diagonal(make.normal(24))):
        for product in (Product(left, q), Product(q.T, left)):
            assert isinstance(product.unpacked(), np.ndarray)
            np.testing.assert_allclose(product.unpacked(), product.dense(), rtol=1e-6)
    assert isinstance(Product(turn, turn.T).unpacked(), Product)


def test_scales_that_no_transform_makes_are_refused_in_a_file(make, tmp_path):
    left = Diagonal(np.array([1, np.nan, 2], np.float32))
    save(tmp_path / "a.npz", {"w": Product(left, make.normal(3, 2))})
    with pytest.raises(ValueError, match="Diagonal must be finite"):
        load(tmp_path / "a.npz")


def test_parts_that_do_not_fit(make):
    with pytest.raises(ValueError, match=r"\(in, r\) and \(r, out\), got \(2, 3\) and \(2, 3\)"):
        Product(make.normal(2, 3), make.normal(2, 3))
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(3, 2\)"):
        Sum(make.normal(2, 3), make.normal(3, 2))
    with pytest.raises(ValueError, match=r"values must have shape \(n,\), got \(2, 3\)"):
        Diagonal(make.normal(2, 3))
    with pytest.raises(ValueError, match=r"x must have shape \(..., 3\), got \(2,\)"):
        make.normal(2) @ Diagonal(make.normal(3))
