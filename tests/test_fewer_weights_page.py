"""docs/fewer-weights.md shows what docs/fewer-weights.csv holds, and what it says is so."""

import importlib.util
import re
from pathlib import Path

import pytest

from minilm.study.methods.comparisons import FEWER_WEIGHTS
from minilm.study.methods.kinds import PRUNED, SHRUNK_TRAINED, STUDENT
from minilm.study.methods.pruned import ONCE, TWICE
from minilm.study.methods.ranking import above, entries
from minilm.study.methods.trained import FURTHER
from minilm.study.settings import FEWER_WEIGHTS_STUDY, FLOAT, methods_study

DOCS = Path(__file__).parents[1] / "docs"
MODELS = tuple(methods_study(FEWER_WEIGHTS_STUDY).language_models)
TRIED = FEWER_WEIGHTS.tried

spec = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)

PAGE = (DOCS / "fewer-weights.md").read_text(encoding="utf-8")
WRITTEN = re.sub(r"<!-- (\w+) -->.*?<!-- end of \1 -->", "", PAGE, flags=re.S)  # by hand
ROWS = make.read(DOCS / "fewer-weights.csv")
FIRST = "student, hidden states first"
FOUND = {(e.model, e.method, e.amount): e for e in entries(ROWS, FEWER_WEIGHTS)}

each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(params=MODELS)
def damage(request):
    """damage(method, percent) on each model: the mean over seeds."""
    return lambda method, percent: FOUND[request.param, method, percent].mean


def test_the_page_is_made_of_the_results_and_of_todays_tables():
    assert make.filled(PAGE, make.blocks(ROWS, FEWER_WEIGHTS_STUDY)) == PAGE


def test_every_method_was_measured_at_each_amount_with_each_seed():
    seeds = methods_study(FEWER_WEIGHTS_STUDY).seeds
    measured = sorted((row["model"], row["method"], int(row["left_out"]), int(row["seed"]))
                      for row in ROWS if row["method"] != FLOAT)  # fmt: skip
    assert measured == sorted(
        (model, name, percent, seed) for model in MODELS for name, tried in TRIED.items()
        for percent in tried.amounts for seed in seeds
    )  # fmt: skip
    assert all(row["loss"] or row["note"] for row in ROWS)


def test_every_method_is_told():
    lines = re.findall(r"^\| ([^|]+) \|", WRITTEN, re.M)
    told = {name for line in lines for name in line.split("; ")} - {"method", "---"}
    assert told | set(ONCE) == set(TRIED) and not told & set(ONCE)


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", PAGE)
    assert {"fewer-weights.csv", "fewer-weights-at-one-width.svg", "methods.md"} <= set(links)
    assert all((DOCS / link).exists() for link in links)


def test_between_the_marks_alone_are_numbers_that_were_measured():
    text = re.sub(r"`[^`]*`|section [\d.]+", "", WRITTEN)
    assert not re.findall(r"\d+\.\d+", text)


@pytest.mark.parametrize("scores", [("Wanda, local", "Wanda, global"),
                                    ("OBS, layer by layer", "OBS, global"),
                                    ("SparseGPT", "SparseGPT, global")])  # fmt: skip
def test_scope_before_score(damage, scores):
    each, together = scores
    assert damage(together, 50) < 0.5 * damage(each, 50)


@pytest.mark.parametrize("percent", [50, 60, 70])
def test_in_one_scope_the_order_is_the_textbooks(damage, percent):
    chance, magnitude, wanda, sparse = (
        damage(f"{name}, global", percent)
        for name in ("random", "magnitude", "Wanda", "SparseGPT")
    )
    assert chance > 2 * magnitude
    assert magnitude > wanda > sparse


def tied(model, one, other, percent):
    a, b = (FOUND[model, name, percent].damage for name in (one, other))
    return max(min(a), min(b)) <= min(max(a), max(b))


