"""What a cache of codes gives back, what it weighs, and a model that reads through it."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

from minilm.compression.quantization.key_value_cache import GROUP, QuantizedKeyValueCache
from minilm.generation import answer, beam_search, generate, generate_batch, with_cache
from minilm.models import (
    Conditioned,
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerLanguageModel,
)
from minilm.models.key_value_cache import KeyValueCache

BY = ["token", "channel"]
PIECES = {"at once": [70], "one by one": [1] * 70, "uneven": [33, 30, 7]}
V = 11
MODEL = TransformerLanguageModel(V, width=16, layers=2, heads=2, context=80)
TOKENS = np.random.default_rng(0).integers(V, size=(3, 80))


def numbers(T, d=6, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(2, 3, T, d)).astype(dtype)


def nearest(x, bits, axis):
    """x̂ = s·(q − z), by the formula: one scale along the axis, 0 in the range.

    The scale is the float16 at or above what the range asks for.
    """
    low = np.minimum(x.min(axis, keepdims=True), 0)
    high = np.maximum(x.max(axis, keepdims=True), 0)
    exact = (high - low) / np.float32(2**bits - 1)
    s = exact.astype(np.float16)
    s = np.where(s < exact, np.nextafter(s, np.float16(np.inf)), s).astype(np.float32)
    z = np.round(-low / s)
    return s * (np.clip(np.round(x / s) + z, 0, 2**bits - 1) - z)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_by_token_by_the_formula(bits, pieces):
    k, v, cache = numbers(70), numbers(70, d=4, seed=1), QuantizedKeyValueCache(70, bits)
    for end, T in zip(np.cumsum(pieces), pieces, strict=True):
        K, V = cache.append(k[:, :, end - T : end], v[:, :, end - T : end])
        assert K.shape[2] == V.shape[2] == cache.length == end
    np.testing.assert_allclose(K, nearest(k, bits, -1), atol=1e-5)
    np.testing.assert_allclose(V, nearest(v, bits, -1), atol=1e-5)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_by_channel_by_the_formula(bits, pieces):
    """Two groups of 32 tokens, each channel with its own scale, and six tokens as they are."""
    k, v, cache = numbers(70), numbers(70, d=4, seed=1), QuantizedKeyValueCache(70, bits, "channel")
    for end, T in zip(np.cumsum(pieces), pieces, strict=True):
        K, V = cache.append(k[:, :, end - T : end], v[:, :, end - T : end])
    for x, held in ((k, K), (v, V)):
        for start in (0, GROUP):
            group = slice(start, start + GROUP)
            expected = nearest(x[:, :, group], bits, axis=2)
            np.testing.assert_allclose(held[:, :, group], expected, atol=1e-5)
        np.testing.assert_array_equal(held[:, :, 2 * GROUP :], x[:, :, 2 * GROUP :])


@pytest.mark.parametrize("by", BY)
def test_what_was_given_is_copied(by):
    k, cache = numbers(3), QuantizedKeyValueCache(6, 8, by)
    held = cache.append(k, k)[0].copy()
    k[:] = 7
    np.testing.assert_array_equal(cache.append(k[:, :, :1], k[:, :, :1])[0][:, :, :3], held)


def test_keys_by_channel_and_values_by_token():
    k, v = numbers(70), numbers(70, d=4, seed=1)
    cache = QuantizedKeyValueCache(71, 4, "channel", values_by="token")
    for end, T in ((40, 40), (70, 30)):
        cache.append(k[:, :, end - T : end], v[:, :, end - T : end])
    after = cache.chosen(np.array([1])).append(k[1:, :, :1], v[1:, :, :1])
    for one, by, x in zip(after, ("channel", "token"), (k, v), strict=True):
        other = QuantizedKeyValueCache(71, 4, by)
        other.append(x[1:], x[1:])
        np.testing.assert_array_equal(one, other.append(x[1:, :, :1], x[1:, :, :1])[0])


def test_numbers_that_are_not_finite_leave_the_cache_as_it_is():
    k, cache = numbers(3), QuantizedKeyValueCache(6)
    cache.append(k, k)
    for name, bad in (("k", (k * np.nan, k)), ("v", (k, k * np.inf))):
        with pytest.raises(ValueError, match=f"^{name} must be finite"):
            cache.append(*bad)
    with pytest.raises(ValueError, match=r"^v must not exceed"):
        cache.append(k, np.full_like(k, 1e38))
    assert cache.append(k, k)[0].shape == (2, 3, 6, 6)


def test_a_model_with_another_cache_can_be_copied_and_one_without_a_cache_is_refused():
    model = pickle.loads(pickle.dumps(with_cache(MODEL, QuantizedKeyValueCache)))
    assert model == with_cache(MODEL, QuantizedKeyValueCache)
    assert model.context == copy.deepcopy(model).context == 80
    for other in (LSTMLanguageModel(V), Conditioned(Seq2SeqLSTM(V), TOKENS)):
        with pytest.raises(TypeError, match="model must be a TransformerLanguageModel or"):
            with_cache(other, QuantizedKeyValueCache)


def test_bytes_by_hand():
    """2 rows × 3 heads, keys of 6 and values of 4 numbers; a scale (2 bytes) and a zero point."""
    k, v = numbers(70), numbers(70, d=4)
    whole = KeyValueCache(70)
    whole.append(k, v)
    assert whole.nbytes == 6 * 70 * (6 + 4) * 4
    for bits, of_key, of_value in ((8, 6, 4), (4, 3, 2), (3, 3, 2), (2, 2, 1)):
        cache = QuantizedKeyValueCache(70, bits)
        assert cache.nbytes == 0
        cache.append(k, v)
        assert cache.nbytes == 6 * 70 * (of_key + 3 + of_value + 3)
    for bits in (8, 4, 3, 2):  # two full groups of 32, and 6 tokens in float32
        cache = QuantizedKeyValueCache(70, bits, "channel")
        cache.append(k, v)
        assert cache.nbytes == 6 * (2 * (6 + 4) * (4 * bits + 3) + 6 * (6 + 4) * 4)


@pytest.mark.parametrize("by", BY)
def test_chosen_rows_go_on_each_on_its_own(by):
    k, v, rows = numbers(40), numbers(40, seed=1), np.array([1, 0, 1])
    cache = QuantizedKeyValueCache(45, 4, by)
    K, _ = cache.append(k, v)
    branch = cache.chosen(rows)
    new = numbers(3, seed=2)
    chosen_K, chosen_V = branch.append(new[rows], new[rows])
    assert (branch.length, cache.length) == (43, 40)
    np.testing.assert_array_equal(chosen_K[:, :, :40], K[rows])
    both_K, both_V = cache.append(new, new)
    np.testing.assert_array_equal(chosen_K, both_K[rows])
    np.testing.assert_array_equal(chosen_V, both_V[rows])
    assert QuantizedKeyValueCache(4).chosen(rows).length == 0


@pytest.mark.parametrize("by", BY)
def test_dtype_and_an_outlier(by):
    """float64 comes back as float64; one large channel ruins the others by token alone."""
    k = numbers(GROUP, dtype=np.float64)
    k[..., 0] = 1000
    K, _ = QuantizedKeyValueCache(GROUP, 4, by).append(k, k)
    assert K.dtype == np.float64
    error = np.abs(K - k)[..., 1:].max()
    assert error > 0.5 if by == "token" else error < 0.3


def read(new_cache, pieces):
    """The logits of TOKENS read through these caches, and the last state."""
    params = {name: 2 * p for name, p in MODEL.init(0).items()}
    logits, state, start = [], MODEL.fresh_state(new_cache), 0
    for T in pieces:
        of_piece, cache = MODEL.forward(params, TOKENS[:, start : start + T], state=state)
        logits.append(of_piece)
        state, start = cache["state"], start + T
    return np.concatenate(logits, axis=1), state


@pytest.mark.parametrize("by", BY)
def test_fewer_bits_change_the_logits_more(by):
    exact, _ = read(KeyValueCache, [40] + [1] * 40)
    errors = []
    for bits in (8, 4, 2):
        logits, state = read(partial(QuantizedKeyValueCache, bits=bits, by=by), [40] + [1] * 40)
        errors.append(np.sqrt(np.mean((logits - exact) ** 2) / np.var(exact)))
        assert state.nbytes == sum(cache.nbytes for cache in state.caches)
    assert 0 < errors[0] < 0.03 and errors[0] < errors[1] < errors[2] < 1


def test_every_way_of_writing_takes_the_cache():
    """8 bits write a sharp model's greedy text; the caches were there, and asked."""
    made = []

    def new_cache(context):
        made.append(QuantizedKeyValueCache(context))
        return made[-1]

    params = {name: 3 * p for name, p in MODEL.init(0).items()}
    model = with_cache(MODEL, new_cache)
    prompt = [1, 2, 3]
    expected = generate(MODEL, params, prompt, 8, temperature=0).tolist()
    for write in (
        lambda m: generate(m, params, prompt, 8, temperature=0),
        lambda m: generate_batch(m, params, [prompt, [1]], 8, temperature=0)[0],
        lambda m: beam_search(m, params, prompt, 8, beams=1)[0].ids,
    ):
        made.clear()
        assert write(model).tolist() == expected
        assert len(made) == MODEL.layers and all(cache.length >= 8 for cache in made)
    assert model.context == MODEL.context and model.config() == MODEL.config()

    seq2seq = Seq2SeqTransformer(V, width=8, layers=1, heads=2, context=9)
    params = {name: 3 * p if p.ndim == 2 else p for name, p in seq2seq.init(1).items()}
    how = {"begin_id": 1, "end_id": 2, "length": 6}
    source = TOKENS[:, :5] % (V - 1) + 1
    made.clear()
    answers = answer(with_cache(seq2seq, new_cache), params, source, **how)
    assert made
    for written, expected_ids in zip(answers, answer(seq2seq, params, source, **how), strict=True):
        np.testing.assert_array_equal(written, expected_ids)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="bits must be an integer from 1 to 8, got 9"):
        QuantizedKeyValueCache(4, 9)
    for name in ("by", "values_by"):
        with pytest.raises(ValueError, match=f"^{name} must be one of 'token', 'channel'"):
            QuantizedKeyValueCache(4, **{name: "head"})
    for by in BY:
        cache, x = QuantizedKeyValueCache(5, 8, by), numbers(3)
        cache.append(x, x)
        one = x[:, :, :1]
        with pytest.raises(ValueError, match="room for 5 tokens cannot hold 6"):
            cache.append(x, x)
        for bad in (one[:1], one[:, :1], one.astype(np.float64), one[..., :1]):
            for k, v in ((bad, one), (one, bad)):
                with pytest.raises(ValueError, match=r"^[kv] must be"):
                    cache.append(k, v)
        with pytest.raises(ValueError, match=r"^v must be"):
            cache.append(x[:, :, :2], one)
        assert cache.length == 3
        K, _ = cache.append(one, one)
        assert K.shape[2] == 4
