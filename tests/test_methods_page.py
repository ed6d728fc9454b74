"""docs/methods.md shows what docs/methods.csv and today's tables hold, and what it says is so."""

import importlib.util
import re
from pathlib import Path

import pytest

from minilm.study.methods.ranking import above, at, compressing, entries, places
from minilm.study.methods.table import TRIED
from minilm.study.methods.trained import FURTHER
from minilm.study.settings import QUANTIZATION_STUDY, methods_study

DOCS = Path(__file__).parents[1] / "docs"
MODELS = tuple(methods_study().language_models)

spec = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)

PAGE = (DOCS / "methods.md").read_text(encoding="utf-8")
ROWS = make.read(DOCS / "methods.csv")
FOUND = {(e.model, e.method, e.amount): e for e in entries(ROWS)}


@pytest.fixture(params=MODELS)
def damage(request):
    """damage(method, bits) on each model: the mean over seeds."""
    return lambda method, bits: FOUND[request.param, method, bits].mean


def test_the_page_is_made_of_the_results_and_of_todays_tables():
    assert make.filled(PAGE, make.blocks(ROWS, QUANTIZATION_STUDY)) == PAGE


def test_every_method_was_measured_at_each_width_with_each_seed():
    measured = sorted((row["model"], row["method"], int(row["bits"]), int(row["seed"]))
                      for row in ROWS if row["method"] != "float32")  # fmt: skip
    assert measured == sorted(
        (model, name, bits, seed) for model in MODELS for name, tried in TRIED.items()
        for bits in tried.amounts for seed in methods_study().seeds
    )  # fmt: skip
    assert all(row["loss"] or row["note"] for row in ROWS)


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE)
    assert {"methods.csv", "methods-at-one-width.svg"} <= set(links)
    assert all((DOCS / link).exists() for link in links)


def test_between_the_marks_alone_are_numbers_that_were_measured():
    text = re.sub(r"<!-- (\w+) -->.*?<!-- end of \1 -->", "", PAGE, flags=re.S)
    assert re.findall(r"\d+\.\d+", text) == ["0.01"]  # of the explanation of a nat


def test_eight_bits_are_free(damage):
    for method in ("round to nearest", "in groups", "W8", "W8A8, dynamic", "integer-only"):
        if method in TRIED and 8 in TRIED[method].amounts:
            assert abs(damage(method, 8)) < 0.005


@pytest.mark.parametrize("bits", [4, 3, 2])
def test_the_scale_comes_first(damage, bits):
    steps = ["one scale", "round to nearest", "in groups"]
    assert damage(steps[0], bits) > 1.2 * max(damage(name, bits) for name in steps[1:])
    both = damage("least squares, asymmetric in groups", bits)
    for one in ("asymmetric in groups", "least squares in groups"):
        assert both < damage(one, bits) < damage("in groups", bits)


@pytest.mark.parametrize("model", MODELS)
def test_one_scale_is_among_the_last(model):
    for bits in (4, 3, 2):
        own = at(compressing(FOUND.values()), model, bits)
        assert places(own)["one scale"] > 0.85 * len(own)


@pytest.mark.parametrize("model", MODELS)
def test_error_in_the_weights_is_not_damage(model):
    for better, plain in (("GPTQ", "in groups"), ("AdaRound", "round to nearest"),
                          ("GPTQ, least squares", "least squares, asymmetric in groups")):
        a, b = FOUND[model, better, 3], FOUND[model, plain, 3]
        assert a.values["sqnr_db"] < b.values["sqnr_db"]
        assert all(x < y for x, y in zip(a.damage, b.damage, strict=True))  # of the same seed


def test_unbiased_is_not_better(damage):
    assert damage("stochastic rounding", 3) > 1.5 * damage("round to nearest", 3)


@pytest.mark.parametrize("model", MODELS)
def test_levels_together_beat_levels_alone(model):
    trellis, codebook, coded, channel = (
        FOUND[model, name, 3] for name in ("trellis", "codebook", "entropy-coded",
                                           "round to nearest"))  # fmt: skip
    assert max(trellis.damage) < min(codebook.damage)
    for other in (codebook, channel):
        assert coded.mean < other.mean
        assert coded.values["bits_per_weight"] < other.values["bits_per_weight"]


@pytest.mark.parametrize("bits", [4, 3])
def test_rotation_gains_little_by_itself(damage, bits):
    assert damage("rotation", bits) > 0.8 * damage("round to nearest", bits)
    assert damage("rotation, then GPTQ", bits) > 0.8 * damage("GPTQ", bits)


def test_what_is_best_changes_with_the_width(damage):
    assert damage("GPTQ", 4) < damage("codebook", 4)
    for grid in ("codebook", "mid-rise"):
        assert damage("GPTQ", 2) > 2 * damage(grid, 2)


@pytest.mark.parametrize("model", MODELS)
def test_at_two_bits_training_is_nearest_to_its_control(model):
    own = at(compressing(FOUND.values()), model, 2)
    control = FOUND[model, FURTHER, 32]
    trained = min(above(e, control).mean for e in own if e.method.startswith("LSQ"))
    assert trained < 0.7 * min(e.mean for e in own if e.kind != "trained")


def test_a_scale_runs_along_what_sticks_out():
    for bits in (4, 3, 2):
        kivi, plain = (FOUND["Transformer", name, bits]
                       for name in ("key–value cache, KIVI", "key–value cache"))  # fmt: skip
        assert kivi.mean < plain.mean and kivi.note == plain.note


def test_what_rounds_activations_is_slower_still():
    for model in MODELS:
        times = {name: FOUND[model, name, 8].values["inference_time"]
                 for name in ("W8", "W8A8, dynamic", "integer-only")}  # fmt: skip
        assert 1 < times.pop("W8") < min(times.values())
