import numpy as np
import pytest

from minilm.compression import fake_quantize, quantize, straight_through
from minilm.compression.quantization.calibration import calibrate
from minilm.compression.quantization.clipped_inputs import (
    ClippedInputs,
    clip_and_round,
    clip_and_round_backward,
)
from minilm.compression.quantization.thresholds import THRESHOLDS
from minilm.compression.views import add_clips, clip_inputs, clip_penalty, compose, learned_clips
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.nn import check_gradient, input_gradient, linear, linear_backward, weight_gradient
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


def test_rounding_by_hand():
    x = np.array([-9, -1.2, 0.0, 0.6, 4], np.float32)
    # 3 bits: 3 steps of 1 on each side of 0; unsigned 7 of 3/7
    assert clip_and_round(x, 3.0, 3)[0].tolist() == [-3, -1, 0, 1, 3]
    unsigned = clip_and_round(x, 3.0, 3, signed=False)[0]
    np.testing.assert_allclose(unsigned, np.array([0, 0, 0, 1, 7]) * 3 / 7, rtol=1e-6)
    soft = clip_and_round(x, 3.0, 3, "soft")[0]
    np.testing.assert_allclose(soft, np.rint(3 * np.tanh(x / 3)))


def test_pacts_gradients_are_the_papers():
    x = np.array([-1.0, 0.0, 0.4, 1.9, 2, 7])
    _, cache = clip_and_round(x, 2.0, 4, signed=False)
    dx, dclip = clip_and_round_backward(np.arange(1.0, 7.0), cache)
    assert dx.tolist() == [0, 0, 3, 4, 0, 0]
    assert dclip == 5 + 6


@pytest.mark.parametrize("threshold", ["hard", "soft"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_leaf_is_the_product_of_what_was_rounded(threshold, packed, tmp_path):
    w, x, dy = normal(6, 5), 2 * normal(3, 4, 6, seed=1), normal(3, 4, 5, seed=2)
    inner = quantize(w, 4, axis=-1) if packed else w
    dense = inner.dense() if packed else w
    made = ClippedInputs(inner, np.array(1.5, np.float32), 4, threshold)
    save(tmp_path / "leaf.npz", {"w": made})
    for leaf in (made, load(tmp_path / "leaf.npz")["w"]):
        q, cache = clip_and_round(x, 1.5, 4, threshold)
        y, linear_cache = linear(x, leaf)
        np.testing.assert_allclose(y, q @ dense, rtol=1e-5, atol=1e-6)
        assert y.dtype == np.float32
        dx, dw, _ = linear_backward(dy, linear_cache)
        expected = clip_and_round_backward(dy @ dense.T, cache)[0]
        np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            dw, q.reshape(-1, 6).T @ dy.reshape(-1, 5), rtol=1e-4, atol=1e-5
        )


def test_the_transpose_is_linear_and_its_transpose_the_leaf():
    leaf = ClippedInputs(normal(6, 5), np.array(0.1, np.float32), 2)
    x, dy = normal(3, 5), normal(3, 6)
    assert leaf.T.T is leaf
    assert leaf.T.shape == (5, 6)
    np.testing.assert_array_equal(x @ leaf.T, x @ leaf.weight.T)
    np.testing.assert_allclose(input_gradient(dy, x, leaf.T), dy @ leaf.weight, rtol=1e-6)
    np.testing.assert_allclose(weight_gradient(dy, x, leaf.T), x.T @ dy, rtol=1e-6)
    np.testing.assert_array_equal(leaf.T[np.array([4, 0])], leaf.weight.T[[4, 0]])
    np.testing.assert_array_equal(leaf.T.dense(), leaf.dense().T)
    assert leaf.nbytes == 6 * 5 * 4 + 4


@pytest.mark.parametrize("how", [
    {"bits": 1}, {"bits": 17}, {"threshold": "round"}, {"clip": 0.0}, {"clip": np.nan},
    {"clip": [1.0, 2.0]},
])  # fmt: skip
def test_leaves_that_are_refused(how):
    how = {"clip": 1.0, "bits": 4, **how}
    with pytest.raises(ValueError, match=r"bits|threshold|clip"):
        ClippedInputs(normal(2, 2), np.array(how.pop("clip"), np.float32), **how)


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


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("threshold", ["hard", "soft"])
def test_weights_and_activations_trained_together(model, threshold):
    trained, _ = fit(model, model.init(0), batch, steps=120)
    params = add_clips(trained, calibrate(model, trained, [batch(0)[0]]))
    at_once = clip_inputs(quantize(params, 3), 2, threshold=threshold)
    view = compose(straight_through(3), learned_clips(2, threshold=threshold))
    tuned, _ = fit(model, params, batch, steps=120, view=view,
                   schedule=warmup_cosine(5e-3, warmup=12, steps=120))  # fmt: skip
    packed = clip_inputs(quantize(tuned, 3), 2, threshold=threshold)
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
    with pytest.raises(ValueError, match="bits of an input"):
        learned_clips(1)
    with pytest.raises(ValueError, match="got b"):
        add_clips(params, {"b": 1.0})
    for clip in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="clip of w must be"):
            add_clips(params, clip)
