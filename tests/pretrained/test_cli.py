"""python -m minilm pretrained …, as a person would type it, on small random models."""

import re
import shlex
import sys

import numpy as np
import pytest

from minilm import cli
from minilm.cli import encoders, pretrained_export, pretrained_quantize, writing
from minilm.cli.options import PRETRAINED_EXAMPLES
from minilm.cli.pretrained_quantize import Halves
from minilm.generation import generate
from minilm.models import MaskedLanguageModel, TransformerEncoder, TransformerLanguageModel
from minilm.pretrained.export_safetensors import read_packed
from minilm.pretrained.load import Pretrained, load_pretrained, save_pretrained
from minilm.pretrained.prompts import end_id, prompt_ids
from minilm.pretrained.sentences import rank, sentence_embeddings
from minilm.pretrained.write_llama2c import write_llama2c
from minilm.text import BPETokenizer, CharTokenizer, WordPieceTokenizer
from minilm.text.tokenizers import SentencePieceTokenizer
from minilm.training import evaluate
from minilm.weights import load

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PROSE = (
    "The cat sat on the old mat and slept. A dog ran home under the big tree. "
    "Nobody had seen the small bird in the garden before. It sang until the sun went down! "
    "Was the door of the house open all night? They found the cat and the dog together. "
    "The bird came back to the old tree. In the morning the garden was quiet again."
)
TEXTS = ["the cat slept on the mat", "a dog ran home", "the bird sang in the old tree"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder, one with a head, and a language model, each as a file."""
    folder = tmp_path_factory.mktemp("pretrained")
    pieces = WordPieceTokenizer.train(PROSE, 150, specials=SPECIALS)
    sizes = {"width": 32, "layers": 2, "heads": 2, "context": 24}
    for name, model in (
        ("encoder", TransformerEncoder(pieces.vocab_size, **sizes)),
        ("masked", MaskedLanguageModel(pieces.vocab_size, **sizes)),
    ):
        params = model.init(0)
        save_pretrained(folder / f"{name}.npz", Pretrained(model, params, pieces, "mean", 24))
    letters = BPETokenizer.train(PROSE, 300, specials=("<|endoftext|>",))
    writer = TransformerLanguageModel(letters.vocab_size, positions="learned", **sizes)
    written = Pretrained(writer, writer.init(0), letters, "mean", 24)
    save_pretrained(folder / "writer.npz", written)
    (folder / "lines.txt").write_text("\n".join(TEXTS) + "\n\n", encoding="utf-8")
    (folder / "prose.txt").write_text(PROSE, encoding="utf-8")
    (folder / "empty.txt").write_text("\n \n", encoding="utf-8")
    (folder / "short.txt").write_text("of", encoding="utf-8")
    return folder


def call(line):
    assert cli.main(["pretrained", *shlex.split(line)]) == 0


def test_alone_it_prints_its_help(capsys):
    call("")
    printed = capsys.readouterr().out
    for command in PRETRAINED_EXAMPLES:
        assert re.search(rf"^    {command}  ", printed, re.M)


@pytest.mark.parametrize(("command", "example"), PRETRAINED_EXAMPLES.items())
def test_help_shows_an_example_that_parses(capsys, command, example):
    with pytest.raises(SystemExit):
        cli.main(["pretrained", command, "--help"])
    assert example in " ".join(capsys.readouterr().out.split())
    python, minus_m, minilm, *words = shlex.split(example)
    assert (python, minus_m, minilm) == ("python", "-m", "minilm")
    assert words[:2] == ["pretrained", command]
    assert cli.parser().parse_args(words).command == "pretrained"


def test_info_says_what_is_there(folder, capsys):
    call(f"info {folder}/encoder.npz")
    lines = dict(line.strip().split("  ", 1) for line in capsys.readouterr().out.splitlines())
    model = load_pretrained(folder / "encoder.npz").model
    assert lines["model"] == "TransformerEncoder"
    assert (lines["width"], lines["layers"], lines["context"]) == ("32", "2", "24")
    count = sum(w.size for w in model.init(0).values())
    assert lines["parameters"] == f"{count:,}"
    assert lines["bytes"] == f"{4 * count:,}  (32.00 bits a parameter)"
    assert lines["vector of a text"] == "mean of at most 24 tokens"
    assert lines["tokenizer"] == f"WordPieceTokenizer, {model.vocab_size} pieces"


def test_info_lists_each_tensor(folder, capsys):
    call(f"quantize {folder}/encoder.npz --bits 4 --group-size 16 --calibration {folder}/prose.txt "
         f"--out {folder}/q.npz")  # fmt: skip
    capsys.readouterr()
    call(f"info {folder}/q.npz --tensors")
    printed = capsys.readouterr().out
    table = printed.split("\n\n")[1].splitlines()
    params = load(folder / "q.npz")
    assert len(table) == 1 + len(params)
    assert len({line.rindex("  ") for line in table}) == 1  # aligned
    for line, (name, w) in zip(table[1:], params.items(), strict=True):
        bits, kept = ("5.00", "QuantizedTensor") if w.ndim == 2 else ("32.00", "float32")
        shape = " × ".join(map(str, w.shape))
        assert re.split(" {2,}", line) == [name, shape, f"{w.nbytes:,}", bits, kept]


def test_embed_prints_or_writes(folder, capsys):
    expected = sentence_embeddings(load_pretrained(folder / "encoder.npz"), TEXTS)
    call(f"embed {folder}/encoder.npz --file {folder}/lines.txt --out {folder}/vectors.npy")
    assert f"3 vectors of 32 numbers, {128 + 3 * 32 * 4} bytes" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(folder / "vectors.npy"), expected)
    call(f"embed {folder}/encoder.npz " + " ".join(map(shlex.quote, TEXTS)))
    lines = capsys.readouterr().out.splitlines()
    for line, text, vector in zip(lines, TEXTS, expected, strict=True):
        numbers, shown = line.split(" …  ")
        assert shown == text
        assert [float(x) for x in numbers.split()] == pytest.approx(vector[:6], abs=1e-4)


def test_rank_puts_the_most_similar_first(folder, capsys):
    call(f'rank {folder}/encoder.npz --query "the cat" --file {folder}/lines.txt')
    printed = capsys.readouterr().out.splitlines()
    ranked = rank(load_pretrained(folder / "encoder.npz"), "the cat", TEXTS)
    assert printed[0] == "similarity  text"
    assert printed[1:] == [f"{cosine:10.4f}  {TEXTS[i]}" for cosine, i in ranked]
    call(f'rank {folder}/encoder.npz --query "the cat" --file {folder}/lines.txt --top 1')
    assert capsys.readouterr().out.splitlines() == printed[:2]


def test_what_was_cut_is_said(folder, capsys):
    long = "the " * 30
    call(f'rank {folder}/encoder.npz --query "{long}" the cat "{long}"')
    assert "[2 of 4 texts cut to their first 24 tokens" in capsys.readouterr().err
    call(f"embed {folder}/encoder.npz cat")
    assert "cut" not in capsys.readouterr().err


def test_fill_lists_tokens_for_each_gap(folder, capsys):
    call(f'fill {folder}/masked.npz "the [MASK] sat on the [MASK]" --top 3')
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "probability  token (the 1. [MASK])"
    assert lines[4] == "probability  token (the 2. [MASK])"
    probabilities = [float(line.split()[0]) for line in lines[1:4]]
    assert probabilities == sorted(probabilities, reverse=True) and len(lines) == 8


def test_generate_is_repeatable_here_and_as_a_saved_model(folder, capsys):
    texts = []
    for command in ("pretrained generate", "pretrained generate", "generate"):
        words = shlex.split(f'{command} {folder}/writer.npz --prompt "The cat" --length 20')
        assert cli.main(words) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    assert texts[0].startswith("The cat") and len(texts[0]) > 10
    for options in ("--temperature 0", "--beams 3", "--cache-bits 4 --top-k 5 --seed 2"):
        call(f'generate {folder}/writer.npz --prompt "" --length 8 {options}')
        assert capsys.readouterr().out.endswith("\n")


def test_a_llama_begins_each_text_with_its_mark_and_stops_at_the_other(tmp_path, capsys):
    pieces = SentencePieceTokenizer.train(PROSE, 330)
    model = TransformerLanguageModel(
        pieces.vocab_size, width=16, layers=1, heads=2, context=24, positions="rotary",
        normalization="rms", activation="swiglu", biases=False,
    )  # fmt: skip
    params = {name: 3 * w for name, w in model.init(2).items()}
    save_pretrained(tmp_path / "llama.npz", Pretrained(model, params, pieces, "mean", 24))
    special = pieces.special_ids
    for prompt in ("The cat", "The cat ", ""):
        ids = [special["<s>"], *pieces.encode(prompt)]
        for command in ("pretrained generate", "generate"):
            line = f'{command} {tmp_path}/llama.npz --prompt "{prompt}" --length 12 --temperature 0'
            assert cli.main(shlex.split(line)) == 0
            new = generate(model, params, ids, 12, temperature=0, end=special["</s>"])
            shown = [i for i in (*ids[1:], *new) if i != special["</s>"]]
            assert capsys.readouterr().out == pieces.decode(shown) + "\n"
    ends = {**params, "token_embedding": params["token_embedding"].copy()}
    ends["token_embedding"][special["</s>"]] *= 100  # as likely as unlikely
    texts = []
    for seed in range(4):
        ends["token_embedding"][special["</s>"]] *= -1
        save_pretrained(tmp_path / "ends.npz", Pretrained(model, ends, pieces, "mean", 24))
        call(f'generate {tmp_path}/ends.npz --prompt "The cat" --length 12 --seed {seed}')
        texts.append(capsys.readouterr().out)
    assert "The cat\n" in texts and not any("</s>" in text for text in texts)


@pytest.mark.parametrize(("prompt", "whole"), [("", "cat"), ("The", "The cat")])
def test_a_space_is_written_only_between_words(tmp_path, capsys, monkeypatch, prompt, whole):
    pieces = SentencePieceTokenizer.train(PROSE, 330)
    model = TransformerLanguageModel(pieces.vocab_size, width=16, layers=1, heads=2, context=24)
    save_pretrained(tmp_path / "x.npz", Pretrained(model, model.init(0), pieces))
    monkeypatch.setattr(writing, "written", lambda *_, **__: iter(pieces.encode("cat").tolist()))
    call(f'generate {tmp_path}/x.npz --prompt "{prompt}"')
    assert capsys.readouterr().out == whole + "\n"


def test_folders_and_checkpoints_as_others_write_them(
    tmp_path, capsys, bert_folder, gpt2_folder, llama_folder
):
    bert, gpt2, llama = (make().path for make in (bert_folder, gpt2_folder, llama_folder))
    call(f"fill {bert} 'the [MASK] sat' --top 2")
    call(f"rank {bert} --query cat dog bird")
    call(f"generate {gpt2} --prompt 'The cat' --length 5")
    call(f"info {llama} --tensors")
    model = TransformerLanguageModel(
        70, width=16, layers=1, heads=2, context=24, positions="rotary",
        normalization="rms", activation="swiglu", biases=False,
    )  # fmt: skip
    write_llama2c(tmp_path / "tiny.bin", model, model.init(0))
    capsys.readouterr()
    call(f"info {tmp_path}/tiny.bin")
    assert re.search(r"^ +tokenizer  none$", capsys.readouterr().out, re.M)
    for file in (llama, f"{tmp_path}/tiny.bin"):
        assert cli.main(["pretrained", "generate", str(file), "--prompt", "a"]) == 1
        assert "must have a tokenizer" in capsys.readouterr().err


def test_where_a_text_begins_and_ends():
    gpt2 = BPETokenizer.train(PROSE, 260, specials=("<|endoftext|>",))
    assert end_id(gpt2) == 0
    assert prompt_ids(gpt2, "The").tolist() == gpt2.encode("The").tolist()
    assert prompt_ids(gpt2, "").tolist() == [0]
    llama = CharTokenizer.train("abc", specials=("<unk>", "<s>", "</s>"))
    assert end_id(llama) == 2
    assert prompt_ids(llama, "ab").tolist() == [1, *llama.encode("ab")]
    assert prompt_ids(llama, "").tolist() == [1]
    bare = CharTokenizer.train("abc")
    assert end_id(bare) is None and prompt_ids(bare, "").tolist() == []


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("encoder", "--bits 8"),
        ("encoder", "--bits 4 --group-size 16"),
        ("encoder", "--bits 4 --method rotation"),
        ("encoder", "--bits 3 --method GPTQ --group-size 16"),
        ("masked", "--bits 8 --method SmoothQuant --activations 8"),
        ("writer", "--bits 4 --method AWQ --group-size 16"),
        ("writer", "--bits 8 --activations 8"),
        ("writer", "--bits 8 --method 'fp8, e4m3'"),  # has NaN among its levels
    ],
)
def test_quantize_says_what_it_gains_and_costs(folder, capsys, tmp_path, model, options):
    out = tmp_path / "q.npz"
    call(f"quantize {folder}/{model}.npz {options} --calibration {folder}/prose.txt --out {out}")
    printed = capsys.readouterr().out
    before, after = re.search(r"in memory  ([\d,]+) -> ([\d,]+) bytes", printed).groups()
    assert int(after.replace(",", "")) < 0.5 * int(before.replace(",", ""))
    assert f"file  {out.stat().st_size:,} bytes" in printed
    if model == "writer":
        old, new = map(float, re.search(r"perplexity  ([\d.]+) -> ([\d.]+)", printed).groups())
        assert new == pytest.approx(old, rel=0.2) and new != old
        call(f'generate {out} --prompt "The" --length 5')
        call(f'generate {out} --prompt "The" --length 5 --packed')
        assert cli.main(["generate", str(out), "--prompt", "The", "--length", "5"]) == 0
    else:
        mean, least = map(float, re.search(r"mean ([\d.]+), least ([\d.]+)", printed).groups())
        assert 0.8 < least <= mean <= 1
        assert "--bits 8" in options or least < mean < 1
        call(f"rank {out} --query cat dog bird")
    call(f"info {out} --tensors")
    assert ("RoundedInput" in capsys.readouterr().out) == ("--activations" in options)


def test_the_other_commands_know_such_a_file_or_say_that_they_do_not(folder, capsys):
    file = f"{folder}/encoder.npz"
    assert cli.main(shlex.split(f"quantize {file} --bits 8 --out {folder}/plain.npz")) == 0
    call(f"rank {folder}/plain.npz --query cat dog bird")
    capsys.readouterr()
    for line, said in (
        (f"evaluate {file}", "it was not saved by `train`"),
        (f"distill {file} --out {folder}/x.npz", "it was not saved by `train`"),
        (f"generate {file} --prompt a", "TransformerEncoder, which is no language model"),
    ):
        assert cli.main(shlex.split(line)) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


def test_one_half_calibrates_and_the_other_is_measured(folder, capsys, tmp_path):
    encoder = load_pretrained(folder / "encoder.npz")
    halves = Halves(encoder, PROSE)
    measured = {tuple(encoder.tokenizer.encode(text)) for text in halves.sentences[1::2]}
    seen = {tuple(row[1:-1]) for batch in halves.batches() for row in batch.tolist()}
    assert measured and seen and not measured & seen
    writer = load_pretrained(folder / "writer.npz")
    line = f"{folder}/writer.npz --calibration {folder}/prose.txt --out {tmp_path}/q.npz"
    call(f"quantize {line}")
    ids = writer.tokenizer.encode(PROSE[len(PROSE) // 2 :])
    loss = evaluate(writer.model, writer.params, ids)
    assert f"perplexity  {np.exp(loss):.3f} -> " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["embed {} cat", "quantize {}", "export {} --format packed"])
def test_where_to_write_is_asked_before_the_model_is_loaded(capsys, monkeypatch, command):
    for module in (encoders, pretrained_quantize, pretrained_export):
        monkeypatch.setattr(module, "load_pretrained", None)
    words = shlex.split(command.format("all-MiniLM-L6-v2") + " --out no/such/file")
    assert cli.main(["pretrained", *words]) == 1
    assert "no folder" in capsys.readouterr().err


def test_a_quantized_encoder_is_exported_for_others(folder, capsys, tmp_path):
    call(f"quantize {folder}/encoder.npz --bits 4 --group-size 16 --calibration {folder}/prose.txt "
         f"--out {tmp_path}/q.npz")  # fmt: skip
    capsys.readouterr()
    call(f"export {tmp_path}/q.npz --format safetensors --out {tmp_path}/out")
    file = tmp_path / "out" / "model.safetensors"
    assert capsys.readouterr().out == (
        f"saved {file}: {file.stat().st_size:,} bytes, with config.json and the tokenizer's files "
        "beside it\n"
    )
    printed = []
    for model in ("q.npz", "out"):
        call(f"rank {tmp_path}/{model} --query cat dog bird 'the old tree'")
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    call(f"export {tmp_path}/q.npz --format packed --out {tmp_path}/q.safetensors")
    assert f"{(tmp_path / 'q.safetensors').stat().st_size:,} bytes" in capsys.readouterr().out
    packed, saved = read_packed(tmp_path / "q.safetensors"), load(tmp_path / "q.npz")
    assert {n: w.nbytes for n, w in packed.items()} == {n: w.nbytes for n, w in saved.items()}


def test_without_a_tokenizer_a_model_is_quantized_and_compared_with_nothing(capsys, tmp_path):
    model = TransformerLanguageModel(
        11, width=8, layers=1, heads=2, context=8, positions="rotary", normalization="rms",
        activation="swiglu", biases=False, norm_eps=1e-5,
    )  # fmt: skip
    write_llama2c(tmp_path / "tiny.bin", model, model.init(0))
    call(f"quantize {tmp_path}/tiny.bin --out {tmp_path}/eight.npz")
    assert "not at all: without a tokenizer" in capsys.readouterr().out
    assert load_pretrained(tmp_path / "eight.npz").model == model
    line = f"quantize {tmp_path}/tiny.bin --method GPTQ --bits 4 --out {tmp_path}/four.npz"
    assert cli.main(["pretrained", *shlex.split(line)]) == 1
    assert "must have a tokenizer to read text" in capsys.readouterr().err


def test_a_llama_is_exported_for_llama2c(capsys, tmp_path):
    model = TransformerLanguageModel(
        70, width=16, layers=1, heads=2, context=24, positions="rotary",
        normalization="rms", activation="swiglu", biases=False, feed_forward=32,
    )  # fmt: skip
    save_pretrained(tmp_path / "llama.npz", Pretrained(model, model.init(0), None, "mean", 24))
    for group, leaf in (("", "float32"), ("--group-size 16", "QuantizedTensor")):
        call(f"export {tmp_path}/llama.npz --format llama2c {group} --out {tmp_path}/llama.bin")
        capsys.readouterr()
        call(f"info {tmp_path}/llama.bin --tensors")
        assert re.search(rf"w_down .* {leaf}", capsys.readouterr().out)


def test_without_the_library_gguf_says_how_to_get_it(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gguf", None)
    line = f"pretrained export {folder}/encoder.npz --format gguf --out {tmp_path}/x.gguf"
    assert cli.main(shlex.split(line)) == 1
    error = capsys.readouterr().err
    assert "pip install gguf" in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.oracle
def test_a_gpt2_writes_what_it_writes_with_transformers(capsys, gpt2_folder):
    import torch
    import transformers

    folder = gpt2_folder().path
    tokenizer = load_pretrained(folder).tokenizer
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    for prompt in ("The cat", "A dog ran", ""):
        call(f'generate {folder} --prompt "{prompt}" --length 15 --temperature 0')
        end = tokenizer.special_ids["<|endoftext|>"]
        ids = tokenizer.encode(prompt).tolist() or [end]
        read = torch.tensor([ids])
        whole = model.generate(
            read, attention_mask=torch.ones_like(read), do_sample=False, max_new_tokens=15,
            eos_token_id=end, pad_token_id=end,
        )[0].tolist()  # fmt: skip
        shown = prompt + tokenizer.decode([i for i in whole[len(ids) :] if i != end])
        assert capsys.readouterr().out == shown + "\n"


@pytest.mark.oracle
def test_every_command_on_the_real_model(capsys, tmp_path):
    import gguf

    name = "all-MiniLM-L6-v2"
    call(f"info {name} --tensors")
    assert "parameters  22,565,376" in capsys.readouterr().out
    call(f"embed {name} 'A cat is asleep.' --out {tmp_path}/cat.npy")
    assert np.load(tmp_path / "cat.npy").shape == (1, 384)
    call(f"quantize {name} --bits 4 --group-size 32 --out {tmp_path}/q.npz")
    assert float(re.search(r"cosine  mean ([\d.]+)", capsys.readouterr().out)[1]) > 0.94
    for model in (name, tmp_path / "q.npz"):
        call(f"rank {model} --query 'A cat is asleep.' "
             "'Shares fell again.' 'The kitten naps.' 'Der Hund schläft.'")  # fmt: skip
        assert capsys.readouterr().out.splitlines()[1].endswith("  The kitten naps.")
    for line, said in (
        (f"fill {name} 'a [MASK]'", "bert-base-uncased"),
        (f"generate {name} --prompt a", "reads text and writes none"),
    ):
        assert cli.main(["pretrained", *shlex.split(line)]) == 1
        assert said in capsys.readouterr().err
    call(f"export {tmp_path}/q.npz --format gguf --kind Q4_0 --out {tmp_path}/q.gguf")
    assert f"{(tmp_path / 'q.gguf').stat().st_size:,} bytes" in capsys.readouterr().out
    assert len(gguf.GGUFReader(tmp_path / "q.gguf").tensors) == 101


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("info nothing-here", "nothing-here"),
        ("embed {f}/writer.npz cat", "must hold an encoder"),
        ("embed {f}/encoder.npz", "one of the two"),
        ("embed {f}/encoder.npz cat --file {f}/lines.txt", "one of the two"),
        ("embed {f}/encoder.npz --file {f}/empty.txt", "no line with a text"),
        ("embed {f}/encoder.npz --file {f}/none.txt", "none.txt"),
        ("embed {f}/encoder.npz cat --out {f}/no/such.npy", "no folder"),
        ("rank {f}/writer.npz --query a b", "must hold an encoder"),
        ("fill {f}/encoder.npz 'a [MASK]'", "bert-base-uncased"),
        ("fill {f}/masked.npz 'a cat'", "must have a [MASK]"),
        ("generate {f}/encoder.npz --prompt a", "reads text and writes none"),
        ("generate {f}/writer.npz --prompt a --beams 2 --top-k 3", "leave out --top-k"),
        ("quantize {f}/encoder.npz --bits 3 --method MXFP4 --out x.npz", "--bits: with MXFP4"),
        ("quantize {f}/encoder.npz --group-size 7 --out x.npz", "group_size"),
        ("quantize {f}/encoder.npz --out {f}/no/x.npz", "no folder"),
        ("quantize {f}/encoder.npz --calibration {f}/lines.txt --out x.npz", "two sentences"),
        ("quantize {f}/writer.npz --calibration {f}/short.txt --out x.npz", "half of the text"),
        ("export {f}/encoder.npz --format llama2c --out x.bin", "is for Llamas"),
        ("export {f}/encoder.npz --format packed --kind F32 --out x", "--kind: goes with"),
        ("export {f}/encoder.npz --format gguf --group-size 8 --out x", "--group-size: goes with"),
        ("export {f}/encoder.npz --format packed --out {f}/no/x", "no folder"),
        ("export {f}/encoder.npz --format safetensors --out {f}/lines.txt", "lines.txt"),
        ("quantize {f}/q8.npz --out x.npz --calibration {f}/prose.txt", "compressed already"),
    ],
)
def test_bad_input_is_one_clear_line(folder, capsys, monkeypatch, tmp_path, line, said):
    monkeypatch.chdir(tmp_path)
    if "q8" in line:
        prose = f"--calibration {folder}/prose.txt"
        call(f"quantize {folder}/encoder.npz {prose} --out {folder}/q8.npz")
        capsys.readouterr()
    assert cli.main(["pretrained", *shlex.split(line.format(f=folder))]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("minilm pretrained: ") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
