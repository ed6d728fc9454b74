"""The measures of a study of methods: what is met and what is missed is said so."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / ".ci"))  # as for a script that lies there
measures = import_module("measures_of_methods")

GOOD = {
    ("in groups", 3, "post-training"): 0.2,
    ("in groups", 4, "post-training"): 0.02,
    ("least squares, asymmetric in groups", 3, "post-training"): 0.15,
    ("GPTQ", 3, "post-training"): 0.1,
    ("AWQ", 3, "post-training"): 0.12,
    ("codebook", 3, "post-training"): 0.01,  # neither GPTQ nor AWQ
    ("codebook", 2, "post-training"): 0.4,
    ("mixed precision", 2, "whole model"): 0.05,  # its bits are not 2 for every weight
    ("LSQ", 2, "trained"): 0.1,
    ("float, trained further", 32, "trained"): -0.05,
    ("integer-only", 8, "whole model"): 0.01,
    ("gradients, error feedback", 4, "trained"): 0.02,
}


def measured(tmp_path, **changed):
    lines = ["model,method,bits,kind,seed,loss_above_float,bits_per_weight"]
    for model in ("LSTM", "Transformer"):
        for (method, bits, kind), damage in GOOD.items():
            damage = changed.get(f"{method} {bits}", damage)
            true_bits = 32 if "gradients" in method or "float" in method else bits + 0.5
            # the mean counts: one seed above, one below
            for seed, apart in ((0, -0.001), (1, 0.001)):
                lines.append(f'{model},"{method}",{bits},{kind},{seed},{damage + apart:.6f},'
                             f"{true_bits}")  # fmt: skip
    lines.append("LSTM,refused,3,whole model,0,,")
    path = tmp_path / "methods.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return measures.main(path)


def test_measures_that_are_met(tmp_path, capsys):
    assert measured(tmp_path) == 0
    said = capsys.readouterr().out
    assert said.count("met   ") == 10
    assert "same grid and objective, least squares, asymmetric in groups: 0.67" in said


@pytest.mark.parametrize(("method", "damage"), [
    ("in groups 4", 0.0201), ("GPTQ 3", 0.101), ("LSQ 2", 0.1001), ("integer-only 8", 0.0101),
    ("gradients, error feedback 4", 0.0201),
])  # fmt: skip
def test_a_measure_that_is_missed_is_said(method, damage, tmp_path, capsys):
    assert measured(tmp_path, **{method: damage}) == 1
    assert capsys.readouterr().out.count("MISSED") == 2