@each_model
@pytest.mark.parametrize("percent", [50, 60, 70])
def test_in_a_matrix_or_an_output_wanda_and_magnitude_tie(model, percent):
    assert tied(model, "Wanda, local", "magnitude", percent)
    assert tied(model, "Wanda", "magnitude, by output", percent)
    assert not tied(model, "Wanda, global", "magnitude, global", percent)


def test_in_the_scopes_of_papers_it_is_less_clear():
    assert tied("LSTM", "Wanda", "magnitude", 70)
    assert FOUND["LSTM", "magnitude", 70].mean > 0.5 * FOUND["LSTM", "random", 70].mean


@pytest.mark.parametrize("percent", [50, 60, 70])
def test_the_loss_knows_more_than_the_layer(damage, percent):
    order = [damage(name, percent) for name in ("OBD, made good", "OBD", "Wanda, global")]
    assert order == sorted(order)


def test_a_pattern_costs_more(damage):
    for pattern, free in (("magnitude, 2:4", "magnitude"), ("Wanda, 2:4", "Wanda"),
                          ("SparseGPT, 2:4", "SparseGPT")):  # fmt: skip
        assert damage(pattern, 50) > 1.2 * damage(free, 50)


@each_model
def test_training_repairs(model):
    control, chance = FOUND[model, FURTHER, 0], FOUND[model, "random, tuned", 50]
    for name in ("magnitude, tuned", "magnitude, global, tuned"):
        tuned = FOUND[model, name, 50]
        assert max(tuned.damage) < 0
        assert 0 < above(tuned, control).mean < 0.05
        assert max(tuned.damage) < min(chance.damage)
    assert chance.mean < 0.1 * FOUND[model, "random", 50].mean


@each_model
def test_at_80_percent_how_one_gets_there_counts(model):
    control = FOUND[model, FURTHER, 0]
    own = {name: FOUND[model, name, 80].mean for name in TRIED
           if TRIED[name].control == FURTHER and 80 in TRIED[name].amounts}  # fmt: skip
    assert min(own, key=own.__getitem__) == "gradual, global"
    assert own["gradual, global"] > control.mean
    as_good = {name for name in own if tied(model, "gradual, global", name, 80)}
    assert as_good == {"gradual, global"} | {
        "Transformer": {"gradual", "gradual, without regrowth"},
        "LSTM": {"SparseGPT, global, tuned"},
    }[model]
    longer = FOUND[model, "gradual, global, twice as long", 80]
    assert longer.mean < 0.02 and above(longer, FOUND[model, TWICE, 0]).mean > 0


def test_at_once_and_each_by_itself_costs_the_lstm_most():
    ways = ("magnitude, global, tuned", "magnitude, tuned, 4 bits", "gradual", "gradual, global",
            "gradual, without regrowth")  # fmt: skip
    worst = FOUND["LSTM", "magnitude, tuned", 80]
    assert all(worst.mean > FOUND["LSTM", way, 80].mean for way in ways)


@each_model
def test_fewer_bits_before_fewer_weights(model):
    both = FOUND[model, "magnitude, tuned, 4 bits", 80]
    floats = FOUND[model, "magnitude, global, tuned", 90]
    assert both.values["bits_per_weight"] < 0.6 * floats.values["bits_per_weight"]
    assert max(both.damage) < min(floats.damage)


@each_model
def test_bits_alone_do_as_much_at_the_size_of_half_the_weights_in_four_bits(model):
    def mean(method, column):
        rows = [row for row in make.read(DOCS / "methods.csv")
                if (row["model"], row["method"], row["bits"]) == (model, method, "3")]
        begun = {row["seed"]: float(row["loss"]) for row in ROWS
                 if (row["model"], row["method"]) == (model, FLOAT)}
        lost = {"loss": begun}.get(column, {})
        return sum(float(row[column]) - lost.get(row["seed"], 0) for row in rows) / len(rows)

    both = FOUND[model, "SparseGPT, 4 bits", 50]
    assert mean("GPTQ, codebook", "loss") < both.mean
    size = mean("GPTQ, codebook", "bits_per_weight")
    assert abs(size - both.values["bits_per_weight"]) < 0.1
    trained = FOUND[model, "magnitude, tuned, 4 bits", 50]
    assert (mean("LSQ, mid-rise", "loss") < trained.mean) == (model == "LSTM")


