"""load_pretrained and save_pretrained: whatever a model comes as, and every way it can be wrong."""

import json
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minilm
from minilm.pretrained import (
    Pretrained,
    load_pretrained,
    read_lstm_language_model,
    save_pretrained,
    write_safetensors,
)
from minilm.pretrained.masked import predict_masked
from minilm.pretrained.sentences import sentence_embeddings
from minilm.pretrained.texts import padded_ids
from minilm.pretrained.write_llama2c import write_llama2c
from minilm.text import BPETokenizer

REAL = "all-MiniLM-L6-v2"


def change(path, **values):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_all_that_a_folder_says(bert_folder):
    folder = bert_folder()
    found = load_pretrained(str(folder.path))
    assert (found.pooling, found.longest, found.unused) == ("mean", 24, ())
    assert found.source == str(folder.path)
    assert found.tokenizer.vocabulary == folder.tokenizer.vocabulary
    assert set(found.tokenizer.special_ids) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    change(folder.path / "1_Pooling" / "config.json", pooling_mode_cls_token=True,
           pooling_mode_mean_tokens=False, word_embedding_dimension=16)  # fmt: skip
    change(folder.path / "sentence_bert_config.json", max_seq_length=10, do_lower_case=False)
    found = load_pretrained(folder.path)
    assert (found.pooling, found.longest) == ("first", 10)
    change(folder.path / "1_Pooling" / "config.json", pooling_mode="cls")
    change(folder.path / "sentence_bert_config.json", max_seq_length=512)
    found = load_pretrained(folder.path)
    assert (found.pooling, found.longest) == ("first", 24)
    change(folder.path / "sentence_bert_config.json", max_seq_length=None)
    assert load_pretrained(folder.path).longest == 24


