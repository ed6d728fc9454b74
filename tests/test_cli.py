"""The commands one after another on saved files, as a person would type them."""

import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minilm import cli, weights
from minilm.cli import compressing, studying, training, writing
from minilm.generation import generate, stream
from minilm.study.subjects import saved_language_model
from minilm.text import GRAMMAR

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "text.txt").write_text(GRAMMAR.sample(300, seed=1), encoding="utf-8")
    common = f"--corpus {folder}/text.txt --steps 15"
    for model, width in (("lstm", 64), ("transformer", 64), ("word2vec", 64)):
        call(f"train {model} {common} --width {width} --out {folder}/{model}.npz")
    return folder


def call(line):
    assert cli.main(shlex.split(line)) == 0


def figures(printed):
    return dict(re.findall(r"^ *(\w+)  ([\d.]+) +\w.*$", printed, re.M))


@pytest.mark.parametrize("model", ["lstm", "transformer", "word2vec"])
def test_compress_and_measure(folder, capsys, model):
    file = f"{folder}/{model}.npz"
    call(f"evaluate {file}")
    before = figures(capsys.readouterr().out)
    call(f"quantize {file} --bits 4 --group-size 64 --objective mse --out {folder}/q.npz")
    assert "weight SQNR" in capsys.readouterr().out
    call(f"evaluate {folder}/q.npz")
    after = figures(capsys.readouterr().out)
    assert float(after["bits_per_weight"]) < 6 < float(before["bits_per_weight"]) == 32
    assert float(after["loss"]) == pytest.approx(float(before["loss"]), rel=0.05)
    call(f"prune {file} --sparsity 0.9 --out {folder}/p.npz")
    call(f"evaluate {folder}/p.npz")


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_generate_is_repeatable_and_packed_gives_the_same(folder, capsys, model):
    call(f"quantize {folder}/{model}.npz --bits 3 --out {folder}/three.npz")
    capsys.readouterr()
    texts = []
    for options in ("", "", "--packed", "--seed 5"):
        call(f'generate {folder}/three.npz --prompt "the " --length 40 {options}')
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    assert texts[3] != texts[0]
    assert texts[0].startswith("the ")


def test_text_is_written_as_it_comes(folder, capsys, monkeypatch):
    line = f'generate {folder}/lstm.npz --prompt "the " --length 30'
    call(line)
    whole = capsys.readouterr().out
    model, tokenizer = saved_language_model(folder / "lstm.npz")
    ids = generate(
        model, weights.load(folder / "lstm.npz"), tokenizer.encode("the "), 30,
        temperature=0.8, rng=np.random.default_rng(0),
    )  # fmt: skip
    assert whole == "the " + tokenizer.decode(ids) + "\n"

    seen = []

    def watched(*arguments, **how):
        for i, new in enumerate(stream(*arguments, **how)):
            seen.append(sys.stdout.flushed)
            if i == 12:
                raise KeyboardInterrupt
            yield new

    class Watched(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    monkeypatch.setattr(writing, "stream", watched)
    monkeypatch.setattr(sys, "stdout", Watched())
    assert cli.main(shlex.split(line)) == 130
    assert seen == [whole[: 4 + i] for i in range(13)]
    assert sys.stdout.getvalue() == whole[: 4 + 12] + "\n"
    assert capsys.readouterr().err == "\nminilm generate: interrupted\n"


@pytest.mark.parametrize("model", ["lstm", "transformer", "word2vec"])
def test_distill_gives_a_model_of_half_the_width(folder, capsys, model):
    call(f"distill {folder}/{model}.npz --out {folder}/student.npz")
    table = "input_embedding" if model == "word2vec" else "token_embedding"
    student, teacher = (weights.load(folder / f"{name}.npz") for name in ("student", model))
    size = {name: sum(w.size for w in params.values())
            for name, params in (("student", student), ("teacher", teacher))}  # fmt: skip
    assert size["student"] < 0.6 * size["teacher"]
    if model != "lstm":
        assert student[table].shape[1] == teacher[table].shape[1] // 2
    call(f"evaluate {folder}/student.npz")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate missing.npz", "missing.npz"),
        ("evaluate {folder}/text.txt", "cannot be loaded"),
        ("train lstm --corpus no-such-corpus --out x.npz", "no-such-corpus"),
        ("train lstm --corpus {folder}/empty.txt --out x.npz", "empty"),
        ("train lstm --corpus {folder}/short.txt --out x.npz", "context"),
        ("train word2vec --layers 3 --out x.npz", "layers"),
        ("train transformer --heads 3 --out x.npz", "heads"),
        ("train word2vec --tokenizer bpe --out x.npz", "--tokenizer: word2vec"),
        ("generate {folder}/lstm.npz --prompt 日本", "日"),
        ("generate {folder}/lstm.npz --prompt ''", "prompt"),
        ("generate {folder}/word2vec.npz --prompt a", "no language model"),
        ("quantize {folder}/lstm.npz --group-size 7 --out x.npz", "group_size"),
        ("quantize {folder}/q4.npz --bits 2 --out x.npz", "compressed already"),
        ("prune {folder}/lstm.npz --sparsity 1.5 --out x.npz", "sparsity"),
        ("prune {folder}/lstm.npz --out x.npz", "sparsity"),
        ("quantize {folder}/lstm.npz --out {folder}/no/such/folder.npz", "folder.npz"),
    ],
)
def test_bad_input_is_one_clear_line(folder, capsys, monkeypatch, tmp_path, line, said):
    monkeypatch.chdir(tmp_path)
    (folder / "empty.txt").write_text("")
    (folder / "short.txt").write_text("too short")
    call(f"quantize {folder}/lstm.npz --bits 4 --out {folder}/q4.npz")
    capsys.readouterr()
    assert cli.main(shlex.split(line.format(folder=folder))) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def of_more_text(folder):
    """How a model of a longer text is trained; one of characters is there."""
    (folder / "more.txt").write_text(GRAMMAR.sample(3000, seed=1), encoding="utf-8")
    common = f"--corpus {folder}/more.txt --steps 6 --width 16 --learning-rate 0.03"
    call(f"train lstm {common} --out {folder}/characters.npz")
    return common


