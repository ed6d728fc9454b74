from functools import cache

import numpy as np
import pytest

from minilm.compression import fake_quantize, quantize, straight_through
from minilm.compression.quantization.activations.thresholds import THRESHOLDS
from minilm.compression.quantization.calibration.statistics import calibrate
from minilm.compression.views import add_clips, clip_inputs, clip_penalty, compose, learned_clips
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.nn import check_gradient, input_gradient, linear, linear_backward
from minilm.training import cross_entropy_loss, fit, warmup_cosine
from minilm.weights import load, save


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_hard_threshold_by_hand():
    x = np.array([-5.0, -2, 0.5, 2, 3])
    y, cache = THRESHOLDS["hard"].forward(x, 2.0)
    assert y.tolist() == [-2, -2, 0.5, 2, 2]
    dx, dt = THRESHOLDS["hard"].backward(np.array([1.0, 10, 100, 1000, 10000]), cache)
    assert dx.tolist() == [0, 0, 100, 0, 0]  # ±t itself is outside
    assert dt == -1 - 10 + 1000 + 10000


@pytest.mark.parametrize("threshold", ["hard", "soft"])
def test_thresholds_and_their_derivatives(threshold):
    forward, backward = THRESHOLDS[threshold]
    x = 3 * normal(4, 50).astype(np.float64)
    assert np.abs(forward(x, 1.7)[0]).max() <= 1.7
    assert np.abs(forward(x, 1.7)[0]).mean() > 0.5
    check_gradient(lambda x: forward(x, 1.7), lambda dy, cache: backward(dy, cache)[0], x)
    check_gradient(
        lambda t: forward(x, float(t[0])),
        lambda dy, cache: np.array([backward(dy, cache)[1]]),
        np.array([1.7]),
    )


def one_weight(x, dq, clip, bits, **how):
    """What the model sees of x, and the gradients of x and of the clip, through w = 1."""
    params = add_clips({"w": np.eye(1, dtype=np.float32)}, clip)
    seen, pullback = learned_clips(bits, **how)(params, 0)
    y, cache = linear(np.array(x, np.float32)[:, None], seen["w"])
    dx, _, _ = linear_backward(np.array(dq, np.float32)[:, None], cache)
    return y[:, 0], dx[:, 0].tolist(), pullback({})["w:clip"]


def test_rounding_by_hand():
    x = [-9, -1.2, 0.0, 0.6, 4]
    # 3 bits: 3 steps of 1 on each side of 0; unsigned 7 of 3/7
    assert one_weight(x, x, 3.0, 3)[0].tolist() == [-3, -1, 0, 1, 3]
    unsigned, _, _ = one_weight(x, x, 3.0, 3, signed=False)
    np.testing.assert_allclose(unsigned, np.array([0, 0, 0, 1, 7]) * 3 / 7, rtol=1e-6)
    soft, _, _ = one_weight(x, x, 3.0, 3, threshold="soft")
    np.testing.assert_allclose(soft, np.rint(3 * np.tanh(np.array(x) / 3)))


def test_pacts_gradients_are_the_papers():
    x = [-1.0, 0.0, 0.4, 1.9, 2, 7]
    _, dx, dclip = one_weight(x, np.arange(1, 7), 2.0, 4, signed=False)
    assert dx == [0, 0, 3, 4, 0, 0]
    assert dclip == 5 + 6
    _, dx, dclip = one_weight(x + [-2.5], np.arange(1, 8), 2.0, 4)
    assert dx == [1, 2, 3, 4, 0, 0, 0]
    assert dclip == 5 + 6 - 7


