import numpy as np
import pytest

from minilm.compression import add_clips, quantize
from minilm.compression.quantization.activations.rounded_input import quantize_activations
from minilm.compression.quantization.calibration.statistics import calibrate
from minilm.compression.quantization.folding.norms import (
    fold_into_norms,
    norm_before,
    norm_readers,
    scale_norms,
)
from minilm.models import (
    LSTMLanguageModel,
    MaskedLanguageModel,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)
from minilm.weights import Diagonal, Hadamard, Product, nbytes

SMALL = {"width": 16, "layers": 2, "heads": 4, "context": 8}
LLAMA = {"positions": "rotary", "normalization": "rms", "activation": "swiglu", "biases": False}
rng = np.random.default_rng(0)
TOKENS = rng.integers(1, 13, (3, 8))
MODELS = {
    "gpt": (TransformerLanguageModel(13, **SMALL), (TOKENS,)),
    "llama": (
        TransformerLanguageModel(13, **SMALL, **LLAMA, key_value_heads=2, tied=False),
        (TOKENS,),
    ),
    "encoder–decoder": (Seq2SeqTransformer(13, **SMALL), (TOKENS, TOKENS[:, ::-1])),
    "classifier": (TransformerClassifier(13, 3, **SMALL), (TOKENS,)),
}
by_model = pytest.mark.parametrize("name", MODELS)


def trained(model, dtype=np.float64):
    """Parameters with gains and biases that are not 1 and 0."""
    noise = np.random.default_rng(1)
    return {
        name: (w + (w.ndim == 1) * 0.3 * noise.normal(size=w.shape)).astype(dtype)
        for name, w in model.init(0).items()
    }


def scaled(w, seed=0):
    s = np.exp(np.random.default_rng(seed).normal(size=len(w))).astype(w.dtype)
    return Product(Diagonal(1 / s), s[:, None] * w)


FOLDABLE = ("w_qkv", "w_q", "w_up", "w_gate")


@by_model
def test_scales_move_into_norms_and_nothing_changes(name):
    model, inputs = MODELS[name]
    params = trained(model)
    before = params | {n: scaled(w) for n, w in params.items() if n.endswith(FOLDABLE)}
    folded = fold_into_norms(model, before)
    moved = [n for n in before if isinstance(before[n], Product)]
    assert len(moved) >= 2 * 2
    for n, w in before.items():
        if n in moved:
            assert folded[n] is w.b
        elif "norm_" in n:
            assert not np.allclose(folded[n], w)
        else:
            assert folded[n] is w
    expected, _ = model.forward(params, *inputs)
    np.testing.assert_allclose(model.forward(before, *inputs)[0], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.forward(folded, *inputs)[0], expected, rtol=1e-9, atol=1e-9)
    assert nbytes(folded) < nbytes(before)
    assert fold_into_norms(model, folded) == folded  # nothing is left to fold


@by_model
@pytest.mark.parametrize("transform", ["awq", "smooth"])
def test_scales_found_for_norms(name, transform):
    model, inputs = MODELS[name]
    params = trained(model, np.float32)
    seen = calibrate(model, params, [inputs])
    balanced = scale_norms(model, params, seen, transform, 3, group_size=8)
    expected, _ = model.forward(params, *inputs)
    np.testing.assert_allclose(model.forward(balanced, *inputs)[0], expected, rtol=1e-4, atol=1e-5)
    changed = {n for n in params if not np.array_equal(balanced[n], params[n])}
    assert changed
    assert all("norm_" in n or n.endswith(FOLDABLE) for n in changed)
    assert all(type(w) is np.ndarray and w.dtype == np.float32 for w in balanced.values())
    for n in changed:
        if n.endswith(FOLDABLE):  # s for each row, and one for all that read the norm
            s = balanced[n] / params[n]
            norm = norm_before(model, params, n)
            gain = params[f"{norm}.gain"] / balanced[f"{norm}.gain"]
            np.testing.assert_allclose(s, np.broadcast_to(gain[:, None], s.shape), rtol=1e-5)


