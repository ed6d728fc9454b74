"""The benchmarks' table shows what benchmarks/results.csv holds. Nothing is timed here."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load(name):
    """A file of benchmarks/ that needs neither torch nor gensim."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_made_of_the_results():
    table = load("table")
    shown = table.README.read_text(encoding="utf-8").split(table.BEGIN)[1].split(table.END)[0]
    assert shown == table.report(table.read())


def test_an_aim_is_met_at_equality_and_missed_above():
    table = load("table")
    row = {**table.read()[0], "at_most": "0.9", "work": "a step"}
    rows = [{**row, "ratio": "0.9"}, {**row, "ratio": "0.91"}]
    assert [line.split(" | ")[-1] for line in table.table(rows).splitlines()[2:]] == [
        "yes |", "no |"
    ]  # fmt: skip
    verdict = table.verdict(rows)
    assert verdict.endswith("1 of 2 aims are met. Not met: a step (0.91 where 0.90 is the aim).\n")


def test_the_median_ratio_is_taken_over_rounds():
    timing = load("timing")
    # the machine is ten times slower in the last round, for both
    seconds = np.array([[1.0, 2.0], [3.0, 4.0], [10.0, 10.0]])
    assert timing.summary(seconds) == pytest.approx({
        "minilm_seconds": 3.0, "peer_seconds": 4.0,
        "ratio": 0.75, "first_quartile": 0.625, "third_quartile": 0.875,
    })  # fmt: skip


def test_calls_take_turns():
    calls = []
    seconds = load("timing").interleave(lambda: calls.append("A"), lambda: calls.append("B"), 3)
    assert "".join(calls) == "AB" * 4  # the first of each is not counted
    assert seconds.shape == (3, 2) and (seconds >= 0).all()
