import numpy as np
import pytest

from minilm.models import LSTMLanguageModel
from minilm.training import as_is, language_model_loss

MODEL = LSTMLanguageModel(7, width=4)
RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.integers(7, size=(2, 3, 5))


def test_sums_of_two_halves_are_the_sums_of_the_whole():
    """Also when the halves count different numbers of tokens, where averaging means is wrong."""
    params = MODEL.init(0)
    targets = TARGETS.copy()
    targets[0, :4] = -100
    total, grads, count = language_model_loss(MODEL, params, (INPUTS, targets), None)
    assert count == 11
    first = language_model_loss(MODEL, params, (INPUTS[:1], targets[:1]), None)
    rest = language_model_loss(MODEL, params, (INPUTS[1:], targets[1:]), None)
    assert total == pytest.approx(first[0] + rest[0], rel=1e-6)
    assert count == first[2] + rest[2]
    for name in grads:
        np.testing.assert_allclose(grads[name], first[1][name] + rest[1][name], atol=1e-5)


def test_the_gradients_are_those_of_the_total():
    params = {name: p.astype(np.float64) for name, p in MODEL.init(0).items()}
    _, grads, _ = language_model_loss(MODEL, params, (INPUTS, TARGETS), None)
    for name, p in params.items():
        direction = RNG.standard_normal(p.shape)
        above, below = (
            language_model_loss(MODEL, {**params, name: p + e * direction}, (INPUTS, TARGETS), None)
            for e in (1e-6, -1e-6)
        )
        slope = (above[0] - below[0]) / 2e-6
        assert np.sum(grads[name] * direction) == pytest.approx(slope, rel=1e-5)


def test_nothing_counted_is_no_loss_and_no_gradient():
    targets = np.full_like(TARGETS, -100)
    total, grads, count = language_model_loss(MODEL, MODEL.init(0), (INPUTS, targets), None)
    assert (total, count) == (0.0, 0)
    assert all(not grad.any() for grad in grads.values())


def test_as_is_trains_arrays_of_floats_only():
    params = {"w": np.ones(2), "ids": np.ones(2, int), "leaf": object()}
    seen, pullback = as_is(params, 0)
    assert seen is params
    assert pullback({"w": 1, "ids": 2, "leaf": 3, "hint:w": 4}) == {"w": 1}
