"""Attention whose products are of 8-bit integers."""

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization.activations.attention import integer_attention
from minilm.compression.quantization.activations.rounded_input import quantize_activations
from minilm.models import TransformerLanguageModel
from minilm.nn import attention, causal_mask

RNG = np.random.default_rng(0)
Q, K, V = (RNG.normal(size=(2, 3, 7, d)).astype(np.float32) for d in (8, 8, 5))


def rounded(x, axis):
    s = np.abs(x).max(axis=axis, keepdims=True).astype(np.float64) / 127
    return np.rint(x / s), s


def test_by_the_formula():
    (q, s_q), (k, s_k), (v, s_v) = rounded(Q, -1), rounded(K, -1), rounded(V, -2)
    mask = causal_mask(7)
    scores = (s_q * q) @ (s_k * k).swapaxes(-1, -2) / np.sqrt(8)
    scores = np.where(mask, scores, -np.inf)
    e = np.rint(255 * np.exp(scores - scores.max(-1, keepdims=True)))
    y, cache = integer_attention(Q, K, V, mask)
    assert y.dtype == np.float32 and cache is None
    np.testing.assert_allclose(y, s_v * (e @ v) / e.sum(-1, keepdims=True), atol=2e-3)


@pytest.mark.parametrize("mask", [None, causal_mask(7)])
def test_near_float_attention(mask):
    y, _ = attention(Q, K, V, mask)
    np.testing.assert_allclose(integer_attention(Q, K, V, mask)[0], y, atol=0.04)


def test_a_query_that_may_look_nowhere_gets_zeros_and_hidden_keys_change_nothing():
    mask = np.ones((7, 7), bool)
    mask[2] = False
    mask[:, 4] = False
    y, _ = integer_attention(Q, K, V, mask)
    np.testing.assert_array_equal(y[:, :, 2], 0)
    K2 = K.copy()
    K2[..., 4, :] = 1e6
    np.testing.assert_array_equal(integer_attention(Q, K2, V, mask)[0], y)


def test_half_floats_are_taken_as_float32():
    q, k, v = (x.astype(np.float16) for x in (Q, K, V))
    y, _ = integer_attention(q, k, v)
    assert y.dtype == np.float32
    same, _ = integer_attention(*(x.astype(np.float32) for x in (q, k, v)))
    np.testing.assert_array_equal(y, same)


def test_not_finite_is_refused_and_inputs_stay():
    before = [x.copy() for x in (Q, K, V)]
    integer_attention(Q, K, V, causal_mask(7))
    for x, same in zip((Q, K, V), before, strict=True):
        np.testing.assert_array_equal(x, same)
    for place, name in enumerate("qkv"):
        given = [Q.copy(), K.copy(), V.copy()]
        given[place][0, 0, 0, 0] = np.nan
        with pytest.raises(ValueError, match=f"{name} must be finite"):
            integer_attention(*given)
    with pytest.raises(TypeError, match="mask must be a bool array"):
        integer_attention(Q, K, V, np.ones((7, 7)))


@pytest.mark.parametrize("heads", [4, 2])
def test_in_a_model(heads):
    model = TransformerLanguageModel(13, width=16, layers=2, heads=4, context=12,
                                     key_value_heads=heads)
    params = model.init(0)
    tokens = RNG.integers(13, size=(3, 12))
    y, _ = model.forward(params, tokens)
    z, _ = model.forward(
        quantize_activations(quantize(params, 8)), tokens, attend=integer_attention
    )
    assert 0 < np.sqrt(np.mean((y - z) ** 2) / y.var()) < 0.04
