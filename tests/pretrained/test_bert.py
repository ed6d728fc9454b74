"""BERT and DistilBERT: our names and theirs, what is refused, and transformers' hidden states."""

import numpy as np
import pytest

from minilm.models import MaskedLanguageModel, TransformerEncoder
from minilm.pretrained import load_pretrained, save_pretrained

RNG = np.random.default_rng(1)
IDS = RNG.integers(1, 47, (3, 20))
IDS[1, 12:] = 0
TYPES = RNG.integers(0, 2, IDS.shape)


@pytest.mark.parametrize("fields", [
    {}, {"head": False}, {"prefix": ""}, {"activation": "gelu"}, {"activation": "relu"},
    {"norm_eps": 0.1, "layers": 1, "heads": 4, "token_types": 3}, {"head": False, "prefix": ""},
])  # fmt: skip
def test_round_trip(bert_folder, fields):
    folder = bert_folder(**fields)
    found = load_pretrained(folder.path)
    assert found.model == folder.model
    assert found.params.keys() == folder.params.keys()
    for name, value in found.params.items():
        np.testing.assert_array_equal(value, folder.params[name], err_msg=name)
    got = found.model.forward(found.params, IDS, token_types=TYPES)[0]
    expected = folder.model.forward(folder.params, IDS, token_types=TYPES)[0]
    np.testing.assert_array_equal(got, expected)
    assert found.tokenizer.vocabulary == folder.tokenizer.vocabulary
    assert found.unused == ()


def test_the_first_checkpoints_call_gain_and_bias_gamma_and_beta(bert_folder):
    folder = bert_folder()
    folder.tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for name, array in folder.tensors.items()
    }
    found = load_pretrained(folder.write().path)
    for name, value in found.params.items():
        np.testing.assert_array_equal(value, folder.params[name], err_msg=name)


def test_what_is_left_over_is_listed(bert_folder):
    folder = bert_folder(head=False)
    more = ("cls.seq_relationship.weight", "bert.pooler.dense.weight", "classifier.bias")
    folder.tensors |= dict.fromkeys(more, np.ones((2, 2), np.float32))
    folder.tensors["bert.embeddings.position_ids"] = np.arange(24)[None]
    found = load_pretrained(folder.write().path)
    assert type(found.model) is TransformerEncoder
    assert found.unused == tuple(sorted([*more, "bert.embeddings.position_ids"]))


def test_the_head_s_table_and_bias_may_be_there_twice(bert_folder):
    folder = bert_folder()
    table = folder.tensors["bert.embeddings.word_embeddings.weight"]
    folder.tensors["cls.predictions.decoder.weight"] = table
    folder.tensors["cls.predictions.decoder.bias"] = folder.tensors["cls.predictions.bias"]
    found = load_pretrained(folder.write().path)
    assert type(found.model) is MaskedLanguageModel and found.unused == ()
    only = folder.tensors.pop("cls.predictions.bias")
    found = load_pretrained(folder.write().path)
    np.testing.assert_array_equal(found.params["prediction.output_bias"], only)
    folder.tensors["cls.predictions.bias"] = only
    folder.tensors["cls.predictions.decoder.bias"] = -folder.tensors["cls.predictions.bias"]
    with pytest.raises(ValueError, match=r"decoder\.bias must be the same as cls\.predictions\.b"):
        load_pretrained(folder.write().path)
    folder.tensors["cls.predictions.decoder.weight"] = table * 2
    with pytest.raises(ValueError, match=r"decoder\.weight must be the same as bert\.embeddings"):
        load_pretrained(folder.write().path)


