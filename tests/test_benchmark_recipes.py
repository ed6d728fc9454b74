"""The recipes' benchmark at a tiny size: what a row says, what is not repeated, what is written."""

import math
from importlib import import_module
from pathlib import Path

import pytest

from minilm.study import Settings
from minilm.study.settings import LanguageModelRecipe
from minilm.study.task_recipes import TaskRecipe
from minilm.weights import load

ROOT = Path(__file__).parents[1]
TEXT = "the cat sat on the mat, and the dog sat by the cat. " * 40
LANGUAGE = LanguageModelRecipe(
    {"model": "LSTMLanguageModel", "width": 8, "embedding_width": 4}, 3, 4, 8, 1e-2, 1
)
ANSWERS = TaskRecipe(
    {"model": "Seq2SeqTransformer", "width": 8, "layers": 1, "heads": 2}, 2, 4, 1e-2, 30, 1
)
SMALL = """stages = [
  { do = "distil", width = 6, steps = 2 },
  { do = "quantize", bits = 4 },
  { do = "tune", steps = 1 },
  { do = "code" },
]
"""


@pytest.fixture
def recipes(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT)
    module = import_module("benchmarks.recipes")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    corpus = str(tmp_path / "text.txt")
    task = Settings(corpus="translation", task="translation", task_models={"Transformer": ANSWERS})
    language = Settings(corpus=corpus, language_models={"LSTM": LANGUAGE})
    monkeypatch.setattr(module, "default", lambda: language)
    monkeypatch.setattr(module, "task_settings", lambda name: task)
    monkeypatch.setattr(module, "ASKED", 3)
    monkeypatch.setattr(module, "FILES", tmp_path)
    monkeypatch.setattr(module, "RECIPES", {"LSTM": ("small",), "translation": ("small",)})
    # a new process would take seconds to begin
    monkeypatch.setattr(module, "apart", lambda function, *arguments: function(*arguments))
    return module


@pytest.fixture
def report(recipes):
    return import_module("benchmarks.recipes_report")


def test_what_is_measured_is_kept_and_not_repeated(recipes, report, tmp_path, capsys):
    path, kept = tmp_path / "recipes.csv", tmp_path / "kept"
    rows = recipes.measure(["LSTM", "translation"], 1, 1, path, kept)
    assert rows == recipes.read(path)
    assert [(row["model"], row["recipe"], row["do"].split()[0]) for row in rows] == [
        ("LSTM", "small", "float32"), ("LSTM", "small", "distil"), ("LSTM", "small", "quantize"),
        ("LSTM", "small", "tune"), ("LSTM", "small", "code"),
        ("LSTM", "control", "float32"), ("LSTM", "control", "tune"),
        *(("translation", "small", stage)
          for stage in ("float32", "distil", "quantize", "tune", "code")),
    ]  # fmt: skip
    begun, student, last, control, answers = rows[0], rows[1], rows[4], rows[6], rows[-1]
    assert control["do"] == "tune steps=3"  # as many as the recipe's
    assert control["file_bytes"] == begun["file_bytes"]
    for name, row in (("LSTM-small-0", last), ("translation-small-0", answers)):
        assert (kept / f"{name}.npz").stat().st_size == int(row["file_bytes"])
        load(kept / f"{name}.npz")
    difference = float(last["loss"]) - float(begun["loss"])
    assert float(last["perplexity_ratio"]) == pytest.approx(math.exp(difference), rel=1e-4)
    assert (last["exact_match"], answers["exact_match"], answers["points_lost"]) == ("", "0", "0")
    assert (begun["seconds"], begun["total_seconds"]) == ("0", "0")
    assert 0 < float(student["seconds"]) < float(last["total_seconds"])
    assert all(float(row["inference_time"]) > 0 for row in rows)
    assert "LSTM, small, seed 0: " in capsys.readouterr().out

    assert recipes.measure(["LSTM", "translation"], 1, 1, path, kept) == rows
    assert capsys.readouterr().out == ""


def test_a_recipe_that_changed_is_run_again(recipes, tmp_path, monkeypatch, capsys):
    path, kept = tmp_path / "recipes.csv", tmp_path / "kept"
    before = recipes.measure(["LSTM"], 1, 1, path, kept)
    (tmp_path / "small.toml").write_text('stages = [{ do = "quantize", bits = 2 }, '
                                         '{ do = "tune", steps = 3 }]')  # fmt: skip
    trained = (kept / "LSTM-0.npz").read_bytes()
    rows = recipes.measure(["LSTM"], 2, 1, path, kept)
    assert [row["do"] for row in rows if row["seed"] == "0"] == [
        "float32", "quantize bits=2", "tune steps=3", "float32", "tune steps=3"
    ]
    # the control, which has as many steps as before, was not run again; nor the model trained
    assert [row for row in rows if row["recipe"] == "control" and row["seed"] == "0"] == before[5:]
    assert (kept / "LSTM-0.npz").read_bytes() == trained
    assert {row["seed"] for row in rows} == {"0", "1"}

    longer = Settings(corpus=recipes.default().corpus,
                      language_models={"LSTM": LANGUAGE.changed(steps=4)})  # fmt: skip
    monkeypatch.setattr(recipes, "default", lambda: longer)
    again = recipes.measure(["LSTM"], 1, 1, path, kept)
    assert all("steps=4" in row["model_text"] for row in again)
    assert {row["seed"] for row in again} == {"0"}
    assert (kept / "LSTM-0.npz").read_bytes() != trained


