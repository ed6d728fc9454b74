"""The measures of a study of fewer weights: what is met and what is missed is said so."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / ".ci"))  # as for a script that lies there
measures = import_module("measures_of_fewer_weights")

FALLS = (1.0, 0.4, 0.3, 0.1)
GOOD = {
    ("float, trained further", 0, "trained"): -0.02,
    ("float, trained twice as far", 0, "trained"): -0.05,
    ("magnitude, tuned", 50, "pruned, trained"): 0.02,
    ("magnitude, global, tuned", 50, "pruned, trained"): 0.01,
    ("magnitude, tuned", 80, "pruned, trained"): 0.04,
    ("magnitude, global, tuned", 80, "pruned, trained"): 0.3,
    ("gradual, global, twice as long", 80, "pruned, trained"): 0.2,
    ("student alone", 50, "student"): 0.2,
    ("student, soft targets", 50, "student"): 0.13,
    ("student, hard labels", 50, "student"): 0.21,
    ("student, cut from its teacher", 50, "student"): -0.1,  # told, but not from nothing
    **{(name, left_out, "pruned"): damage for order in measures.ORDERS.values()
       for left_out in (50, 60, 70) for name, damage in zip(order, FALLS, strict=True)},
}  # fmt: skip


def measured(tmp_path, **changed):
    lines = ["model,method,left_out,kind,seed,loss_above_float"]
    for model in measures.MODELS:
        for (method, left_out, kind), damage in GOOD.items():
            damage = changed.get(f"{method} {left_out}", damage)
            for seed, apart in ((0, -0.001), (1, 0.001)):  # the mean counts
                lines.append(f'{model},"{method}",{left_out},"{kind}",{seed},{damage + apart:.6f}')
    lines.append('LSTM,"student, attention",50,student,0,')  # refused
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return measures.main(path)


def test_measures_that_are_met(tmp_path, capsys):
    assert measured(tmp_path) == 0
    said = capsys.readouterr().out
    assert said.count("met   ") == 2 * (2 + 2 * 3 * 3 + 1)
    assert "80 % left out, magnitude, tuned" in said  # the best of both scopes
    assert "counted off: magnitude, tuned +0.0400, magnitude, global, tuned +0.0300" in said
    # the longer one is held against its own control
    assert "global, tuned +0.3200, gradual, global, twice as long +0.2500" in said
    assert "gap closed: student, soft targets 35%, student, hard labels -5%" in said


@pytest.mark.parametrize(("method", "damage", "missed"), [
    ("magnitude, global, tuned 50", 0.0111, 1), ("magnitude, tuned 80", 0.0501, 1),
    ("magnitude 60", 0.51, 1), ("Wanda 70", 0.41, 1), ("SparseGPT, global 50", 0.301, 1),
    ("student, soft targets 50", 0.141, 1),
])  # fmt: skip
def test_a_measure_that_is_missed_is_said(method, damage, missed, tmp_path, capsys):
    assert measured(tmp_path, **{method: damage}) == 1
    assert capsys.readouterr().out.count("MISSED") == 2 * missed