@pytest.mark.parametrize(("changes", "error"), [
    ({"position_embedding_type": "relative_key"}, "'relative_key', expected one of 'absolute'"),
    ({"is_decoder": True}, "is_decoder is True, but only false"),
    ({"add_cross_attention": True}, "add_cross_attention is True, but only false"),
    ({"tie_word_embeddings": False}, "tie_word_embeddings is False, but only true"),
    ({"hidden_act": "silu"}, "hidden_act is 'silu', expected one of 'gelu', 'gelu_new'"),
    ({"num_attention_heads": 3}, "heads must divide width 16"),
    ({"num_attention_heads": 0}, "num_attention_heads is 0"),
    ({"hidden_size": 18}, r"must have shape \(\d+, 18\) = \(vocab_size, hidden_size\)"),
    ({"num_hidden_layers": 3}, r"no tensor bert\.encoder\.layer\.2\..*encoder\.layer\.\d"),
    ({"num_hidden_layers": 1}, r"says 1 layers, but the checkpoint holds bert\.encoder\.layer\.1"),
    ({"max_position_embeddings": 25}, r"shape \(25, 16\) = \(max_position_embeddings, hidden_size"),
    ({"type_vocab_size": 1}, r"token_type_embeddings.weight must have shape \(1, 16\)"),
    ({"pad_token_id": 10**6}, "padding_id"),
    ({"vocab_size": None}, "vocab_size is null"),
])  # fmt: skip
def test_what_this_bert_is_not(bert_folder, changes, error):
    folder = bert_folder()
    folder.config |= changes
    with pytest.raises(ValueError, match=error):
        load_pretrained(folder.write().path)


def test_the_tokenizer_says_what_padding_is(bert_folder):
    folder = bert_folder()
    folder.config["pad_token_id"] = 7
    assert load_pretrained(folder.write().path).model.padding_id == 0


# DistilBERT's names for BERT's
RENAMED = {
    "encoder.layer": "transformer.layer",
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
    "cls.predictions.transform.dense": "vocab_transform",
    "cls.predictions.transform.LayerNorm": "vocab_layer_norm",
    "cls.predictions.bias": "vocab_projector.bias",
}


@pytest.mark.parametrize("head", [True, False])
def test_distilbert_is_a_bert_of_one_token_type(bert_folder, head):
    folder = bert_folder(head=head, token_types=1, activation="relu")
    folder.config = {
        "model_type": "distilbert", "vocab_size": folder.model.vocab_size, "dim": 16,
        "hidden_dim": 24, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 24,
        "activation": "relu",
    }  # fmt: skip
    # what a token type adds is then added to every position
    types = folder.tensors.pop("bert.embeddings.token_type_embeddings.weight")
    folder.tensors["bert.embeddings.position_embeddings.weight"] += types
    renamed = {}
    for name, array in folder.tensors.items():
        for theirs, distilled in RENAMED.items():
            name = name.replace(theirs, distilled)
        renamed[f"distil{name}" if name.startswith("bert.") else name] = array
    folder.tensors = renamed
    found = load_pretrained(folder.write().path)
    assert found.model == folder.model and found.unused == ()
    assert not found.params["type_embedding"].any()
    params = folder.params | {"type_embedding": np.zeros((1, 16), np.float32)}
    assert found.params.keys() == params.keys()
    for name, value in found.params.items():
        np.testing.assert_array_equal(value, params[name], err_msg=name)
    folder.config["tie_word_embeddings"] = False
    if head:
        with pytest.raises(ValueError, match="tie_word_embeddings is False, but only true"):
            load_pretrained(folder.write().path)
    else:  # there is no head that could be tied
        assert load_pretrained(folder.write().path).model == folder.model
    folder.config["tie_word_embeddings"] = True
    del folder.tensors["distilbert.transformer.layer.1.ffn.lin2.bias"]
    with pytest.raises(ValueError, match=r"no tensor distilbert\.transformer\.layer\.1\.ffn\.lin2"):
        load_pretrained(folder.write().path)


TINY = {
    "vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 44, "max_position_embeddings": 24,
}  # fmt: skip
TINY_DISTILBERT = {
    "vocab_size": 61, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 44,
    "max_position_embeddings": 24,
}  # fmt: skip


