"""The checker must see wrong derivatives, name them, and leave right ones alone."""

import numpy as np
import pytest

from minilm.nn import (
    check_gradient,
    check_model_gradient,
    dropout,
    embedding,
    embedding_backward,
    linear,
    linear_backward,
    softmax,
)


def product(x, y):
    return x * y, (x, y)


def product_backward(dz, cache):
    x, y = cache
    return dz * y, dz * x


def test_accepts_what_is_right(normal):
    error = check_gradient(product, product_backward, normal(3, 4), normal(3, 4))
    assert 0 <= error < 1e-6
    x = normal(3, 4).astype(np.float32)  # checked in float64, whatever comes in
    assert check_gradient(product, product_backward, x, x) < 1e-6


def test_names_the_wrong_gradient_and_both_numbers(normal):
    def wrong(dz, cache):
        dx, dy = product_backward(dz, cache)
        return dx, 1.001 * dy

    with pytest.raises(AssertionError, match=r"gradient of y: backward says \S+, finite diff"):
        check_gradient(product, wrong, normal(3), normal(3))
    check_gradient(product, wrong, normal(3), normal(3), tolerance=1e-2)


@pytest.mark.parametrize("wrong", [lambda d, c: (d * c[1],), lambda d, c: d * c[1]])
def test_a_missing_gradient(normal, wrong):
    with pytest.raises(AssertionError, match=r"gradient of y: expected one of shape .*got none"):
        check_gradient(product, wrong, normal(3), normal(3))


def test_a_gradient_of_another_shape(normal):
    def wrong(dz, cache):
        return tuple(g[None] for g in product_backward(dz, cache))

    with pytest.raises(AssertionError, match=r"gradient of x: .*\(3,\), got one of shape \(1, 3\)"):
        check_gradient(product, wrong, normal(3), normal(3))


def test_nan_is_wrong(normal):
    with pytest.raises(AssertionError, match="backward says nan"):
        check_gradient(product, lambda d, c: (d * np.nan, d), normal(3), normal(3))


def test_cotangents_are_random(normal):
    """With all-ones cotangents a softmax has no gradient, and forgetting it would pass."""

    def zero(dy, cache):
        return np.zeros_like(dy)

    with pytest.raises(AssertionError, match="gradient of x: backward says 0"):
        check_gradient(softmax, zero, normal(2, 5))


def test_one_wrong_element_is_seen(normal):
    def wrong(dz, cache):
        dx, dy = product_backward(dz, cache)
        dx[1, 2] += 0.01
        return dx, dy

    with pytest.raises(AssertionError, match="gradient of x"):
        check_gradient(product, wrong, normal(3, 4), normal(3, 4))


def test_several_outputs_and_scalar_outputs(normal):
    def op(x):
        return (np.sin(x), float((x * x).sum())), x

    def op_backward(dys, x):
        return dys[0] * np.cos(x) + dys[1] * 2 * x

    check_gradient(op, op_backward, normal(4))
    with pytest.raises(AssertionError):
        check_gradient(op, lambda dys, x: dys[0] * np.cos(x), normal(4))


def test_integers_and_options_have_no_gradient(normal):
    check_gradient(embedding, embedding_backward, np.array([1, 1, 0]), normal(2, 3))
    check_gradient(linear, linear_backward, normal(2, 3), normal(3, 4), None)
    rng = np.random.default_rng(0)
    check_gradient(dropout, lambda dy, keep: dy * keep, normal(20), 0.5, rng=rng)
    assert rng.random() == np.random.default_rng(0).random()  # the caller's rng was not used


def test_inputs_stay_as_they_are(normal):
    x, y = normal(3), normal(3)
    before = x.copy(), y.copy()
    check_gradient(product, product_backward, x, y)
    assert np.array_equal(x, before[0]) and np.array_equal(y, before[1])


class Model:
    """logits = table[tokens] w, with a companion that no one reads."""

    def forward(self, params, tokens, *, scale=1.0):
        x, ids_cache = embedding(tokens, params["table"])
        logits, cache = linear(x * scale, params["w"])
        return logits, (ids_cache, cache, scale)

    def backward(self, dlogits, cache):
        ids_cache, linear_cache, scale = cache
        dx, dw, _ = linear_backward(dlogits, linear_cache)
        return {"table": embedding_backward(scale * dx, ids_cache), "w": dw}


def test_a_whole_model(normal):
    params = {
        "table": normal(5, 3).astype(np.float32),
        "w": normal(3, 5),
        "w:mask": np.ones((3, 5)),
    }
    tokens = np.array([[0, 4, 4], [1, 2, 0]])
    assert check_model_gradient(Model(), params, tokens, scale=2.0) < 1e-6

    class Forgetful(Model):
        def backward(self, dlogits, cache):
            return {**super().backward(dlogits, cache), "table": np.zeros((5, 3))}

    with pytest.raises(AssertionError, match="gradient of table: backward says 0"):
        check_model_gradient(Forgetful(), params, tokens)

    class Lazy(Model):
        def backward(self, dlogits, cache):
            return {"table": super().backward(dlogits, cache)["table"]}

    with pytest.raises(AssertionError, match=r"gradient of w: .*got none"):
        check_model_gradient(Lazy(), params, tokens)
