"""Encoder–decoders and classifiers on the command line: a task's, and a person's own files."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from minilm import cli, weights
from minilm.cli import training, writing
from minilm.study import fitted
from minilm.study.settings import Settings, task_settings
from minilm.study.subjects import saved_task_subject
from minilm.text import TASKS
from minilm.text.tasks import save_pairs

SMALL = "--steps 6 --width 16 --batch-size 8"


@pytest.fixture(scope="module", autouse=True)
def few_questions():
    with pytest.MonkeyPatch.context() as patched:
        few = lambda *task: replace(task_settings(*task), asked=40)  # noqa: E731
        patched.setattr(training, "task_settings", few)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, few_questions):
    folder = tmp_path_factory.mktemp("tasks")
    save_pairs(folder / "pairs.tsv", TASKS["translation"].examples(60, seed=1))
    save_pairs(folder / "labels.tsv", TASKS["sentiment"].examples(60, seed=1))
    common = f"{SMALL} --heads 2 --examples 200"
    call(f"train transformer --task reverse {common} --out {folder}/reverse.npz")
    call(f"train lstm --task sentiment {SMALL} --examples 200 --out {folder}/sentiment.npz")
    call(f"train lstm --pairs {folder}/pairs.tsv {SMALL} --out {folder}/pairs.npz")
    call(f"train bag-of-words --labelled {folder}/labels.tsv {SMALL} --out {folder}/labels.npz")
    return folder


def call(line):
    assert cli.main(shlex.split(line)) == 0


def figures(printed):
    return {name: float(x) for name, x in re.findall(r"^ *(\w+)  ([\d.]+) +\w.*$", printed, re.M)}


@pytest.mark.parametrize(
    ("model", "measured"),
    [
        ("reverse", {"exact_match", "structure_exact_match", "bleu"}),
        ("sentiment", {"accuracy", "structure_accuracy"}),
        ("pairs", {"exact_match", "bleu"}),
        ("labels", {"accuracy", "macro_f1"}),
    ],
)
def test_what_is_measured_before_and_after_compression(folder, capsys, model, measured):
    call(f"evaluate {folder}/{model}.npz")
    before = figures(capsys.readouterr().out)
    assert measured | {"loss", "file_bytes"} <= before.keys()
    assert ("structure_exact_match" in before) == (model == "reverse")
    call(f"quantize {folder}/{model}.npz --bits 8 --out {folder}/q.npz")
    call(f"evaluate {folder}/q.npz")
    after = figures(capsys.readouterr().out)
    assert after["loss"] == pytest.approx(before["loss"], rel=0.02)
    assert after["bits_per_weight"] < before["bits_per_weight"] == 32
    call(f"prune {folder}/{model}.npz --sparsity 0.5 --out {folder}/p.npz")
    call(f"distill {folder}/{model}.npz --out {folder}/student.npz")
    student, teacher = (weights.load(folder / f"{name}.npz") for name in ("student", model))
    table = "token_embedding"
    assert 2 * student[table].shape[1] == teacher[table].shape[1]
    call(f"evaluate {folder}/student.npz")


def test_an_answer_and_a_label(folder, capsys):
    call(f"generate {folder}/reverse.npz --prompt abc")
    greedy = capsys.readouterr().out
    for options in ("--beams 1", "--packed", "--cache-bits 8", "--temperature 0"):
        call(f"generate {folder}/reverse.npz --prompt abc {options}")
        assert capsys.readouterr().out == greedy
    call(f"generate {folder}/reverse.npz --prompt abc --beams 3 --alpha 1 --length 5")
    assert len(capsys.readouterr().out) <= 6
    call(f'generate {folder}/pairs.npz --prompt "She sleeps."')
    capsys.readouterr()
    call(f'generate {folder}/sentiment.npz --prompt "The plot was dull."')
    printed = capsys.readouterr().out
    p = {label: float(p) for p, label in re.findall(r"^([\d.]+)  (\w+)$", printed, re.M)}
    assert p.keys() == {"negative", "positive"}
    assert sum(p.values()) == pytest.approx(1, abs=1e-3)
    assert list(p.values()) == sorted(p.values(), reverse=True)


def test_another_file_is_asked_whole(folder, capsys, tmp_path):
    examples = TASKS["translation"].examples(300, seed=1)
    save_pairs(tmp_path / "more.tsv", examples[:40])
    call(f"evaluate {folder}/pairs.npz --corpus {tmp_path}/more.tsv")
    some = figures(capsys.readouterr().out)["loss"]
    save_pairs(tmp_path / "more.tsv", examples[:39])
    call(f"evaluate {folder}/pairs.npz --corpus {tmp_path}/more.tsv")
    assert figures(capsys.readouterr().out)["loss"] != some


def test_a_student_of_another_file_is_held_out_every_tenth_line(folder, capsys, tmp_path):
    save_pairs(tmp_path / "more.tsv", TASKS["translation"].examples(30, seed=2))
    call(f"distill {folder}/pairs.npz --corpus {tmp_path}/more.tsv --out {tmp_path}/s.npz")
    printed = capsys.readouterr().out
    call(f"evaluate {tmp_path}/s.npz")
    assert figures(capsys.readouterr().out).items() <= figures(printed).items()
    subject = saved_task_subject(Settings(), tmp_path / "s.npz")
    assert len(subject.data.train) == 27 and len(subject.data.test) == 3


def test_every_measurement_is_said_with_its_meaning(folder, capsys):
    call(f"evaluate {folder}/pairs.npz")
    printed = capsys.readouterr().out
    assert re.search(r"bleu +[\d.]+ +BLEU of the answers, 0 to 100\n", printed)
    assert re.search(r"loss +[\d.]+ +nats per token of the right answers", printed)


def test_training_goes_on_where_it_was_interrupted(folder, capsys, monkeypatch, tmp_path):
    line = f"train lstm --pairs {folder}/pairs.tsv {SMALL} --out {tmp_path}/again.npz"
    fit = fitted.fit

    def interrupted(model, params, batches, **how):
        def some(step):
            if step == 4:
                raise KeyboardInterrupt
            return batches(step)

        return fit(model, params, some, **how)

    monkeypatch.setattr(fitted, "fit", interrupted)
    assert cli.main(shlex.split(line)) == 130
    assert "it goes on where it stopped" in capsys.readouterr().err
    assert (tmp_path / "again.npz.checkpoint").exists()
    steps = []

    def watched(model, params, batches, **how):
        return fit(model, params, lambda step: steps.append(step) or batches(step), **how)

    monkeypatch.setattr(fitted, "fit", watched)
    call(line)
    assert {4, 5} <= set(steps) and 3 not in steps
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".json"] == ["again.npz"]
    whole, again = (weights.load(path) for path in (folder / "pairs.npz", tmp_path / "again.npz"))
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train word2vec --task reverse --out x.npz", "no word2vec for this"),
        ("train bag-of-words --out x.npz", "no bag-of-words for this; there are lstm"),
        ("train lstm --pairs {folder}/missing.tsv --out x.npz", "missing.tsv"),
        ("train lstm --pairs {folder}/ragged.tsv --out x.npz", "line 2"),
        ("train lstm --pairs {folder}/short.tsv --out x.npz", "too few lines"),
        ("train lstm --labelled {folder}/short.tsv --out x.npz", "too few lines"),
        ("train lstm --task reverse --context 9 --examples 90 --out x.npz", "context"),
        ("train transformer --task reverse --context 5 --examples 90 --out x.npz", "context=5"),
        ("evaluate {folder}/labels.npz --corpus {folder}/pairs.tsv", "unknown"),
        ("train lstm --pairs {folder}/pairs.tsv --examples 9 --out x.npz", "--examples"),
        ("train lstm --task reverse --heads 2 --examples 90 --out x.npz", "LSTM has no heads"),
        ("train lstm --corpus grammar --heads 2 --out x.npz", "LSTMLanguageModel has no heads"),
        ("train lstm --labelled {folder}/one.tsv --out x.npz", "one.tsv': needs two labels"),
        ("train lstm --labelled {folder}/new.tsv --out x.npz", "line 20: unknown label 'new'"),
        ("train transformer --pairs {folder}/long.tsv --tokenizer char --out x", "long.tsv: so"),
        ("evaluate {folder}/labels.npz --corpus {folder}/new.tsv", "line 1: unknown label 'a'"),
        ("evaluate {folder}/reverse.npz --corpus {folder}/long.tsv", "long.tsv: sources"),
        ("generate {folder}/reverse.npz --prompt ABC", "'A'"),
        ("generate {folder}/reverse.npz --prompt ''", "empty"),
        ("generate {folder}/reverse.npz --prompt abcdefghijklmnopqrstuvwxyz", "context"),
        ("generate {folder}/reverse.npz --prompt a --beams 2 --temperature 1", "--temperature"),
        ("generate {folder}/pairs.npz --prompt a --cache-bits 4", "keeps no keys and values"),
        ("generate {folder}/sentiment.npz --prompt a --beams 2", "a classifier writes nothing"),
    ],
)
def test_bad_input_is_one_clear_line(folder, capsys, monkeypatch, tmp_path, line, said):
    monkeypatch.chdir(tmp_path)
    (folder / "ragged.tsv").write_text("a\tb\nc\n")
    (folder / "short.tsv").write_text("a\tb\nc\td\n")
    (folder / "one.tsv").write_text("".join(f"{i}\ta\n" for i in range(30)))
    labels = ["a", "b"] * 9 + ["a", "new"]
    (folder / "new.tsv").write_text("".join(f"{i}\t{a}\n" for i, a in enumerate(labels)))
    sources = ["ab" * 300, *(f"ab{letter}" for letter in "abcdefghijklmnopqrst")]
    (folder / "long.tsv").write_text("".join(f"{source}\tab\n" for source in sources))
    capsys.readouterr()
    assert cli.main(shlex.split(line.format(folder=folder))) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_language_model_by_beam_search_and_with_a_rounded_cache(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 60)
    common = f"--corpus {tmp_path}/text.txt --steps 5 --width 16"
    call(f"train transformer {common} --heads 2 --context 16 --out {tmp_path}/m.npz")
    capsys.readouterr()
    texts = {}
    for options in ("--temperature 0", "--beams 1", "--beams 4", "--temperature 0 --cache-bits 8"):
        call(f'generate {tmp_path}/m.npz --prompt "the " --length 20 {options}')
        texts[options] = capsys.readouterr().out
        assert texts[options].startswith("the ") and len(texts[options]) == 25
    assert texts["--temperature 0"] == texts["--beams 1"]
    assert writing.LENGTH == 200