@pytest.mark.parametrize("tokenizer", ["word", "bpe", "wordpiece"])
def test_tokenizers_are_compared_in_bits_per_byte_unless_text_is_lost(
    folder, of_more_text, capsys, tokenizer
):
    call(f"train lstm {of_more_text} --tokenizer {tokenizer} --out {folder}/pieces.npz")
    capsys.readouterr()
    call(f"evaluate {folder}/characters.npz")
    characters = figures(capsys.readouterr().out)
    assert float(characters["bits_per_byte"]) == float(characters["bits_per_character"])  # ASCII
    call(f"evaluate {folder}/pieces.npz")
    printed = capsys.readouterr().out
    pieces = figures(printed)
    assert float(pieces["loss"]) > float(characters["loss"])  # a piece is more than a character
    if tokenizer != "bpe":  # a rare word, and white space, are lost
        assert "bits_per_byte  not measured" in printed
    else:
        assert 0.5 < float(pieces["bits_per_byte"]) < float(pieces["loss"]) / np.log(2)
        assert pieces["bits_per_character"] == pieces["bits_per_byte"]
    call(f"quantize {folder}/pieces.npz --bits 8 --out {folder}/pieces-8.npz")
    call(f'generate {folder}/pieces-8.npz --prompt "the " --length 5')


def test_bits_outside_the_range_are_a_bad_command_line(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["quantize", "x.npz", "--bits", "9", "--out", "y.npz"])
    assert stop.value.code == 2
    assert "invalid choice: 9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "example"), [*cli.EXAMPLES.items(), *cli.TASK_EXAMPLES.items()]
)
def test_help_shows_an_example_that_parses(command, example, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert example in " ".join(capsys.readouterr().out.split())
    python, minus_m, minilm, *words = shlex.split(example)
    assert (python, minus_m, minilm) == ("python", "-m", "minilm")
    assert cli.parser().parse_args(words).command == command


@pytest.mark.slow
def test_the_examples_run_one_after_another(tmp_path):
    shutil.copytree(ROOT / "data" / "recipes", tmp_path / "data" / "recipes")
    for command, example in cli.EXAMPLES.items():
        # a study takes minutes (`make study` runs it), a pretrained model has to be installed
        if command not in ("study", "pretrained"):
            words = shlex.split(example)[1:]
            subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train lstm --steps 0 --out x.npz", "--steps: must be 1 or more"),
        ("train word2vec --learning-rate nan --out x.npz", "--learning-rate: must be a positive"),
        ("train lstm --seed -1 --out x.npz", "--seed: must be 0 or more"),
        ("generate x.npz --prompt a --seed -1", "--seed: must be 0 or more"),
        ("prune x.npz --sparsity 0.5 --out y --seed -1", "--seed: must be 0 or more"),
    ],
)
def test_a_number_out_of_range_is_a_bad_command_line(capsys, line, said):
    with pytest.raises(SystemExit) as stop:
        cli.main(shlex.split(line))
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_where_to_save_is_asked_before_the_training(folder, capsys, monkeypatch):
    monkeypatch.setattr(training, "new_subject", None)  # nothing is trained
    monkeypatch.setattr(training, "saved_subject", None)
    for line in ("train lstm --out no/folder.npz", "distill {folder}/lstm.npz --out no/folder.npz"):
        assert cli.main(shlex.split(line.format(folder=folder))) == 1
        assert "no folder" in capsys.readouterr().err


