"""gguf files: what they hold is what other programs read out of them."""

import sys
import tracemalloc
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization.gguf import from_gguf, to_gguf
from minilm.models import MaskedLanguageModel, TransformerEncoder, TransformerLanguageModel
from minilm.pretrained import Pretrained, load_pretrained
from minilm.pretrained.export_gguf import KINDS, export_gguf, interleaved, library, written
from minilm.pretrained.gguf_tokenizer import phantom, scores
from minilm.text.tokenizers import (
    BPETokenizer,
    CharTokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
)
from minilm.weights import Weight

PROSE = "the cat sat on the mat, the cat ran; a bird sang on the old mat! été"
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SMALL = {"width": 64, "layers": 2, "heads": 4}


def pretrained_of(family):
    """A small random model, no two of whose numbers are alike."""
    if family in ("bert", "masked"):
        tokenizer = WordPieceTokenizer.train(PROSE, 60, specials=MARKS)
        kind = TransformerEncoder if family == "bert" else MaskedLanguageModel
        model = kind(tokenizer.vocab_size + 4, context=24, **SMALL)
    elif family in ("gpt2", "untied gpt2"):  # transformers takes 1024 places for granted
        tokenizer = BPETokenizer.train(PROSE, 270, specials=("<|endoftext|>",))
        model = TransformerLanguageModel(
            tokenizer.vocab_size, positions="learned", context=1024,
            tied=family == "gpt2", **SMALL,
        )  # fmt: skip
    else:
        tokenizer = SentencePieceTokenizer.train(PROSE, 300)
        model = TransformerLanguageModel(
            tokenizer.vocab_size, feed_forward=96, context=24, key_value_heads=2, rotary_base=500.0,
            tied=family == "tied llama", positions="rotary", normalization="rms",
            activation="swiglu", biases=False, **SMALL,
        )  # fmt: skip
    rng = np.random.default_rng(1)
    params = {
        name: w + rng.normal(scale=0.2, size=w.shape).astype(np.float32)
        for name, w in model.init(0).items()
    }
    return Pretrained(model, params, tokenizer, "first", model.context)


def in_blocks(pretrained, kind):
    """The model with the values that a file of this kind stands for."""
    def values(name, w):
        # tables lie as they are in the file, maps are turned round there
        rows = w if name.endswith("embedding") else w.T
        if w.ndim < 2 or name in ("position_embedding", "type_embedding") or rows.shape[1] % 32:
            return w
        kept = from_gguf(to_gguf(rows, kind), kind)
        return kept if name.endswith("embedding") else kept.T

    params = {name: values(name, w) for name, w in pretrained.params.items()}
    return replace(pretrained, params=params)


def test_halves_become_neighbours():
    rows = np.array([0, 1, 2, 3, 4, 5, 6, 7])[:, None]  # two heads: a_0 a_1 b_0 b_1 of each
    assert interleaved(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_pieces_begin_with_a_space_or_with_nothing():
    assert [phantom(p) for p in ("play", "##ing", "##", "#")] == ["▁play", "ing", "", "▁#"]


def test_scores_by_hand():
    specials = ("<unk>", "<s>", "</s>")
    spelled = SentencePieceTokenizer.train("ab ab abc", 268, specials=specials)
    found = dict(zip(spelled.vocabulary, scores(spelled), strict=True))
    merges = {left + right: score for left, right, score in spelled.merges}
    assert merges and all(found[piece] == score for piece, score in merges.items())
    assert found["<s>"] == found["<0x0A>"] == 0
    assert found["a"] == found["c"] == min(merges.values()) - 1


@pytest.mark.parametrize(("shape", "name", "used"), [
    ((3, 64), "w", "Q4_0"), ((3, 48), "w", "F32"), ((64,), "w", "F32"),
    ((3, 64), "position_embd.weight", "F32"),
])  # fmt: skip
def test_what_has_no_whole_blocks_stays_float(shape, name, used):
    array = np.linspace(-1, 1, np.prod(shape), dtype=np.float32).reshape(shape)
    data, kind = written(name, array, "Q4_0")
    assert kind == used and data.dtype == (np.uint8 if used == "Q4_0" else np.float32)


def test_what_readers_do_not_know_is_refused(tmp_path):
    good = pretrained_of("llama")
    with pytest.raises(ValueError, match="kind must be one of Q8_0"):
        export_gguf(tmp_path / "x.gguf", good, kind="Q3_K")
    with pytest.raises(ValueError, match="w: x must"):
        written("w", np.full((2, 32), 1e9, np.float32), "Q8_0")
    with pytest.raises(ValueError, match="within float16"):
        written("w", np.full((2, 32), 1e9, np.float32), "F16")


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModuleNotFoundError, match="pip install gguf"):
        library()


