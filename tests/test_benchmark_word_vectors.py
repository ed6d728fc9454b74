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


def test_the_map_and_the_heatmap_show_every_word(load):
    word_map = load("word_map")
    rows = word_map.read(word_map.ROWS)
    words = [word for group in word_map.GROUPS.values() for word in group.split()]
    assert [row["word"] for row in rows] == words
    drawn = word_map.MAP.read_text(encoding="utf-8")
    assert all(f">{word}<" in drawn for word in (*words, *word_map.GROUPS))
    assert drawn.count(" of the variance<") == 2
    drawn = word_map.HEATMAP.read_text(encoding="utf-8")
    shown = [word for group in word_map.GROUPS.values() for word in group.split()[:3]]
    assert all(drawn.count(f">{word}<") == 2 for word in shown) and drawn.count(">1.00<") == 15


def test_what_the_map_says_by_hand(load):
    word_map = load("word_map")
    rows = [
        {"group": group, "word": word, "vector": vector}
        for group, word, vector in (("a", "metal", "1 0"), ("a", "carbon", "2 0"),
                                    ("b", "album", "0 3"), ("b", "film", "0 1"))
    ]  # fmt: skip
    text = word_map.report(rows)
    assert "of one group is 1.00, of two groups 0.00; 4 of 4 words" in text
    assert "*metal* is 1.00 with *carbon* and 0.00 with *album*" in text


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
