"""The files in data/ are what their generator makes, but for the one that was written by hand."""

import runpy
from pathlib import Path

import numpy as np

from minilm.text import GRAMMAR, Grammar, load_corpus

DATA = Path(__file__).parents[2] / "data"
WRITTEN = {"sentences.txt"}


def test_making_the_files_again_changes_nothing(tmp_path):
    runpy.run_path(str(DATA / "make.py"))["main"](tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    assert made | WRITTEN == {path.name for path in DATA.glob("*.txt")}
    for name in made:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name
        assert (DATA / name).stat().st_size < 30_000


def test_the_files_can_be_used():
    assert Grammar.parse((DATA / "grammar.txt").read_text(encoding="utf-8")) == GRAMMAR
    sample = load_corpus(DATA / "grammar-sample.txt")
    assert np.isfinite(GRAMMAR.log_probability(sample))


def test_the_readme_names_every_file_and_quotes_the_true_figures():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for path in DATA.glob("*.*"):
        assert path.name == "README.md" or f"`{path.name}`" in readme
    for figure in (
        f"{GRAMMAR.entropy():.3f} nats per sentence",
        f"{GRAMMAR.expected_length():.3f} characters",
        f"{GRAMMAR.expected_length('word'):.3f} words",
        f"{GRAMMAR.entropy_rate():.4f} nats per character",
        f"{GRAMMAR.entropy_rate('word'):.4f} nats per word",
    ):
        assert figure in readme
