"""What a cell asks of its subject, and what it writes down: with a subject that only remembers."""

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.study import cells
from minilm.study.cells import Cell
from minilm.study.settings import (
    ALONE,
    BIT_WIDTHS,
    DISTILLED,
    FLOAT_FURTHER,
    SCHEMES,
    SPARSITIES,
    TRAINED,
    TRAINED_SCHEME,
    task_settings,
)
from minilm.training import as_is
from minilm.weights import QuantizedTensor


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


TEACHER = {"w": normal(64, 8), "b": np.zeros(8, np.float32)}
STUDENT = {"w": normal(64, 4), "b": np.zeros(4, np.float32)}
TUNED = {"w": TEACHER["w"] + 1, "b": TEACHER["b"]}


class Remembering:
    """A subject whose judgement is what it was asked to judge."""

    def trained(self):
        return TEACHER

    def tune(self, params, view):
        assert params is TEACHER
        self.view = view
        return TUNED

    def student(self, teacher):
        self.teacher = teacher
        return self, STUDENT

    def judge(self, params, reference):
        assert reference is TEACHER
        self.judged = params
        return {"loss": 1.0}


@pytest.fixture
def subject():
    return Remembering()


@pytest.mark.parametrize(("method", "teacher"), [(ALONE, None), (DISTILLED, TEACHER)])
def test_only_the_distilled_student_has_a_teacher_and_the_bytes_are_its_own(
    subject, method, teacher
):
    row = cells.student_cell(subject, Cell("student", "LSTM", 0, method))
    assert subject.teacher is teacher
    assert subject.judged is STUDENT
    assert row["method"] == method
    assert row["file_bytes"] == cells.compressed_size(STUDENT)["file_bytes"]


@pytest.mark.parametrize("bits", [3, 2, 1])
def test_tuning_sees_the_weights_as_they_are_rounded_afterwards(subject, bits):
    row = cells.tune_cell(subject, Cell("tune", "LSTM", 0, amount=bits))
    seen, _ = subject.view(TEACHER, 0)
    scheme = SCHEMES[TRAINED_SCHEME]
    np.testing.assert_array_equal(seen["w"], quantize(TEACHER, bits, **scheme)["w"].dense())
    np.testing.assert_array_equal(
        subject.judged["w"].dense(), quantize(TUNED, bits, **scheme)["w"].dense()
    )
    assert (row["method"], row["bits"]) == (TRAINED, bits)


def test_the_control_of_tuning_rounds_nothing(subject):
    row = cells.tune_cell(subject, Cell("tune", "LSTM", 0, amount=32))
    assert subject.view is as_is
    assert subject.judged is TUNED
    assert row["method"] == FLOAT_FURTHER


def test_rounding_and_pruning_are_judged_compressed(subject):
    cells.quantize_cell(subject, Cell("quantize", "LSTM", 0, "per-channel absmax", 2))
    assert isinstance(subject.judged["w"], QuantizedTensor)
    cells.prune_cell(subject, Cell("prune", "LSTM", 0, "magnitude pruning", 0.25))
    assert np.mean(subject.judged["w"].dense() == 0) == 0.25


def test_a_plan_has_every_amount_of_every_method_once():
    planned = cells.plan(task_settings("sentiment"))
    assert len({cell.name for cell in planned}) == len(planned)
    for model in ("Transformer", "LSTM", "bag of words"):
        own = [cell for cell in planned if cell.model == model]
        asked = {(cell.method, cell.amount) for cell in own if cell.action == "quantize"}
        assert asked == {(method, bits) for method in SCHEMES for bits in BIT_WIDTHS}
        assert [c.amount for c in own if c.action == "prune"] == list(SPARSITIES)
        assert sorted(c.amount for c in own if c.action == "tune") == [1, 2, 3, 32]
        assert {c.method for c in own if c.action == "student"} == {ALONE, DISTILLED}
