"""One cell of a study: a model, a method, a setting and a seed go in; a row of measurements out.

A cell is plain data and `run_cell` a top-level function, so that any executor can carry it to
another process. What it draws at random follows from its own seed, never from the order in which
cells happen to run: an interrupted study therefore ends with the same numbers.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minilm.compression import prune, quantize, straight_through
from minilm.study.language_models import LanguageModelSubject
from minilm.study.measure import compressed_size, weight_sqnr
from minilm.study.methods.bench import bench_of, fitting
from minilm.study.methods.cell import method_row
from minilm.study.methods.comparisons import COMPARISONS, Comparison
from minilm.study.settings import (
    ALONE,
    BIT_WIDTHS,
    DISTILLED,
    FLOAT,
    FLOAT_BITS,
    FLOAT_FURTHER,
    PRUNED,
    SCHEMES,
    SPARSITIES,
    TRAINED,
    TRAINED_BITS,
    TRAINED_SCHEME,
    Settings,
)
from minilm.study.subjects import Subject, new_subject, saved_task_subject
from minilm.training import as_is, keep_freed_memory
from minilm.types import Params

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What is done (train, quantize, prune, tune, student, method) to which model, and how much."""

    action: str
    model: str
    seed: int
    method: str = ""
    amount: float = 0.0  # bits, or sparsity, or what a comparison counts

    @property
    def name(self) -> str:
        """All of it in words: what the progress bar shows and the kept rows are found by."""
        what = f"{self.method} {self.amount:g}" if self.method or self.amount else ""
        return " ".join(f"{self.action} {self.model} {what} seed {self.seed}".split())

    @property
    def needs(self) -> "Cell | None":
        """The cell that must have run before: everything but training reads a trained model."""
        return None if self.action == "train" else Cell("train", self.model, self.seed)


def plan(settings: Settings) -> list[Cell]:
    """Every cell of a study, the long ones of each model first so that two workers end together."""
    both = [(model, seed) for seed in settings.seeds for model in settings.models]
    if settings.methods:
        comparison = COMPARISONS[settings.methods]
        return [cell for each in both for cell in cells_of_methods(comparison, *each)]
    return [cell for each in both for cell in cells_of(*each)]


def cells_of(model: str, seed: int) -> Iterator[Cell]:
    yield Cell("train", model, seed)
    for method in (ALONE, DISTILLED):
        yield Cell("student", model, seed, method)
    for bits in (*TRAINED_BITS, FLOAT_BITS):
        yield Cell("tune", model, seed, amount=bits)
    for method in SCHEMES:
        for bits in BIT_WIDTHS:
            yield Cell("quantize", model, seed, method, bits)
    for sparsity in SPARSITIES:
        yield Cell("prune", model, seed, PRUNED, sparsity)


def cells_of_methods(comparison: Comparison, model: str, seed: int) -> Iterator[Cell]:
    yield Cell("train", model, seed)
    for name, tried in comparison.tried.items():
        for amount in tried.amounts:
            yield Cell("method", model, seed, name, amount)


def run_cell(settings: Settings, folder: Path, cell: Cell) -> Row:
    """Do what the cell says; its row, with the seconds that the cell took."""
    keep_freed_memory()
    started = time.perf_counter()
    text = (folder / "corpus.txt").read_text(encoding="utf-8")
    kept = folder / "models" / f"{cell.model}-{cell.seed}.npz"
    if cell.needs is not None and cell.model in settings.task_models:
        subject: Subject = saved_task_subject(settings, kept)  # what it asks needs no training data
    else:
        subject = new_subject(settings, cell.model, text, kept, cell.seed)
    row = ACTIONS[cell.action](subject, cell)
    seconds = round(time.perf_counter() - started, 2)
    return {"model": cell.model, "seed": cell.seed, **row, "seconds": seconds}


def train_cell(subject: Subject, cell: Cell) -> Row:
    params = subject.train()
    return {"method": FLOAT, "bits": FLOAT_BITS, **measured(subject, params, params)}


def quantize_cell(subject: Subject, cell: Cell) -> Row:
    params, bits = subject.trained(), int(cell.amount)
    quantized = quantize(params, bits, **fitting(SCHEMES[cell.method], params))
    return {"method": cell.method, "bits": bits, **measured(subject, params, quantized)}


def prune_cell(subject: Subject, cell: Cell) -> Row:
    params = subject.trained()
    pruned = prune(params, cell.amount)
    return {"method": cell.method, "sparsity": cell.amount, **measured(subject, params, pruned)}


def tune_cell(subject: Subject, cell: Cell) -> Row:
    """Train a little further while the model sees its weights rounded; then round them for good.

    At 32 bits nothing is rounded: the control, which shows what the further training alone does.
    """
    params, bits = subject.trained(), int(cell.amount)
    if bits == FLOAT_BITS:
        tuned = subject.tune(params, as_is)
        return {"method": FLOAT_FURTHER, "bits": bits, **measured(subject, params, tuned)}
    scheme = fitting(SCHEMES[TRAINED_SCHEME], params)
    tuned = subject.tune(params, straight_through(bits, **scheme))
    quantized = quantize(tuned, bits, **scheme)
    return {"method": TRAINED, "bits": bits, **measured(subject, params, quantized)}


def student_cell(subject: Subject, cell: Cell) -> Row:
    """A model of half the width, taught by the text alone or by the text and the large model."""
    teacher = subject.trained() if cell.method == DISTILLED else None
    student, params = subject.student(teacher)
    judged = student.judge(params, subject.trained())
    return {"method": cell.method, "bits": FLOAT_BITS, **compressed_size(params), **judged}


def method_cell(subject: LanguageModelSubject, cell: Cell) -> Row:
    comparison = COMPARISONS[subject.settings.methods]
    return method_row(bench_of(subject), cell.method, int(cell.amount), comparison)


def measured(subject: Subject, params: Params, compressed: Params) -> Row:
    """Bytes, the weights' error, and the loss of `compressed`, which was made from `params`."""
    return {
        **compressed_size(compressed),
        "sqnr_db": weight_sqnr(params, compressed),
        **subject.judge(compressed, params),
    }


ACTIONS: dict[str, Callable[[Any, Cell], Row]] = {
    "train": train_cell,
    "quantize": quantize_cell,
    "prune": prune_cell,
    "tune": tune_cell,
    "student": student_cell,
    "method": method_cell,
}
