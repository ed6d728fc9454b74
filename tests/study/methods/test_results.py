"""From rows to places, tables and figures: by hand, whichever way the numbers fell."""

import re

import pytest

from minilm.study import results
from minilm.study.methods import page, plots, ranking, words
from minilm.study.methods.comparisons import COLUMNS, FEWER_WEIGHTS, QUANTIZATION
from minilm.study.methods.page import write_methods
from minilm.study.methods.ranking import entries, pareto_front, places, refusals
from minilm.study.settings import methods_study


def row(method, damage, seed=0, model="LSTM", bits=3, kind="post-training", true_bits=3.5, **more):
    return {
        "model": model, "method": method, "kind": kind, "bits": bits, "seed": seed,
        "loss": 2 + damage, "loss_above_float": damage, "bits_per_weight": true_bits,
        "file_bytes": 1000, "memory_bytes": 900, "sqnr_db": 10.0, "make_seconds": 0.5,
        "inference_time": 1.5, "seconds": 2.0, **more,
    }  # fmt: skip


def rows_of(method, *damages, **more):
    return [row(method, damage, seed, **more) for seed, damage in enumerate(damages)]


FLOATS = [
    {"model": model, "method": "float32", "bits": 32, "seed": seed, "loss": 2.0,
     "bits_per_weight": 32.0, "file_bytes": 8000, "seconds": 1.0}
    for model in ("LSTM", "Transformer") for seed in (0, 1)
]  # fmt: skip
MEASURED = [
    *rows_of("good", 0.1, 0.2),
    *rows_of("like it", 0.15, 0.3, true_bits=3.0),
    *rows_of("worse", 0.25, 0.4),
    *rows_of("worst", 1.0, 2.0, kind="trained", true_bits=3.2),
    *rows_of("good", 0.0, 0.1, model="Transformer"),
    *rows_of("like it", 0.2, 0.3, model="Transformer"),
    *rows_of("good", 0.01, 0.02, bits=8, true_bits=8.4),
    *rows_of("float, trained further", -0.1, -0.2, bits=32, kind="trained", true_bits=32.0),
    *rows_of("float, trained further", -0.1, -0.2, bits=32, kind="trained", true_bits=32.0,
             model="Transformer"),
    {"model": "LSTM", "method": "a cache", "kind": "whole model", "bits": 3, "seed": 0,
     "seconds": 0.1, "note": "it keeps none | so"},
]  # fmt: skip


def test_methods_tie_where_their_ranges_overlap():
    found = ranking.at(entries(MEASURED), "LSTM", 3)
    assert [entry.method for entry in found] == ["good", "like it", "worse", "worst"]
    # like it overlaps with both its neighbours, which are apart
    assert places(found) == {"good": 1, "like it": 1, "worse": 2, "worst": 4}


def test_ranges_that_touch_overlap():
    found = entries([*rows_of("a", 0.1, 0.2), *rows_of("b", 0.2, 0.3)])
    assert places(found) == {"a": 1, "b": 1}


