import numpy as np

from minilm.models import LSTMRegressor
from minilm.nn import check_gradient
from minilm.training import fit, squared_error_loss

MODEL = LSTMRegressor(3, width=4, outputs=2)


def batch(rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, 5, 3)), rng.standard_normal((rows, 2))


def test_total_gradients_and_count_are_sums_over_the_numbers():
    params = {name: w.astype(np.float64) for name, w in MODEL.init(0).items()}
    x, targets = batch(6)
    y, _ = MODEL.forward(params, x)
    total, _, count = squared_error_loss(MODEL, params, (x, targets), None)
    assert count == 12
    np.testing.assert_allclose(total, np.square(y - targets).sum())

    def loss_of(w):
        total, grads, _ = squared_error_loss(MODEL, {**params, "head.w": w}, (x, targets), None)
        return total, grads["head.w"]

    check_gradient(loss_of, lambda dloss, gradient: dloss * gradient, params["head.w"])


def test_two_workers_do_what_one_does():
    def at(step):
        x, targets = batch(7, step)
        return x.astype(np.float32), targets

    one, two = (
        fit(MODEL, MODEL.init(0), at, steps=4, loss=squared_error_loss, workers=n)[0]
        for n in (1, 2)
    )
    for name, w in one.items():
        np.testing.assert_allclose(two[name], w, rtol=1e-4, atol=1e-6)