@pytest.mark.parametrize("values", [
    {"pooling_mode_max_tokens": True},
    {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    {"pooling_mode_mean_tokens": False},
    {"pooling_mode": "lasttoken"},
    {"pooling_mode_mean_tokens": "yes"},
])  # fmt: skip
def test_another_pooling_is_refused(bert_folder, values):
    folder = bert_folder()
    change(folder.path / "1_Pooling" / "config.json", **values)
    with pytest.raises(ValueError, match=r"1_Pooling.config\.json.*(pooling|expected)"):
        load_pretrained(folder.path)


def test_a_layer_after_the_pooling_is_refused(bert_folder):
    folder = bert_folder()
    for module in ("1_Pooling", "2_Normalize"):
        (folder.path / module).mkdir()
    load_pretrained(folder.path)
    (folder.path / "2_Dense").mkdir()
    with pytest.raises(ValueError, match=r"2_Dense: .* only Transformer, Pooling, Normalize can"):
        load_pretrained(folder.path)


def test_a_folder_without_a_tokenizer(bert_folder):
    folder = bert_folder()
    (folder.path / "vocab.txt").unlink()
    found = load_pretrained(folder.path)
    assert found.tokenizer is None
    save_pretrained(folder.path / "ours.npz", found)
    assert load_pretrained(folder.path / "ours.npz").tokenizer is None


def test_a_tokenizer_with_more_pieces_than_the_model(bert_folder):
    folder = bert_folder()
    vocabulary = folder.path / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8") + "one\n", encoding="utf-8")
    with pytest.raises(ValueError, match="bert: the tokenizer has 48 pieces, the model only 47"):
        load_pretrained(folder.path)


def with_more_rows(folder, rows, **names):
    """The folder, its table and its bias of tokens lengthened by what makes logits large."""
    for name, value in names.values():
        array = folder.tensors[name]
        more = np.full((rows, *array.shape[1:]), value, np.float32)
        more[::2] *= -1
        folder.tensors[name] = np.concatenate([array, more])
    folder.config["vocab_size"] += rows
    return folder.write()


def test_a_table_with_more_rows_than_there_are_pieces(bert_folder, gpt2_folder, capsys):
    """Such are filled up to a multiple of 64, say."""
    from minilm import cli

    folder = with_more_rows(
        bert_folder(), 17, table=("bert.embeddings.word_embeddings.weight", 0),
        bias=("cls.predictions.bias", 99),
    )  # fmt: skip
    found = load_pretrained(folder.path)
    assert found.model.vocab_size == 64 and found.tokenizer.vocab_size == 47
    (gap,) = predict_masked(found, "the [MASK] sat", k=100)
    assert {piece for piece, _ in gap} == set(found.tokenizer.vocabulary)
    assert sum(p for _, p in gap) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(sentence_embeddings(found, ["the cat sat"])).all()

    folder = with_more_rows(gpt2_folder(), 46, table=("transformer.wte.weight", 3))
    drawn = [str(folder.path), "--prompt", "The cat", "--length", "20", "--seed"]
    for seed in range(3):
        assert cli.main(["pretrained", "generate", *drawn, str(seed)]) == 0
    assert capsys.readouterr().out.count("The cat") == 3


@pytest.mark.parametrize("weights", ["float", "int8", "pruned"])
def test_what_was_saved_is_loaded(bert_folder, weights):
    folder = bert_folder()
    found = load_pretrained(folder.path)
    params = {
        "float": lambda: found.params,
        "int8": lambda: minilm.quantize(found.params, bits=8),
        "pruned": lambda: minilm.prune(found.params, 0.5),
    }[weights]()
    change = replace(found, params=params, pooling="first", longest=9)
    save_pretrained(folder.path / "ours.npz", change)
    again = load_pretrained(folder.path / "ours.npz")
    assert again.model == found.model and list(again.params) == list(params)
    assert (again.pooling, again.longest, again.unused) == ("first", 9, ())
    assert again.tokenizer == found.tokenizer
    ids = padded_ids(found.tokenizer, ["the cat sat", "", "a dog"], 12)
    results = [it.model.forward(it.params, ids)[0] for it in (change, again)]
    np.testing.assert_array_equal(*results)


def test_the_parameters_can_be_trained(gpt2_folder):
    """They are read-only views of a file; whoever changes parameters works on copies."""
    found = load_pretrained(gpt2_folder().path)
    before = {name: value.copy() for name, value in found.params.items()}
    ids = np.random.default_rng(0).integers(0, 200, (4, 13))
    batches = [(ids[:, :-1], ids[:, 1:])] * 3
    trained, _ = minilm.fit(found.model, found.params, lambda step: batches[step], steps=3)
    assert any((trained[name] != before[name]).any() for name in before)
    for name, value in found.params.items():
        np.testing.assert_array_equal(value, before[name])


def test_a_saved_language_model_writes(gpt2_folder, capsys):
    from minilm import cli

    folder = gpt2_folder()
    path = folder.path / "ours.npz"
    save_pretrained(path, load_pretrained(folder.path))
    assert cli.main(["generate", str(path), "--prompt", "The cat", "--length", "5"]) == 0
    assert capsys.readouterr().out.startswith("The cat")


def test_a_file_of_train_is_loaded_too(tmp_path):
    model = minilm.TransformerLanguageModel(270, width=8, layers=1, heads=2, context=8)
    tokenizer = BPETokenizer.train("a cat and a dog", 270)
    header = {"model": model.config(), "tokenizer": tokenizer.to_dict(), "corpus": "mine"}
    minilm.save(tmp_path / "m.npz", model.init(0), header)
    found = load_pretrained(tmp_path / "m.npz")
    assert found.model == model and found.tokenizer == tokenizer
    assert (found.pooling, found.longest) == ("mean", 8)


def test_a_checkpoint_of_llama2c_and_the_tokenizer_beside_it(llama_folder):
    folder = llama_folder(norm_eps=1e-5)
    path = folder.path / "tiny.bin"
    write_llama2c(path, folder.model, folder.params)
    found = load_pretrained(path)
    assert found.model == folder.model and found.tokenizer is None and found.longest == 24
    ids = np.random.default_rng(0).integers(0, 61, (2, 9))
    expected = folder.model.forward(folder.params, ids)[0]
    np.testing.assert_allclose(found.model.forward(found.params, ids)[0], expected, atol=1e-5)
    pieces = ["<unk>", "\n<s>\n", "\n</s>\n", *(f"<0x{byte:02X}>" for byte in range(256)), " a"]
    data = struct.pack("<i", 6)
    for piece in pieces:
        data += struct.pack("<fi", 0.0, len(piece)) + piece.encode()
    (folder.path / "tokenizer.bin").write_bytes(data)
    with pytest.raises(ValueError, match=r"tiny\.bin: the tokenizer has 260 .*, the model only 61"):
        load_pretrained(path)


@pytest.mark.parametrize("name", ["lstm.npz", "lstm.safetensors"])
def test_arrays_of_an_lstm_are_a_model_by_themselves(tmp_path, name):
    rng = np.random.default_rng(0)
    shapes = {
        "embedding/embeddings": (7, 4), "lstm/lstm_cell/kernel": (4, 20),
        "lstm/lstm_cell/recurrent_kernel": (5, 20), "lstm/lstm_cell/bias": (20,),
        "dense/kernel": (5, 7), "dense/bias": (7,),
    }  # fmt: skip
    arrays = {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}
    write = write_safetensors if name.endswith("safetensors") else lambda p, a: np.savez(p, **a)
    write(tmp_path / name, arrays)
    pretrained = load_pretrained(tmp_path / name)
    model, params = read_lstm_language_model(arrays)
    assert pretrained.model == model and pretrained.tokenizer is None
    assert all(np.array_equal(pretrained.params[key], params[key]) for key in params)
    save_pretrained(tmp_path / "ours.npz", pretrained)
    again = load_pretrained(tmp_path / "ours.npz")
    assert again.model == model and again.params.keys() == params.keys()


def test_an_archive_whose_list_of_members_is_damaged(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.zeros(2, np.float32))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data.replace(b"PK\1\2", b"PK\0\0"))
    with pytest.raises(ValueError, match=r"a\.npz cannot be loaded: it is truncated, damaged"):
        load_pretrained(tmp_path / "a.npz")


