"""The tasks' benchmark at a tiny size: what a row says, what is not repeated, what is drawn."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from minilm.study.task_recipes import TASK_RECIPES, TaskRecipe

ROOT = Path(__file__).parents[1]
TINY = TaskRecipe(
    {"model": "Seq2SeqTransformer", "width": 8, "layers": 1, "heads": 2}, 2, 4, 1e-2, 30, 1
)
LABELS = TaskRecipe({"model": "BagOfWordsClassifier", "width": 4}, 2, 4, 1e-2, 30, 1)
RECIPES = {
    "translation": {"Transformer": TINY}, "sentiment": {"bag of words": LABELS},
}  # fmt: skip


@pytest.fixture
def tasks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    module = import_module("benchmarks.tasks")
    monkeypatch.setattr(module, "TASK_RECIPES", RECIPES)
    # a new process would take seconds to begin
    monkeypatch.setattr(module, "run_apart", module.run)
    return module


@pytest.fixture
def report(tasks):
    return import_module("benchmarks.tasks_report")


def test_what_is_measured_is_kept_and_not_repeated(tasks, tmp_path, capsys, monkeypatch):
    path = tmp_path / "tasks.csv"
    rows = tasks.measure(list(RECIPES), 2, 1, path, asked=5)
    assert [(row["task"], row["seed"]) for row in rows] == [
        ("sentiment", "0"), ("sentiment", "1"), ("translation", "0"), ("translation", "1"),
    ]  # fmt: skip
    assert capsys.readouterr().out.count("seed") == 4
    sentiment, translation = rows[0], rows[2]
    assert (sentiment["limit"], translation["limit"]) == ("0.9", "1")
    assert translation["test"] == translation["structure"] == "0.0000"
    assert 0.1 <= float(sentiment["test"]) <= 0.9  # Bayes's accuracy bounds the expected one
    assert float(translation["bleu"]) >= 0
    assert sentiment["bleu"] == ""
    assert float(translation["tokens_per_second"]) > 0

    assert tasks.measure(list(RECIPES), 2, 1, path, asked=5) == tasks.read(path)
    assert capsys.readouterr().out == ""

    changed = {**RECIPES, "sentiment": {"bag of words": LABELS.changed(steps=3)}}
    monkeypatch.setattr(tasks, "TASK_RECIPES", changed)
    again = tasks.measure(["sentiment"], 1, 1, path, asked=5)
    assert [row["task"] for row in again] == ["sentiment", "translation", "translation"]
    assert "steps=3" in again[0]["recipe"]
    assert capsys.readouterr().out.count("seed") == 1


def row(task, architecture, seed, test, structure, limit="1"):
    return {
        "task": task, "architecture": architecture, "seed": str(seed), "test": str(test),
        "structure": str(structure), "limit": limit, "seconds": "60.5",
        "tokens_per_second": "12000", "parameters": "1000000", "cores": "2", "python": "3.11",
        "numpy": "2.4",
    }  # fmt: skip


def test_the_summary_and_the_figure(report):
    rows = [
        row("dates", "Transformer", 0, 1.0, 0.5), row("dates", "Transformer", 1, 0.99, 0.4),
        row("sentiment", "bag of words", 0, 0.6, 0.5, "0.9"),
    ]  # fmt: skip
    line = next(line for line in report.summary(rows).splitlines() if "dates" in line)
    assert "99.5 (99.0 – 100.0) | 45.0 (40.0 – 50.0) | 100 | 60" in line
    assert "2 seeds" in report.summary(rows)
    texts = [t.get_text() for axes in report.figure(rows).axes for t in axes.texts]
    assert {"99.5", "45.0", "60.0", "50.0"} <= set(texts)  # means over seeds, in either panel
    assert texts.count("Bayes") == texts.count("a bag of words' limit") == 2


def test_the_readme_shows_what_was_run(report):
    text = report.README.read_text(encoding="utf-8")
    for begin, end, section in (
        (report.BEGIN, report.END, report.section()),
        (report.PAIRS_BEGIN, report.PAIRS_END, report.pairs_section()),
    ):
        assert text.split(begin)[1].split(end)[0] == section


def test_there_are_recipes_for_what_is_measured_unless_told_otherwise(tasks):
    assert set(tasks.NAMES) <= set(TASK_RECIPES)


def test_an_unknown_task_is_refused(tasks, capsys):
    with pytest.raises(SystemExit):
        tasks.main(["cooking"])
    assert "there is no cooking" in capsys.readouterr().err


def test_a_file_of_pairs_from_end_to_end(report, tmp_path, monkeypatch):
    """Also: stopped between two checkpoints and continued, it ends with the same bits."""
    pairs = import_module("benchmarks.pairs")
    monkeypatch.setattr(pairs, "apart", pairs.train)
    # in one process after each other: the one's end would give the other its threads back
    monkeypatch.setattr(pairs, "ThreadPoolExecutor", lambda count: ThreadPoolExecutor(1))
    pairs.save_pairs(tmp_path / "own.tsv", pairs.TASKS["translation"].examples(40, 0))
    recipe = TINY.changed(steps=6)
    sizes = (2, 3)  # steps from checkpoint to checkpoint, pairs that are asked
    row = pairs.measure(tmp_path / "own.tsv", tmp_path, recipe, *sizes)
    assert (row["pairs"], row["trained"], row["asked"]) == ("40", "36", "3")
    assert row["same_bits_when_resumed"] == "yes"
    assert float(row["tokens_per_second"]) > 0
    assert "40 pairs, 36 of them trained on: 6 steps of 4 pairs" in report.pairs_summary(row)

    one, other = {"w": np.zeros(2)}, {"w": np.array([0.0, -0.0])}
    assert pairs.digest(one) == pairs.digest({"w": np.zeros(2)}) != pairs.digest(other)
