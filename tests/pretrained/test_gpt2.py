"""GPT-2: our names and theirs, what is refused, and transformers' logits."""

import numpy as np
import pytest

from minilm.pretrained import load_pretrained, save_pretrained

IDS = np.random.default_rng(1).integers(0, 200, (3, 20))


@pytest.mark.parametrize("fields", [
    {}, {"tied": False}, {"prefix": ""}, {"activation": "exact_gelu"}, {"activation": "relu"},
    {"norm_eps": 0.1, "feed_forward": 20, "layers": 1},
])  # fmt: skip
def test_round_trip(gpt2_folder, fields):
    folder = gpt2_folder(**fields)
    found = load_pretrained(folder.path)
    assert found.model == folder.model
    assert found.params.keys() == folder.params.keys()
    for name, value in found.params.items():
        np.testing.assert_array_equal(value, folder.params[name], err_msg=name)
    logits = found.model.forward(found.params, IDS)[0]
    np.testing.assert_array_equal(logits, folder.model.forward(folder.params, IDS)[0])
    assert found.tokenizer == folder.tokenizer
    assert found.unused == ()


def test_the_default_width_of_the_feed_forward_layer(gpt2_folder):
    folder = gpt2_folder()
    folder.config["n_inner"] = None
    assert load_pretrained(folder.write().path).model == folder.model


def test_buffers_are_not_read(gpt2_folder):
    folder = gpt2_folder()
    folder.tensors["transformer.h.0.attn.bias"] = np.tri(24, dtype=np.float32)[None, None]
    folder.tensors["transformer.h.0.attn.masked_bias"] = np.float32([-1e4])
    folder.tensors["lm_head.weight"] = folder.tensors["transformer.wte.weight"]
    found = load_pretrained(folder.write().path)
    assert found.unused == ("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias")


def test_a_tied_table_may_be_there_as_the_head_alone(gpt2_folder):
    """So safetensors' save_model writes it: of equal tensors the first by name."""
    folder = gpt2_folder()
    folder.tensors["lm_head.weight"] = folder.tensors.pop("transformer.wte.weight")
    found = load_pretrained(folder.write().path)
    assert found.model == folder.model and found.unused == ()
    np.testing.assert_array_equal(
        found.params["token_embedding"], folder.params["token_embedding"]
    )
    folder.config["tie_word_embeddings"] = False
    with pytest.raises(ValueError, match=r"no tensor transformer\.wte\.weight in the checkpoint"):
        load_pretrained(folder.write().path)


@pytest.mark.parametrize(("changes", "error"), [
    ({"activation_function": "silu"}, "activation_function is 'silu', expected one of 'gelu_new'"),
    ({"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx is True, but only false"),
    ({"scale_attn_weights": False}, "scale_attn_weights is False, but only true"),
    ({"add_cross_attention": True}, "add_cross_attention is True, but only false"),
    ({"is_causal": False}, "is_causal is False, but only true"),
    ({"n_embd": 18}, r"wte.weight must have shape \(\d+, 18\) = \(vocab_size, n_embd\)"),
    ({"n_inner": 65}, r"c_fc.weight must have shape \(16, 65\) = \(n_embd, n_inner\)"),
    ({"n_positions": 25}, r"wpe.weight must have shape \(25, 16\) = \(n_positions, n_embd\)"),
    ({"n_head": 3}, "heads must divide width 16"),
    ({"n_layer": 10**9}, r"no tensor transformer\.h\.999999999\."),
    ({"layer_norm_epsilon": -1}, "layer_norm_epsilon is -1"),
    ({"tie_word_embeddings": False}, r"no tensor lm_head\.weight"),
    ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes', expected true or false"),
])  # fmt: skip
def test_what_this_gpt2_is_not(gpt2_folder, changes, error):
    folder = gpt2_folder()
    folder.config |= changes
    with pytest.raises(ValueError, match=error):
        load_pretrained(folder.write().path)


def test_a_head_that_is_said_to_be_tied_but_is_not(gpt2_folder):
    folder = gpt2_folder(tied=False)
    folder.config["tie_word_embeddings"] = True
    with pytest.raises(ValueError, match=r"lm_head\.weight must be the same as transformer\.wte"):
        load_pretrained(folder.write().path)


@pytest.mark.oracle
@pytest.mark.parametrize("changes", [
    {},
    {"tie_word_embeddings": False, "vocab_size": 53},
    {"activation_function": "gelu", "layer_norm_epsilon": 0.02, "n_inner": 40},
    {"activation_function": "relu", "reorder_and_upcast_attn": True},
])  # fmt: skip
def test_logits_equal_those_of_transformers(tmp_path, changes):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": 61, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 24}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(**sizes | ends | changes)
    theirs = GPT2LMHeadModel(config).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.normal_(1.0 if "ln_" in name and "weight" in name else 0.0, 0.3)
    theirs.save_pretrained(tmp_path)
    found = load_pretrained(tmp_path)
    assert found.unused == ()
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (3, 24))
    mask = np.arange(24) < np.array([24, 9, 1])[:, None]
    with torch.no_grad():
        expected = theirs(torch.tensor(ids), output_hidden_states=True)
        padded = theirs(torch.tensor(ids), attention_mask=torch.tensor(mask.astype(int))).logits
    logits, cache = found.model.forward(found.params, ids)
    assert np.abs(expected.logits.numpy()).max() > 1
    np.testing.assert_allclose(logits, expected.logits.numpy(), atol=1e-4)
    last = expected.hidden_states[-1].numpy()
    np.testing.assert_allclose(cache["hidden"], last, atol=2e-5)
    filled = found.model.forward(found.params, np.where(mask, ids, 3))[0]
    np.testing.assert_allclose(filled[mask], padded.numpy()[mask], atol=1e-4)
    state, parts = found.model.fresh_state(), []
    for piece in np.split(ids, [5, 6, 7, 8, 20], axis=1):
        part, cache = found.model.forward(found.params, piece, state=state)
        state = cache["state"]
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), logits, atol=5e-5)
    save_pretrained(tmp_path / "ours.npz", found)
    again = load_pretrained(tmp_path / "ours.npz")
    np.testing.assert_array_equal(again.model.forward(again.params, ids)[0], logits)


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_body_alone_in_half_precision(tmp_path, dtype):
    import torch
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(vocab_size=61, n_embd=32, n_layer=2, n_head=4, n_positions=24,
                        bos_token_id=0, eos_token_id=0)  # fmt: skip
    GPT2Model(config).to(getattr(torch, dtype)).save_pretrained(tmp_path)
    theirs = GPT2Model.from_pretrained(tmp_path, dtype=torch.float32).eval()
    found = load_pretrained(tmp_path)
    ids = np.random.default_rng(0).integers(0, 61, (2, 24))
    with torch.no_grad():
        expected = theirs(torch.tensor(ids)).last_hidden_state.numpy()
    hidden = found.model.forward(found.params, ids)[1]["hidden"]
    np.testing.assert_allclose(hidden, expected, atol=1e-4)
