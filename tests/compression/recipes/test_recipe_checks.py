"""What is no recipe is refused with its stage and option, before any time is spent."""

import re

import numpy as np
import pytest

from minilm.compression.recipes import STAGES, Recipe, stage
from minilm.compression.recipes.checks import Stage


@pytest.mark.parametrize("do, options, message", [
    ("prun", {}, "stage: there is no 'prun'; there are distil, shrink, low_rank, prune"),
    ("prune", {"sparsty": 0.5}, "stage, prune: there is no option 'sparsty'; there are sparsity"),
    ("prune", {"sparsity": "half"}, "stage, prune: sparsity must be a finite number, got 'half'"),
    ("prune", {"sparsity": float("nan")}, "sparsity must be a finite number, got nan"),
    ("prune", {"sparsity": True}, "sparsity must be a finite number, got True"),
    ("prune", {"sparsity": 0.5, "steps": 0}, "stage, prune: steps must be at least 1, got 0"),
    ("tune", {}, "stage, tune: steps must be given"),
    ("tune", {"steps": 1.5}, "stage, tune: steps must be a whole number, got 1.5"),
    ("tune", {"steps": -1}, "stage, tune: steps must be at least 1, got -1"),
    ("tune", {"steps": 1, "learning_rate": 0}, "stage, tune: learning_rate must be above 0, got 0"),
    ("distil", {"width": 8, "steps": 1, "seed": -1}, "distil: seed must be at least 0, got -1"),
    ("prune", {"sparsity": 1, "steps": True}, "prune: steps must be a whole number, got True"),
    ("tune", {"state": 1}, "stage, tune: there is no option 'state'"),
    ("distil", {"width": 8}, "stage, distil: steps must be given"),
    ("quantize", {}, "stage, quantize: bits must be given"),
    ("quantize", {"bits": "3"}, "bits must be a whole number or a list of whole numbers or "
                                "whole numbers by name, got '3'"),
    ("quantize", {"bits": []}, "bits must be a whole number or a list"),
    ("quantize", {"bits": {}}, "bits must be a whole number or a list"),
    ("quantize", {"bits": {3: 3}}, "bits must be a whole number or a list"),
    ("quantize", {"bits": {"w": 2.5}}, "bits must be a whole number or a list"),
    ("quantize", {"bits": 3, "symmetric": 1}, "symmetric must be true or false, got 1"),
    ("code", {"coder": 1}, "stage, code: coder must be a string, got 1"),
])  # fmt: skip
def test_a_stage_is_checked_by_name_and_type(do, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        stage(do, **options)


def test_a_stage_says_what_it_does():
    assert stage("prune", sparsity=1) == Stage("prune", {"sparsity": 1})
    assert str(stage("quantize", bits=3, train="steps")) == "quantize bits=3 train=steps"
    assert stage("quantize", bits={"w": 3}).options == {"bits": {"w": 3}}


def test_numbers_of_numpy_are_numbers():
    assert stage("tune", steps=np.int64(3), learning_rate=np.float32(0.5)).options["steps"] == 3
    assert stage("quantize", bits=[np.int8(2), 4], mean_bits=np.float64(3)).options["bits"][0] == 2
    assert stage("tune", steps=3, learning_rate=None).options["learning_rate"] is None


@pytest.mark.parametrize("given, error, message", [
    ([stage("code")], TypeError, "stage 2 must be made by stage(), as in stage("),
    ("code", TypeError, "got 'code'"),
    (Stage("cod"), ValueError, "stage 2: there is no 'cod'; there are distil"),
    (Stage("prune", {"sparsty": 1}), ValueError, "stage 2, prune: there is no option 'sparsty'"),
])  # fmt: skip
def test_what_is_no_stage_is_refused_by_its_number(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Recipe(stage("tune", steps=1), given)


@pytest.mark.parametrize("do, options, asks", [
    ("tune", {"steps": 1}, {"fit"}),
    ("shrink", {"share": 0.5}, {"model", "sized"}),
    ("shrink", {"share": 0.5, "scores": "activation"}, {"model", "sized", "batches"}),
    ("prune", {"sparsity": 0.5, "score": "random"}, set()),
    ("prune", {"sparsity": 0.5, "steps": 3}, {"fit"}),
    ("prune", {"sparsity": 0.5, "score": "nonsense"}, set()),  # the stage itself says so
    ("prune", {"sparsity": 0.5, "score": "taylor"}, {"model", "batches"}),
    ("quantize", {"bits": 3, "calibrated": True}, {"model", "batches"}),
    ("prune", {"sparsity": 0.5, "compensate": True}, {"model", "batches"}),
    ("quantize", {"bits": [2, 3], "mean_bits": 2.5}, {"model", "batches"}),
    ("code", {}, set()),
])  # fmt: skip
def test_what_a_stage_asks_of_a_bench(do, options, asks):
    assert {*stage(do, **options).asks} == asks


PRUNE, TUNE = stage("prune", sparsity=0.5), stage("tune", steps=1)
QUANTIZE, CODE = stage("quantize", bits=3), stage("code")
DISTIL, SHRINK = stage("distil", width=8, steps=1), stage("shrink", share=0.5)
LOW_RANK = stage("low_rank", share=0.5)


@pytest.mark.parametrize("stages, message", [
    ([], "a recipe must have at least one stage, got none"),
    ([QUANTIZE, TUNE, PRUNE], "stage 3, prune: must come before quantize, which is stage 1"),
    ([PRUNE, DISTIL], "stage 2, distil: must come before prune, which is stage 1"),
    ([PRUNE, LOW_RANK], "stage 2, low_rank: must come before prune"),
    ([SHRINK, DISTIL], "stage 2, distil: must come before shrink"),
    ([CODE, TUNE], "stage 2, tune: code must be the last stage, and is stage 1"),
    ([CODE, CODE], "stage 2, code: code must be the last stage"),
    ([QUANTIZE, QUANTIZE], "stage 2, quantize: it is stage 1 already, and comes once"),
])  # fmt: skip
def test_an_order_that_cannot_be_is_refused(stages, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Recipe(*stages)


def test_any_stage_may_be_left_out_and_some_repeated():
    Recipe(TUNE, DISTIL, TUNE, SHRINK, SHRINK, TUNE, LOW_RANK, TUNE, PRUNE, TUNE, PRUNE, QUANTIZE,
           TUNE, CODE)  # fmt: skip
    for each in (PRUNE, TUNE, QUANTIZE, CODE, DISTIL, SHRINK, LOW_RANK):
        Recipe(each)
    assert {s.do for s in (PRUNE, TUNE, QUANTIZE, CODE, DISTIL, SHRINK, LOW_RANK)} == {*STAGES}


GOOD = 'stages = [\n  { do = "prune", sparsity = 0.5 },\n  { do = "code" },\n]\n'


@pytest.mark.parametrize("text, message", [
    ("", "a recipe must be a list of stages and no more, got None"),
    ("stages = []", "a recipe must have at least one stage, got none"),
    ("stages = 3", "a recipe must be a list of stages and no more, got 3"),
    (GOOD + "seed = 1", "got seed beside it"),
    ("stages = [{ bits = 3 }]", 'stage 1 must say what to do, as in { do = "tune"'),
    ("stages = ['prune']", "stage 1 must say what to do"),
    ('stages = [{ do = "tune", steps = 1 }, { do = "prune", sparsity = "x" }]',
     "stage 2, prune: sparsity must be a finite number, got 'x'"),
    ('stages = [{ do = "quantize", bits = nan }]', "stage 1, quantize: bits must be a whole"),
    ("stages = [", "Invalid"),
])  # fmt: skip
def test_toml_that_is_no_recipe_is_refused_by_its_file_name(tmp_path, text, message):
    path = tmp_path / "r.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        Recipe.read(path)
    assert str(path) in str(raised.value)


def test_bytes_that_are_no_text_are_refused_too(tmp_path):
    (tmp_path / "r.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"r\.toml"):
        Recipe.read(tmp_path / "r.toml")
    with pytest.raises(FileNotFoundError):
        Recipe.read(tmp_path / "none.toml")


def test_toml_and_python_say_the_same(tmp_path):
    (tmp_path / "r.toml").write_text(GOOD, encoding="utf-8")
    assert Recipe.read(tmp_path / "r.toml").stages == Recipe(PRUNE, CODE).stages
