"""The integer Transformer: bit for bit that of Python's whole numbers, and near the float one."""

import math

import numpy as np
import pytest

from minilm import load, save
from minilm.compression.quantization.integers.models import IntegerTransformer, integer_only
from minilm.compression.quantization.integers.models.codes import Ranges
from minilm.compression.quantization.integers.models.transformer_constants import walk
from minilm.generation import generate
from minilm.models import TransformerLanguageModel
from minilm.training import evaluate

V = 13
OPTIONS = {
    "GPT-2": {"positions": "learned"},
    "sinusoidal": {},
    "post-norm": {"norm": "post"},
    "Llama": {
        "positions": "rotary", "normalization": "rms", "activation": "swiglu", "biases": False,
        "tied": False, "key_value_heads": 1,
    },
    "all at once": {
        "norm": "post", "positions": "rotary", "normalization": "rms", "activation": "swiglu",
        "key_value_heads": 2,
    },
}  # fmt: skip
MODELS = {
    name: TransformerLanguageModel(V, width=16, layers=2, heads=4, context=10, **options)
    for name, options in OPTIONS.items()
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def example(model, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    params = {
        name: (spread * (w + 0.2 * rng.normal(size=w.shape))).astype(np.float32)
        for name, w in model.init(seed).items()
    }
    return params, rng.integers(V, size=(3, 10))


def whole(x):
    """As Python's integers, which are as long as need be."""
    return np.asarray(x).astype(object)


def times(x, params, name, rows=()):
    """round(x · M0 · 2^−shift), half-way up."""
    M0, shift = (whole(params[f"{name}:{part}"][rows]) for part in ("M0", "shift"))
    return (x * M0 + 2 ** (shift - 1)) // 2**shift


def rounded(a, b):
    """a / b, half-way up."""
    return (2 * a + b) // (2 * b)


def clipped(x, bits=8):
    most = 2 ** (bits - 1)
    return np.minimum(np.maximum(x, -most), most - 1)


def to_codes(x, params, name, bits=8):
    return clipped(times(x, params, name) + int(params[f"{name}:zero_point"]), bits)


def sums(x, params, name):
    return x @ whole(params[name]) + whole(params[f"{name}:bias"])


def norm(x, params, name, bits):
    """One position: x (D,)."""
    D, has_bias = len(x), f"{name}:bias" in params
    total = sum(x) if has_bias else 0
    root = math.isqrt(D * sum(x * x) - total * total + int(params[f"{name}:eps"]))
    n = np.array([rounded((D * one - total) << 10, root) for one in x], object)
    n = n * whole(params[name]) + (whole(params[f"{name}:bias"]) if has_bias else 0)
    return to_codes(n, params, name, bits)


def looked_up(q, params, name):
    return np.array([int(params[f"{name}:table"][x % 256]) for x in q], object)


def attention(queries, keys, values, params, name):
    """One head and one query: the mean of the values, weighted."""
    scores = [int(queries @ key) for key in keys]
    index = [min(255, int(times(max(scores) - score, params, f"{name}:score"))) for score in scores]
    e = [int(params[f"{name}:table"][i]) for i in index]
    total = sum(weight * value for weight, value in zip(e, values, strict=True))
    mean = np.array([rounded(256 * one, sum(e)) for one in total], object)
    return to_codes(mean, params, name)


def turned(x, params, t):
    """Both halves of one head, in 7 bits more, turned by the angles of position t."""
    a, b = np.split(x, 2)
    cos, sin = (whole(params[f"rotary:{part}"][t]) for part in ("cos", "sin"))
    return clipped((np.concatenate([a * cos - b * sin, b * cos + a * sin]) + 2**20) // 2**21)


def heads_of(y, params, name, model, past):
    """Attention of one position to itself and to the past, which it joins."""
    t, H, G = len(past), model.heads, model.key_value_heads or model.heads
    if model.positions == "rotary":
        qkv = clipped(times(sums(y, params, f"{name}.w_qkv"), params, f"{name}.w_qkv"), 16)
        parts = np.split(qkv, H + 2 * G)
        parts = [turned(part, params, t) for part in parts[: H + G]] + [
            clipped((part + 64) // 128) for part in parts[H + G :]
        ]
    else:
        qkv = to_codes(sums(y, params, f"{name}.w_qkv"), params, f"{name}.w_qkv")
        parts = np.split(qkv, H + 2 * G)
    past.append((parts[H : H + G], parts[H + G :]))
    heads = []
    for head in range(H):
        group = head // (H // G)
        keys, values = ([kv[which][group] for kv in past] for which in (0, 1))
        heads.append(attention(parts[head], keys, values, params, f"{name}.heads"))
    return np.concatenate(heads)


def active_of(y, params, name):
    up = to_codes(sums(y, params, f"{name}.w_up"), params, f"{name}.w_up")
    if f"{name}.w_gate" not in params:
        return looked_up(up, params, f"{name}.active")
    gate = to_codes(sums(y, params, f"{name}.w_gate"), params, f"{name}.w_gate")
    gate = looked_up(gate, params, f"{name}.gate")
    z_up, z_gate = whole(params[f"{name}.active:zeros"])
    return to_codes((up - z_up) * (gate - z_gate), params, f"{name}.active")


def reference(model, params, tokens):
    """Codes of the logits, one text and one position at a time: (B, T, V)."""
    pre = model.norm == "pre"

    def entering(x, name, of):
        return norm(x, params, of, 8) if pre else to_codes(x, params, name)

    def leaving(x, of):
        return x if pre else norm(x, params, of, 16)

    logits = [[] for _ in tokens]
    for text, written in zip(tokens, logits, strict=True):
        pasts = [[] for _ in range(model.layers)]
        for t, token in enumerate(text):
            x = times(whole(params["token_embedding"][token]), params, "token_embedding", token)
            if "position_embedding" in params:
                x = x + whole(params["position_embedding"][t])
            x = clipped(x, 16)
            for layer, past in enumerate(pasts):
                block = f"block.{layer}"
                y = entering(x, f"{block}.attention", f"{block}.norm_1")
                heads = heads_of(y, params, f"{block}.attention", model, past)
                name = f"{block}.attention.w_out"
                x = clipped(x + times(sums(heads, params, name), params, name), 16)
                x = leaving(x, f"{block}.norm_1")
                y = entering(x, f"{block}.feed_forward", f"{block}.norm_2")
                name = f"{block}.feed_forward.w_down"
                y = active_of(y, params, f"{block}.feed_forward")
                x = clipped(x + times(sums(y, params, name), params, name), 16)
                x = leaving(x, f"{block}.norm_2")
            y = entering(x, "head", "norm")
            w = params["token_embedding"].T if model.tied else params["head.w"]
            y = y @ whole(w) + whole(params["head.w:bias"])
            written.append(clipped(times(y, params, "head.w"), 16))
    return np.array(logits).astype(np.int64)


@pytest.mark.parametrize("spread", [1.0, 4.0])
@each_model
def test_bit_for_bit(model, spread):
    """Calibrated on less than it reads, and with weights so large that codes saturate."""
    params, tokens = example(model, spread)
    integers, whole_params = integer_only(model, params, [tokens[:1, :2]])
    logits, cache = integers.forward(whole_params, tokens)
    assert cache["codes"].dtype == np.int16 and logits.dtype == np.float32
    np.testing.assert_array_equal(cache["codes"], reference(model, whole_params, tokens))
    np.testing.assert_array_equal(logits, cache["codes"] * whole_params["logits:scale"])


@each_model
def test_the_walk_is_the_models_forward(model):
    params, tokens = example(model)
    ranges = Ranges()
    y, _ = model.forward(params, tokens)
    np.testing.assert_allclose(walk(model, params, tokens, ranges), y, atol=1e-6)
    assert ranges.ends["logits"] == (min(y.min(), 0), max(y.max(), 0))


@each_model
def test_near_the_float_model(model):
    params, tokens = example(model)
    integers, whole_params = integer_only(model, params, [tokens])
    y, _ = model.forward(params, tokens)
    error = integers.forward(whole_params, tokens)[0] - y
    assert np.sqrt(np.mean(error**2) / y.var()) < 0.06


@each_model
def test_in_pieces(model):
    params, tokens = example(model)
    integers, params = integer_only(model, params, [tokens])
    expected = integers.forward(params, tokens)[1]["codes"]
    state, codes = integers.fresh_state(), []
    for piece in (tokens[:, :1], tokens[:, 1:6], tokens[:, 6:7], tokens[:, 7:]):
        _, cache = integers.forward(params, piece, state=state)
        state = cache["state"]
        codes.append(cache["codes"])
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), expected)
    assert state.caches[0].keys.dtype == np.int8
    assert integers.chosen(state, np.array([1])).caches[0].keys.shape[0] == 1


@each_model
def test_params_are_integers_and_keep(model, tmp_path):
    params, tokens = example(model)
    integers, whole_params = integer_only(model, params, [tokens])
    assert {name for name, w in whole_params.items() if w.dtype.kind == "f"} == {"logits:scale"}
    save(tmp_path / "integers.npz", whole_params)
    loaded = load(tmp_path / "integers.npz")
    np.testing.assert_array_equal(
        integers.forward(loaded, tokens)[1]["codes"],
        integers.forward(whole_params, tokens)[1]["codes"],
    )


def test_it_writes_and_is_judged_like_other_models():
    model = MODELS["GPT-2"]
    params, tokens = example(model)
    integers, params = integer_only(model, params, [tokens])
    assert isinstance(integers, IntegerTransformer) and integers.context == 10
    assert len(generate(integers, params, tokens[0, :3], 5, temperature=0)) >= 5
    assert evaluate(integers, params, np.arange(30) % V) > 0
    with pytest.raises(ValueError, match="at most context=10 long, got 11"):
        integers.forward(params, np.zeros((1, 11), int))
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 13\)"):
        integers.forward(params, tokens + 9)