def check_against_transformers(folder, cls, config, dtype="float32"):
    """Every layer's hidden states, and the logits of a head; padding on the right."""
    import torch

    theirs = cls(config).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            is_gain = "norm" in name.lower() and name.endswith("weight")
            parameter.normal_(1.0 if is_gain else 0.0, 0.3)
    theirs.to(getattr(torch, dtype)).save_pretrained(folder)
    theirs = cls.from_pretrained(folder, dtype=torch.float32).eval()
    found = load_pretrained(folder)
    ids = np.random.default_rng(0).integers(1, config.vocab_size, (4, 24))
    mask = np.arange(24) < np.array([24, 17, 3, 1])[:, None]
    ids[~mask] = 0
    types = np.random.default_rng(1).integers(0, found.model.token_types, ids.shape)
    inputs = {"input_ids": ids, "attention_mask": mask.astype(int)}
    if config.model_type == "bert":
        inputs["token_type_ids"] = types
    with torch.no_grad():
        tensors = {name: torch.tensor(value) for name, value in inputs.items()}
        expected = theirs(**tensors, output_hidden_states=True)
    got, cache = found.model.forward(found.params, ids, token_types=types)
    states = [cache["hidden_states"], expected.hidden_states]
    for ours, those in zip(*states, strict=True):
        np.testing.assert_allclose(ours[mask], those.numpy()[mask], atol=2e-5)
    if type(found.model) is MaskedLanguageModel:
        logits = expected.get("logits", expected.get("prediction_logits")).numpy()
        np.testing.assert_allclose(got[mask], logits[mask], atol=1e-4)
        assert np.abs(got).max() > 1
    return found


@pytest.mark.oracle
@pytest.mark.parametrize(("cls", "changes", "unused"), [
    ("BertModel", {}, 2),
    ("BertForMaskedLM", {}, 0),
    ("BertForMaskedLM", {"hidden_act": "gelu_new", "layer_norm_eps": 0.02, "vocab_size": 53}, 0),
    ("BertForMaskedLM", {"hidden_act": "relu", "type_vocab_size": 4, "num_attention_heads": 2}, 0),
    ("BertForPreTraining", {"type_vocab_size": 1}, 4),
    ("BertForSequenceClassification", {}, 4),
])  # fmt: skip
def test_bert_equals_that_of_transformers(tmp_path, cls, changes, unused):
    import transformers

    config = transformers.BertConfig(**TINY | changes)
    found = check_against_transformers(tmp_path, getattr(transformers, cls), config)
    has_head = cls in ("BertForMaskedLM", "BertForPreTraining")
    assert type(found.model) is (MaskedLanguageModel if has_head else TransformerEncoder)
    assert len(found.unused) == unused
    save_pretrained(tmp_path / "ours.npz", found)
    again = load_pretrained(tmp_path / "ours.npz")
    results = [it.model.forward(it.params, IDS)[0] for it in (found, again)]
    np.testing.assert_array_equal(*results)


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_bert_in_half_precision(tmp_path, dtype):
    from transformers import BertConfig, BertForMaskedLM

    found = check_against_transformers(tmp_path, BertForMaskedLM, BertConfig(**TINY), dtype)
    assert all(value.dtype == np.float32 for value in found.params.values())


@pytest.mark.oracle
@pytest.mark.parametrize(("cls", "changes"), [
    ("DistilBertModel", {}),
    ("DistilBertForMaskedLM", {"activation": "relu", "vocab_size": 53}),
    ("DistilBertForMaskedLM", {"sinusoidal_pos_embds": True}),
])  # fmt: skip
def test_distilbert_equals_that_of_transformers(tmp_path, cls, changes):
    import transformers

    config = transformers.DistilBertConfig(**TINY_DISTILBERT | changes)
    found = check_against_transformers(tmp_path, getattr(transformers, cls), config)
    assert found.unused == ()