@pytest.mark.parametrize("threshold", ["hard", "soft"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_gradients_of_a_layer(threshold, packed):
    w, x, dy = normal(6, 5), 2 * normal(3, 4, 6, seed=1), normal(3, 4, 5, seed=2)
    w = quantize(w, 4, axis=-1) if packed else w
    dense = w.dense() if packed else w
    seen, pullback = learned_clips(4, threshold=threshold)(add_clips({"w": w}, 1.5), 0)
    y, linear_cache = linear(x, seen["w"])
    bent, cache = THRESHOLDS[threshold].forward(x, 1.5)
    q = np.rint(bent / (1.5 / 7)) * np.float32(1.5 / 7)
    np.testing.assert_allclose(y, q @ dense, rtol=1e-4, atol=1e-5)
    assert y.dtype == np.float32
    dx, dw, _ = linear_backward(dy, linear_cache)
    expected, dclip = THRESHOLDS[threshold].backward(dy @ dense.T, cache)
    np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dw, q.reshape(-1, 6).T @ dy.reshape(-1, 5), rtol=1e-4, atol=1e-5)
    grads = pullback({"w": dw})
    np.testing.assert_allclose(grads["w:clip"], dclip, rtol=1e-4)
    assert ("w" in grads) != packed


def test_of_a_table_it_is_the_heads_input_that_is_rounded():
    params = add_clips({"token_embedding": normal(6, 5)}, 0.1)
    table, h = params["token_embedding"], normal(3, 5, seed=1)
    seen, pullback = learned_clips(4)(params, 0)
    E = seen["token_embedding"]
    np.testing.assert_array_equal(E[np.array([4, 0])], table[[4, 0]])
    assert (h @ E.T != h @ table.T).all()
    np.testing.assert_allclose(h @ E.T, np.clip(h, -0.1, 0.1) @ table.T, atol=0.1)
    input_gradient(normal(3, 6), h, E.T)
    assert pullback({})["token_embedding:clip"] != 0
    packed = clip_inputs(params, 4)["token_embedding"]
    np.testing.assert_array_equal(h @ packed.T, h @ E.T)


def test_what_the_pullback_gives_each_clip():
    params = add_clips({"w": normal(6, 5), "b": normal(5)}, 0.8)
    assert params["w:clip"].shape == ()
    x, dy = normal(7, 6, seed=1), normal(7, 5, seed=2)
    seen, pullback = learned_clips(4)(params, 0)
    y, cache = linear(x, seen["w"], seen["b"])
    _, dw, db = linear_backward(dy, cache)
    grads = pullback({"w": dw, "b": db})
    assert list(grads) == ["w", "b", "w:clip"]
    outside = np.sign(x) * (np.abs(x) >= np.float32(0.8))
    expected = ((dy @ params["w"].T) * outside).sum()
    np.testing.assert_allclose(grads["w:clip"], expected, rtol=1e-5)
    assert grads["w:clip"].dtype == np.float32
    np.testing.assert_array_equal(y, x @ clip_inputs(params, 4)["w"] + params["b"])


def test_a_clip_does_not_cross_zero():
    params = {"w": np.ones((1, 1), np.float32), "w:clip": np.array(-3, np.float32)}
    x = np.ones((1, 1), np.float32)
    for sign in (1, -1):
        seen, pullback = learned_clips(4)(params, 0)
        _, cache = linear(x, seen["w"])
        linear_backward(sign * x, cache)
        assert pullback({})["w:clip"] == min(sign, 0)  # only where a larger clip is better


MODELS = [
    LSTMLanguageModel(vocab_size=7, width=12, tied=False),
    LSTMLanguageModel(vocab_size=7, width=12),
    TransformerLanguageModel(vocab_size=7, width=12, layers=1, heads=2, context=8),
]


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model, params):
    total, _, count = cross_entropy_loss(model, params, batch(999), None)
    return total / count


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_clips_from_calibration_cost_little_at_8_bits(model):
    params = model.init(0)
    seen = calibrate(model, params, [batch(0)[0]])
    clipped = clip_inputs(add_clips(params, seen), 8)
    assert not any(":" in name for name in clipped)
    tokens = batch(0)[0]
    (logits, _), (rounded, _) = (model.forward(p, tokens) for p in (params, clipped))
    difference = np.abs(logits - rounded).max()
    assert 0 < difference < 0.05 * np.abs(logits).max()


