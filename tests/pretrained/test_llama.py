"""Llama, Mistral and Qwen 2: our names and theirs, what is refused, and transformers' logits."""

import numpy as np
import pytest

from minilm.pretrained import load_pretrained, save_pretrained

IDS = np.random.default_rng(1).integers(0, 61, (3, 20))


@pytest.mark.parametrize("fields", [
    {}, {"tied": True}, {"biases": True}, {"key_value_heads": 4}, {"key_value_heads": 1},
    {"norm_eps": 0.1, "rotary_base": 100.0}, {"layers": 1, "prefix": ""},
])  # fmt: skip
def test_round_trip(llama_folder, fields):
    folder = llama_folder(**fields)
    found = load_pretrained(folder.path)
    assert found.model == folder.model
    assert list(found.params) and found.params.keys() == folder.params.keys()
    for name, value in found.params.items():
        np.testing.assert_array_equal(value, folder.params[name], err_msg=name)
        assert value.dtype == np.float32
    logits = found.model.forward(found.params, IDS)[0]
    np.testing.assert_array_equal(logits, folder.model.forward(folder.params, IDS)[0])
    assert (found.tokenizer, found.unused, found.longest) == (None, (), 24)


def test_newer_files_keep_the_base_of_the_angles_elsewhere(llama_folder):
    folder = llama_folder()
    folder.config["rope_parameters"] = {"rope_type": "default", "rope_theta": 500.0}
    assert load_pretrained(folder.write().path).model.rotary_base == 500
    folder.config["rope_scaling"] = {"rope_type": "default", "rope_theta": 70.0}
    assert load_pretrained(folder.write().path).model.rotary_base == 70
    folder.config["rope_scaling"] = {"rope_type": "default"}
    assert load_pretrained(folder.write().path).model.rotary_base == 500
    folder.config["rope_parameters"] = folder.config["rope_scaling"] = None
    assert load_pretrained(folder.write().path).model.rotary_base == folder.model.rotary_base
    del folder.config["rope_theta"], folder.config["rope_parameters"]
    assert load_pretrained(folder.write().path).model.rotary_base == 10000


def test_a_tied_table_may_be_there_as_the_head_alone(llama_folder):
    folder = llama_folder(tied=True)
    folder.tensors["lm_head.weight"] = folder.tensors.pop("model.embed_tokens.weight")
    found = load_pretrained(folder.write().path)
    assert found.model == folder.model and found.unused == ()
    np.testing.assert_array_equal(
        found.params["token_embedding"], folder.params["token_embedding"]
    )


def test_qwen_has_biases_but_not_at_the_end_of_attention(llama_folder):
    folder = llama_folder(biases=True)
    folder.config |= {"model_type": "qwen2", "use_sliding_window": False, "sliding_window": 4}
    del folder.config["attention_bias"]
    for layer in range(2):
        del folder.tensors[f"model.layers.{layer}.self_attn.o_proj.bias"]
        folder.params[f"block.{layer}.attention.b_out"] = np.zeros(16, np.float32)
    found = load_pretrained(folder.write().path)
    assert found.model == folder.model
    logits = found.model.forward(found.params, IDS)[0]
    np.testing.assert_array_equal(logits, folder.model.forward(folder.params, IDS)[0])


def test_mistral_is_a_llama_with_a_window(llama_folder):
    folder = llama_folder()
    folder.config |= {"model_type": "mistral", "sliding_window": 24}
    assert load_pretrained(folder.write().path).model == folder.model
    folder.config["sliding_window"] = None
    assert load_pretrained(folder.write().path).model == folder.model
    del folder.config["sliding_window"]  # 4096
    assert load_pretrained(folder.write().path).model == folder.model
    folder.config["sliding_window"] = 23
    with pytest.raises(ValueError, match=r"sliding_window is 23, but only .* = 24"):
        load_pretrained(folder.write().path)
    del folder.config["sliding_window"]
    folder.config["max_position_embeddings"] = 5000
    with pytest.raises(ValueError, match=r"sliding_window is None, but only .* = 5000"):
        load_pretrained(folder.write().path)
    del folder.config["num_key_value_heads"]
    folder.config["max_position_embeddings"] = 24
    with pytest.raises(ValueError, match="num_key_value_heads is missing"):
        load_pretrained(folder.write().path)


@pytest.mark.parametrize(("changes", "error"), [
    ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_type is 'llama3'"),
    ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "type is 'linear'"),
    ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "rope_parameters: rope_type is 'y"),
    ({"rope_parameters": {"full_attention": {"rope_theta": 7.0}}}, "full_attention is .* one rope"),
    ({"rope_scaling": {"rope_theta": "7"}}, "rope_scaling: rope_theta is '7'"),
    ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "parameters: partial_rotary_factor is 0"),
    ({"partial_rotary_factor": 0.5}, r"partial_rotary_factor is 0\.5, but only 1"),
    ({"rope_theta": 0}, "rotary_base must be positive"),
    ({"head_dim": 8}, "head_dim is 8, but only hidden_size / num_attention_heads = 16 / 4"),
    ({"hidden_act": "gelu"}, "hidden_act is 'gelu', expected one of 'silu'"),
    ({"is_causal": False}, "is_causal is False, but only true"),
    ({"mlp_bias": True}, "mlp_bias is True, but only false"),
    ({"num_key_value_heads": 3}, "key_value_heads must divide"),
    ({"num_attention_heads": 5}, "heads = 16 / 5|must divide"),
    ({"hidden_size": None}, "hidden_size is null"),
    ({"intermediate_size": 21}, r"down_proj.weight must have shape \(16, 21\)|\(21, 16\)"),
    ({"num_hidden_layers": 3}, r"no tensor model\.layers\.2\.mlp\.down_proj.weight"),
    ({"num_hidden_layers": 2**31 - 1}, "no tensor"),
    ({"vocab_size": 2**31 - 1}, r"embed_tokens.weight must have shape \(2147483647, 16\)"),
    ({"attention_bias": True}, r"no tensor model\.layers\.0\.self_attn\.q_proj\.bias"),
    ({"tie_word_embeddings": True}, r"lm_head\.weight must be the same as model\.embed_tokens"),
    ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types is .*full_attention"),
])  # fmt: skip
def test_what_this_llama_is_not(llama_folder, changes, error):
    folder = llama_folder()
    folder.config |= changes
    with pytest.raises(ValueError, match=error):
        load_pretrained(folder.write().path)


