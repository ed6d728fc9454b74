"""docs/word-vectors.md shows what the csv files hold; a table of models; rows and back."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from minilm.embeddings.optimum import Products

ROOT = Path(__file__).parents[1]


@pytest.fixture
def load(monkeypatch):
    """A file of benchmarks/ that needs neither torch nor gensim."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: import_module(f"benchmarks.{name}")


def test_the_page_is_made_of_the_files(load):
    page = load("word_vectors")
    text = page.PAGE.read_text(encoding="utf-8")
    for name in page.SECTIONS:
        begin, end = page.marks(name)
        assert text.split(begin)[1].split(end)[0] == page.section(name)
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (page.PAGE.parent / link).is_file(), link


def test_the_optimum_was_reached(load):
    page = load("word_vectors")
    products = page.as_products(page.read(page.OPTIMUM))
    assert products.correlation >= 0.98
    assert f"correlation {products.correlation:.4f}" in page.FIGURE.read_text(encoding="utf-8")


def test_products_as_rows_and_back(load):
    page = load("word_vectors")
    products = Products(*np.random.default_rng(0).random((3, 4, 4)).round(4))
    again = page.as_products(page.as_rows(products))
    assert all((a == b).all() for a, b in zip(products, again, strict=True))


def test_the_table_of_models(load):
    counted = load("counted_vectors")
    rows = [
        {"model": "GloVe", "seed": seed, "WordSim-353": score, "SimLex-999": "0.1",
         "analogies": "0", "seconds": seconds}
        for seed, score, seconds in (("0", "0.2", "10"), ("1", "0.4", "14"))
    ]  # fmt: skip
    assert counted.report(rows).splitlines()[-1] == (
        "| GloVe | 0.300 (0.200 – 0.400) | 0.100 (0.100 – 0.100) | 0.000 (0.000 – 0.000) | 12.0 |"
    )


def test_every_model_was_measured_with_every_seed(load):
    counted = load("counted_vectors")
    rows = counted.read(counted.RESULTS)
    expected = [(name, str(seed)) for name in counted.MODELS for seed in counted.SEEDS]
    assert [(row["model"], row["seed"]) for row in rows] == expected


@pytest.mark.oracle
def test_scores_of_word2vec_are_taken_of_both_libraries_alike(load):
    import gensim

    from minilm.embeddings import KeyedVectors

    word2vec = load("word2vec")
    words = list(dict.fromkeys(word for line in word2vec.sentences() for word in line))[:3000]
    table = np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32)
    theirs = gensim.models.KeyedVectors(8)
    theirs.add_vectors(words, table)
    ours = word2vec.scores(KeyedVectors(words, table))
    assert ours == word2vec.scores(theirs) and len(ours) == 3
