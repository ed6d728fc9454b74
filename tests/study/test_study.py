"""The whole main job, on a small text with tiny models: every action, file and figure of it."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from minilm.study import cells, run_study
from minilm.study.settings import (
    ALONE,
    DISTILLED,
    FLOAT,
    FLOAT_FURTHER,
    PRUNED,
    SCHEMES,
    TRAINED,
    TRAINED_BITS,
    LanguageModelRecipe,
    Settings,
    Word2VecRecipe,
)
from minilm.study.study import open_folder
from minilm.text import GRAMMAR

MODELS = ("LSTM", "Transformer", "word2vec")
BIT_WIDTHS, SPARSITIES = (8, 3, 2, 1), (0.0, 0.5, 0.9)  # some of each; test_cells.py has the plan


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    corpus = tmp_path_factory.mktemp("corpus") / "sentences.txt"
    corpus.write_text(GRAMMAR.sample(150, seed=3), encoding="utf-8")
    training = {"steps": 20, "batch_size": 4, "context": 16, "learning_rate": 1e-2,
                "tuning_steps": 2}  # fmt: skip
    return Settings(
        corpus=str(corpus),
        ngram_order=3,
        language_models={
            "LSTM": LanguageModelRecipe({"model": "LSTMLanguageModel", "width": 32}, **training),
            "Transformer": LanguageModelRecipe(
                {"model": "TransformerLanguageModel", "width": 32, "layers": 1, "heads": 2,
                 "context": 16}, **training,
            ),
        },
        word2vec=Word2VecRecipe(
            {"vector_size": 32, "window": 2, "min_count": 1, "sg": 1, "negative": 2, "epochs": 1},
            steps=10, batch_size=32, learning_rate=1e-2, tuning_steps=2,
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cells, "BIT_WIDTHS", BIT_WIDTHS)
        patched.setattr(cells, "SPARSITIES", SPARSITIES)
        yield folder, run_study(settings, folder, workers=2, progress=False)


def read(folder):
    with (folder / "results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_model_is_compressed_in_every_way(finished):
    _, rows = finished
    for model in MODELS:
        own = [row for row in rows if row["model"] == model]
        assert own[0]["method"] == FLOAT
        for method in SCHEMES:
            assert [r["bits"] for r in own if r["method"] == method] == list(BIT_WIDTHS)
        assert [
            r["sparsity"] for r in own if r["method"] == PRUNED
        ] == list(SPARSITIES)
        assert [r["bits"] for r in own if r["method"] == TRAINED] == list(TRAINED_BITS)
        assert {ALONE, DISTILLED, FLOAT_FURTHER} <= {r["method"] for r in own}
    assert [row["method"] for row in rows if row["model"] == "n-gram"] == [
        "order 1", "order 2", "order 3",
    ]  # fmt: skip


def test_fewer_bits_take_fewer_bytes_and_leave_more_error(finished):
    _, rows = finished
    for model in MODELS:
        for method in SCHEMES:
            own = [r for r in rows if (r["model"], r["method"]) == (model, method)]
            sizes = [r["file_bytes"] for r in own]
            assert sizes == sorted(sizes, reverse=True)
            assert own[0]["sqnr_db"] > own[1]["sqnr_db"] > own[2]["sqnr_db"]
            assert all(r["bits_per_weight"] > r["bits"] for r in own)


def test_pruning_nothing_changes_nothing(finished):
    _, rows = finished
    for row in rows:
        if row.get("sparsity") == 0.0:
            assert row["loss_above_float"] == 0
            assert row["sqnr_db"] is None


def test_neighbours_belong_to_word_vectors(finished):
    _, rows = finished
    for row in rows:
        assert ("neighbour_agreement" in row) == (row["model"] == "word2vec")
        assert ("perplexity" in row) == (row["model"] != "word2vec")
    floats = [r for r in rows if (r["model"], r["method"]) == ("word2vec", FLOAT)]
    assert [row["neighbour_agreement"] for row in floats] == [1]


def test_the_table_is_what_was_returned(finished):
    folder, rows = finished
    table = read(folder)
    assert len(table) == len(rows)
    assert float(table[-1]["loss"]) == pytest.approx(rows[-1]["loss"], rel=1e-5)


def test_the_page_stands_alone(finished):
    folder, _ = finished
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 5
    assert not re.search(r"<(script|link|img)|url\(http|src=", page)
    assert "quantization-aware training" in page
    assert "Witten–Bell" in page


def test_figures_are_vectors_and_pictures(finished):
    folder, _ = finished
    names = {path.stem for path in folder.glob("*.svg")}
    assert names == {path.stem for path in folder.glob("*.png")}
    assert "Shannon" in (folder / "error-versus-bits.svg").read_text(encoding="utf-8")


@pytest.fixture
def undrawn(monkeypatch):
    """A study without figures and page, which take longer than what is continued here."""
    for last in ("draw_figures", "write_report"):
        monkeypatch.setattr(f"minilm.study.study.{last}", lambda *args: None)


@pytest.mark.usefixtures("undrawn")
def test_called_again_it_gives_the_same_table_without_training(finished, settings):
    folder, rows = finished
    again = run_study(settings, folder, workers=1, progress=False)
    # the seconds of what was counted anew, the n-grams, differ
    assert [{**row, "seconds": 0} for row in again] == [{**row, "seconds": 0} for row in rows]
    trained = slice(settings.ngram_order, None)
    assert again[trained] == rows[trained]


@pytest.mark.usefixtures("undrawn")
def test_interrupted_and_continued_it_gives_the_same_table(finished, settings, tmp_path):
    folder, _ = finished
    again = shutil.copytree(folder, tmp_path / "again")
    lines = (again / "rows.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    # As if stopped in the middle: some cells of each kind are missing, and half a line of another.
    lines.sort()
    kept = [line for i, line in enumerate(lines) if i % 9]
    (again / "rows.jsonl").write_text("".join(kept) + lines[0][:20], encoding="utf-8")
    run_study(settings, again, workers=1, progress=False)
    done = (again / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(done) == len(lines)
    names = [{json.loads(line)["cell"] for line in some} for some in (done, lines)]
    assert names[0] == names[1]
    for one, other in zip(read(folder), read(again), strict=True):
        assert {**one, "seconds": ""} == {**other, "seconds": ""}


def test_a_folder_of_other_settings_is_left_alone(finished, settings):
    folder, _ = finished
    before = (folder / "results.csv").read_bytes()
    with pytest.raises(ValueError, match="other settings"):
        run_study(replace(settings, seeds=(1,)), folder, progress=False)
    assert (folder / "results.csv").read_bytes() == before


def test_settings_and_corpus_are_kept_with_the_results(finished, settings):
    folder, _ = finished
    assert json.loads((folder / "settings.json").read_text(encoding="utf-8"))["seeds"] == [0]
    assert (folder / "corpus.txt").read_text(encoding="utf-8") == GRAMMAR.sample(150, seed=3)


def test_a_corpus_that_has_changed_is_another_study(finished, settings, tmp_path):
    folder, _ = finished
    corpus = tmp_path / "text.txt"
    corpus.write_text(GRAMMAR.sample(150, seed=3), encoding="utf-8")
    again = shutil.copytree(folder, tmp_path / "again")
    settings = replace(settings, corpus=str(corpus))
    (again / "settings.json").write_text(
        json.dumps(settings.as_json(), indent=2, ensure_ascii=False), encoding="utf-8"
    )
    corpus.write_text("Something else.", encoding="utf-8")
    with pytest.raises(ValueError, match="its text has changed"):
        run_study(settings, again, workers=1, progress=False)
    corpus.unlink()  # the folder has a copy
    open_folder(settings, again)
    assert (again / "corpus.txt").read_text(encoding="utf-8") == GRAMMAR.sample(150, seed=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("too short", "context=16 needs at least 17"),
        ("no sentence ends here " * 100, "at least 10 sentences"),
        ("one. word. each. " * 100, "two known words of one sentence"),
        ("日本語 " * 1000, "at least 10 sentences"),
    ],
)
def test_a_text_too_short_for_a_model_is_refused_before_anything_is_trained(
    settings, tmp_path, text, said
):
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    settings = replace(settings, corpus=str(tmp_path / "text.txt"))
    with pytest.raises(ValueError, match=said):
        run_study(settings, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_workers_are_at_least_one(settings, tmp_path):
    for workers in (0, -1):
        with pytest.raises(ValueError, match="workers must be at least 1"):
            run_study(settings, tmp_path / "run", workers=workers, progress=False)
    assert not (tmp_path / "run").exists()


KILLED = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import os
from minilm.study.study import end_with_parent
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with_parent) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        executor.submit(time.sleep, 60).result()
"""


@pytest.mark.skipif(os.name != "posix", reason="asks for a process by its number")
def test_workers_end_with_the_process_that_started_them(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "killed.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(worker, 9)
    pytest.fail("the worker went on without its parent")