@each_model
def test_zeros_save_no_time_and_narrow_matrices_do(model):
    own = [e for e in FOUND.values() if e.model == model and e.method in TRIED]
    assert min(e.values["inference_time"] for e in own if e.kind == PRUNED) > 1
    narrow = [e for e in own if e.amount == 50 and (e.kind in (SHRUNK_TRAINED, STUDENT))]
    assert narrow and max(e.values["inference_time"] for e in narrow) < 0.95
    thin = FOUND[model, "SVD", 75].values["inference_time"]
    assert thin < min(0.95, FOUND[model, "SVD", 50].values["inference_time"])


@each_model
def test_two_thin_factors_have_to_know_the_inputs(model):
    own = {key[1:]: entry for key, entry in FOUND.items() if key[0] == model}
    for percent in TRIED["SVD"].amounts:
        assert own["SVD, activation-aware", percent].mean < own["SVD", percent].mean
    plain, aware = own["SVD, tuned", 50], own["SVD, activation-aware, tuned", 50]
    assert abs(plain.mean - aware.mean) < 0.02
    assert abs(aware.mean - own["magnitude, global, tuned", 50].mean) < 0.05
    assert max(e.values["inference_time"] for e in (plain, aware)) < 1


def test_a_trained_half_is_a_better_start_than_none():
    half = FOUND["LSTM", "units, tuned", 50]
    for (model, name, _), entry in FOUND.items():
        if model == "LSTM" and entry.kind == STUDENT and name != "student, cut from its teacher":
            assert max(half.damage) < min(entry.damage)


def test_what_it_thinks_before_what_it_answers():
    for model in MODELS:
        own = {name: entry for (of, name, _), entry in FOUND.items()
               if (of, entry.kind) == (model, STUDENT)}  # fmt: skip
        alone, first = own.pop("student alone"), own.pop(FIRST)
        parts = own.pop("student alone, in two parts")
        own.pop("student, cut from its teacher", None)  # begins as a part of its teacher
        gone = [1 - of / whole for of, whole in zip(first.damage, alone.damage, strict=True)]
        assert min(gone) > 1 / 3
        if model == "LSTM":
            assert max(first.damage) < min(min(entry.damage) for entry in own.values())
            assert all(0 < 1 - of / whole < 0.1 for of, whole in zip(
                parts.damage, alone.damage, strict=True))  # fmt: skip
        else:
            assert min(parts.damage) > max(alone.damage)


def test_a_teacher_does_not_make_up_for_steps():
    closed = {}
    for model in MODELS:
        alone, soft, softer, hard = (
            FOUND[model, name, 50] for name in (
                "student alone", "student, soft targets", "student, soft targets, T = 2",
                "student, hard labels"))  # fmt: skip
        assert max(softer.damage) >= min(soft.damage)
        assert min(hard.damage) > max(alone.damage)
        if model == "LSTM":
            assert max(softer.damage) >= min(alone.damage)
        closed[model] = 1 - soft.mean / alone.mean
    assert closed["Transformer"] > 0.4
    alone, cut = (FOUND["LSTM", name, 50] for name in (
        "student alone", "student, cut from its teacher"))  # fmt: skip
    for (model, _, _), entry in FOUND.items():
        if (model, entry.kind) == ("LSTM", STUDENT) and entry.method not in (cut.method, FIRST):
            assert 1 - entry.mean / alone.mean < 0.25
    assert cut.mean < 0.5 * alone.mean
    assert FOUND["LSTM", "units, tuned", 50].mean < cut.mean
