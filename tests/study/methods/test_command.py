"""`study --methods`, from the command line to the page: a few methods on tiny models."""

import argparse
import csv
from dataclasses import replace

import pytest

from minilm.cli import studying
from minilm.study import cells, methods_study, run_study
from minilm.study.methods.comparisons import COLUMNS, QUANTIZATION
from minilm.study.methods.table import TRIED
from minilm.text import GRAMMAR

TRIED_HERE = ("in groups", "key–value cache")


def asked(**options):
    given = {"methods": "quantization", "thorough": False, "task": "lm", "corpus": None,
             "tokenizer": None, "name": None}  # fmt: skip
    return argparse.Namespace(**{**given, **options})


def test_the_command_asks_for_every_method_of_the_default_models():
    settings = studying.settings_of(asked())
    assert settings == methods_study()
    assert settings.methods and settings.word2vec is None and len(settings.seeds) == 3
    assert studying.default_name(asked()) == "python-docs-methods"
    assert not studying.settings_of(asked(methods="")).methods


def test_alone_it_means_quantization_and_it_can_be_told_otherwise():
    parser = argparse.ArgumentParser()
    studying.add_study(parser.add_subparsers())
    said = [parser.parse_args(["study", *words]).methods
            for words in ([], ["--methods"], ["--methods", "fewer-weights"])]  # fmt: skip
    assert said == ["", "quantization", "fewer-weights"]
    fewer = asked(methods="fewer-weights")
    assert studying.settings_of(fewer) == methods_study("fewer-weights")
    assert studying.default_name(fewer) == "python-docs-fewer-weights"


@pytest.mark.parametrize("other", [{"thorough": True}, {"task": "dates"}])
def test_it_is_of_the_default_language_models_alone(other):
    with pytest.raises(ValueError, match="--methods"):
        studying.settings_of(asked(**other))


def test_a_study_of_methods_ends_in_a_table_and_a_page(tmp_path, monkeypatch):
    corpus = tmp_path / "text.txt"
    corpus.write_text(GRAMMAR.sample(150, seed=3), encoding="utf-8")
    settings = replace(methods_study(), corpus=str(corpus), seeds=(0,))
    tiny = {"width": 32, "steps": 2, "tuning_steps": 2, "batch_size": 4, "context": 16}
    for model, more in (("LSTM", {}), ("Transformer", {"layers": 1, "heads": 2})):
        settings = settings.changed(model, {**tiny, **more})
    few = replace(QUANTIZATION, tried={name: TRIED[name] for name in TRIED_HERE})
    monkeypatch.setattr(cells, "COMPARISONS", {"quantization": few})
    folder = tmp_path / "run"
    rows = run_study(settings, folder, workers=1, progress=False)
    with (folder / "results.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(COLUMNS) and len(table) == len(rows)
    tried = 1 + sum(len(TRIED[name].amounts) for name in TRIED_HERE)
    assert len(rows) == 2 * tried
    refused = [r for r in table if not r["loss"]]
    assert {(r["model"], r["method"]) for r in refused} == {("LSTM", "key–value cache")}
    assert all(r["note"] for r in refused)
    assert (folder / "report.html").exists()