def row(recipe, stage, do, file_bytes, seed=0, loss=1.0, exact_match="", model="LSTM"):
    numbers = {
        "seed": seed, "stage": stage, "file_bytes": file_bytes, "smaller": 800_000 / file_bytes,
        "bits_per_weight": 3.2, "loss": loss, "exact_match": exact_match, "inference_time": 1.25,
        "perplexity_ratio": math.exp(loss - 1.0) if exact_match == "" else "",
        "points_lost": 100 * (0.9 - exact_match) if exact_match != "" else "",
        "seconds": 10 * stage, "total_seconds": 10 * stage,
    }  # fmt: skip
    return {"model": model, "recipe": recipe, "do": do, "cores": "2", "python": "3.11",
            "numpy": "2.4", **{name: str(value) for name, value in numbers.items()}}  # fmt: skip


ROWS = [
    row("whole", 0, "float32", 800_000), row("whole", 1, "code", 25_000, loss=1.02),
    row("whole", 0, "float32", 800_000, 1), row("whole", 1, "code", 25_000, 1, loss=0.98),
    row("control", 0, "float32", 800_000), row("control", 1, "tune steps=6500", 800_000, loss=0.9),
    row("translation", 0, "float32", 800_000, exact_match=0.9, model="translation"),
    row("translation", 1, "code", 40_000, exact_match=0.897, model="translation"),
]


def test_the_tables(report):
    lines = report.stages(ROWS).splitlines()
    assert any("| whole | code | 25,000 | 32.0 × | 3.20 | 1.000 ± 0.020 | +0.0 ± 2.0 % |" in line
               for line in lines)  # fmt: skip
    assert sum("| float32 |" in line for line in lines) == 2  # once for each model
    assert any("89.7 ± 0.0 % | −0.3 ± 0.0 points |" in line for line in lines)
    assert lines[-1].startswith("2 seeds: ")

    ends = report.ends(ROWS)
    assert ("| LSTM | [whole](data/recipes/whole.toml) | 800,000 bytes | 25,000 bytes | 32.0 × | "
            "perplexity +0.0 ± 2.0 % | 1.25 × |") in ends  # fmt: skip
    assert "| LSTM | control | 800,000 bytes | 800,000 bytes | 1.0 × | perplexity −9.5" in ends
    assert "exact match −0.3 ± 0.0 points" in ends
    assert "−9.5 ± 0.0 % of perplexity for the LSTM (6,500 steps)." in report.of_the_control(ROWS)
    assert report.of_the_control(ROWS[:4]) == ""


def test_new_structures_are_told_seed_by_seed_where_they_were_asked(report):
    asked = [
        {**row("translation", stage, "do", 40_000, seed, exact_match=0.9, model="translation"),
         "structure_exact_match": str(share)}
        for seed, shares in enumerate([(0.8, 0.83), (0.9, 0.74)])
        for stage, share in enumerate(shares)
    ]
    text = report.of_new_structures(ROWS[:6] + asked)
    assert "translation: 85.0 ± 5.0 % before, 78.5 ± 4.5 % after" in text
    assert "seed by seed +3.0, −16.0 points" in text
    assert report.of_new_structures(ROWS) == ""


def test_the_figure(report):
    drawing = report.figure(ROWS)
    assert [axes.get_title(loc="left") for axes in drawing.axes] == ["LSTM", "translation"]
    beside = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in drawing.axes]
    assert "control\n800,000 bytes, −0.10" in beside[0]
    assert "translation\n40,000 bytes, 20.0 ×, +0.30" in beside[1]
    drawing.canvas.draw()


def test_a_run_in_a_line(report):
    assert report.line(ROWS[:2]) == "LSTM, whole, seed 0: 25,000 bytes, 32.0 ×, +2.0 % of " \
        "perplexity, 10 s"  # fmt: skip
    assert "−0.3 points" in report.line(ROWS[6:])


def test_the_pages_show_the_recipe_and_what_was_run(report):
    for path, made in (
        (report.HOME, report.home_section()),
        (report.GUIDE, report.guide_section()),
        (report.README, report.section()),
    ):
        shown = path.read_text(encoding="utf-8").split(report.BEGIN)[1].split(report.END)[0]
        assert shown == made
    assert (report.FILES / "whole.toml").read_text(encoding="utf-8") in report.guide_section()


def test_what_was_run_is_what_would_be_run_now(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    module = import_module("benchmarks.recipes")
    rows = module.read(module.recipes_report.RESULTS)
    assert all(map(module.current, rows))
    done = {(row["model"], row["recipe"], int(row["seed"])) for row in rows}
    assert done == set(module.jobs(list(module.RECIPES), 3))


def test_what_the_readme_notices(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    module = import_module("benchmarks.recipes")
    report = module.recipes_report
    for recipes in report.found(module.read(report.RESULTS)).values():
        for name, runs in recipes.items():
            for begin, *stages in runs:
                end, narrow = stages[-1], name.startswith("whole")
                assert (end["inference_time"] < 0.9) == narrow
                if name == module.CONTROL:
                    continue
                assert abs(end["loss"] - stages[-2]["loss"]) < 5e-4  # the coder's stage
                *_, worst = sorted(stage["loss"] for stage in stages)
                assert worst > begin["loss"] or narrow  # and training brings back
                if narrow:
                    further = recipes[module.CONTROL][runs.index([begin, *stages])][-1]
                    assert begin["loss"] > end["loss"] > further["loss"]


def test_an_unknown_model_is_refused(recipes, capsys):
    with pytest.raises(SystemExit):
        recipes.main(["word2vec"])
    assert "there is no word2vec" in capsys.readouterr().err
