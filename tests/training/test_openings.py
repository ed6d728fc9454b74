import numpy as np
import pytest

from minilm.models import LSTMLanguageModel, Seq2SeqTransformer
from minilm.nn import cross_entropy
from minilm.training import as_is, cross_entropy_loss

MODEL = LSTMLanguageModel(7, width=4)
RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.integers(7, size=(2, 3, 5))


def test_sums_of_two_halves_are_the_sums_of_the_whole():
    """Also when the halves count different numbers of tokens, where averaging means is wrong."""
    params = MODEL.init(0)
    targets = TARGETS.copy()
    targets[0, :4] = -100
    total, grads, count = cross_entropy_loss(MODEL, params, (INPUTS, targets), None)
    assert count == 11
    first = cross_entropy_loss(MODEL, params, (INPUTS[:1], targets[:1]), None)
    rest = cross_entropy_loss(MODEL, params, (INPUTS[1:], targets[1:]), None)
    assert total == pytest.approx(first[0] + rest[0], rel=1e-6)
    assert count == first[2] + rest[2]
    for name in grads:
        np.testing.assert_allclose(grads[name], first[1][name] + rest[1][name], atol=1e-5)


def test_the_gradients_are_those_of_the_total():
    params = {name: p.astype(np.float64) for name, p in MODEL.init(0).items()}
    _, grads, _ = cross_entropy_loss(MODEL, params, (INPUTS, TARGETS), None)
    for name, p in params.items():
        direction = RNG.standard_normal(p.shape)
        above, below = (
            cross_entropy_loss(MODEL, {**params, name: p + e * direction}, (INPUTS, TARGETS), None)
            for e in (1e-6, -1e-6)
        )
        slope = (above[0] - below[0]) / 2e-6
        assert np.sum(grads[name] * direction) == pytest.approx(slope, rel=1e-5)


def test_nothing_counted_is_no_loss_and_no_gradient():
    targets = np.full_like(TARGETS, -100)
    total, grads, count = cross_entropy_loss(MODEL, MODEL.init(0), (INPUTS, targets), None)
    assert (total, count) == (0.0, 0)
    assert all(not grad.any() for grad in grads.values())


def test_a_batch_is_what_the_model_reads_and_then_the_targets():
    """Of an encoder–decoder that is a source and the target's beginning."""
    model = Seq2SeqTransformer(7, width=4, layers=1, heads=1, context=5)
    params, source = model.init(0), 1 + INPUTS % 6
    total, grads, count = cross_entropy_loss(model, params, (source, INPUTS, TARGETS), None)
    logits, _ = model.forward(params, source, INPUTS)
    mean, _ = cross_entropy(logits, TARGETS)
    assert (total, count) == (pytest.approx(mean * 15), 15)
    assert grads.keys() == params.keys()


class Voter:
    """A classifier that counts tokens: a target a row, not a target a token."""

    def forward(self, params, tokens, *, rng=None):
        return (tokens[:, :, None] == np.arange(7)).sum(axis=1) @ params["w"], tokens

    def backward(self, dlogits, tokens):
        return {"w": (tokens[:, :, None] == np.arange(7)).sum(axis=1).T @ dlogits}


def test_a_classifier_has_one_target_a_row():
    params = {"w": RNG.standard_normal((7, 2))}
    total, grads, count = cross_entropy_loss(Voter(), params, (INPUTS, np.array([1, 0, 1])), None)
    logits, _ = Voter().forward(params, INPUTS)
    assert (total, count) == (pytest.approx(3 * cross_entropy(logits, np.array([1, 0, 1]))[0]), 3)
    assert grads["w"].shape == (7, 2)


def test_as_is_trains_arrays_of_floats_only():
    params = {"w": np.ones(2), "ids": np.ones(2, int), "leaf": object()}
    seen, pullback = as_is(params, 0)
    assert seen is params
    assert pullback({"w": 1, "ids": 2, "leaf": 3, "hint:w": 4}) == {"w": 1}
