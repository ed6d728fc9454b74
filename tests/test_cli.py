"""The commands one after another on saved files, as a person would type them."""

import re
import shlex
import subprocess
import sys

import pytest

from minilm import cli, weights
from minilm.text import GRAMMAR


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
    return dict(re.findall(r"^ *([\w ]+?)  ([\d.]+)$", printed, re.M))


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


def test_bits_outside_the_range_are_a_bad_command_line(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["quantize", "x.npz", "--bits", "9", "--out", "y.npz"])
    assert stop.value.code == 2
    assert "invalid choice: 9" in capsys.readouterr().err


@pytest.mark.parametrize("command", cli.EXAMPLES)
def test_help_shows_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert cli.EXAMPLES[command] in " ".join(capsys.readouterr().out.split())
    python, minus_m, minilm, *words = shlex.split(cli.EXAMPLES[command])
    assert (python, minus_m, minilm) == ("python", "-m", "minilm")
    assert cli.parser().parse_args(words).command == command


@pytest.mark.slow
def test_the_examples_run_one_after_another(tmp_path):
    for command, example in cli.EXAMPLES.items():
        if command != "study":  # minutes: `make study` runs it
            words = shlex.split(example)[1:]
            subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, capture_output=True)