@cache
def trained_in_floats(model):
    return fit(model, model.init(0), batch, steps=120)[0]


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("threshold", ["hard", "soft"])
def test_weights_and_activations_trained_together(model, threshold, tmp_path):
    trained = trained_in_floats(model)
    params = add_clips(trained, calibrate(model, trained, [batch(0)[0]]))
    at_once = clip_inputs(quantize(params, 3), 2, threshold=threshold)
    view = compose(straight_through(3), learned_clips(2, threshold=threshold))
    tuned, _ = fit(model, params, batch, steps=120, view=view,
                   schedule=warmup_cosine(5e-3, warmup=12, steps=120))  # fmt: skip
    save(tmp_path / "packed.npz", clip_inputs(quantize(tuned, 3), 2, threshold=threshold))
    packed = load(tmp_path / "packed.npz")
    assert loss_of(model, packed) < loss_of(model, at_once) - 0.1
    seen, _ = view(tuned, 0)
    assert loss_of(model, packed) == pytest.approx(loss_of(model, seen), rel=1e-3)
    clips = [name for name in params if name.endswith(":clip")]
    assert clips
    assert all(tuned[name] != params[name] for name in clips)


def test_a_penalty_makes_clips_smaller():
    model = MODELS[2]
    params = add_clips(model.init(0), 4.0)
    how = {"steps": 30, "view": learned_clips(8)}
    free, _ = fit(model, params, batch, **how)
    held, _ = fit(model, params, batch, loss=clip_penalty(cross_entropy_loss, 0.1), **how)
    for name in (n for n in params if n.endswith(":clip")):
        assert held[name] < free[name]
    total, grads, count = clip_penalty(cross_entropy_loss, 0.5)(model, {**params}, batch(0), None)
    plain, _, _ = cross_entropy_loss(model, params, batch(0), None)
    clips = [n for n in params if n.endswith(":clip")]
    assert total == pytest.approx(plain + count * 0.5 * 16 * len(clips))
    assert grads[clips[0]] == count * 4.0


def test_workers_and_a_checkpoint(tmp_path):
    model, path = MODELS[1], tmp_path / "run.npz"
    start = add_clips(model.init(0), 1.0)
    how = {
        "view": compose(straight_through(4), learned_clips(4)),
        "schedule": warmup_cosine(2e-3, warmup=2, steps=8), "workers": 2,
    }  # fmt: skip
    whole, _ = fit(model, start, batch, steps=8, **how)
    for steps in (3, 8):
        resumed, _ = fit(model, start, batch, steps=steps, checkpoint=path, **how)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)


def test_frozen_codes_with_trained_clips():
    model = MODELS[1]
    params = add_clips(quantize(model.init(0), 4), 0.1)
    trained, _ = fit(model, params, batch, steps=3, view=learned_clips(4))
    assert trained["lstm.0.w_h:clip"] != params["lstm.0.w_h:clip"]
    np.testing.assert_array_equal(
        trained["lstm.0.w_h"].dense(), fake_quantize(model.init(0)["lstm.0.w_h"], 4, axis=-1)
    )


def test_what_is_refused():
    params = {"w": normal(3, 2), "b": normal(2)}
    with pytest.raises(ValueError, match="add_clips"):
        learned_clips(4)(params, 0)
    with pytest.raises(ValueError, match="bits"):
        learned_clips(1)
    learned_clips(1, signed=False)
    with pytest.raises(ValueError, match="threshold"):
        learned_clips(4, threshold="round")
    with pytest.raises(ValueError, match="got b"):
        add_clips(params, {"b": 1.0})
    for clip in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="clip of w must be"):
            add_clips(params, clip)
