import numpy as np
import pytest

from minilm.compression import add_steps, quantize
from minilm.compression.quantization.folding.rotation import rotate
from minilm.models import LSTMLanguageModel, TransformerLanguageModel

SMALL = {"width": 16, "layers": 2, "heads": 4, "context": 8}
RMS = {"normalization": "rms", "tied": False}
TOKENS = np.random.default_rng(0).integers(0, 13, (3, 8))
MODELS = {
    "llama": TransformerLanguageModel(
        13, **SMALL, **RMS, positions="rotary", activation="swiglu", biases=False,
        key_value_heads=2,
    ),
    "learned positions, gelu, biases": TransformerLanguageModel(
        13, **SMALL, **RMS, positions="learned"
    ),
    "a width of three blocks": TransformerLanguageModel(
        13, width=12, heads=3, layers=1, context=8, **RMS, positions="rotary"
    ),
}  # fmt: skip


def trained(model, dtype=np.float64):
    rng = np.random.default_rng(1)
    return {
        name: (w + (w.ndim == 1) * 0.3 * rng.normal(size=w.shape)).astype(dtype)
        for name, w in model.init(0).items()
    }


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_logits_stay(name, dtype):
    model = MODELS[name]
    params = trained(model, dtype)
    before = {n: w.copy() for n, w in params.items()}
    rotated = rotate(model, params, seed=3)
    assert list(rotated) == list(params)
    assert all(w.dtype == dtype and w.shape == params[n].shape for n, w in rotated.items())
    assert all(np.array_equal(before[n], params[n]) for n in params)
    tolerance = 1e-9 if dtype == np.float64 else 1e-4
    expected, cache = model.forward(params, TOKENS)
    logits, rotated_cache = model.forward(rotated, TOKENS)
    np.testing.assert_allclose(logits, expected, rtol=tolerance, atol=tolerance)
    assert not np.allclose(rotated_cache["hidden"], cache["hidden"], atol=0.1)
    assert all((w == 1).all() for n, w in rotated.items() if n.endswith(".gain"))
    same = {n for n in params if np.array_equal(rotated[n], params[n])}
    assert same == {n for n in params if n.endswith(("b_qkv", "b_up"))}


def test_outlying_channels_of_the_residual_are_flattened():
    model = MODELS["llama"]
    params = trained(model, np.float32)
    params["token_embedding"][:, 5] *= 100
    exact, _ = model.forward(params, TOKENS)
    rotated = rotate(model, params)
    for p, peak in ((params, 3), (rotated, 0)):
        sizes = abs(p["token_embedding"]).max(axis=0)
        assert (sizes.max() > 10 * np.median(sizes)) == (peak > 0)
    bits = dict.fromkeys(["token_embedding", "block.0.attention.w_qkv", "head.w"], 5)

    def damage(params):
        return np.square(model.forward(quantize(params, bits), TOKENS)[0] - exact).mean()

    assert damage(rotated) < damage(params) / 2


def test_the_seed_is_that_of_the_signs():
    model = MODELS["llama"]
    params = trained(model)
    assert (rotate(model, params, 1)["head.w"] == rotate(model, params, 1)["head.w"]).all()
    assert (rotate(model, params, 1)["head.w"] != rotate(model, params, 2)["head.w"]).any()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (TransformerLanguageModel(13, **SMALL, tied=False, positions="rotary"), "LayerNorm"),
        (TransformerLanguageModel(13, **SMALL, **RMS, norm="post"), "post-norm"),
        (TransformerLanguageModel(13, **SMALL, normalization="rms", positions="rotary"), "tied"),
        (TransformerLanguageModel(13, **SMALL, **RMS), "sinusoidal positions"),
        (LSTMLanguageModel(13, width=8), "gates and tanh"),
    ],
)
def test_where_it_cannot_be_rotated_the_reason_is_told(model, reason):
    with pytest.raises(ValueError, match=f"model cannot be rotated: .*{reason}"):
        rotate(model, model.init(0))


def test_what_is_compressed_is_not_rotated():
    model = MODELS["llama"]
    with pytest.raises(TypeError, match="must be an array, got a QuantizedTensor"):
        rotate(model, quantize(model.init(0), 4))
    with pytest.raises(ValueError, match=r":step belongs to .* call rotate\(\) before"):
        rotate(model, add_steps(model.init(0), 4))
