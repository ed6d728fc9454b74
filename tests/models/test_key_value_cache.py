"""A window read in pieces gives the logits of the window read at once."""

import tracemalloc

import numpy as np
import pytest

from minilm.models import TransformerLanguageModel
from minilm.models.embed import window_positions
from minilm.models.key_value_cache import KeyValueCache
from minilm.nn import attention, attention_weights
from minilm.weights import SparseTensor

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 7}
MODELS = {
    "pre-norm": TransformerLanguageModel(**SMALL),
    "post-norm": TransformerLanguageModel(**SMALL, norm="post"),
    "untied": TransformerLanguageModel(**SMALL, tied=False),
    "untied post-norm": TransformerLanguageModel(**SMALL, tied=False, norm="post"),
}
MODEL = MODELS["pre-norm"]
TOKENS = np.random.default_rng(0).integers(11, size=(3, 7))
PIECES = {"one by one": [1] * 7, "at once": [7], "a prompt": [4, 1, 1, 1], "uneven": [2, 3, 2]}


def read_in_pieces(model, params, lengths, tokens=TOKENS, **how):
    """The logits of all pieces, and the last state."""
    logits, state, start = [], model.fresh_state(), 0
    for length in lengths:
        piece = tokens[:, start : start + length]
        of_piece, cache = model.forward(params, piece, state=state, **how)
        logits.append(of_piece)
        state, start = cache["state"], start + length
    return np.concatenate(logits, axis=1), state


