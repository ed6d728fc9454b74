"""Every form of the Transformer language model: positions, norms, feed-forward, heads, biases."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import prune, quantize
from minilm.generation import generate
from minilm.models import TransformerLanguageModel, build
from minilm.nn import attention, attention_weights, check_model_gradient
from minilm.training import AdamW, constant, fit
from minilm.weights import thaw

SMALL = {"vocab_size": 11, "width": 16, "layers": 2, "heads": 4, "context": 7}
LLAMA = {
    "positions": "rotary", "normalization": "rms", "activation": "swiglu",
    "key_value_heads": 2, "biases": False, "tied": False,
}  # fmt: skip
FORMS = {
    "GPT-2": {"positions": "learned"},
    "Llama": LLAMA,
    "post-norm Llama": {**LLAMA, "norm": "post"},
    "one head of keys": {"key_value_heads": 1},
    "no biases": {"biases": False, "normalization": "rms"},
    "rotary with biases": {"positions": "rotary", "rotary_base": 50.0, "key_value_heads": 2},
    "exact gelu": {"activation": "exact_gelu", "norm_eps": 0.3},
    "post-norm relu": {"activation": "relu", "norm_eps": 1e-12, "norm": "post"},
    "RMS of another eps": {"normalization": "rms", "norm_eps": 0.3},
    "learned, dropout": {"positions": "learned", "activation": "swiglu", "dropout": 0.3},
}
TOKENS = np.random.default_rng(0).integers(11, size=(3, 7))
FIELDS = {
    "positions": ["sinusoidal", "learned", "rotary"],
    "normalization": ["layer", "rms"],
    "activation": ["gelu", "swiglu"],
    "key_value_heads": [None, 2, 1],
    "biases": [True, False],
    "norm": ["pre", "post"],
    "tied": [True, False],
}
forms = pytest.mark.parametrize("form", FORMS)


def model_of(form, **sizes):
    return TransformerLanguageModel(**{**SMALL, **sizes}, **FORMS[form])


def moved(params, dtype=np.float64):
    """Every parameter moved off its fresh value, so that no gain is 1 and no bias 0."""
    rng = np.random.default_rng(3)
    return {n: (p + 0.1 * rng.standard_normal(p.shape)).astype(dtype) for n, p in params.items()}


@forms
def test_gradients_of_the_whole_model(form):
    model = model_of(form)
    rng = np.random.default_rng(1) if model.dropout else None
    check_model_gradient(model, moved(model.init(0)), TOKENS[:, :5], rng=rng)


@forms
def test_float32_in_float32_out_and_one_gradient_per_parameter(form):
    model = model_of(form)
    params = model.init(0)
    logits, cache = model.forward(params, TOKENS)
    grads = model.backward(np.ones_like(logits), cache)
    assert set(grads) == set(params)
    assert {n: g.shape for n, g in grads.items()} == {n: p.shape for n, p in params.items()}
    assert {array.dtype for array in (logits, *params.values(), *grads.values())} == {
        np.dtype(np.float32)
    }


def test_names_and_shapes_of_a_llama():
    model = TransformerLanguageModel(
        7, width=8, layers=1, heads=4, **{**LLAMA, "key_value_heads": 1}
    )
    assert {name: p.shape for name, p in model.init(0).items()} == {
        "token_embedding": (7, 8), "head.w": (8, 7), "norm.gain": (8,),
        "block.0.norm_1.gain": (8,), "block.0.norm_2.gain": (8,),
        "block.0.attention.w_qkv": (8, 12), "block.0.attention.w_out": (8, 8),
        "block.0.feed_forward.w_gate": (8, 21), "block.0.feed_forward.w_up": (8, 21),
        "block.0.feed_forward.w_down": (21, 8),
    }  # fmt: skip


def test_the_checkpoints_of_the_docstring_have_their_sizes():
    """124,439,808 and 1,100,048,384 numbers, counted without making them."""

    def numbers(V, D, L, F, kv, context=0, biases=False, gated=True, tied=False):
        attention = D * (2 * D + 2 * kv) + biases * (2 * D + 2 * kv)
        feed_forward = (2 + gated) * D * F + biases * (F + D)
        norms = (2 * L + 1) * D * (1 + biases)
        return V * D * (2 - tied) + context * D + L * (attention + feed_forward) + norms

    assert numbers(50257, 768, 12, 3072, 768, 1024, True, False, True) == 124_439_808
    assert numbers(32000, 2048, 22, 5632, 256) == 1_100_048_384
    llama, gpt_2 = model_of("Llama"), model_of("GPT-2")
    for model, sizes in (
        (llama, {"kv": 8, "F": 42}),
        (gpt_2, {"kv": 16, "F": 64, "context": 7, "biases": True, "gated": False, "tied": True}),
    ):
        expected = numbers(11, 16, 2, **sizes)
        assert sum(p.size for p in model.init(0).values()) == expected


@settings(max_examples=25)
@given(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FIELDS.items()}),
    st.lists(st.integers(1, 3), min_size=3, max_size=7),
    st.sampled_from([(np.float32, 1e-5), (np.float64, 1e-12)]),
)
def test_pieces_give_the_logits_of_the_whole(fields, lengths, precision):
    dtype, tolerance = precision
    model = TransformerLanguageModel(**{**SMALL, "context": 22}, **fields)
    params = moved(model.init(0), dtype)
    tokens = np.random.default_rng(0).integers(11, size=(2, sum(lengths)))
    whole, _ = model.forward(params, tokens)
    state, logits, start = model.fresh_state(), [], 0
    for length in lengths:
        piece, cache = model.forward(params, tokens[:, start : start + length], state=state)
        logits.append(piece)
        state, start = cache["state"], start + length
    np.testing.assert_allclose(np.concatenate(logits, axis=1), whole, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "fields", [dict(zip(FIELDS, v, strict=True)) for v in product(*FIELDS.values())], ids=str
)
def test_every_combination_reads_token_by_token(fields):
    model = TransformerLanguageModel(**{**SMALL, "layers": 1}, **fields)
    params = moved(model.init(0))
    whole, _ = model.forward(params, TOKENS)
    state = model.fresh_state()
    for t in range(7):
        logits, cache = model.forward(params, TOKENS[:, t : t + 1], state=state)
        np.testing.assert_allclose(logits, whole[:, t : t + 1], rtol=0, atol=1e-12)
        state = cache["state"]


@forms
def test_no_position_sees_what_comes_after_it(form):
    model = model_of(form)
    params, changed = model.init(0), TOKENS.copy()
    changed[:, 4] = (changed[:, 4] + 1) % 11
    before, after = (model.forward(params, tokens)[0] for tokens in (TOKENS, changed))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert not np.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize("positions", FIELDS["positions"])
def test_the_order_of_what_came_before_matters(positions):
    """Without positions the last logits would not see the first two tokens exchanged."""
    model = TransformerLanguageModel(**{**SMALL, "layers": 1}, positions=positions)
    params = moved(model.init(0))
    first, second = (model.forward(params, np.array([ids]))[0] for ids in ([1, 2, 3], [2, 1, 3]))
    assert np.abs(first[:, -1] - second[:, -1]).max() > 1e-3


def test_rotary_attention_sees_distances_alone():
    """The same text further on in the window has the same maps, and so the same logits."""
    model = model_of("Llama")
    params = model.init(0)
    shifted = model.fresh_state()
    for cache in shifted.caches:  # as if three tokens had been read, at which no one looks
        cache.append(*np.zeros((2, 1, 2, 3, 4), np.float32))
    shifted = shifted._replace(length=3)

    def attend(q, k, v, mask=None):
        mask = np.ones((q.shape[-2], k.shape[-2]), bool) if mask is None else mask
        mask = mask & (np.arange(k.shape[-2]) >= 3)
        return attention(q, k, v, mask)

    text = TOKENS[:1, :4]
    later, _ = model.forward(params, text, state=shifted, attend=attend)
    np.testing.assert_allclose(later, model.forward(params, text)[0], atol=1e-5)


@pytest.mark.parametrize("G", [1, 2, 4])
def test_the_bytes_of_a_state_follow_the_heads_of_keys(G):
    """Keys and values of G heads of 4 numbers, float32, for each token, layer and text."""
    model = TransformerLanguageModel(**SMALL, positions="rotary", key_value_heads=G)
    assert model.fresh_state().nbytes == 0
    _, cache = model.forward(model.init(0), TOKENS[:, :2], state=model.fresh_state())
    per_token = 2 * G * 4 * 4
    assert cache["state"].nbytes == 3 * 2 * 7 * per_token  # texts, layers, room for the context
    assert cache["state"].caches[0].keys.shape == (3, G, 7, 4)


def test_a_state_of_other_caches():
    """Whatever answers append, length, looking_back and chosen can hold the keys and values."""

    class Listed:
        def __init__(self, context):
            self.pieces, self.length = [], 0

        def append(self, k, v):
            self.pieces.append((k, v))
            self.length += k.shape[2]
            return tuple(np.concatenate(a, axis=2) for a in zip(*self.pieces, strict=True))

        def looking_back(self, attend):
            return lambda q, k, v, mask=None: attend(q, *self.append(k, v), mask)

    model = model_of("Llama")
    params, state = model.init(0), model.fresh_state(Listed)
    assert [type(cache) for cache in state.caches] == [Listed] * 2
    for t in range(7):
        logits, cache = model.forward(params, TOKENS[:, t : t + 1], state=state)
        state = cache["state"]
    whole, _ = model.forward(params, TOKENS)
    np.testing.assert_allclose(logits, whole[:, -1:], atol=1e-5)


def test_attend_sees_the_queries_of_a_group_below_one_another():
    maps = []

    def attend(q, k, v, mask):
        maps.append(attention_weights(q, k, mask))
        return attention(q, k, v, mask)

    model = model_of("Llama")
    model.forward(model.init(0), TOKENS, attend=attend)
    assert [m.shape for m in maps] == [(3, 2, 2 * 7, 7)] * 2
    by_head = maps[0].reshape(3, 4, 7, 7)
    assert not np.triu(by_head, 1).any()
    np.testing.assert_allclose(by_head.sum(-1), 1, rtol=1e-5)


@forms
def test_a_configuration_survives_being_written(form):
    model = model_of(form)
    assert build(json.loads(json.dumps(model.config()))) == model


def test_a_configuration_from_before_there_were_options_is_still_a_model():
    old = {
        "model": "TransformerLanguageModel", "vocab_size": 11, "width": 8, "layers": 1, "heads": 2,
        "context": 5, "feed_forward": 9, "norm": "post", "tied": False, "dropout": 0.0,
    }  # fmt: skip
    model = build(old)
    assert model == build(model.config())
    assert model.activation == "gelu" and model.norm_eps == 1e-5
    assert set(model.init(0)) == {
        "token_embedding", "head.w",
        *(f"block.0.norm_{n}.{part}" for n in (1, 2) for part in ("gain", "bias")),
        *(f"block.0.attention.{part}" for part in ("w_qkv", "b_qkv", "w_out", "b_out")),
        *(f"block.0.feed_forward.{part}" for part in ("w_up", "b_up", "w_down", "b_down")),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"positions": "relative"}, "positions must be one of 'sinusoidal', .* got 'relative'"),
        ({"normalization": "batch"}, "normalization must be one of 'layer', 'rms', got 'batch'"),
        ({"activation": "tanh"}, "one of 'gelu', 'exact_gelu', 'relu', 'swiglu', got 'tanh'"),
        ({"key_value_heads": 3}, "key_value_heads must divide heads=4, got 3"),
        ({"key_value_heads": 8}, "key_value_heads must divide heads=4, got 8"),
        ({"key_value_heads": 0}, "key_value_heads must be an integer of at least 1, got 0"),
        ({"biases": "no"}, "biases must be True or False, got 'no'"),
        ({"positions": "rotary", "heads": 16}, "even width, got width 16 / 16 heads = 1"),
        ({"positions": "rotary", "rotary_base": 0.0}, "rotary_base must be positive and finite"),
        ({"rotary_base": float("inf")}, "rotary_base must be positive and finite, got inf"),
        ({"norm_eps": 0.0}, "norm_eps must be positive and finite, got 0.0"),
        ({"norm_eps": float("nan")}, "norm_eps must be positive and finite, got nan"),
        ({"norm_eps": "1e-5"}, "norm_eps must be positive and finite, got '1e-5'"),
        ({"norm_eps": True}, "norm_eps must be positive and finite, got True"),
    ],
)
def test_options_out_of_range_are_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        TransformerLanguageModel(**{**SMALL, **fields})


def test_a_window_longer_than_the_table_of_positions_is_refused():
    model = model_of("GPT-2")
    with pytest.raises(ValueError, match="at most context=7 long, got 8"):
        model.forward(model.init(0), np.zeros((1, 8), int))


@forms
def test_quantize_prune_and_generate_need_no_new_code(form):
    model = model_of(form)
    params = model.init(0)
    exact, _ = model.forward(params, TOKENS)
    for packed in (quantize(params, bits=8), prune(params, 0.3)):
        logits, _ = model.forward(packed, TOKENS)
        np.testing.assert_allclose(logits, model.forward(thaw(packed), TOKENS)[0], atol=1e-4)
    assert np.abs(model.forward(quantize(params, bits=8), TOKENS)[0] - exact).max() < 0.1
    ids = generate(model, quantize(params, bits=8), TOKENS[0, :3], 6, temperature=0)
    assert len(ids) >= 6


@pytest.mark.parametrize("form", ["GPT-2", "Llama", "post-norm Llama"])
def test_it_learns_by_fit(form):
    """Each token says the next one: the loss falls from about log 11 to nearly 0."""
    model = model_of(form, width=16)
    inputs = np.random.default_rng(0).integers(11, size=(8, 7))
    batch = inputs, (3 * inputs + 1) % 11
    _, history = fit(
        model, model.init(0), [batch] * 60, schedule=constant(0.02), optimizer=AdamW()
    )
    assert history[0]["loss"] > 2 and history[-1]["loss"] < 0.1