@pytest.mark.oracle
def test_refused_before_anything_is_written(tmp_path):
    good = pretrained_of("gpt2")
    relu = replace(good, model=replace(good.model, activation="relu"))
    with pytest.raises(ValueError, match="not relu"):
        export_gguf(tmp_path / "x.gguf", relu)
    with pytest.raises(TypeError, match="CharTokenizer"):
        export_gguf(tmp_path / "x.gguf", replace(good, tokenizer=CharTokenizer.train(PROSE)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_library_reads_what_we_say_is_there(tmp_path, family, kind):
    gguf = import_module("gguf")
    good = pretrained_of(family)
    errors = export_gguf(tmp_path / "x.gguf", good, kind=kind)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "x.gguf").tensors}
    assert tensors.keys() == errors.keys()
    exact = {"F32"} if kind == "F32" else {"F32", kind}
    assert {tensor.tensor_type.name for tensor in tensors.values()} == exact
    table = good.params["token_embedding"]
    theirs = gguf.quants.dequantize(
        tensors["token_embd.weight"].data, tensors["token_embd.weight"].tensor_type
    ).reshape(table.shape)
    ours = {"F32": table, "F16": table.astype(np.float16).astype(np.float32)}
    expected = ours[kind] if kind in ours else from_gguf(to_gguf(table, kind), kind)
    np.testing.assert_array_equal(theirs, expected)
    assert errors["token_embd.weight"] == np.abs(theirs - table).max()
    assert all(errors[name] == 0 for name, t in tensors.items() if t.tensor_type.name == "F32")


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["gpt2", "untied gpt2", "llama", "tied llama"])
@pytest.mark.parametrize("kind", ["F32", "Q8_0", "Q4_0"])
def test_transformers_computes_what_our_model_does_with_these_blocks(tmp_path, family, kind):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    good = pretrained_of(family)
    export_gguf(tmp_path / "x.gguf", good, kind=kind)
    # what from_pretrained(folder, gguf_file=…) does, but that needs one library more
    config = AutoConfig.from_pretrained(tmp_path, gguf_file="x.gguf")
    network = AutoModelForCausalLM.from_config(config).eval()
    read = load_gguf_checkpoint(tmp_path / "x.gguf", return_tensors=True, model_to_load=network)
    lacking, extra = network.load_state_dict(read["tensors"], strict=False)
    assert set(lacking) <= {"lm_head.weight"} and not extra
    network.tie_weights()
    ids = np.random.default_rng(0).integers(5, good.model.vocab_size, size=(2, 20))
    with torch.inference_mode():
        theirs = network(torch.from_numpy(ids)).logits.numpy()
    kept = good if kind == "F32" else in_blocks(good, kind)
    ours, _ = good.model.forward(kept.params, ids)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])  # tables, splits, turned heads
