import numpy as np

from minilm.compression import quantize
from minilm.inspection import Listening, listening
from minilm.nn import linear, linear_backward


def test_hears_each_product_under_its_name_and_changes_no_bit():
    rng = np.random.default_rng(0)
    w, x, h = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    for weight in (w.astype(np.float32), quantize(w.astype(np.float32), bits=4)):
        heard = []
        leaf = Listening(weight, "w", lambda *what, to=heard: to.append(what))
        ids = np.array([3, 0, 3])
        np.testing.assert_array_equal(x @ leaf, x @ weight)
        np.testing.assert_array_equal(h @ leaf.T, h @ weight.T)
        np.testing.assert_array_equal(leaf[ids], weight[ids])
        np.testing.assert_array_equal(x @ leaf.T.T.unpacked(), x @ weight)
        expected = [("w", x), ("w.T", h), ("w[ids]", weight[ids]), ("w", x)]
        for (name, a), (expected_name, b) in zip(heard, expected, strict=True):
            assert name == expected_name
            np.testing.assert_array_equal(a, b)
        assert (leaf.shape, leaf.nbytes, leaf.T.shape) == ((4, 3), weight.nbytes, (3, 4))


def test_gradients_are_the_inner_weight_s_and_are_heard():
    class Odd:  # a weight with derivatives of its own, as one that rounds x has
        shape, ndim, nbytes = (4, 3), 2, 0

        def __rmatmul__(self, x):
            return np.zeros((len(x), 3))

        def input_gradient(self, dy, x):
            return dy @ np.ones((3, 4))

        def weight_gradient(self, dy, x):
            return np.full((4, 3), 7.0)

        __array_ufunc__ = None

    heard = []
    leaf = Listening(Odd(), "w", lambda *what: heard.append(what))
    x = np.ones((2, 4))
    _, cache = linear(x, leaf)
    dx, dw, _ = linear_backward(np.ones((2, 3)), cache)
    assert dx.tolist() == [[3.0] * 4] * 2
    assert dw.tolist() == [[7.0] * 3] * 4
    assert [name for name, _ in heard] == ["w", "∂w"]
    assert heard[1][1] is dx


def test_only_matrices_that_a_model_reads_are_listened_to(transformer):
    _, params, _ = transformer
    params["head.w:mask"] = np.ones((8, 11), bool)
    heard = listening(params, print)
    for name, w in params.items():
        assert (heard[name] is w) == (w.ndim == 1 or ":" in name)


def test_models_answer_the_same_bits(any_model):
    model, params, inputs = any_model
    packed = quantize(params, bits=4)  # leaves: no model takes a shortcut for arrays then
    logits, cache = model.forward(packed, *inputs)
    heard_logits, heard_cache = model.forward(listening(packed, lambda name, x: None), *inputs)
    np.testing.assert_array_equal(heard_logits, logits)
    dlogits = np.random.default_rng(1).standard_normal(logits.shape, dtype=np.float32)
    grads = model.backward(dlogits, cache)
    for name, grad in model.backward(dlogits, heard_cache).items():
        np.testing.assert_array_equal(grad, grads[name])
