import math

import numpy as np
import pytest

from minilm.models import LSTMRegressor
from minilm.nn import check_model_gradient, lstm_step
from minilm.training import AdamW, fit, squared_error_loss, warmup_cosine

MODEL = LSTMRegressor(3, width=5, outputs=2)


def sequences(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_it_reads_step_by_step_and_answers_from_the_last_state():
    params, x = MODEL.init(0), sequences(4, 6, 3)
    h = c = np.zeros((4, 5), np.float32)
    for t in range(6):
        (h, c), _ = lstm_step(x[:, t], h, c, *(params[f"lstm.{p}"] for p in ("w_x", "w_h", "b")))
    y, cache = MODEL.forward(params, x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, h @ params["head.w"] + params["head.b"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cache["hidden"], h, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 6])
def test_gradients(steps):
    x = sequences(4, steps, 3).astype(np.float64)
    assert check_model_gradient(MODEL, MODEL.init(0), x) < 1e-6
    dropping = LSTMRegressor(3, width=5, dropout=0.5)
    check_model_gradient(dropping, dropping.init(0), x, rng=np.random.default_rng(3))


def test_a_gradient_that_reaches_the_last_state_another_way_is_added():
    params, x = MODEL.init(0), sequences(4, 6, 3)
    y, cache = MODEL.forward(params, x)
    dhidden = sequences(4, 5, seed=1)
    both = MODEL.backward(np.ones_like(y), cache, dhidden)
    apart = [
        MODEL.backward(np.ones_like(y), cache), MODEL.backward(np.zeros_like(y), cache, dhidden)
    ]  # fmt: skip
    for name, gradient in both.items():
        np.testing.assert_allclose(gradient, sum(g[name] for g in apart), rtol=1e-4, atol=1e-6)


def test_it_learns_a_weighted_sum_of_what_it_read():
    model, weights = LSTMRegressor(3, width=32), sequences(5, 3, seed=9) / math.sqrt(15)

    def batch(step):
        x = sequences(32, 5, 3, seed=step)
        return x, np.einsum("btd,td->b", x, weights)[:, None]

    params, history = fit(
        model, model.init(0), batch, steps=300, loss=squared_error_loss,
        optimizer=AdamW(weight_decay=0), schedule=warmup_cosine(2e-2, warmup=30, steps=300),
    )  # fmt: skip
    assert 0.5 < history[0]["loss"] < 2
    total, _, count = squared_error_loss(model, params, batch(999), None)
    assert count == 32
    assert total / count < 0.05


@pytest.mark.parametrize(
    "x, error",
    [
        (np.zeros((2, 4, 3), np.int64), TypeError),
        ([[[0.0, 0.0, 0.0]]], TypeError),
        (np.zeros((2, 4, 2), np.float32), ValueError),
        (np.zeros((4, 3), np.float32), ValueError),
        (np.zeros((2, 0, 3), np.float32), ValueError),
        (np.full((2, 4, 3), np.nan, np.float32), ValueError),
    ],
)
def test_what_is_no_batch_of_sequences_is_refused(x, error):
    with pytest.raises(error, match="x must"):
        MODEL.forward(MODEL.init(0), x)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="outputs"):
        LSTMRegressor(outputs=0)
    assert {name: w.shape for name, w in LSTMRegressor().init(0).items()} == {
        "lstm.w_x": (10, 512), "lstm.w_h": (128, 512), "lstm.b": (512,),
        "head.w": (128, 1), "head.b": (1,),
    }  # fmt: skip