def test_any_name_can_be_saved_to(folder, tmp_path):
    """A checkpoint lies beside the file while it is trained, and never in its place."""
    for name in ("model.checkpoint", "model.v2"):
        common = f"--corpus {folder}/text.txt --steps 2 --width 16"
        call(f"train lstm {common} --out {tmp_path}/{name}")
        assert "token_embedding" in weights.load(tmp_path / name)


@pytest.mark.parametrize("command", ["evaluate {}", "generate {} --prompt a", "distill {} --out x",
                                     "quantize {} --out x", "prune {} --sparsity 0.5 --out x"])
def test_saved_files_are_checked_before_they_are_used(
    folder, capsys, monkeypatch, tmp_path, command
):
    monkeypatch.chdir(tmp_path)
    params, header = weights.load(folder / "lstm.npz"), weights.read_header(folder / "lstm.npz")
    compresses = command.startswith(("quantize", "prune"))  # whatever the parameters belong to
    broken = {**params, "head.b": params["head.b"] * np.float32("nan")}
    weights.save("nan.npz", broken, header)
    assert cli.main(shlex.split(command.format("nan.npz"))) == 1
    assert "head.b must be finite" in capsys.readouterr().err
    if not compresses:
        weights.save("plain.npz", params)
        assert cli.main(shlex.split(command.format("plain.npz"))) == 1
        assert "file 'plain.npz'" in capsys.readouterr().err
        del broken["head.b"]
        weights.save("less.npz", broken, header)
        assert cli.main(shlex.split(command.format("less.npz"))) == 1
        assert "lacks the parameters head.b" in capsys.readouterr().err


def test_vectors_are_measured_on_their_own_words(folder, capsys, tmp_path):
    other = GRAMMAR.sample(300, seed=2).replace("a", "u")
    (tmp_path / "other.txt").write_text(other, encoding="utf-8")
    assert cli.main(["evaluate", f"{folder}/word2vec.npz", "--corpus", f"{tmp_path}/other.txt"])
    assert "corpus: its words" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a/b", "..", "/tmp/x"])
def test_a_study_stays_under_runs(capsys, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["study", "--name", name]) == 1
    assert "--name must be the name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_made_of_what_was_asked_for():
    given = cli.parser().parse_args(shlex.split("study --task dates --tokenizer bpe --thorough"))
    settings = studying.settings_of(given)
    assert (settings.task, settings.tokenizer, settings.seeds) == ("dates", "bpe", (0, 1, 2))
    assert studying.default_name(given) == "dates-thorough"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("quantize x --asymmetric --axis tensor --grid lloyd_max --objective mse --out y",
         {"symmetric": False, "axis": "tensor", "grid": "lloyd_max", "objective": "mse"}),
        ("prune x --threshold 0.2 --structure row --scope global --out y",
         {"threshold": 0.2, "structure": "row", "scope": "global"}),
        ("prune x --sparsity 0.5 --structure 2:4 --scope output --score random --seed 3 --out y",
         {"structure": "2:4", "scope": "output", "score": "random", "seed": 3}),
    ],
)  # fmt: skip
def test_every_option_reaches_the_compression(monkeypatch, line, told):
    seen = {}
    command = line.split()[0]
    monkeypatch.setattr(
        compressing.compression, command, lambda params, amount, **how: seen.update(how)
    )
    monkeypatch.setattr(compressing, "compress", lambda arguments, change: change({}))
    assert cli.main(shlex.split(line)) == 0
    assert told.items() <= seen.items()