@pytest.mark.parametrize("name", ["gpt", "llama"])
@pytest.mark.parametrize("static", [False, True])
def test_outliers_of_a_norm_smoothed_away_for_nothing(name, static):
    """W8A8 of a model whose norms make two channels fifty times larger than the others."""
    model, inputs = MODELS[name]
    params = trained(model, np.float32)
    for norm, readers in norm_readers(params).items():
        for n in (f"{norm}.gain", f"{norm}.bias", *readers):
            if n in params:
                params[n] = params[n].copy()
                params[n][[3, 9]] *= 1 / 50 if n in readers else 50
    exact, _ = model.forward(params, *inputs)
    seen = calibrate(model, params, [inputs])

    def damage(params):
        again = calibrate(model, params, [inputs]) if static else None
        rounded = quantize_activations(quantize(params, 8), 8, calibration=again)
        return np.square(model.forward(rounded, *inputs)[0] - exact).mean()

    smooth = scale_norms(model, params, seen, "smooth", 8)
    assert damage(smooth) < damage(params) / 4
    assert nbytes(smooth) == nbytes(params)


def test_the_scales_of_awq_lose_nothing_by_being_folded():
    """One weight to a norm: quantized after folding, it is what awq makes of it, without left."""
    model, inputs = MODELS["gpt"]
    params = trained(model, np.float32)
    seen = calibrate(model, params, [inputs])
    n = "block.1.attention.w_qkv"
    alone = quantize(params[n], 3, axis=-1, transform="awq", calibration=seen[n])
    balanced = scale_norms(model, params, seen, "awq", 3)
    np.testing.assert_array_equal(quantize(balanced[n], 3, axis=-1).codes, alone.b.codes)
    np.testing.assert_allclose(
        balanced["block.1.norm_1.gain"], params["block.1.norm_1.gain"] * alone.a.values
    )
    np.testing.assert_allclose(
        balanced["block.1.norm_1.bias"], params["block.1.norm_1.bias"] * alone.a.values
    )


def test_weights_that_share_a_norm_are_searched_as_one():
    model, inputs = MODELS["llama"]
    params = trained(model, np.float32)
    gate, up = (f"block.0.feed_forward.{n}" for n in ("w_gate", "w_up"))
    gain = np.exp(np.random.default_rng(0).normal(size=16).astype(np.float32))
    params["block.0.norm_2.gain"] = gain
    params[up] *= 10 / gain[:, None] ** 2  # what is multiplied by much hardly matters here
    seen = calibrate(model, params, [inputs])
    both = np.concatenate([params[gate], params[up]], axis=1)
    q = quantize(both, 3, axis=-1, transform="awq", calibration=seen[up])
    alone = quantize(params[gate], 3, axis=-1, transform="awq", calibration=seen[up])
    balanced = scale_norms(model, params, seen, "awq", 3)
    inverse = balanced["block.0.norm_2.gain"] / params["block.0.norm_2.gain"]
    np.testing.assert_allclose(inverse, q.a.values, rtol=1e-5)
    assert not np.allclose(inverse, alone.a.values, rtol=1e-2)


def test_weights_that_share_a_norm_must_share_their_scales():
    model, inputs = MODELS["llama"]
    params = trained(model)
    gate, up = "block.0.feed_forward.w_gate", "block.0.feed_forward.w_up"
    apart = params | {gate: scaled(params[gate], 1), up: scaled(params[up], 2)}
    reason = r"w_gate and .*w_up share block.0.norm_2 and must have the same scales"
    with pytest.raises(ValueError, match=reason):
        fold_into_norms(model, apart, [up])
    assert fold_into_norms(model, apart) == apart
    with pytest.raises(TypeError, match=r"w_gate must be Product.*got a ndarray"):
        fold_into_norms(model, params | {up: scaled(params[up])}, [up])
    together = params | {gate: scaled(params[gate], 1), up: scaled(params[up], 1)}
    folded = fold_into_norms(model, together, [up])
    assert folded[gate] is together[gate].b
    np.testing.assert_allclose(
        model.forward(folded, *inputs)[0], model.forward(params, *inputs)[0], rtol=1e-9
    )


