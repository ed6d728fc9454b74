"""Integer models in Python's whole numbers, one text and one token at a time; models to try."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from minilm.models import LSTMLanguageModel, TransformerLanguageModel

V = 13
LSTMS = {
    "tied": LSTMLanguageModel(V, width=6),
    "projected": LSTMLanguageModel(V, width=6, embedding_width=4, layers=2),
    "untied": LSTMLanguageModel(V, width=5, embedding_width=7, tied=False),
}
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
TRANSFORMERS = {
    name: TransformerLanguageModel(V, width=16, layers=2, heads=4, context=10, **options)
    for name, options in OPTIONS.items()
}


@pytest.fixture(params=LSTMS)
def lstm(request):
    return LSTMS[request.param]


@pytest.fixture(params=TRANSFORMERS)
def transformer(request):
    return TRANSFORMERS[request.param]


@pytest.fixture(params=LSTMS | TRANSFORMERS)
def any_model(request):
    return (LSTMS | TRANSFORMERS)[request.param]


@pytest.fixture
def example() -> Callable:
    """example(model, spread=1.0): parameters, spread wider, and tokens (3, 10)."""

    def of(model, spread=1.0):
        rng = np.random.default_rng(0)
        params = {
            name: (spread * (w + 0.2 * rng.normal(size=w.shape))).astype(np.float32)
            for name, w in model.init(0).items()
        }
        return params, rng.integers(V, size=(3, 10))

    return of


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


def looked_up(q, params, name):
    return np.array([int(params[f"{name}:table"][x % 256]) for x in q], object)


def lstm_codes(model, params, tokens):
    """Codes of the logits: (B, T, V)."""
    logits = [[] for _ in tokens]
    for text, written in zip(tokens, logits, strict=True):
        zeros = whole(np.zeros(model.width, int))
        states = [(zeros, zeros) for _ in range(model.layers)]
        for token in text:
            x = clipped(times(whole(params["token_embedding"][token]), params, "token_embedding",
                              token), 8)
            for layer, (h, c) in enumerate(states):
                name = f"lstm.{layer}"
                a = times(sums(x, params, f"{name}.w_x"), params, f"{name}.w_x")
                a = a + times(sums(h, params, f"{name}.w_h"), params, f"{name}.w_h")
                a = clipped((a + 128) // 256, 8)
                i, f, g, o = (
                    looked_up(part, params, f"{name}.{gate}")
                    for gate, part in zip("ifgo", np.split(a, 4), strict=True)
                )
                c = times(f * c, params, f"{name}.f") + times(i * g, params, f"{name}.i")
                c = clipped(c, 16)
                tanh_c = looked_up(clipped(times(c, params, f"{name}.c"), 8), params, f"{name}.c")
                x = h = clipped(times(o * tanh_c, params, f"{name}.o"), 8)
                states[layer] = h, c
            if "head.w_project" in params:
                x = clipped(times(sums(x, params, "head.w_project"), params, "head.w_project"), 8)
            w = params["token_embedding"].T if model.tied else params["head.w"]
            y = x @ whole(w) + whole(params["head.w:bias"])
            written.append(clipped(times(y, params, "head.w"), 16))
    return np.array(logits).astype(np.int64)


def norm(x, params, name, bits):
    """One position: x (D,)."""
    D, has_bias = len(x), f"{name}:bias" in params
    total = sum(x) if has_bias else 0
    root = math.isqrt(D * sum(x * x) - total * total + int(params[f"{name}:eps"]))
    n = np.array([rounded((D * one - total) << 10, root) for one in x], object)
    n = n * whole(params[name]) + (whole(params[f"{name}:bias"]) if has_bias else 0)
    return to_codes(n, params, name, bits)


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


def transformer_codes(model, params, tokens):
    """Codes of the logits: (B, T, V)."""
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


@pytest.fixture
def codes_in_python() -> Callable:
    """codes_in_python(model, params, tokens): of the logits, (B, T, V)."""

    def codes(model, params, tokens):
        lstm = isinstance(model, LSTMLanguageModel)
        return (lstm_codes if lstm else transformer_codes)(model, params, tokens)

    return codes


@pytest.fixture
def times_in_python() -> Callable:
    """times_in_python(x, params, name): round(x · M0 · 2^−shift) of whole numbers x."""
    return lambda x, params, name: times(whole(x), params, name)