def test_what_is_no_model(tmp_path, bert_folder):
    folder = bert_folder()
    with pytest.raises(ValueError, match=r"safetensors .*torch.*: of another model give"):
        load_pretrained(folder.path / "model.safetensors")
    minilm.save(tmp_path / "bare.npz", {"w": np.zeros(2, np.float32)}, {"mine": 1})
    with pytest.raises(ValueError, match=r"bare\.npz does not say what model .* holds mine"):
        load_pretrained(tmp_path / "bare.npz")
    minilm.save(tmp_path / "odd.npz", {"w": np.zeros(2, np.float32)}, {"model": {"model": "X"}})
    with pytest.raises(ValueError, match="must be one of"):
        load_pretrained(tmp_path / "odd.npz")
    minilm.save(tmp_path / "odd.npz", {"w": np.zeros(2, np.float32)}, {"model": "BertModel"})
    with pytest.raises(ValueError, match=r"odd\.npz: model is 'BertModel', expected an object"):
        load_pretrained(tmp_path / "odd.npz")
    sound = minilm.TransformerLanguageModel(9, width=8, layers=1, heads=2, context=8)
    model = sound.config()
    for header, error in (
        ({"model": {"model": []}}, "model is \\[\\], expected a string"),
        ({"model": model, "tokenizer": {"kind": "bpe"}}, "tokenizer is no tokenizer: KeyError"),
        ({"model": model, "tokenizer": {"kind": "mine"}}, "kind of tokenizer: must be one of"),
        ({"model": model, "pooling": "max"}, "pooling is 'max', expected one of 'mean', 'first'"),
        ({"model": model, "longest": "all"}, "longest is 'all', expected a whole number"),
        ({"model": model | {"heads": 3}}, "heads must divide"),
    ):
        minilm.save(tmp_path / "odd.npz", sound.init(0), header)
        with pytest.raises(ValueError, match=error):
            load_pretrained(tmp_path / "odd.npz")
    (tmp_path / "text.npz").write_text("what is this", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.npz cannot be loaded"):
        load_pretrained(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError, match="no model 'bert-nowhere'"):
        load_pretrained("bert-nowhere")


def test_a_saved_number_that_is_not_finite(bert_folder):
    folder = bert_folder()
    found = load_pretrained(folder.path)
    bad = found.params["encoder.0.attention.w_out"].copy()
    bad[3, 4] = np.nan
    found.params["encoder.0.attention.w_out"] = bad
    save_pretrained(folder.path / "ours.npz", found)
    with pytest.raises(ValueError, match=r"ours\.npz: encoder\.0\.attention\.w_out holds 1 num"):
        load_pretrained(folder.path / "ours.npz")


def test_a_saved_model_that_lacks_parameters(gpt2_folder):
    folder = gpt2_folder()
    found, path = load_pretrained(folder.path), folder.path / "ours.npz"
    # without this one a LayerNorm would be taken for an RMSNorm, and nothing said
    for lacking in (["block.1.norm_2.bias"], ["block.0.feed_forward.w_up", "norm.gain"]):
        rest = {name: value for name, value in found.params.items() if name not in lacking}
        save_pretrained(path, replace(found, params=rest))
        error = rf"lacks parameters of its TransformerLanguageModel; there are {len(lacking)}: "
        with pytest.raises(ValueError, match=error + ", ".join(lacking)):
            load_pretrained(path)
    deep = replace(found.model, layers=2**31 - 1)
    save_pretrained(path, replace(found, model=deep))
    with pytest.raises(ValueError, match=r"layers=2147483647, its parameters are not .* are 28: b"):
        load_pretrained(path)


def test_files_that_are_not_there(bert_folder):
    folder = bert_folder()
    (folder.path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json.*vocab\.txt"):
        load_pretrained(folder.path)
    (folder.path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no config\.json .*vocab\.txt"):
        load_pretrained(folder.path)


@pytest.mark.parametrize("name", ["roberta", "t5", "Bert", "gemma", None])
def test_another_architecture(bert_folder, name):
    folder = bert_folder()
    folder.config["model_type"] = name
    with pytest.raises(ValueError, match=rf"model_type is (None|null|{name!r}).*(bert|default)"):
        load_pretrained(folder.write().path)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000, -1])
def test_a_truncated_file(bert_folder, keep):
    path = bert_folder().path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load_pretrained(path.parent)


def test_a_number_that_is_not_finite(bert_folder):
    folder = bert_folder()
    name = "bert.encoder.layer.1.output.dense.weight"
    bad = folder.tensors[name].copy()
    bad[0, 1] = np.inf
    folder.tensors[name] = bad
    with pytest.raises(ValueError, match=rf"{name} holds 1 numbers that are not finite"):
        load_pretrained(folder.write().path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["gelu", "default", "absolute", "bert", "llama", "gpt2", "qwen2", "mistral"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3),
    max_leaves=5,
)  # fmt: skip
MORE_KEYS = ["rope_scaling", "rope_parameters", "rope_theta", "sliding_window", "layer_types",
             "head_dim", "position_embedding_type", "scale_attn_weights"]  # fmt: skip


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_a_config_that_says_anything(request, family):
    """It is loaded or refused; nothing else happens."""
    folder = request.getfixturevalue(f"{family}_folder")()
    sound = dict(folder.config)

    @given(st.dictionaries(st.sampled_from([*sound, *MORE_KEYS]), JSON, min_size=1, max_size=3))
    @settings(max_examples=60)
    def check(changes):
        (folder.path / "config.json").write_text(json.dumps(sound | changes), encoding="utf-8")
        try:
            found = load_pretrained(folder.path)
        except ValueError:
            return
        logits = found.model.forward(found.params, np.array([[5, 6, 7]]))[0]
        assert logits.shape[:2] == (1, 3)

    check()


def test_a_pretrained_needs_only_a_model_and_its_parameters(tmp_path):
    model = minilm.TransformerLanguageModel(9, width=8, layers=1, heads=2, context=8)
    save_pretrained(tmp_path / "m.npz", Pretrained(model, model.init(0)))
    found = load_pretrained(tmp_path / "m.npz")
    assert (found.model, found.tokenizer, found.pooling, found.longest) == (model, None, "mean", 8)


# The largest part of memory that was ever in use. (ru_maxrss begins with that of the parent.)
PEAK = """
import os, sys
import numpy as np
import minilm.pretrained as pretrained
from minilm.pretrained.families import FAMILIES
def kilobytes(line):
    with open("/proc/self/status") as status:
        return next(int(text.split()[1]) for text in status if text.startswith(line))
folder = pretrained.find_model(sys.argv[1])
before = kilobytes("VmRSS")
tensors = pretrained.open_tensors(folder)
model, params = FAMILIES["bert"](pretrained.read_config(folder), tensors)
if sys.argv[2] == "used":
    for value in params.values():
        value.sum()
    model.forward(params, np.full((1, 8), 101))
used = 1024 * (kilobytes("VmHWM") - before)
print(used / os.path.getsize(folder / "model.safetensors"))
"""


@pytest.mark.oracle
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("what", ["loaded", "used"])
def test_loading_takes_little_more_memory_than_the_file(what):
    command = [sys.executable, "-c", PEAK, REAL, what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"peak memory, {what}: {float(done.stdout):.2f} × the file")
    assert 0.3 < float(done.stdout) <= 1.2
