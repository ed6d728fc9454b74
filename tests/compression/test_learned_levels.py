import numpy as np
import pytest

from minilm.compression import lloyd_max
from minilm.compression.views.learned_levels import (
    add_levels,
    learned_levels,
    quantize_with_levels,
)
from minilm.models import LSTMLanguageModel
from minilm.nn import check_gradient
from minilm.training import cross_entropy_loss, fit
from minilm.weights import as_dense


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_by_hand():
    # figure 3 of the paper in small: the gradients of equal weights add up
    params = {"w": np.array([[1.9, -1.1], [2.1, -0.9]], np.float32), "b": np.zeros(2, np.float32)}
    seen, pullback = learned_levels(add_levels(params, 1), 0)
    np.testing.assert_allclose(seen["w"], [[2, -1], [2, -1]], rtol=1e-6)
    grads = pullback({"w": np.array([[1, 20], [300, 4000]], np.float32), "b": np.ones(2)})
    assert grads.keys() == {"w:level", "b"}
    assert grads["w:level"].tolist() == [4020, 301]
    assert seen["b"] is params["b"]


def test_the_gradient_is_the_derivative():
    params = add_levels({"w": normal(6, 5).astype(np.float64)}, 2)
    level = params["w:level"].astype(np.float64)

    def forward(level):
        seen, pullback = learned_levels({**params, "w:level": level}, 0)
        return np.square(seen["w"]), (seen["w"], pullback)

    def backward(dy, cache):
        w, pullback = cache
        return (pullback({"w": 2 * w * dy})["w:level"],)

    check_gradient(forward, backward, level)


def test_levels_are_lloyds_and_each_number_has_the_nearest():
    w = normal(50, 8)
    params = add_levels({"w": w}, 3)
    level = params["w:level"]
    np.testing.assert_array_equal(level, lloyd_max(w, 3))
    nearest = np.abs(w[..., None] - level).argmin(axis=-1)
    np.testing.assert_array_equal(params["w:code"], nearest)
    assert params["w:code"].dtype == np.uint8


def test_training_moves_levels_and_no_code_and_is_packed_as_it_was_seen():
    model = LSTMLanguageModel(11, width=8, embedding_width=4)
    batch = np.random.default_rng(0).integers(0, 11, size=(2, 3, 6))
    start = add_levels(model.init(0), 2)
    params, history = fit(model, start, [tuple(batch)] * 20, view=learned_levels)
    assert history[-1]["loss"] < history[0]["loss"]
    for name in start:
        same = name.endswith(":code") or f"{name}:level" in start
        assert np.array_equal(start[name], params[name]) == same, name
    seen, _ = learned_levels(params, 0)
    packed = quantize_with_levels(params, 2)
    assert packed.keys() == model.init(0).keys()
    for name, w in packed.items():
        np.testing.assert_array_equal(as_dense(w), seen[name])
    ours = cross_entropy_loss(model, packed, tuple(batch), None)[0]
    assert ours == pytest.approx(cross_entropy_loss(model, seen, tuple(batch), None)[0])
    assert packed["token_embedding"].bits == 2 and packed["token_embedding"].scales.size == 1


def test_what_has_no_levels_is_refused():
    with pytest.raises(ValueError, match="add_levels makes them"):
        learned_levels({"w": normal(2, 2)}, 0)
    with pytest.raises(ValueError, match="bits"):
        add_levels({"w": normal(2, 2)}, 9)
    with pytest.raises(ValueError, match="add_levels"):
        quantize_with_levels({"w": normal(2, 2)}, 2)
    params = add_levels({"v": normal(2, 4), "w": normal(2, 4)}, {"w": 2})
    for bits in (1, 3, {"w": 3}, {"v": 2}):
        with pytest.raises(ValueError, match="bits must be those of add_levels: w has 4 levels"):
            quantize_with_levels(params, bits)
    del params["w:code"]
    with pytest.raises(ValueError, match="params must have w:code beside w:level"):
        learned_levels(params, 0)


def test_gradients_come_in_the_order_of_the_parameters():
    names = [f"w{i}" for i in range(12)]
    params = add_levels({name: normal(2, 2) for name in names}, 1)
    grads = learned_levels(params, 0)[1]({name: normal(2, 2) for name in reversed(names)})
    assert list(grads) == [f"{name}:level" for name in names]
    assert learned_levels(params, 0)[1]({"w3": normal(2, 2)}).keys() == {"w3:level"}
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
