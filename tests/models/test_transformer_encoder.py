"""TransformerEncoder and MaskedLanguageModel: by hand, what padding and segments do, BERT's own."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import prune, quantize
from minilm.models import MaskedLanguageModel, TransformerEncoder
from minilm.models.block import block
from minilm.nn import attention, check_model_gradient, layer_norm, linear, padding_mask, relu
from minilm.weights import load, save, thaw

SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
TEXT = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])  # 0 fills up
TYPES = np.array([[0, 0, 1, 1], [0, 1, 0, 0], [1, 1, 0, 1]])
OPTIONS = {
    "exact gelu": {},
    "gelu, three types": {"activation": "gelu", "token_types": 3, "norm_eps": 0.1},
    "relu, dropout": {"activation": "relu", "dropout": 0.3},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
each_model = pytest.mark.parametrize(
    "model", [TransformerEncoder(**SMALL), MaskedLanguageModel(**SMALL)]
)


def moved(params, dtype=np.float32):
    """Every parameter moved off its fresh value, so that no gain is 1 and no bias 0."""
    rng = np.random.default_rng(3)
    return {n: (p + 0.2 * rng.standard_normal(p.shape)).astype(dtype) for n, p in params.items()}


def test_by_hand():
    """Token [1, 3] at place [1, 0] of type [0, 5]: the sum [2, 8] has mean 5 and deviation 3, so
    its norm is [−1, 1]. A block that adds [0, 2], twice, moves that to [−1, 3], and back again."""
    model = TransformerEncoder(4, width=2, layers=1, heads=1, context=3, feed_forward=1)
    p = {name: np.zeros_like(w) for name, w in model.init(0).items()}
    p["token_embedding"][2] = [1, 3]
    p["position_embedding"][1] = [1, 0]
    p["type_embedding"][1] = [0, 5]
    for norm in ("embedding_norm", "encoder.0.norm_1", "encoder.0.norm_2"):
        p[f"{norm}.gain"][:] = 1
    p["encoder.0.attention.b_out"][:] = [0, 2]
    p["encoder.0.feed_forward.b_down"][:] = [0, 2]
    hidden, cache = model.forward(p, np.array([[3, 2]]), token_types=np.array([[0, 1]]))
    np.testing.assert_allclose(cache["hidden_states"][0][0, 1], [-1, 1], atol=1e-6)
    np.testing.assert_allclose(hidden[0, 1], [-1, 1], atol=1e-6)
    masked = MaskedLanguageModel(4, 2, 1, 1, 3, 1, activation="relu")
    p["prediction.w"], p["prediction.b"] = np.eye(2, dtype=np.float32), np.float32([2, 2])
    p["prediction.norm.gain"], p["prediction.norm.bias"] = np.float32([1, 1]), np.float32([0, 1])
    p["prediction.output_bias"] = np.float32([0, 0, 0, 7])
    logits, _ = masked.forward(p, np.array([[3, 2]]), token_types=np.array([[0, 1]]))
    # relu([−1, 1] + 2) = [1, 3], its norm [−1, 1] + [0, 1] = [−1, 2]; with [1, 3]: 5
    np.testing.assert_allclose(logits[0, 1], [0, 0, 5, 7], atol=1e-5)


@each_option
def test_its_blocks_are_blocks_with_its_options(options):
    model = TransformerEncoder(**SMALL, **options)
    params = moved(model.init(0))
    _, cache = model.forward(params, TEXT)
    x, *made = cache["hidden_states"]
    for layer, expected in enumerate(made):
        x, _ = block(
            x, params, f"encoder.{layer}", head_dim=4, norm="post", attend=attention,
            mask=padding_mask(TEXT, 0), activation=model.activation, eps=model.norm_eps,
        )  # fmt: skip
        np.testing.assert_array_equal(x, expected)


def test_norm_eps_is_that_of_the_first_norm_too():
    """Where eps is all there is to divide by, a norm gives its bias, whatever it reads."""
    model = TransformerEncoder(**SMALL, norm_eps=1e30)
    params = moved(model.init(0))
    _, cache = model.forward(params, TEXT)
    expected = np.broadcast_to(params["embedding_norm.bias"], (3, 4, 8))
    np.testing.assert_allclose(cache["hidden_states"][0], expected, atol=1e-6)


@each_option
def test_gradients_of_the_whole_encoder(options):
    model = TransformerEncoder(**SMALL, **options)
    rng = np.random.default_rng(1) if model.dropout else None
    params = moved(model.init(0))
    check_model_gradient(model, params, TEXT, rng=rng)
    check_model_gradient(model, params, TEXT, rng=rng, token_types=TYPES)


def test_gradients_of_a_masked_language_model_with_segments():
    model = MaskedLanguageModel(**SMALL)
    check_model_gradient(model, moved(model.init(0)), TEXT, token_types=TYPES)


@each_option
def test_float32_in_float32_out_and_one_gradient_per_parameter(options):
    model = TransformerEncoder(**SMALL, **options)
    params = model.init(0)
    before = {n: p.copy() for n, p in params.items()}
    hidden, cache = model.forward(
        params, TEXT, token_types=TYPES, rng=np.random.default_rng(0)
    )
    dhidden = np.ones_like(hidden)
    grads, again = (model.backward(dhidden, cache) for _ in range(2))
    assert hidden.shape == (3, 4, 8) and grads.keys() == params.keys()
    assert [h.shape for h in cache["hidden_states"]] == [(3, 4, 8)] * 3
    assert cache["hidden_states"][-1] is hidden
    for array in (*cache["hidden_states"], *params.values(), *grads.values()):
        assert array.dtype == np.float32
    for n, p in params.items():
        assert grads[n].shape == p.shape
        np.testing.assert_array_equal(grads[n], again[n])
        np.testing.assert_array_equal(p, before[n])
    assert (dhidden == 1).all()


def test_dropout_is_on_exactly_when_an_rng_is_passed():
    model = TransformerEncoder(**SMALL, dropout=0.3)
    params = model.init(0)
    off = [model.forward(params, TEXT)[0] for _ in range(2)]
    on = [model.forward(params, TEXT, rng=np.random.default_rng(s))[0] for s in (1, 1, 2)]
    assert np.array_equal(*off) and np.array_equal(on[0], on[1])
    assert not np.array_equal(on[0], off[0]) and not np.array_equal(on[0], on[2])


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(1, 10), min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_text_reads_alike_alone_and_beside_longer_ones(texts):
    model = MaskedLanguageModel(**SMALL)
    params = moved(model.init(0), np.float64)
    tokens = np.zeros((len(texts), max(map(len, texts))), int)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = text
    logits, cache = model.forward(params, tokens)
    for i, text in enumerate(texts):
        alone, alone_cache = model.forward(params, np.array([text]))
        np.testing.assert_allclose(logits[i, : len(text)], alone[0], atol=1e-10)
        for ours, alone in zip(cache["hidden_states"], alone_cache["hidden_states"], strict=True):
            np.testing.assert_allclose(ours[i, : len(text)], alone[0], atol=1e-10)


def test_a_token_sees_both_sides_its_place_and_its_segment():
    model = TransformerEncoder(**SMALL)
    params = moved(model.init(0))
    text = np.array([[1, 2, 3, 4]])

    def difference(tokens, types=None):
        changed = model.forward(params, np.array([tokens]), token_types=types)[0]
        return np.abs(changed - model.forward(params, text)[0]).max(axis=-1)[0]

    assert (difference([1, 2, 3, 5]) > 1e-3).all() and (difference([5, 2, 3, 4]) > 1e-3).all()
    assert (difference([2, 1, 3, 4]) > 1e-3).all()  # places
    assert (difference(text[0], np.array([[0, 0, 0, 1]])) > 1e-3).all()
    assert (difference(text[0], np.zeros((1, 4), np.int8)) < 1e-6).all()  # as without
    assert (difference(text[0], [[0, 0, 0, 0]]) < 1e-6).all()


@each_model
def test_nothing_is_kept_where_nothing_is_learned(model):
    params = model.init(0)
    y, cache = model.forward(params, TEXT, token_types=TYPES)
    again, light = model.forward(params, TEXT, token_types=TYPES, for_backward=False)
    np.testing.assert_array_equal(y, again)
    for ours, theirs in zip(cache["hidden_states"], light["hidden_states"], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="backward needs a forward pass with for_backward=True"):
        model.backward(np.ones_like(y), light)


def test_without_backward_memory_does_not_grow_with_the_layers():
    def peak(layers, **options):
        model = TransformerEncoder(50, width=32, layers=layers, heads=2, context=64)
        params, tokens = model.init(0), np.full((8, 64), 7)
        tracemalloc.start()
        model.forward(params, tokens, **options)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    hidden_state = 8 * 64 * 32 * 4
    assert peak(6, for_backward=False) - peak(2, for_backward=False) < 4.5 * hidden_state
    assert peak(6) - peak(2) > 40 * hidden_state
    # and a block has done with its own when the next begins
    assert peak(2, for_backward=False) - peak(1, for_backward=False) < 2 * hidden_state


@each_model
def test_without_backward_only_hidden_states_and_what_is_answered_are_held(model):
    params, tokens = model.init(0), np.full((500, 6), 7)

    def held(**options):
        tracemalloc.start()
        result = model.forward(params, tokens, **options)
        now, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        y, cache = result
        return now - y.nbytes * (y is not cache["hidden_states"][-1])

    hidden_state = 500 * 6 * 8 * 4
    assert held(for_backward=False) < 3.2 * hidden_state  # of 2 layers: 3
    assert held() > 20 * hidden_state


@each_model
def test_what_is_refused(model):
    params = model.init(0)
    for tokens, options, error, message in [
        (np.ones((1, 7), int), {}, ValueError, "at most context=6 long, got 7 tokens"),
        ([[1, 11]], {}, ValueError, r"must lie in \[0, 11\), got 11"),
        ([[1, -1]], {}, ValueError, r"must lie in \[0, 11\), got -1"),
        ([[1, 2], [0, 0]], {}, ValueError, "only padding in row 1"),
        ([[1.0, 2.0]], {}, TypeError, "integer ids"),
        ([1, 2], {}, ValueError, r"shape \(B, T\)"),
        ([[1, 2]], {"token_types": [[0, 2]]}, ValueError, r"token_types must lie in \[0, 2\)"),
        ([[1, 2]], {"token_types": [[0]]}, ValueError, r"token_types must have shape \(1, 2\)"),
        ([[1, 2]], {"token_types": [[0.0, 1.0]]}, TypeError, "token_types must be an integer"),
    ]:
        with pytest.raises(error, match=message):
            model.forward(params, tokens, **options)


@each_model
def test_attend_is_called_in_the_place_of_attention(model, maps_of):
    maps = maps_of(model, TEXT)
    assert [m.shape for m in maps] == [(3, 2, 4, 4)] * 2
    for m in maps:
        np.testing.assert_allclose(m.sum(-1), 1, rtol=1e-5)
        assert (m[1, :, :, 2:] == 0).all() and (m[2, :, :, 3] == 0).all()  # no one sees padding
        assert (m[0] > 0).all()


@each_model
def test_quantize_prune_and_save_need_no_new_code(model, tmp_path):
    params = moved(model.init(0))
    exact, _ = model.forward(params, TEXT)
    packed = quantize(params, bits=8)
    tables = [name for name in params if name.endswith("embedding")]
    assert len(tables) == 3 and all(packed[name].nbytes < params[name].nbytes for name in tables)
    for compressed in (packed, prune(params, 0.3)):
        y, _ = model.forward(compressed, TEXT)
        np.testing.assert_allclose(y, model.forward(thaw(compressed), TEXT)[0], atol=1e-4)
    assert np.abs(model.forward(packed, TEXT)[0] - exact).max() < 0.1 * np.abs(exact).max()
    save(tmp_path / "encoder.npz", packed)
    again = model.forward(load(tmp_path / "encoder.npz"), TEXT)[0]
    np.testing.assert_array_equal(again, model.forward(packed, TEXT)[0])


def test_a_masked_language_model_is_its_encoder_and_a_head():
    model = MaskedLanguageModel(**SMALL, activation="relu", norm_eps=0.1)
    params = moved(model.init(0))
    hidden, encoder_cache = model.encoder.forward(params, TEXT, token_types=TYPES)
    logits, cache = model.forward(params, TEXT, token_types=TYPES)
    np.testing.assert_array_equal(cache["hidden"], hidden)
    np.testing.assert_array_equal(cache["hidden_states"][1], encoder_cache["hidden_states"][1])
    h, _ = relu(linear(hidden, params["prediction.w"], params["prediction.b"])[0])
    gain, bias = params["prediction.norm.gain"], params["prediction.norm.bias"]
    h, _ = layer_norm(h, gain, bias, eps=0.1)
    expected = h @ params["token_embedding"].T + params["prediction.output_bias"]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    own = params.keys() - model.encoder.init(0).keys()
    assert own == {
        "prediction.w", "prediction.b", "prediction.norm.gain", "prediction.norm.bias",
        "prediction.output_bias",
    }  # fmt: skip


def test_the_checkpoints_of_the_docstring_have_their_sizes():
    """109.5 and 22.7 million with a pooling layer (D² + D) of theirs that is not ours."""

    def numbers(V, D, L, context):
        block = 4 * D * D + 4 * D + 8 * D * D + 5 * D + 4 * D
        return (V + context + 2) * D + 2 * D + L * block

    assert numbers(30522, 768, 12, 512) == 109_482_240 - (768 * 768 + 768)
    assert numbers(30522, 384, 6, 512) == 22_713_216 - (384 * 384 + 384)
    made = TransformerEncoder(11, width=8, layers=2, heads=2, context=6).init(0)
    assert sum(p.size for p in made.values()) == numbers(11, 8, 2, 6)


def their_params(theirs):
    """BertForMaskedLM's parameters by our names; its maps are (out, in)."""
    their = {name: p.detach().numpy() for name, p in theirs.state_dict().items()}

    def both(ours, name, parts=("w", "b")):
        return {ours + parts[0]: their[f"{name}.weight"].T, ours + parts[1]: their[f"{name}.bias"]}

    norm, head = ("gain", "bias"), "cls.predictions"
    params = both("embedding_norm.", "bert.embeddings.LayerNorm", norm)
    for ours, name in (("token", "word"), ("position", "position"), ("type", "token_type")):
        params[f"{ours}_embedding"] = their[f"bert.embeddings.{name}_embeddings.weight"]
    for i in range(theirs.config.num_hidden_layers):
        o, b = f"encoder.{i}.", f"bert.encoder.layer.{i}"
        qkv = [f"{b}.attention.self.{part}" for part in ("query", "key", "value")]
        w_qkv = np.concatenate([their[f"{name}.weight"].T for name in qkv], axis=1)
        params[f"{o}attention.w_qkv"] = w_qkv
        params[f"{o}attention.b_qkv"] = np.concatenate([their[f"{name}.bias"] for name in qkv])
        params |= both(f"{o}attention.", f"{b}.attention.output.dense", ("w_out", "b_out"))
        params |= both(f"{o}norm_1.", f"{b}.attention.output.LayerNorm", norm)
        params |= both(f"{o}feed_forward.", f"{b}.intermediate.dense", ("w_up", "b_up"))
        params |= both(f"{o}feed_forward.", f"{b}.output.dense", ("w_down", "b_down"))
        params |= both(f"{o}norm_2.", f"{b}.output.LayerNorm", norm)
    params |= both("prediction.", f"{head}.transform.dense")
    params |= both("prediction.norm.", f"{head}.transform.LayerNorm", norm)
    return params | {"prediction.output_bias": their[f"{head}.bias"]}


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("activation", "theirs", "eps"),
    [("exact_gelu", "gelu", 1e-12), ("gelu", "gelu_new", 0.1), ("relu", "relu", 1e-5)],
)
def test_against_transformers(activation, theirs, eps):
    """Hidden states of all layers, logits, and the gradient of every parameter."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=50, hidden_size=24, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=16, hidden_act=theirs, layer_norm_eps=eps,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    bert = BertForMaskedLM(config)
    with torch.no_grad():
        for p in bert.parameters():
            p += 0.2 * torch.randn_like(p)
    rng = np.random.default_rng(0)
    tokens, types = rng.integers(1, 50, size=(4, 12)), rng.integers(2, size=(4, 12))
    tokens[1, 7:] = tokens[3, 1:] = 0
    real = tokens != 0
    out = bert(
        torch.tensor(tokens), attention_mask=torch.tensor(real).long(),
        token_type_ids=torch.tensor(types), output_hidden_states=True,
    )  # fmt: skip
    model = MaskedLanguageModel(
        50, width=24, layers=3, heads=4, context=16, feed_forward=40, activation=activation,
        norm_eps=eps,
    )  # fmt: skip
    logits, cache = model.forward(their_params(bert), tokens, token_types=types)
    assert len(cache["hidden_states"]) == len(out.hidden_states) == 4
    for ours, hidden in zip(cache["hidden_states"], out.hidden_states, strict=True):
        np.testing.assert_allclose(ours[real], hidden.detach().numpy()[real], atol=1e-5)
    np.testing.assert_allclose(logits[real], out.logits.detach().numpy()[real], atol=2e-5)

    dlogits = rng.standard_normal(logits.shape).astype(np.float32) * real[..., None]
    out.logits.backward(torch.tensor(dlogits))
    grads = model.backward(dlogits, cache)
    with torch.no_grad():
        for p in bert.parameters():
            p.copy_(p.grad)  # their parameters' names now hold their gradients
    for name, grad in their_params(bert).items():
        np.testing.assert_allclose(grads[name], grad, atol=2e-3, rtol=1e-3, err_msg=name)
