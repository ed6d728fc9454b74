"""compress: a recipe in TOML on a saved model, as a person would type it."""

import csv
import re
import shlex

import pytest

from minilm import cli
from minilm.text import GRAMMAR

RECIPE = """
stages = [
  { do = "prune", sparsity = 0.5 },
  { do = "tune", steps = 3 },
  { do = "quantize", bits = 3, train = "levels" },
  { do = "code", vectors = "bf16" },
]
"""
UNTRAINED = RECIPE.replace('  { do = "tune", steps = 3 },\n', "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress")
    (folder / "text.txt").write_text(GRAMMAR.sample(200, seed=1), encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "untrained.toml").write_text(UNTRAINED, encoding="utf-8")
    (folder / "bad.toml").write_text('stages = [{ do = "prune", sparsty = 1 }]', encoding="utf-8")
    common = f"--corpus {folder}/text.txt --steps 10 --width 32 --batch-size 4"
    assert call(f"train transformer {common} --layers 1 --out {folder}/transformer.npz") == 0
    assert call(f"train word2vec {common} --out {folder}/word2vec.npz") == 0
    return folder


def call(line):
    return cli.main(shlex.split(line))


def test_each_stage_is_a_line_and_a_row_and_the_file_is_evaluated_like_any_other(folder, capsys):
    out = folder / "small"
    assert call(f"compress {folder}/transformer.npz --recipe {folder}/recipe.toml "
                f"--rows {folder}/rows.csv --out {out}") == 0
    printed = capsys.readouterr().out
    lines = re.findall(r"^ +([\d,]+) +([\d.]+) × .*  (\w+)( .*)?$", printed, re.M)
    assert [stage for _, _, stage, _ in lines] == ["float32", "prune", "tune", "quantize", "code"]
    assert int(lines[-1][0].replace(",", "")) == out.stat().st_size
    assert float(lines[-1][1]) > 6
    rows = list(csv.DictReader((folder / "rows.csv").read_text(encoding="utf-8").splitlines()))
    assert [int(row["file_bytes"]) for row in rows] == [
        int(size.replace(",", "")) for size, *_ in lines
    ]
    assert rows[-1]["do"] == "code vectors=bf16" and float(rows[-1]["perplexity"]) > 1
    assert call(f"evaluate {out}") == 0
    printed = capsys.readouterr().out
    assert int(re.search(r"file_bytes +(\d+)", printed).group(1)) == out.stat().st_size
    loss = re.search(r"loss +([\d.]+)", printed).group(1)
    assert float(loss) == pytest.approx(float(rows[-1]["loss"]), abs=1e-4)
    assert call(f'generate {out} --prompt "the " --length 5') == 0


def test_word_vectors_take_the_stages_that_do_not_train(folder, capsys):
    line = f"compress {folder}/word2vec.npz --out {folder}/small-vectors --recipe {folder}"
    assert call(f"{line}/untrained.toml") == 0
    assert (folder / "small-vectors").stat().st_size < (folder / "word2vec.npz").stat().st_size / 5
    assert call(f"{line}/recipe.toml") == 1
    assert "stage 2, tune: WordVectorSubject has no fit" in capsys.readouterr().err


@pytest.mark.parametrize("options, message", [
    ("--recipe {}/bad.toml --out {}/o", "stage 1, prune: there is no option 'sparsty'"),
    ("--recipe {}/none.toml --out {}/o", "No such file"),
    ("--recipe {}/recipe.toml --out {}/nowhere/o", "nowhere"),
    ("--recipe {}/recipe.toml --out {}/o --rows {}", "path must name a file"),
    ("--recipe {}/recipe.toml --out {}/o --rows {}/o", "--rows: must be another file than --out"),
    ("--recipe {}/recipe.toml --out {}/recipe.toml", "--out: must be another file than --recipe"),
    ("--recipe {}/recipe.toml --out {}/o --rows {}/transformer.npz", "--rows: must be another file "
     "than the model"),
])
def test_what_cannot_be_is_said_in_one_line(folder, capsys, options, message):
    options = options.replace("{}", str(folder))
    assert call(f"compress {folder}/transformer.npz {options}") == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (folder / "o").exists()
