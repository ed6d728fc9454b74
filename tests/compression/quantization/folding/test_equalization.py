import numpy as np
import pytest

from minilm.compression import add_scores, quantize
from minilm.compression.quantization.folding.equalization import equalize, path_to
from minilm.models import (
    BagOfWordsClassifier,
    LSTMLanguageModel,
    MaskedLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerEncoder,
    TransformerLanguageModel,
)

SMALL = {"width": 16, "layers": 2, "heads": 4, "context": 8}
LLAMA = {"positions": "rotary", "normalization": "rms", "activation": "swiglu", "biases": False}
TOKENS = np.random.default_rng(0).integers(1, 13, (3, 8))
MODELS = {
    "gpt": (TransformerLanguageModel(13, **SMALL), (TOKENS,)),
    "post-norm": (TransformerLanguageModel(13, **SMALL, norm="post"), (TOKENS,)),
    "llama": (TransformerLanguageModel(13, **SMALL, **LLAMA, key_value_heads=2), (TOKENS,)),
    "one head of values": (
        TransformerLanguageModel(13, **SMALL, key_value_heads=1, activation="swiglu"),
        (TOKENS,),
    ),
    "relu": (TransformerLanguageModel(13, **SMALL, activation="relu"), (TOKENS,)),
    "BERT": (MaskedLanguageModel(13, **SMALL), (TOKENS,)),
    "BERT with relu": (TransformerEncoder(13, **SMALL, activation="relu"), (TOKENS,)),
    "encoder–decoder": (Seq2SeqTransformer(13, **SMALL), (TOKENS, TOKENS[:, ::-1])),
}
by_model = pytest.mark.parametrize("name", MODELS)
ATTENTION = ("w_qkv", "b_qkv", "w_kv", "b_kv", "w_out")


def uneven(model, dtype=np.float64):
    """Parameters whose channels have ranges far apart, and biases."""
    rng = np.random.default_rng(1)
    params = {}
    for name, w in model.init(0).items():
        if w.ndim == 1:
            w = w + 0.3 * rng.normal(size=w.shape)
        elif "embedding" not in name:
            w = w * np.exp(rng.normal(size=w.shape[1])) * np.exp(rng.normal(size=(len(w), 1)))
        params[name] = w.astype(dtype)
    return params


@by_model
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_outputs_stay(name, dtype):
    model, inputs = MODELS[name]
    params = uneven(model, dtype)
    before = {n: w.copy() for n, w in params.items()}
    equal = equalize(model, params)
    assert list(equal) == list(params)
    assert all(w.dtype == dtype for w in equal.values())
    assert all(np.array_equal(before[n], params[n]) for n in params)
    changed = {n for n in params if not np.array_equal(equal[n], params[n])}
    touched = ATTENTION
    if "block.0.feed_forward.w_gate" in params:
        touched += ("w_up", "w_down")
    elif "relu" in name:
        touched += ("w_up", "b_up", "w_down")
    assert changed == {n for n in params if n.endswith(touched)}
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    expected, _ = model.forward(params, *inputs)
    np.testing.assert_allclose(
        model.forward(equal, *inputs)[0], expected, rtol=tolerance, atol=tolerance
    )


@by_model
def test_both_sides_have_one_range(name):
    model, _ = MODELS[name]
    params = uneven(model)
    equal = equalize(model, params)
    for n in equal:
        if n.endswith("w_out") or (n.endswith("w_down") and name in ("llama", "relu")):
            pair = path_to(model, equal, n)
            columns = abs(equal[pair.first][:, pair.start :]).max(axis=0)
            rows = abs(equal[n]).max(axis=1).reshape(pair.groups, pair.heads, -1).max(axis=1)
            np.testing.assert_allclose(columns, rows.reshape(-1), rtol=1e-9)
    again = equalize(model, equal)
    for n in equal:
        np.testing.assert_allclose(again[n], equal[n], rtol=1e-9, atol=1e-12)


