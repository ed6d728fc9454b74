"""What small_embeddings says of its csv file: aims, table, figure."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import small_embeddings

    return small_embeddings


def rows_of(lost):
    """Two seeds; what the one recipe loses on each list."""
    floats = {"times_smaller": 1, "bits_per_weight": 32, "bytes": 1, "neighbours": 1}
    for seed, level in enumerate((0.4, 0.5)):
        for recipe, less in (("float32", 0), ("integers: 8 bits", lost)):
            scores = {"WordSim-353": level - less, "SimLex-999": level / 2}
            row = {"seed": seed, "recipe": recipe, **floats, **scores}
            yield {name: str(value) for name, value in row.items()}


def test_aims(benchmark):
    assert "| 0.0040 (0.0040) | 0.0000 (0.0000) | 100.0% | below 0.005: met |" in benchmark.report(
        list(rows_of(0.004))
    )
    assert "| below 0.005: missed |" in benchmark.report(list(rows_of(0.006)))
    assert set(benchmark.AIMS) <= set(benchmark.recipes())


def test_the_measured_rows(benchmark, tmp_path, monkeypatch):
    """Every seed and recipe is there, 16 times is 16 times, and the figure is drawn from them."""
    rows = benchmark.read(benchmark.RESULTS)
    expected = [(str(s), r) for s in benchmark.SEEDS for r in ("float32", *benchmark.recipes())]
    assert [(row["seed"], row["recipe"]) for row in rows] == expected
    for recipe in benchmark.AIMS:
        if recipe.startswith("subvectors"):
            assert (benchmark.values(rows, recipe, "times_smaller") >= 16).all()
        for name in benchmark.LISTS:
            assert benchmark.losses(rows, recipe, name).mean() < benchmark.AIMS[recipe]
    monkeypatch.setattr(benchmark, "FIGURE", tmp_path / "figure.svg")
    benchmark.draw(rows)
    assert "analogies" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_recipes_make_tables_smaller(benchmark):
    table = np.random.default_rng(0).normal(size=(300, 100)).astype(np.float32)
    made = {name: recipe(table) for name, recipe in benchmark.recipes().items()}
    assert all(small.shape == (300, 100) and small.nbytes < table.nbytes for small in made.values())
    assert table.nbytes / made["integers: 8 bits"].nbytes == pytest.approx(32 / 8.32)


@pytest.mark.oracle
def test_gensim_brings_the_files(benchmark):
    from benchmarks.word2vec import DATA, PAIRS

    assert all(Path(path).is_file() for path in (*PAIRS.values(), DATA / "questions-words.txt"))
