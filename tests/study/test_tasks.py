"""A task as the subject of a study: what is learned, what is asked, and how answers are judged."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from minilm.metrics import rouge_l, words_13a
from minilm.study import cells, run_study, task_study
from minilm.study.measures import EXACT_MATCH, LOSS, Measure, measure_of
from minilm.study.plots import compressed_models, draw_score_axes
from minilm.study.report import distillation, eight_bits, findings, recovery
from minilm.study.settings import (
    ALONE,
    DISTILLED,
    LANGUAGE,
    TRAINED,
    TRAINED_SCHEME,
    Settings,
    task_settings,
)
from minilm.study.subjects import new_subject, saved_task_subject
from minilm.study.task_data import TaskData
from minilm.study.tasks import LabelSubject, cutting
from minilm.text import TASKS, Example
from minilm.text.tasks import save_pairs
from minilm.text.tasks.sentiment import sentiment_of
from minilm.training import as_is

ROUGE_L = Measure("rouge_l", "ROUGE-L", whole=100, limits={"known optimum": 100})


def small(task, model, **options):
    few = {"steps": 3, "tuning_steps": 2, "batch_size": 8, "width": 32, "examples": 100}
    settings = replace(task_settings(task), asked=30)
    return replace(
        settings.changed(model, {**few, **options}),
        task_models={model: settings.changed(model, {**few, **options}).task_models[model]},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "sentiment"
    with pytest.MonkeyPatch.context() as patched:  # all kinds of cells, some of each
        patched.setattr(cells, "BIT_WIDTHS", (8, 3, 2, 1))
        patched.setattr(cells, "SPARSITIES", (0.0, 0.9))
        settings = small("sentiment", "bag of words")
        return folder, run_study(settings, folder, workers=1, progress=False)


def test_every_cell_runs_on_a_task_and_the_table_has_its_columns(finished):
    folder, rows = finished
    assert {row["method"] for row in rows} > {"float32", TRAINED, "student distilled"}
    for row in rows:
        assert 0.1 <= row["accuracy"] <= 0.9  # between all wrong and Bayes, labels wrong at 0.1
        floats = rows[0]["accuracy"]
        assert row["score_above_float"] == pytest.approx(row["accuracy"] - floats)
    with (folder / "results.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert {"accuracy", "structure_accuracy", "score_above_float"} <= read[0].keys()
    assert "perplexity" not in read[0] and "bleu" not in read[0]
    assert compressed_models(rows) == ["bag of words"]


def test_the_page_speaks_of_the_task(finished):
    folder, _ = finished
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    for words in ("One model", "accuracy", "Bayes accuracy: 90.0 %", "words&#39; limit: 70.0 %"):
        assert words in page
    assert "10% are wrong on purpose" in page
    for words in ("nats per character", "n-gram", "word2vec"):
        assert words not in page
    assert "Bayes accuracy" in (folder / "error-versus-bits.svg").read_text(encoding="utf-8")
    assert (folder / "size-versus-score.png").exists()


def test_what_was_asked_is_kept_and_guarded(finished, tmp_path):
    folder, _ = finished
    settings = small("sentiment", "bag of words")
    asked = (folder / "corpus.txt").read_text(encoding="utf-8")
    assert asked.count("\n") == 60
    (folder / "corpus.txt").write_text(asked + "A\tb\n", encoding="utf-8")
    with pytest.raises(ValueError, match="its text has changed"):
        run_study(settings, folder, workers=1, progress=False)
    (folder / "corpus.txt").write_text(asked, encoding="utf-8")


def test_the_labels_asked_are_true_and_those_trained_on_are_not_all():
    data = TaskData("sentiment", "", 400, 100, seed=0)
    wrong = np.mean([sentiment_of(e.source) != e.target for e in data.train])
    assert 0.03 < wrong < 0.2
    for part in (data.test, data.structure):
        assert all(sentiment_of(e.source) == e.target for e in part)


def test_accuracy_is_what_noisy_labels_would_give(tmp_path):
    subject = new_subject(small("sentiment", "LSTM"), "LSTM", "", tmp_path / "m.npz", 0)
    assert isinstance(subject, LabelSubject)
    labels = subject.tokenizer.classes([e.target for e in subject.data.test])
    perfect = np.eye(2)[labels]
    assert subject.accuracy(perfect, subject.data.test) == pytest.approx(0.9)
    assert subject.accuracy(-perfect, subject.data.test) == pytest.approx(0.1)
    # a wrong label costs 4 nats more, and a tenth is wrong
    assert subject.loss(4 * perfect) == pytest.approx(np.log1p(np.exp(-4)) + 0.1 * 4)


def test_a_subject_of_a_saved_file_judges_alike(tmp_path):
    settings = small("reverse", "Transformer", heads=2)
    subject = new_subject(settings, "Transformer", "", tmp_path / "m.npz", 0)
    params = subject.train()
    again = saved_task_subject(settings, tmp_path / "m.npz")
    assert again.judge(again.trained(), params) == subject.judge(params, params)
    assert again.model == subject.model
    tuned = again.tune(params, as_is)
    assert any(not np.array_equal(tuned[name], params[name]) for name in params)
    student, of_student = again.student(params)
    assert student.judge(of_student, params).keys() == again.judge(params, params).keys()


def test_answers_are_compared_with_the_targets_of_their_own_sources(tmp_path, monkeypatch):
    subject = new_subject(small("reverse", "LSTM"), "LSTM", "", tmp_path / "m.npz", 0)
    told = {e.source: e.target for e in [*subject.data.test, *subject.data.structure]}
    monkeypatch.setattr(
        type(subject), "answers", lambda self, params, asked: [told[e.source] for e in asked]
    )
    measured = subject.judge(subject.model.init(0), None)
    assert measured["exact_match"] == measured["structure_exact_match"] == 1
    assert measured["bleu"] == measured["rouge_l"] == pytest.approx(100)
    assert subject.validation(None) == 1


def test_of_a_file_every_tenth_line_is_held_out_unless_it_is_trained_on(tmp_path):
    examples = TASKS["reverse"].examples(40, seed=0)
    examples[19] = examples[0]
    save_pairs(tmp_path / "my.tsv", examples)
    data = TaskData("pairs", str(tmp_path / "my.tsv"), 0, 30, seed=0)
    assert data.test == [examples[9], examples[29], examples[39]]
    assert len(data.train) == 36 and data.structure == []
    whole = TaskData("pairs", str(tmp_path / "my.tsv"), 0, 30, seed=0, whole=True)
    assert whole.test == examples and whole.train == []


def test_what_is_asked_lies_evenly_over_a_file_that_may_be_sorted(tmp_path):
    examples = [Example(f"text {i}", "bad" if i < 100 else "good") for i in range(200)]
    save_pairs(tmp_path / "my.tsv", examples)
    data = TaskData("labelled", str(tmp_path / "my.tsv"), 0, 6, seed=0)
    assert [e.target for e in data.test] == ["bad"] * 3 + ["good"] * 3
    assert len(data.train) == 180 and not set(data.test) & set(data.train)
    assert len(replace(data, asked=30).test) == 20


def test_an_answer_is_as_long_as_the_longest_target_not_as_the_longest_source(tmp_path):
    examples = [Example("a" * (i + 30), "b" * (i % 5 + 1)) for i in range(20)]
    save_pairs(tmp_path / "my.tsv", examples)
    settings = task_settings("pairs", str(tmp_path / "my.tsv"))
    settings = replace(settings, tokenizer="char").changed("LSTM", {"width": 8})
    subject = new_subject(settings, "LSTM", "", tmp_path / "m.npz", 0)
    assert (subject.longest, subject.context) == (6, 49)
    subject.keep(subject.model.init(0), subject.kept)
    assert saved_task_subject(settings, subject.kept).longest == 6


def test_no_source_that_is_asked_is_trained_on():
    for task in ("translation", "sentiment", "dates"):
        data = TaskData(task, "", 2000, 300, seed=3)
        trained = {e.source for e in data.train}
        assert trained.isdisjoint(e.source for e in [*data.test, *data.structure])


def test_groups_divide_every_channel():
    w = np.zeros((96, 8))
    assert cells.fitting({"group_size": 64}, {"w": w})["group_size"] == 32
    assert cells.fitting({"group_size": 64}, {"a_embedding": w})["group_size"] == 8
    assert cells.fitting({"group_size": 64}, {"w": w[:64], "b": w[0]})["group_size"] == 64
    assert cells.fitting({"axis": "tensor"}, {"w": w}) == {"axis": "tensor"}


def test_each_study_knows_its_measure():
    of = {task: measure_of(task_study(task)) for task in ("translation", "sentiment", "dates")}
    assert of["translation"] == of["dates"] == EXACT_MATCH
    assert list(of["sentiment"].limits.values()) == [0.9, pytest.approx(0.7)]
    assert measure_of(task_study("summarization")) == ROUGE_L
    assert measure_of(Settings()) == LOSS
    assert measure_of(Settings(corpus="grammar")).limits.keys() == {"entropy of\nthe source"}
    assert measure_of(Settings(corpus="grammar", tokenizer="bpe")).limits == {}
    assert Settings().task == LANGUAGE


def test_findings_of_a_score_speak_of_points():
    def row(method, bits, score):
        return {"model": "LSTM", "method": method, "bits": bits, "seed": 0, "exact_match": score,
                "score_above_float": score - 0.9}  # fmt: skip

    rows = [row("per-channel absmax", 8, 0.89), row(TRAINED_SCHEME, 2, 0.4), row(TRAINED, 2, 0.8)]
    assert "exact match by -1.00 points" in eight_bits(rows, "LSTM", EXACT_MATCH)
    assert recovery(rows, "LSTM", 2, EXACT_MATCH) == (
        "2 bits per group cost +50.00 points after training, +10.00 points with "
        "quantization-aware training: 80% of the damage is undone."
    )
    assert findings([], Measure("accuracy", "accuracy")) == {}
    alike = [row(ALONE, 32, 0.5), row(DISTILLED, 32, 0.5)]
    assert "ends at 50.0 %, as good as the same" in distillation(alike, "LSTM", EXACT_MATCH)
    better = [row(ALONE, 32, 0.5), row(DISTILLED, 32, 0.6)]
    assert "10.00 points better than the same" in distillation(better, "LSTM", EXACT_MATCH)


def test_a_score_up_to_100_is_said_and_drawn_as_one_up_to_1(tmp_path):
    assert ROUGE_L.shown(62.5) == EXACT_MATCH.shown(0.625) == "62.5 %"
    assert ROUGE_L.shown_change(-2.0) == EXACT_MATCH.shown_change(-0.02) == "-2.00 points"
    figure = Figure()
    for axes, measure, score in zip(
        figure.subplots(2), (ROUGE_L, EXACT_MATCH), (50, 0.5), strict=True
    ):
        draw_score_axes(measure, axes)
        assert axes.get_ylim() == pytest.approx((-0.06 * score, 2.12 * score))
        assert axes.yaxis.get_major_formatter()(score) == "50%"


def test_while_training_a_study_follows_its_own_measure(tmp_path, monkeypatch):
    settings = small("summarization", "LSTM")
    subject = new_subject(settings, "LSTM", "", tmp_path / "m.npz", 0)
    halves = [" ".join(e.target.split()[:3]) for e in subject.data.test]
    monkeypatch.setattr(type(subject), "answers", lambda self, params, asked: halves)
    curve = subject.validation(None)
    assert 10 < curve < 90  # a share of the words is right, though no answer is
    wanted = [e.target for e in subject.data.test]
    assert curve == rouge_l(halves, wanted, words=words_13a)


def test_few_spaces_mean_characters():
    assert cutting(["我看见了", "一只猫"])("一只猫") == ["一", "只", "猫"]
    assert cutting(["a cat", "the dog", "x"])("a cat.") == ["a", "cat", "."]


def test_an_answer_begins_with_begin_and_ends_with_end(tmp_path, monkeypatch):
    asked = {}

    def answer(model, params, source, **how):
        asked.update(how)
        return [np.zeros(0, np.int32)] * len(source)

    monkeypatch.setattr("minilm.study.tasks.answer", answer)
    subject = new_subject(small("reverse", "LSTM"), "LSTM", "", tmp_path / "m.npz", 0)
    subject.answers({}, subject.data.test)
    tokenizer = subject.tokenizer
    assert (asked["begin_id"], asked["end_id"]) == (tokenizer.begin_id, tokenizer.end_id)
    assert tokenizer.begin_id != tokenizer.end_id


def test_each_part_is_judged_by_its_own_examples(tmp_path, monkeypatch):
    name = "bag of words"
    subject = new_subject(small("sentiment", name), name, "", tmp_path / "m.npz", 0)
    data = subject.data
    monkeypatch.setitem(vars(data), "structure", data.structure[:7])  # fewer than the other part
    params = subject.model.init(1)
    measured = subject.judge(params, params)
    expected = subject.accuracy(subject.logits(params, data.structure), data.structure)
    assert measured["structure_accuracy"] == expected
