import math

import numpy as np
import pytest

from minilm.compression import dequantize, masked, quantize, straight_through
from minilm.inspection import gradient_by_lag, gradient_change, gradient_norms, gradients
from minilm.models import LSTMLanguageModel
from minilm.nn import cross_entropy
from minilm.training import cross_entropy_loss


def test_gradients_are_those_of_the_mean_loss(taught):
    """Along a random direction, in float64."""
    model, params, (*inputs, targets) = taught
    rng = np.random.default_rng(2)
    exact = {name: p.astype(np.float64) for name, p in params.items()}
    grads = gradients(model, exact, (*inputs, targets), cross_entropy_loss)
    assert set(grads) == set(params)
    way = {name: rng.normal(size=p.shape) for name, p in exact.items()}

    def loss(step):
        moved = {name: p + step * way[name] for name, p in exact.items()}
        return cross_entropy(model.forward(moved, *inputs)[0], targets)[0]

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    along = sum(float(np.vdot(grads[name], way[name])) for name in grads)
    assert along == pytest.approx(slope, rel=1e-6)
    narrow = gradients(model, params, (*inputs, targets), cross_entropy_loss)
    for name, change in gradient_change(grads, narrow).items():
        assert change["ratio"] == pytest.approx(1, abs=1e-4), name
        assert change["cosine"] == pytest.approx(1, abs=1e-6), name


def test_norms_by_hand(taught):
    model, params, batch = taught
    norms = gradient_norms(model, params, batch, cross_entropy_loss)
    grads = gradients(model, params, batch, cross_entropy_loss)
    assert list(norms) == list(params)
    for name, n in norms.items():
        norm, weight = (math.sqrt((a[name].astype(float) ** 2).sum()) for a in (grads, params))
        assert (n["norm"], n["weight"]) == (pytest.approx(norm, rel=1e-4), pytest.approx(weight))
        assert n["ratio"] == (pytest.approx(norm / weight, rel=1e-4) if weight else math.inf)


def test_change_by_hand():
    g = {"a": np.array([3.0, 4]), "b": np.array([1.0, 0]), "c": np.zeros(2), "d": np.ones(1)}
    h = {"a": np.array([6.0, 8]), "b": np.array([0.0, -2]), "c": np.zeros(2)}
    change = gradient_change(g, h)
    assert change == {
        "a": {"ratio": 2.0, "cosine": pytest.approx(1)},
        "b": {"ratio": 2.0, "cosine": 0.0},
        "c": {"ratio": 1.0, "cosine": 1.0},
    }
    assert gradient_change(h, g)["b"]["ratio"] == 0.5
    assert gradient_change(g, {"b": -g["b"]})["b"]["cosine"] == -1


def test_the_gradient_seen_through_rounding_turns_more_with_fewer_bits(taught):
    model, params, batch = taught
    before = gradients(model, params, batch, cross_entropy_loss)
    cosines = []
    for bits in (8, 4, 2):
        view = straight_through(bits)
        seen = gradients(model, params, batch, cross_entropy_loss, view=view)
        assert set(seen) == set(params)
        cosines.append(min(c["cosine"] for c in gradient_change(before, seen).values()))
    assert 1 > cosines[0] > cosines[1] > cosines[2]


def test_a_view_s_pullback_says_what_is_trained(transformer):
    model, params, (ids,) = transformer
    name = "block.0.feed_forward.w_up"
    mask = np.random.default_rng(0).random(params[name].shape) < 0.5
    grads = gradients(model, params, (ids, ids), cross_entropy_loss, view=masked({name: mask}))
    np.testing.assert_array_equal(grads[name] != 0, mask)


def test_leaves_have_the_gradients_of_their_floats(taught):
    model, params, batch = taught
    packed = quantize(params, bits=4)
    floats = gradients(model, dequantize(packed), batch, cross_entropy_loss)
    for name, c in gradient_change(
        floats, gradients(model, packed, batch, cross_entropy_loss)
    ).items():
        assert c["cosine"] == pytest.approx(1, abs=1e-5), name
    assert set(gradient_norms(model, packed, batch, cross_entropy_loss)) == set(params)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradient_by_lag_is_the_slope_of_the_last_loss(layers):
    """Moves h_t between two calls: the text read in two pieces, the state between them nudged."""
    model = LSTMLanguageModel(11, width=5, layers=layers)
    params = {name: p.astype(np.float64) for name, p in model.init(3).items()}
    ids = np.random.default_rng(0).integers(11, size=(2, 6))
    targets = np.array([4, 7])
    by_lag = gradient_by_lag(model, params, ids, targets)
    assert by_lag.shape == (6,)

    def losses(state, t):
        logits, _ = model.forward(params, ids[:, t:], state=state)
        z = logits[:, -1]
        return np.log(np.exp(z).sum(axis=-1)) - z[np.arange(2), targets]

    for lag in (1, 3, 5):
        t = 6 - lag
        *below, (h, c) = model.forward(params, ids[:, :t])[1]["state"]
        slopes = np.zeros((2, 5))
        for unit in range(5):
            nudge = np.zeros(5)
            nudge[unit] = 1e-5
            up, down = (losses([*below, (h + s * nudge, c)], t) for s in (1, -1))
            slopes[:, unit] = (up - down) / 2e-5
        assert by_lag[lag - 1] == pytest.approx(np.linalg.norm(slopes, axis=1).mean(), rel=1e-5)


def test_gradient_by_lag_refuses_what_it_cannot_judge(lstm, transformer):
    model, params, (ids,) = lstm
    with pytest.raises(ValueError, match=r"targets must have shape \(3,\)"):
        gradient_by_lag(model, params, ids, ids)
    model, params, (ids,) = transformer
    with pytest.raises(ValueError, match="TransformerLanguageModel has none"):
        gradient_by_lag(model, params, ids, ids[:, 0])