def sparse(w):
    return SparseTensor.from_dense(w, np.random.default_rng(0).random(w.shape) < 0.5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("name", MODELS)
def test_pieces_give_the_logits_of_the_whole(name, pieces, dtype, tolerance):
    model = MODELS[name]
    params = {n: p.astype(dtype) for n, p in model.init(0).items()}
    whole, cache = model.forward(params, TOKENS)
    assert cache["state"] is None  # training does not pay for what it did not ask for
    logits, state = read_in_pieces(model, params, PIECES[pieces])
    assert logits.dtype == dtype and state.length == 7
    np.testing.assert_allclose(logits, whole, rtol=tolerance, atol=tolerance)


def test_packed_weights_and_pruned_heads_too():
    """Layer 1 keeps one of its two heads: the caches of two layers differ in shape."""
    params = MODEL.init(0)
    block, kept = "block.1.attention.", np.r_[0:4, 8:12, 16:20]
    params[block + "w_qkv"] = params[block + "w_qkv"][:, kept]
    params[block + "b_qkv"] = params[block + "b_qkv"][kept]
    params[block + "w_out"] = params[block + "w_out"][:4]
    packed = {n: sparse(p) if p.ndim == 2 else p for n, p in params.items()}
    logits, state = read_in_pieces(MODEL, packed, [3, 1, 3])
    np.testing.assert_allclose(logits, MODEL.forward(packed, TOKENS)[0], atol=1e-5)
    assert [cache.keys.shape for cache in state.caches] == [(3, 2, 7, 4), (3, 1, 7, 4)]


def test_attend_sees_all_keys_so_far_and_the_mask_of_the_new_queries():
    maps = []

    def attend(q, k, v, mask=None):
        maps.append(attention_weights(q, k, mask))
        return attention(q, k, v, mask)

    params = MODEL.init(0)
    read_in_pieces(MODEL, params, [4, 2, 1], attend=attend)
    pieces, maps = maps[::2], []  # of the first layer
    MODEL.forward(params, TOKENS, attend=attend)
    assert [m.shape[-2:] for m in pieces] == [(4, 4), (2, 6), (1, 7)]
    for piece, rows in zip(pieces, (slice(0, 4), slice(4, 6), slice(6, 7)), strict=True):
        T = piece.shape[-1]
        np.testing.assert_allclose(piece, maps[0][:, :, rows, :T], atol=1e-6)


def test_what_is_appended_by_hand():
    cache = KeyValueCache(context=3)
    k, v = np.arange(4.0).reshape(1, 1, 2, 2), np.array([[[[7.0], [8.0]]]])
    K, V = cache.append(k, v)
    assert K.tolist() == k.tolist() and V.tolist() == v.tolist()
    K, V = cache.append(k[:, :, :1] + 10, v[:, :, :1] + 10)
    assert K.tolist() == [[[[0, 1], [2, 3], [10, 11]]]]
    assert V.tolist() == [[[[7], [8], [17]]]]
    assert np.shares_memory(K, cache.keys) and np.shares_memory(V, cache.values)
    assert cache.length == 3


def test_a_cache_refuses_what_does_not_fit():
    cache = KeyValueCache(context=3)
    new = np.zeros((2, 2, 2, 4), np.float32)
    cache.append(new, new)
    with pytest.raises(ValueError, match="room for 3 tokens cannot hold 4"):
        cache.append(new, new)
    one = new[:, :, :1]
    for bad in (one[:1], one[:, :1], one.astype(np.float64), one[..., :1]):
        for k, v in ((bad, one), (one, bad)):
            with pytest.raises(ValueError, match=r"^[kv] must be float32 of shape \(2, 2, 1, 4\)"):
                cache.append(k, v)
    with pytest.raises(ValueError, match=r"^v must be"):
        KeyValueCache(context=3).append(new, one)
    assert cache.length == 2


def test_a_state_is_read_on_from_once():
    params = MODEL.init(0)
    fresh = MODEL.fresh_state()
    _, cache = MODEL.forward(params, TOKENS[:, :2], state=fresh)
    with pytest.raises(ValueError, match="after 0 tokens, has been read on from"):
        MODEL.forward(params, TOKENS[:, :2], state=fresh)
    MODEL.forward(params, TOKENS[:, 2:3], state=cache["state"])
    with pytest.raises(ValueError, match="after 2 tokens, has been read on from"):
        MODEL.forward(params, TOKENS[:, 2:3], state=cache["state"])


def test_with_a_state_only_keys_and_values_are_kept():
    def kept_by(layers, has_state):
        model = TransformerLanguageModel(50, width=32, layers=layers, heads=2, context=64)
        params, tokens = model.init(0), np.full((4, 64), 7)
        state = model.fresh_state() if has_state else None
        tracemalloc.start()
        result = model.forward(params, tokens, state=state)
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del result
        return np.array([held, most])

    hidden_state = 4 * 64 * 32 * 4
    for held_or_most in kept_by(6, True) - kept_by(2, True):
        assert held_or_most < 4 * 2.5 * hidden_state  # a key and a value for each token
    assert (kept_by(6, False) - kept_by(2, False) > 4 * 10 * hidden_state).all()


def test_chosen_rows_go_on_each_on_its_own():
    params, rows = MODEL.init(0), np.array([2, 0, 0])
    _, state = read_in_pieces(MODEL, params, [4])
    texts = np.concatenate([TOKENS[rows, :4], TOKENS[:, 4:6]], axis=1)
    whole, _ = MODEL.forward(params, texts)
    branch = MODEL.chosen(state, rows)
    for t in (4, 5):
        logits, cache = MODEL.forward(params, texts[:, t : t + 1], state=branch)
        np.testing.assert_allclose(logits, whole[:, t : t + 1], atol=1e-5)
        branch = cache["state"]
    logits, cache = MODEL.forward(params, TOKENS[:, 4:], state=state)  # as if nothing had been
    np.testing.assert_allclose(logits, MODEL.forward(params, TOKENS)[0][:, 4:], atol=1e-5)
    one = MODEL.chosen(cache["state"], np.array([1]))
    assert one.length == 7 and one.caches[0].keys.shape[0] == 1
    with pytest.raises(ValueError, match="has been read on from"):
        MODEL.chosen(state, rows)
    assert MODEL.chosen(MODEL.fresh_state(), rows).length == 0


def test_states_that_do_not_fit_are_refused():
    params = MODEL.init(0)
    _, state = read_in_pieces(MODEL, params, [5])
    with pytest.raises(ValueError, match="at most context=7 long, got 8"):
        MODEL.forward(params, TOKENS[:, :3], state=state)
    with pytest.raises(ValueError, match=r"\(3, 2, 1, 4\)"):
        MODEL.forward(params, TOKENS[:1, :1], state=state)
    deeper = TransformerLanguageModel(**{**SMALL, "layers": 3})
    with pytest.raises(ValueError, match="3 layers, got 2"):
        deeper.forward(deeper.init(0), TOKENS[:, :1], state=state)
    with pytest.raises(TypeError, match="state must come from fresh_state"):
        MODEL.forward(params, TOKENS, state=[])
    MODEL.forward(params, TOKENS[:, :2], state=state)  # unharmed by what was refused


def test_backward_refuses_a_piece():
    params = MODEL.init(0)
    logits, cache = MODEL.forward(params, TOKENS, state=MODEL.fresh_state())
    with pytest.raises(ValueError, match="state=None"):
        MODEL.backward(np.ones_like(logits), cache)


def test_a_refused_first_append_leaves_the_cache_as_new():
    cache = KeyValueCache(2)
    with pytest.raises(ValueError, match="cannot hold 5"):
        cache.append(*np.zeros((2, 3, 1, 5, 4)))
    K, _ = cache.append(*np.zeros((2, 1, 1, 2, 4)))
    assert K.shape == (1, 1, 2, 4)


def test_the_positions_that_windows_share_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        window_positions(4, 2, np.dtype(np.float32))[0] = 1
