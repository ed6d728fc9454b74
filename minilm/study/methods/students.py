"""Students: models of half the width, trained from nothing, alone or taught by the float model.

One begins as a part of its teacher instead, so not all that it closes of the gap is the lesson's.

    gap closed = (loss alone − loss taught) / (loss alone − loss of the teacher)

Each has as many steps as the float model had and, but for those in two parts, the same batches in
the same order and the same learning rates. An amount is the percentage of the width left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from minilm.compression.distillation import add_hint, distil, drop_hint
from minilm.compression.shrinking import shrink
from minilm.study.methods.bench import Bench, Made
from minilm.study.methods.kinds import STUDENT
from minilm.study.methods.narrower import subject_of
from minilm.study.methods.table import Tried

ALONE = "student alone"
FIRST = 0.3  # of the steps, where a lesson comes before another


def student(**lesson: Any) -> Tried:
    """lesson: arguments of `distil`; none: the text alone. Who has no attention is refused one in
    attention (TypeError)."""
    return in_parts((1, lesson))


def in_parts(*parts: tuple[float, Mapping[str, Any]]) -> Tried:
    """parts: a share of the steps, and the lesson in it. Each begins with the first batches and
    with learning rates that rise and fall anew."""

    def make(bench: Bench, percent: int) -> Made:
        width = bench.subject.recipe.config["width"]
        small = bench.subject.sized(width=width - width * percent // 100)
        model, seed = small.model, bench.subject.seed
        params = model.init(seed)
        if any(lesson.get("hidden") for _, lesson in parts):
            tokens = bench.batches[0][0][:1]
            widths = tuple(each.forward(own, tokens)[1]["hidden"].shape[-1] for each, own in (
                (model, params), (bench.model, bench.params)))  # fmt: skip
            params = add_hint(params, widths, seed=seed)
        for share, lesson in parts:
            how: dict[str, Any] = {}
            if lesson:
                how["loss"] = distil(bench.model, bench.params, **lesson)
            params, _ = small.fit(params, round(share * small.recipe.steps), **how)
        return Made(drop_hint(params), model)

    return Tried(STUDENT, make, (50,), refusal=TypeError)


def cut(bench: Bench, percent: int) -> Made:
    """An LSTM that begins as half of its teacher's units, as DistilBERT began as every second layer
    of its teacher (Sanh et al. 2019, section 3)."""
    small, params = shrink(bench.model, bench.params, percent / 100, what="units",
                           scores="activation", calibration=bench.seen)  # fmt: skip
    subject = subject_of(bench, small)
    lesson = distil(bench.model, bench.params, alpha=0.5)
    return Made(subject.fit(params, subject.recipe.steps, loss=lesson)[0], small)


STUDENTS: Mapping[str, Tried] = MappingProxyType({
    ALONE: student(),
    "student, soft targets": student(alpha=0.5),  # Hinton et al. 2015
    "student, soft targets alone": student(alpha=1.0),
    "student, soft targets, T = 2": student(alpha=0.5, temperature=2.0),
    "student, hard labels": student(alpha=0.5, labels="hard"),
    "student, hidden states": student(alpha=0.5, hidden=1.0),
    # Romero et al. 2015, section 2.2: first what it thinks, then what it answers; and the control
    "student, hidden states first": in_parts(
        (FIRST, {"alpha": 0.5, "hidden": 30.0}), (1 - FIRST, {"alpha": 0.5})),
    "student alone, in two parts": in_parts((FIRST, {}), (1 - FIRST, {})),
    "student, attention": student(alpha=0.5, attention=1.0, values=1.0),  # Wang et al. 2020
    # Sanh et al. 2019
    "student, cut from its teacher": Tried(STUDENT, cut, (50,), refusal=ValueError),
})  # fmt: skip