def test_rows_of_the_file_say_the_same_as_rows_in_memory(tmp_path):
    results.write(MEASURED, tmp_path / "r.csv", COLUMNS)
    import csv

    with (tmp_path / "r.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert entries(read) == entries(MEASURED)
    assert refusals(read) == refusals(MEASURED) == [("LSTM", "a cache", "it keeps none | so")]


def test_a_table_of_damage_by_hand():
    cells = words.damages(ranking.compressing(entries(MEASURED)), 3)
    assert cells[1] == ["good", "post-training", "=1", "+0.1500 ± 0.0500", "3.50",
                        "1", "+0.0500 ± 0.0500", "3.50"]  # fmt: skip
    assert cells[2][2:4] == ["=1", "+0.2250 ± 0.0750"]
    assert cells[3][0] == "worse" and cells[3][2] == "2" and cells[3][5:] == ["–"] * 3
    assert [line[0] for line in cells[1:]] == ["good", "like it", "worse", "worst"]


def test_what_leaves_the_weights_float_has_no_place():
    found = entries([
        *MEASURED,
        *rows_of("a cache", 0.1, 0.3, bits=2, true_bits=32.0, kind="whole model", note="1 byte"),
        *rows_of("a mask", 0.5, 0.5, bits=32, true_bits=17.0, kind="trained"),
    ])  # fmt: skip
    assert "float, trained further" not in str(words.every_width(found))
    assert "a mask" not in str(words.every_width(found)) + str(words.best(found))
    assert words.others(found)[1:] == [
        ["float, trained further", "32", "-0.1500 ± 0.0500", "-0.1500 ± 0.0500", ""],
        ["a cache", "2", "+0.2000 ± 0.1000", "–", "1 byte"],
        ["a mask", "32", "+0.5000 ± 0.0000", "–", ""],
    ]


def test_first_places_are_said_with_their_ties():
    assert words.best(entries(MEASURED))[1:] == [
        ["8", "LSTM", "good (+0.0150)", "–"],
        ["3", "LSTM", "good (+0.1500); tied with like it", "worst (+1.5000)"],
        ["3", "Transformer", "good (+0.0500)", "–"],
    ]


def test_of_many_ties_two_are_named():
    found = entries([each for name in ("a", "b", "c", "d, e", "f") for each in rows_of(name, 0.1)])
    assert words.first(found) == "a (+0.1000); tied with b; c; 2 more"
    assert words.first([]) == "–"


def test_what_trains_stands_beside_its_control_seed_by_seed():
    rows = [
        *MEASURED,
        *rows_of("LSQ", 0.0, 0.3, kind="trained"),
        *rows_of("LSQ", 0.2, 0.2, kind="trained", model="Transformer"),
        *rows_of("binary, from scratch", 0.5, 0.5, kind="trained", bits=1),
    ]
    head, *lines = words.controlled(entries(rows[::-1]))  # whichever way they stand in the file
    assert head[2:4] == ["LSTM: damage", "LSTM: above the control"]
    # the control's are −0.1 and −0.2
    assert lines == [["LSQ", "3", "+0.1500 ± 0.1500", "+0.3000 ± 0.2000",
                      "+0.2000 ± 0.0000", "+0.3500 ± 0.0500"]]  # fmt: skip


def test_costs_are_shown_at_three_bits_or_what_is_nearest():
    (model, cells), (other, _) = words.costs(entries(MEASURED))
    assert (model, other) == ("LSTM", "Transformer")
    lines = {line[0]: line[1:] for line in cells[1:]}
    assert lines["good"] == ["3", "3.50", "1", "1", "10.0", "0.50", "1.50"]
    assert lines["float, trained further"][0] == "32"
    assert words.nearest([8, 4, 2]) == 2 and words.nearest([8, 4]) == 4


def test_what_has_no_time_and_what_has_next_to_none():
    (of_float,) = entries([{**FLOATS[0], "kind": "float32", "loss_above_float": 0.0}])
    assert words.cost(of_float) == ["32.00", "–", "8", "–", "–", "–"]
    (quick,) = entries([row("x", 0.1, make_seconds=0.002)])
    assert words.cost(quick)[4] == "< 0.01"


def test_runs_of_bits():
    assert words.listed([8, 2, 3, 4]) == "2–4, 8" and words.listed([4, 3]) == "3, 4"
    assert words.listed([16]) == "16"


def test_no_minus_zero():
    (entry,) = entries([row("x", -1e-9)])
    assert words.damage(entry) == "+0.0000 ± 0.0000"
    assert words.first([entry]) == "x (+0.0000)"


def test_nothing_on_the_front_is_undercut():
    own = [e for e in entries(MEASURED) if (e.model, e.amount) == ("LSTM", 3)]
    front = pareto_front(own)
    assert [entry.method for entry in front] == ["like it", "good"]
    equal = entries([row("a", 0.2, true_bits=3.0), row("b", 0.1, true_bits=3.0)])
    assert [entry.method for entry in pareto_front(equal)] == ["b"]


def test_each_front_has_marks_of_its_own():
    own = [e for e in entries(MEASURED) if (e.model, e.amount) == ("LSTM", 3)]
    fronts = ranking.marked_fronts(own)
    assert {name: [(mark, entry.method) for mark, entry in marked]
            for name, marked in fronts.items()} == {
        "without training": [("1", "like it"), ("2", "good")], "with training": [("a", "worst")],
    }  # fmt: skip
    assert words.fronts(own)[1:] == [
        ["LSTM", "1", "like it", "3", "3.00", "+0.2250 ± 0.0750"],
        ["LSTM", "2", "good", "3", "3.50", "+0.1500 ± 0.0500"],
        ["LSTM", "a", "worst", "3", "3.20", "+1.5000 ± 0.5000"],
    ]


def test_marks_too_near_each_other_are_written_as_one():
    near = [("1", 3.0, 0.2), ("2", 3.05, 0.19), ("3", 8.0, 0.001)]
    found = entries([
        each for mark, bits, damage in near for each in rows_of(mark, damage, true_bits=bits)
    ])
    panel = plots.damage_against_bits(found).axes[0]
    assert {text.get_text() for text in panel.texts} == {"1–2", "3"}


def test_markdown_escapes_what_would_end_a_cell():
    assert words.markdown([["a", "b"], ["1|2", "3"]]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n"


def test_a_combination_names_every_part():
    head, *lines = words.combinations()
    by_name = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert by_name["GPTQ, least squares"] == {
        "method": "GPTQ, least squares", "transform": "none", "grid": "int",
        "scale": "mse, group of 64, asymmetric", "rounding": "gptq", "coder": "packed",
        "bits": "2–8", "needs": "calibration", "source": "Frantar et al. 2022",
    }  # fmt: skip
    assert by_name["MXFP4"]["scale"] == "absmax, group of 32, e8m0"
    assert by_name["one scale"]["scale"] == "absmax, tensor"
    # these grids bring an objective of their own
    assert by_name["binary"]["scale"] == "mean_magnitude, channel"
    assert by_name["entropy-coded"]["scale"] == "rate, tensor"
    assert by_name["bf16"]["scale"] == "no scale"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    strip = ("loss_above_float",)
    raw = [{k: v for k, v in r.items() if k not in strip} for r in [*FLOATS, *MEASURED]]
    return folder, write_methods(raw, methods_study(), folder)


def test_damage_is_counted_from_the_float_model_of_the_same_seed(written):
    _, rows = written
    by_hand = {(r["model"], r["method"], r["bits"], r["seed"]): r["loss_above_float"]
               for r in MEASURED if "loss" in r}  # fmt: skip
    for r in rows:
        key = (r["model"], r["method"], r["bits"], r["seed"])
        if key in by_hand:
            assert r["loss_above_float"] == pytest.approx(by_hand[key])
    floats = [{**r, "loss": 5.0 + r["seed"]} for r in FLOATS]
    other = page.with_damage({**MEASURED[1]}, floats, QUANTIZATION)
    assert other["loss_above_float"] == pytest.approx(MEASURED[1]["loss"] - 6)


def test_the_page_stands_alone_and_says_everything(written):
    folder, _ = written
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert not re.search(r"<(script|link|img)|url\(http|src=", text)
    for said in ("tied with like it", "it keeps none | so", "+0.1500 ± 0.0500", "<td>1.50</td>"):
        assert said in text


def fewer(method, damage, seed, left_out=50, kind="pruned", **more):
    measured = {"true_bits": 17.0, "density": 0.5, "coded_bytes": 1500}
    made = row(method, damage, seed, kind=kind, **measured, **more)
    del made["bits"], made["sqnr_db"]
    return {**made, "left_out": left_out}


def test_a_study_of_fewer_weights_is_told_by_what_is_left_out(tmp_path):
    raw = [*FLOATS, *(
        each for model in ("LSTM", "Transformer") for seed in (0, 1) for each in (
            fewer("float, trained further", -0.1, seed, 0, "trained", model=model),
            fewer("magnitude", 0.2 + 0.01 * seed, seed, model=model),
            fewer("magnitude, tuned", 0.0, seed, kind="pruned, trained", model=model),
            fewer("magnitude", 0.4, seed, 60, model=model),
            fewer("student alone", 0.4, seed, kind="student", model=model),
            fewer("student, soft targets", 0.3 - 0.12 * seed, seed, kind="student", model=model),
        ))]  # fmt: skip
    for each in raw:
        each.pop("loss_above_float", None)
    rows = write_methods(raw, methods_study("fewer-weights"), tmp_path)
    head = (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert head == list(FEWER_WEIGHTS.columns) and {"density", "coded_bytes"} <= set(head)
    found = [e for e in entries(rows, FEWER_WEIGHTS) if e.method != "float32"]
    # half of the weights stands before more of them, and a control among no places
    amounts = [amount for amount, _ in words.every_width(found, FEWER_WEIGHTS)]
    assert amounts == [50, 60]
    assert words.others(found, FEWER_WEIGHTS)[1][:2] == ["float, trained further", "0"]
    assert words.controlled(found, FEWER_WEIGHTS)[1:] == [
        ["magnitude, tuned", "50", *["+0.0000 ± 0.0000", "+0.1000 ± 0.0000"] * 2]]
    # of the gap of 0.4 a quarter, and with the other seed 55 %
    assert words.gaps(found)[2] == ["student, soft targets", *["+0.2400 ± 0.0600", "40% ± 15%"] * 2]
    assert words.best(found, FEWER_WEIGHTS)[1][3] == "magnitude, tuned (+0.0000)"
    costs = dict(zip(*(words.costs(found, FEWER_WEIGHTS)[0][1][n] for n in (0, 2)), strict=True))
    assert costs["coded file (kB)"] == "2" and costs["density"] == "0.500"
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for said in ("<h1>Fewer weights, on", "50 % left out", "<h3>Students</h3>", "nothing left out",
                 "save bytes and no time"):
        assert said in text


def test_figures_are_vectors_and_pictures_with_units(written):
    folder, _ = written
    names = {"methods-at-one-width", "methods-damage-versus-bits"}
    assert {p.stem for p in folder.glob("*.svg")} == {p.stem for p in folder.glob("*.png")} == names
    dots = (folder / "methods-at-one-width.svg").read_text(encoding="utf-8")
    for said in ("nats per token", "good", "worst", "float, trained further", "3 bits"):
        assert said in dots
    points = (folder / "methods-damage-versus-bits.svg").read_text(encoding="utf-8")
    for said in ("front without training", "front with training", "true bits", "nats per token"):
        assert said in points


def test_both_panels_show_all_their_points():
    found = [e for e in entries(MEASURED) if e.method != "float32"]
    figure = plots.damage_against_bits(found)
    for panel in figure.axes[:2]:
        low, high = panel.get_ylim()
        assert low <= panel.dataLim.y0 and panel.dataLim.y1 <= high