def test_a_missing_tensor_and_those_left_over(llama_folder):
    folder = llama_folder()
    folder.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(2, np.float32)
    assert load_pretrained(folder.write().path).unused == (
        "model.layers.0.self_attn.rotary_emb.inv_freq",
    )
    del folder.tensors["model.layers.1.self_attn.k_proj.weight"]
    with pytest.raises(ValueError, match=r"no tensor model\.layers\.1\.self_attn\.k_proj\.weight"):
        load_pretrained(folder.write().path)


def transformers_model(torch, config, seed=0):
    """A random model in which nothing is small, zero or one."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(config).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.3)
    return model


TINY = {
    "vocab_size": 61, "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 24,
    "bos_token_id": 1, "eos_token_id": 2, "sliding_window": None,
}  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize(("model_type", "changes"), [
    ("llama", {}),
    ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True, "vocab_size": 53}),
    ("llama", {"num_key_value_heads": 1, "attention_bias": True, "rms_norm_eps": 0.03}),
    ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 300.0}}),
    ("mistral", {}),
    ("mistral", {"sliding_window": 24, "tie_word_embeddings": True}),
    ("qwen2", {}),
    ("qwen2", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
])  # fmt: skip
def test_logits_equal_those_of_transformers(tmp_path, model_type, changes):
    import torch
    from transformers import AutoConfig

    config = AutoConfig.for_model(model_type, **TINY | changes)
    theirs = transformers_model(torch, config)
    theirs.save_pretrained(tmp_path)
    found = load_pretrained(tmp_path)
    assert found.unused == ()
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (3, 24))
    with torch.no_grad():
        expected = theirs(torch.tensor(ids), output_hidden_states=True)
    logits, cache = found.model.forward(found.params, ids)
    assert np.abs(expected.logits.numpy()).max() > 1
    np.testing.assert_allclose(logits, expected.logits.numpy(), atol=1e-4)
    last = expected.hidden_states[-1].numpy()
    np.testing.assert_allclose(cache["hidden"], last, atol=2e-5)
    check_by_steps(found, ids, logits)
    check_padded(torch, theirs, found, ids)
    save_pretrained(tmp_path / "ours.npz", found)
    again = load_pretrained(tmp_path / "ours.npz")
    np.testing.assert_array_equal(again.model.forward(again.params, ids)[0], logits)


def check_by_steps(found, ids, logits):
    """Read in pieces, with a cache of keys and values."""
    state, parts = found.model.fresh_state(), []
    for piece in np.split(ids, [5, 6, 7, 8, 20], axis=1):
        part, cache = found.model.forward(found.params, piece, state=state)
        state = cache["state"]
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), logits, atol=5e-5)


def check_padded(torch, theirs, found, ids):
    """Texts of unequal length: what fills them up on the right is seen by none of their tokens."""
    lengths = [24, 9, 1]
    mask = np.arange(24) < np.array(lengths)[:, None]
    with torch.no_grad():
        expected = theirs(torch.tensor(ids), attention_mask=torch.tensor(mask.astype(int))).logits
    filled = np.where(mask, ids, 3)
    logits = found.model.forward(found.params, filled)[0]
    np.testing.assert_allclose(logits[mask], expected.numpy()[mask], atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened(tmp_path, dtype):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    theirs = transformers_model(torch, AutoConfig.for_model("llama", **TINY))
    theirs.to(getattr(torch, dtype)).save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    found = load_pretrained(tmp_path)
    assert all(value.dtype == np.float32 for value in found.params.values())
    with torch.no_grad():
        expected = theirs(torch.tensor(IDS)).logits.numpy()
    np.testing.assert_allclose(found.model.forward(found.params, IDS)[0], expected, atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_tied_weights_as_safetensors_writes_them(tmp_path, model_type):
    import torch
    from safetensors.torch import save_model
    from transformers import AutoConfig

    sizes = TINY | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 24}
    config = AutoConfig.for_model(model_type, **sizes, tie_word_embeddings=True)
    theirs = transformers_model(torch, config)
    config.save_pretrained(tmp_path)
    save_model(theirs, str(tmp_path / "model.safetensors"))
    found = load_pretrained(tmp_path)
    with torch.no_grad():
        expected = theirs(torch.tensor(IDS)).logits.numpy()
    np.testing.assert_allclose(found.model.forward(found.params, IDS)[0], expected, atol=1e-4)


@pytest.mark.oracle
def test_a_model_without_its_head_and_in_several_files(tmp_path):
    import torch
    from transformers import AutoConfig

    theirs = transformers_model(torch, AutoConfig.for_model("llama", **TINY))
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    found = load_pretrained(tmp_path / "shards")
    with torch.no_grad():
        expected = theirs(torch.tensor(IDS)).logits.numpy()
    np.testing.assert_allclose(found.model.forward(found.params, IDS)[0], expected, atol=1e-4)
    theirs.model.save_pretrained(tmp_path / "body")
    with pytest.raises(ValueError, match=r"no tensor lm_head\.weight"):
        load_pretrained(tmp_path / "body")