def test_by_hand():
    """One block of two heads that share one head of values, one number wide."""
    model = TransformerLanguageModel(5, width=2, layers=1, heads=2, key_value_heads=1, context=4)
    params = model.init(0)
    name = "block.0.attention.w_out"
    params["block.0.attention.w_qkv"] = np.array([[1, 2, 3, 8.0], [5, 6, 7, -4]])  # q, q, k, v
    params["block.0.attention.b_qkv"] = np.array([1, 2, 3, 4.0])
    params[name] = np.array([[0.5, 1], [2, 0.1]])
    equal = equalize(model, params, [name])  # s = √(8 / 2)
    assert equal["block.0.attention.w_qkv"].tolist() == [[1, 2, 3, 4], [5, 6, 7, -2]]
    assert equal["block.0.attention.b_qkv"].tolist() == [1, 2, 3, 2]
    assert equal[name].tolist() == [[1, 2], [4, 0.2]]


def test_only_what_is_named_and_only_what_is_used():
    model, inputs = MODELS["llama"]
    params = uneven(model)
    name = "block.1.feed_forward.w_down"
    params[name][3] = 0
    params["block.1.feed_forward.w_up"][:, 5] = 0
    equal = equalize(model, params, [name])
    changed = {n for n in params if not np.array_equal(equal[n], params[n])}
    assert changed == {name, "block.1.feed_forward.w_up"}
    for channel in (3, 5):
        np.testing.assert_array_equal(equal[name][channel], params[name][channel])
        up = "block.1.feed_forward.w_up"
        np.testing.assert_array_equal(equal[up][:, channel], params[up][:, channel])
    np.testing.assert_allclose(
        model.forward(equal, *inputs)[0], model.forward(params, *inputs)[0], rtol=1e-9
    )


def test_one_scale_for_a_tensor_then_suits_all_channels():
    model, inputs = MODELS["llama"]
    params = uneven(model, np.float32)
    exact, _ = model.forward(params, *inputs)

    def damage(params):
        bits = {n: 6 for n in params if n.endswith(("w_out", "w_down", "w_up"))}
        logits, _ = model.forward(quantize(params, bits, axis="tensor"), *inputs)
        return np.square(logits - exact).mean()

    assert damage(equalize(model, params)) < damage(params) / 2


def test_where_the_path_is_not_linear_the_reason_is_told():
    gpt, translator = MODELS["gpt"][0], MODELS["encoder–decoder"][0]
    lstm = LSTMLanguageModel(13, width=8)
    for model, name, reason in (
        (gpt, "block.0.feed_forward.w_down", "GELU stands between"),
        (translator, "encoder.0.feed_forward.w_down", "GELU stands between"),
        (MODELS["BERT"][0], "encoder.0.feed_forward.w_down", "GELU stands between"),
        (gpt, "block.0.attention.w_qkv", "softmax"),
        (gpt, "block.0.feed_forward.w_up", "reads a norm"),
        (gpt, "token_embedding", "no linear path"),
        (lstm, "lstm.0.w_h", "tanh"),
        (lstm, "lstm.0.w_x", "tanh"),
        (Seq2SeqLSTM(13, width=8), "attention.w_q", "no linear path"),
    ):
        with pytest.raises(ValueError, match=f"{name} cannot be equalized .*: .*{reason}"):
            equalize(model, model.init(0), [name])
    for model in (lstm, Seq2SeqLSTM(13, width=8), BagOfWordsClassifier(13, 3, width=8)):
        with pytest.raises(ValueError, match="cannot be equalized"):
            equalize(model, model.init(0))
    with pytest.raises(ValueError, match="names must be parameters, got 'w'"):
        equalize(gpt, gpt.init(0), ["w"])
    with pytest.raises(TypeError, match="must be an array, got a QuantizedTensor"):
        equalize(gpt, quantize(gpt.init(0), 4))
    with pytest.raises(ValueError, match=r":score belongs to .* call equalize\(\) before"):
        equalize(gpt, add_scores(gpt.init(0)))
