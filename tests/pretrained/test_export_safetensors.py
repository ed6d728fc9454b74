"""Our models in others' form, and our codes in a form that others open."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from minilm import dequantize, prune, quantize
from minilm.compression import product_quantize
from minilm.models import MaskedLanguageModel, TransformerEncoder, TransformerLanguageModel
from minilm.pretrained import Pretrained, SafetensorsFile, load_pretrained, write_safetensors
from minilm.pretrained.export_safetensors import export_packed, export_safetensors, read_packed
from minilm.pretrained.their_tensors import their_tensors
from minilm.text.tokenizers import BPETokenizer, SentencePieceTokenizer, WordPieceTokenizer
from minilm.weights import HalfTensor, flatten

PROSE = "the cat sat on the mat, the cat ran; a bird sang on the old mat! été"
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LLAMA = {"positions": "rotary", "normalization": "rms", "activation": "swiglu", "biases": False}


def models():
    """One of each kind, and the tokenizer that goes with it."""
    words = WordPieceTokenizer.train(PROSE, 60, specials=MARKS)
    letters = BPETokenizer.train(PROSE, 270, specials=("<|endoftext|>",))
    pieces = SentencePieceTokenizer.train(PROSE, 300)
    small = {"width": 64, "layers": 2, "heads": 4, "context": 24}
    return {
        "bert": (TransformerEncoder(words.vocab_size, **small), words),
        "masked": (MaskedLanguageModel(words.vocab_size, feed_forward=96, **small), words),
        "gpt2": (TransformerLanguageModel(letters.vocab_size, positions="learned", **small),
                 letters),
        "llama": (TransformerLanguageModel(pieces.vocab_size, feed_forward=96, key_value_heads=2,
                                           tied=False, **LLAMA, **small), pieces),
        "biased llama": (TransformerLanguageModel(pieces.vocab_size, feed_forward=96,
                                                  norm_eps=1e-6, rotary_base=500.0,
                                                  **LLAMA | {"biases": True}, **small), pieces),
    }  # fmt: skip


KINDS = list(models())


def pretrained_of(kind):
    model, tokenizer = models()[kind]
    rng = np.random.default_rng(1)
    params = {
        name: w + rng.normal(scale=0.2, size=w.shape).astype(np.float32)
        for name, w in model.init(0).items()
    }
    return Pretrained(model, params, tokenizer, "first", model.context)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_can_be_loaded_again(tmp_path, kind):
    before = pretrained_of(kind)
    export_safetensors(tmp_path / "new", before)
    after = load_pretrained(tmp_path / "new")
    norm = {"key_value_heads": getattr(before.model, "key_value_heads", None) or before.model.heads}
    plain = replace(before.model, **norm) if kind != "gpt2" and "llama" in kind else before.model
    assert after.model == plain and after.unused == ()
    assert after.params.keys() == before.params.keys()
    for name, w in before.params.items():
        np.testing.assert_array_equal(after.params[name], w, err_msg=name)
    assert after.tokenizer.encode(PROSE).tolist() == before.tokenizer.encode(PROSE).tolist()
    assert after.tokenizer.vocabulary == before.tokenizer.vocabulary
    if kind in ("bert", "masked"):
        assert after.pooling == "first" and after.longest == 24
        assert after.tokenizer == before.tokenizer


def test_by_hand(tmp_path):
    before = pretrained_of("llama")
    export_safetensors(tmp_path, before)
    file = SafetensorsFile(tmp_path / "model.safetensors")
    qkv = before.params["block.1.attention.w_qkv"]  # (64, 64 + 32 + 32): q, k, v side by side
    key = file["model.layers.1.self_attn.k_proj.weight"]
    np.testing.assert_array_equal(key, qkv[:, 64:96].T)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["num_key_value_heads"] == 2 and config["tie_word_embeddings"] is False


def test_codes_are_written_as_the_floats_that_they_stand_for(tmp_path):
    before = pretrained_of("gpt2")
    codes = quantize(before.params, bits=4)
    export_safetensors(tmp_path, replace(before, params=codes))
    after = load_pretrained(tmp_path).params
    for name, w in dequantize(codes).items():
        np.testing.assert_array_equal(after[name], w)


@pytest.mark.parametrize(("kind", "dtype"), [("fp16", "F16"), ("bf16", "BF16")])
def test_halves_stay_halves(tmp_path, kind, dtype):
    before = pretrained_of("llama")
    halves = {
        name: HalfTensor.from_dense(w, kind) if w.ndim == 2 else w
        for name, w in before.params.items()
    }
    export_safetensors(tmp_path, replace(before, params=halves))
    entries = SafetensorsFile(tmp_path / "model.safetensors").entries
    dtypes = {len(entry.shape): entry.dtype for entry in entries.values()}
    assert dtypes == {2: dtype, 1: "F32"}
    after = load_pretrained(tmp_path).params
    for name, w in halves.items():
        np.testing.assert_array_equal(after[name], w.dense() if w.ndim == 2 else w)


def test_what_others_do_not_know_is_refused(tmp_path):
    good = pretrained_of("llama")
    with pytest.raises(TypeError, match="as a Llama"):
        export_safetensors(tmp_path, replace(good, model=replace(good.model, norm="post")))
    with pytest.raises(TypeError, match="got str"):
        export_safetensors(tmp_path, replace(good, model="llama"))
    cut = good.params | {"block.0.feed_forward.w_up": np.zeros((64, 90), np.float32)}
    with pytest.raises(ValueError, match=r"block\.0\.feed_forward\.w_up.*\(96, 64\)"):
        export_safetensors(tmp_path, replace(good, params=cut))
    lacking = {name: w for name, w in good.params.items() if name != "head.w"}
    with pytest.raises(ValueError, match=r"must hold head\.w"):
        export_safetensors(tmp_path, replace(good, params=lacking))
    assert list(tmp_path.iterdir()) == []


def test_companions_are_left_out():
    good = pretrained_of("llama")
    tensors = their_tensors(good.model, good.params | {"head.w:step": np.ones(1)})
    assert not any("step" in name for name in tensors)


def compressed(params):
    """Leaves of many kinds, some of them nested."""
    names = [name for name, w in params.items() if w.ndim == 2]
    leaves = {
        names[0]: quantize(params[names[0]], 8, axis=0),
        names[1]: quantize(params[names[1]], 3, axis=-1, group_size=16, symmetric=False),
        names[2]: prune(params[names[2]], 0.5),
        names[3]: HalfTensor.from_dense(params[names[3]], "bf16"),
        names[4]: product_quantize(params[names[4]], 4, 5),
        names[5]: quantize(params[names[5]], 4),
    }
    return params | leaves


def test_codes_come_back_as_they_were(tmp_path):
    params = compressed(pretrained_of("llama").params)
    export_packed(tmp_path / "x.safetensors", params)
    again = read_packed(tmp_path / "x.safetensors")
    arrays, kinds = flatten(params)
    arrays_again, kinds_again = flatten(again)
    assert list(again) == list(params)
    assert json.dumps(kinds_again) == json.dumps(kinds)
    for name, array in arrays.items():
        assert arrays_again[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays_again[name], array)
    for name, w in params.items():
        assert type(again[name]) is type(w)
        if not isinstance(w, np.ndarray):
            assert [f.name for f in fields(w)] == [f.name for f in fields(again[name])]
    size = (tmp_path / "x.safetensors").stat().st_size
    assert size < sum(array.nbytes for array in arrays.values()) + 30_000


def test_files_that_do_not_say_what_they_hold_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    params = compressed(pretrained_of("llama").params)
    export_packed(path, params)
    arrays, text = dict(SafetensorsFile(path)), SafetensorsFile(path).metadata["minilm"]
    for metadata in ({}, {"minilm": "{"}, {"minilm": "[]"}, {"minilm": text.replace("array", "x")}):
        write_safetensors(path, arrays, metadata)
        with pytest.raises(ValueError, match=r"x\.safetensors"):
            read_packed(path)
    scale = next(name for name in arrays if name.endswith("/scales"))
    broken = arrays | {scale: np.full_like(arrays[scale], np.nan)}
    write_safetensors(path, broken, {"minilm": text})
    with pytest.raises(ValueError, match=r"x\.safetensors.*finite"):
        read_packed(path)
    write_safetensors(path, arrays | {"more": np.ones(2)}, {"minilm": text})
    with pytest.raises(ValueError, match="more"):
        read_packed(path)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
def test_transformers_computes_what_our_quantized_model_does(tmp_path, kind):
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

    before = pretrained_of(kind)
    codes = quantize(before.params, bits=4, group_size=32)
    export_safetensors(tmp_path, replace(before, params=codes))
    ids = np.random.default_rng(0).integers(5, before.model.vocab_size, size=(3, 20))
    ours, _ = before.model.forward(codes, ids)
    kinds = {"bert": AutoModel, "masked": AutoModelForMaskedLM}
    network = kinds.get(kind, AutoModelForCausalLM).from_pretrained(tmp_path)
    with torch.inference_mode():
        theirs = network(torch.from_numpy(ids))[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    float_logits, _ = before.model.forward(before.params, ids)
    assert np.abs(float_logits - theirs).max() > 1e-2  # it is the quantized one


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_transformers_reads_the_same_ids(tmp_path, kind):
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    before = pretrained_of(kind)
    export_safetensors(tmp_path, before)
    if kind == "llama":  # the class of tokenizer.json alone
        theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    else:
        theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in (PROSE, "Old birds", "mat mat sat"):
        ids = theirs.encode(text, add_special_tokens=False)
        assert ids == before.tokenizer.encode(text).tolist()
        if kind != "bert":  # the library takes away the spaces before ! and ,
            assert theirs.decode(ids) == before.tokenizer.decode(ids)


@pytest.mark.oracle
def test_the_library_opens_codes(tmp_path):
    from safetensors.numpy import load_file

    params = compressed(pretrained_of("llama").params)
    export_packed(tmp_path / "x.safetensors", params)
    arrays, _ = flatten(params)
    theirs = load_file(tmp_path / "x.safetensors")
    assert theirs.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(theirs[name], array)