def test_where_nothing_can_be_folded_the_reason_is_told():
    llama, gpt = MODELS["llama"][0], MODELS["gpt"][0]
    translator = MODELS["encoder–decoder"][0]
    post, lstm = TransformerLanguageModel(13, **SMALL, norm="post"), LSTMLanguageModel(13, width=8)
    bert = MaskedLanguageModel(13, **SMALL)
    for model, name, reason in (
        (post, "block.0.attention.w_qkv", "post-norm block.*residual step"),
        (post, "block.1.feed_forward.w_up", "post-norm block.*residual step"),
        (bert, "encoder.0.attention.w_qkv", "post-norm block.*residual step"),
        (gpt, "block.0.attention.w_out", "reads the heads.*equalize"),
        (gpt, "block.0.feed_forward.w_down", "reads hidden values"),
        (gpt, "token_embedding", "looked up"),
        (llama, "head.w", "hidden"),
        (translator, "decoder.0.cross_attention.w_kv", "every block of the decoder reads"),
        (translator, "decoder.0.cross_attention.w_out", "reads the heads"),
        (lstm, "lstm.0.w_x", "tanh"),
        (lstm, "lstm.0.w_h", "between −1 and 1"),
        (gpt, "block.0.attention.b_qkv", "does not read what a norm makes"),
    ):
        params = model.init(0)
        with pytest.raises(ValueError, match=f"{name} has no norm to fold .*: .*{reason}"):
            norm_before(model, params, name)
        with pytest.raises(ValueError, match=reason):
            fold_into_norms(model, params, [name])
    for model in (post, bert, lstm):
        with pytest.raises(ValueError, match="no norm to fold"):
            fold_into_norms(model, model.init(0))
        with pytest.raises(ValueError, match="no norm to fold"):
            scale_norms(model, model.init(0), {})
    with pytest.raises(ValueError, match="one of the parameters, got 'w'"):
        norm_before(gpt, gpt.init(0), "w")
    assert norm_before(translator, translator.init(0), "decoder.1.cross_attention.w_q") == (
        "decoder.1.norm_2"
    )
    assert norm_before(translator, translator.init(0), "encoder.0.feed_forward.w_up") == (
        "encoder.0.norm_2"
    )


def test_a_rotation_is_no_scale_of_channels():
    model, inputs = MODELS["gpt"]
    params, name = model.init(0), "block.0.attention.w_qkv"
    turn = Hadamard.random(16, np.random.default_rng(0))
    rotated = params | {name: Product(turn, (params[name].T @ turn).T)}
    with pytest.raises(ValueError, match=r"w_qkv is rotated.*LayerNorm's mean.*rotate\(\)"):
        fold_into_norms(model, rotated, [name])
    seen = calibrate(model, params, [inputs])
    with pytest.raises(ValueError, match=r"must scale channels.*'hadamard' makes a Hadamard"):
        scale_norms(model, params, seen, "hadamard")
    with pytest.raises(ValueError, match=r"transform must scale channels, .* got 'none'"):
        scale_norms(model, params, seen, "none")
    clipped = add_clips(params, 3.0)
    with pytest.raises(ValueError, match=r"w_qkv:clip belongs to .* call scale_norms\(\) before"):
        scale_norms(model, clipped, seen)
    scaled = clipped | {name: Product(Diagonal(np.ones(16, np.float32)), params[name])}
    with pytest.raises(ValueError, match=r"w_qkv:clip belongs to .* fold_into_norms\(\) before"):
        fold_into_norms(model, scaled)
    del seen[name]
    with pytest.raises(ValueError, match=r"calibration must hold block\.0\.attention\.w_qkv"):
        scale_norms(model, params, seen)
    with pytest.raises(TypeError, match="w_up must be an array, got a QuantizedTensor"):
        scale_norms(model, quantize(params, {"block.0.feed_forward.w_up": 4}), calibrate(
            model, params, [inputs]
        ))