@pytest.mark.parametrize(("kind", "bits"), [("Q8_0", 8), ("Q4_0", 4), ("Q4_1", 4)])
def test_codes_that_are_blocks_already_are_written_exactly(tmp_path, family, kind, bits):
    good = pretrained_of(family)
    ours = quantize(good.params, bits=bits, group_size=32, symmetric=kind != "Q4_1")
    errors = export_gguf(tmp_path / "x.gguf", replace(good, params=ours), kind=kind)
    assert any(isinstance(w, Weight) for w in ours.values())
    assert max(errors.values()) <= (1e-3 if kind == "Q4_1" else 0)  # min is rounded


@pytest.mark.oracle
def test_one_parameter_at_a_time_is_unpacked(tmp_path):
    library()
    model = TransformerLanguageModel(32, width=128, layers=12, heads=4, positions="learned")
    params = quantize(model.init(0), bits=4, group_size=32, symmetric=False)
    tracemalloc.start()
    export_gguf(tmp_path / "x.gguf", Pretrained(model, params), kind="Q4_1")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    weights = sum(w.size for w in params.values())
    assert peak < 4 * weights, "less than the floats alone of all would take"


@pytest.mark.oracle
def test_other_codes_are_rounded_once_more(tmp_path):
    good = pretrained_of("llama")
    sixes = quantize(good.params, bits=6, group_size=32)
    assert max(export_gguf(tmp_path / "x.gguf", replace(good, params=sixes)).values()) > 0


@pytest.mark.oracle
def test_metadata_of_an_encoder(tmp_path):
    gguf = import_module("gguf")
    good = pretrained_of("masked")
    errors = export_gguf(tmp_path / "x.gguf", good)
    assert not any(name.startswith("cls") for name in errors)
    fields = gguf.GGUFReader(tmp_path / "x.gguf").fields
    found = {name: field.contents() for name, field in fields.items()}
    assert found["general.architecture"] == "bert" and found["bert.attention.causal"] is False
    assert found["bert.pooling_type"] == 2 and found["bert.context_length"] == 24
    pieces, kinds = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
    assert len(pieces) == len(kinds) == good.model.vocab_size
    assert pieces[-1].startswith("[unused") and kinds[-1] == gguf.TokenType.UNUSED
    for name, number in good.tokenizer.special_ids.items():
        assert pieces[number] == name
    assert found["tokenizer.ggml.seperator_token_id"] == good.tokenizer.special_ids["[SEP]"]
    words = [i for i, p in enumerate(good.tokenizer.vocabulary) if p == "the"]
    assert [pieces[i] for i in words] == ["▁the"]


@pytest.mark.oracle
def test_metadata_of_language_models(tmp_path):
    gguf = import_module("gguf")
    for family in ("gpt2", "llama"):
        good = pretrained_of(family)
        export_gguf(tmp_path / f"{family}.gguf", good)
        fields = gguf.GGUFReader(tmp_path / f"{family}.gguf").fields
        found = {name: field.contents() for name, field in fields.items()}
        assert found["tokenizer.ggml.model"] == family
        assert tuple(found["tokenizer.ggml.tokens"]) == good.tokenizer.vocabulary
        if family == "gpt2":
            assert found["tokenizer.ggml.merges"][0] == " ".join(good.tokenizer.merges[0])
            assert found["tokenizer.ggml.bos_token_id"] == found["tokenizer.ggml.eos_token_id"]
        else:
            assert found["llama.attention.head_count_kv"] == 2
            assert found["llama.rope.freq_base"] == 500
            kinds = found["tokenizer.ggml.token_type"]
            assert kinds.count(gguf.TokenType.BYTE) == 256


@pytest.mark.oracle
@pytest.mark.slow
def test_the_real_encoder(tmp_path):
    gguf = import_module("gguf")
    real = load_pretrained("all-MiniLM-L6-v2")
    errors = export_gguf(tmp_path / "x.gguf", real)
    tensors = gguf.GGUFReader(tmp_path / "x.gguf").tensors
    assert len(tensors) == len(errors) == 101
    assert (tmp_path / "x.gguf").stat().st_size < 26_000_000 and max(errors.values()) < 0.05
