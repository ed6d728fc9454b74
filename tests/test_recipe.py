"""What benchmarks/README.md says of the recipe is what recipe.csv holds."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return import_module("benchmarks.recipe_report")


def rows(library, seed, seconds, losses, validation):
    """A run of one library."""
    about = {"library": library, "seed": str(seed), "characters": "1000", "text": "a.txt",
             "cores": "2", "python": "3.11", "numpy": "2.4", "torch": "2.13"}  # fmt: skip
    return [
        {**about, "step": str(50 * n), "seconds": str(seconds * n / len(losses)),
         "training_loss": str(loss), "validation_loss": validation if n == len(losses) else ""}
        for n, loss in enumerate(losses, 1)
    ]  # fmt: skip


@pytest.fixture
def two_seeds():
    found = []
    for seed in (0, 10):
        found += rows("minilm", seed, 8 + seed, [3.0, 2.0], "1.8")
        found += rows("torch", seed, 10 + 2 * seed, [3.2, 2.2], "1.9")
        found += rows("torch, begun as minilm", seed, 10, [3.0, 2.0], "1.8")
    return found


def test_the_readme_shows_what_was_run(report):
    shown = report.README.read_text(encoding="utf-8").split(report.BEGIN)[1].split(report.END)[0]
    assert shown == report.section()


def test_the_summary_has_means_and_ends(report, two_seeds):
    lines = report.summary(two_seeds).splitlines()
    assert lines[2:4] == [
        "| minilm | 13 (8 – 18) | 0.70 (0.60 – 0.80) | 1.800 (1.800 – 1.800) |",
        "| torch | 20 (10 – 30) | 1.00 (1.00 – 1.00) | 1.900 (1.900 – 1.900) |",
    ]
    assert "a.txt, 1,000 characters" in lines[-1] and "2 seeds" in lines[-1]


def test_the_figure_draws_every_run(report, two_seeds):
    against_steps, against_time = report.figure(two_seeds).axes
    assert len(against_steps.lines) == len(against_time.lines) == 3
    np.testing.assert_array_equal(against_steps.lines[0].get_xdata(), [50, 100])
    np.testing.assert_array_equal(against_time.lines[0].get_xdata(), [6.5, 13])
    np.testing.assert_array_equal(against_time.lines[1].get_ydata(), [3.2, 2.2])


@pytest.mark.oracle
def test_torch_begun_as_minilm_answers_as_minilm(report, monkeypatch):
    """The same first weights, the same loss: every weight has found its place."""
    recipe = import_module("benchmarks.recipe")
    monkeypatch.setattr(recipe, "STEPS", 50)
    text = "the quick brown fox jumps over the lazy dog. " * 60
    ours, theirs = (recipe.run(name, text, 0) for name in ("minilm", "torch, begun as minilm"))
    for column in ("training_loss", "validation_loss"):
        assert float(ours[-1][column]) == pytest.approx(float(theirs[-1][column]), abs=2e-3)


@pytest.mark.oracle
def test_the_validation_loss_counts_every_token_once(report):
    recipe = import_module("benchmarks.recipe")
    tokens = np.random.default_rng(0).integers(5, size=64 * 3 + 11)
    asked = []

    def answer(ids):
        asked.append(ids)
        return np.log(np.full((*ids.shape, 5), 0.2, np.float32))

    assert recipe.validation_loss(answer, tokens, batch_size=2) == pytest.approx(np.log(5))
    assert sum(map(len, asked)) == 4  # windows: the last is padded
