"""The tables in words, as rows of strings: for the report, and as Markdown for the documentation.

Everything here is made from the table of results and from METHODS, TRAINED and WHOLE.
"""

from collections.abc import Iterable, Sequence

from minilm.compression.quantization.grids import GRIDS
from minilm.compression.quantization.methods import METHODS, Method
from minilm.study.methods.comparisons import COSTS, QUANTIZATION, Comparison, Cost
from minilm.study.methods.kinds import STUDENT
from minilm.study.methods.ranking import (
    WITH,
    WITHOUT,
    Entry,
    above,
    amounts,
    at,
    by_training,
    compressing,
    leaving_float,
    marked_fronts,
    models_of,
    order_of_damage,
    places,
)
from minilm.study.methods.students import ALONE
from minilm.study.methods.trained import TRAINED
from minilm.study.methods.whole import WHOLE

Cells = list[list[str]]  # the first row is the head
NAMED = 2  # so many of those that tie with the first are named


def combinations() -> Cells:
    """Which combination each name of METHODS is."""
    head = ["method", "transform", "grid", "scale", "rounding", "coder", "bits", "needs", "source"]
    return [head] + [
        [name, method.transform, method.grid, scale_of(method), method.rounding, method.coder,
         listed(method.bits), method.needs or "–", method.source]
        for name, method in METHODS.items()
    ]  # fmt: skip


def scale_of(method: Method) -> str:
    """Objective, what shares a scale, whether there is a zero point, and how a scale is stored.

    Some grids bring an objective of their own; floats of 16 bits need no scale.
    """
    options = dict(method.options)
    size, axis = options.pop("group_size", None), options.pop("axis", None)
    shared = f"group of {size}" if size else axis or "channel"
    symmetric = options.pop("symmetric", True)
    stored = options.pop("scale_format", None)
    rest = [f"{key} {value}" for key, value in options.items()]
    own = GRIDS[method.grid].start(max(method.bits), symmetric).objective
    if own == "unit":
        return "no scale"
    parts = [own or method.objective, shared, "" if symmetric else "asymmetric", stored or "",
             *rest]  # fmt: skip
    return ", ".join(part for part in parts if part)


def trainings() -> Cells:
    """The methods that train."""
    return [["method", "begins from", "what is trained, and how", "bits", "source"]] + [
        [name, f"the {method.begins} model", method.does, listed(method.bits), method.source]
        for name, method in TRAINED.items()
    ]


def wholes() -> Cells:
    """The methods over whole models."""
    return [["method", "what it does", "bits", "needs", "source"]] + [
        [name, method.does, listed(method.bits), method.needs or "–", method.source]
        for name, method in WHOLE.items()
    ]


def listed(bits: Iterable[int]) -> str:
    """2, 3, 4, 8 -> "2–4, 8"."""
    runs: list[list[int]] = []
    for b in sorted(bits):
        if runs and b == runs[-1][-1] + 1:
            runs[-1].append(b)
        else:
            runs.append([b])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def damages(found: Sequence[Entry], amount: int) -> Cells:
    """Everything tried at one amount, the least damage first, places and ties by model."""
    models = models_of(found)
    own = {model: at(found, model, amount) for model in models}
    placed = {model: places(entries) for model, entries in own.items()}
    cells = [["method", "kind", *(f"{m}: {what}" for m in models
                                  for what in ("place", "damage", "true bits"))]]  # fmt: skip
    for method in order_of_damage(found, amount):
        line, kind = [], ""
        for model in models:
            entry = next((e for e in own[model] if e.method == method), None)
            if entry is None:
                line += ["–"] * 3
                continue
            kind = entry.kind
            tied = sum(place == placed[model][method] for place in placed[model].values()) > 1
            line += [f"{'=' if tied else ''}{placed[model][method]}", damage(entry),
                     f"{entry.values['bits_per_weight']:.2f}"]  # fmt: skip
        cells.append([method, kind, *line])
    return cells


def damage(entry: Entry) -> str:
    """Mean and half the range over seeds."""
    return f"{mean(entry)} ± {entry.spread:.4f}"


def mean(entry: Entry) -> str:
    return f"{round(entry.mean, 4) + 0.0:+.4f}"  # + 0.0: no "-0.0000"


def costs(
    found: Sequence[Entry], comparison: Comparison = QUANTIZATION
) -> list[tuple[str, Cells]]:
    """(model, what each method takes at one of its amounts: bits, bytes, and time)."""
    head = ["method", comparison.head, *(title for title, *_ in comparison.costs)]
    tables = []
    for model in models_of(found):
        own = {(e.method, e.amount): e for e in found if e.model == model}
        cells = [head]
        for method in dict.fromkeys(name for name, _ in own):
            amount = nearest((a for name, a in own if name == method), comparison.shown)
            cells.append([method, str(amount), *cost(own[method, amount], comparison.costs)])
        tables.append((model, cells))
    return tables


def cost(entry: Entry, columns: Sequence[Cost] = COSTS) -> list[str]:
    def shown(column: Cost) -> str:
        _, name, form, scale = column
        value = entry.values.get(name)
        if value is None:
            return "–"
        instant = name == "make_seconds" and value < 0.01
        return "< 0.01" if instant else format(value * scale, form)

    return [shown(column) for column in columns]


def nearest(amounts: Iterable[int], shown: int = QUANTIZATION.shown) -> int:
    """Of the amounts of a method that at which its costs are shown."""
    return min(amounts, key=lambda a: (abs(a - shown), a))


def every_width(
    found: Sequence[Entry], comparison: Comparison = QUANTIZATION
) -> list[tuple[int, Cells]]:
    """(amount, the order) for each amount at which weights become smaller."""
    small = compressing(found)
    return [(amount, damages(small, amount)) for amount in amounts(small, comparison)]


def best(found: Sequence[Entry], comparison: Comparison = QUANTIZATION) -> Cells:
    """At each amount and model what stands first, without training and with it, and what ties."""
    small = compressing(found)
    cells = [[comparison.head, "model", WITHOUT, WITH]]
    for amount in amounts(small, comparison):
        for model in models_of(small):
            parts = by_training(at(small, model, amount))
            if any(parts.values()):
                cells.append([str(amount), model, first(parts[WITHOUT]), first(parts[WITH])])
    return cells


def first(own: Sequence[Entry]) -> str:
    """What has the least damage among entries of one model and amount, and what ties with it."""
    if not own:
        return "–"
    _, *tied = (name for name, place in places(own).items() if place == 1)
    more = [f"{len(tied) - NAMED} more"] if len(tied) > NAMED else []
    said = "; ".join([*tied[:NAMED], *more])  # names have commas
    return f"{own[0].method} ({mean(own[0])})" + (f"; tied with {said}" if said else "")


def controlled(found: Sequence[Entry], comparison: Comparison = QUANTIZATION) -> Cells:
    """What goes on from the trained model, and how far it is above the float model that did so."""
    models = models_of(found)
    control = {name: row.control for name, row in comparison.tried.items() if row.control}
    controls = {(e.method, e.model): e for e in found if e.method in control.values()}
    cells = [["method", comparison.head, *(f"{m}: {what}" for m in models
                                           for what in ("damage", "above the control"))]]
    own = {(e.method, e.amount, e.model): e for e in found if e.method in control}
    for method, amount in dict.fromkeys((name, amount) for name, amount, _ in own):
        line = []
        for model in models:
            entry = own.get((method, amount, model))
            beside = controls.get((control[method], model))
            line += ["–"] * 2 if entry is None or beside is None else [
                damage(entry), damage(above(entry, beside))]
        cells.append([method, str(amount), *line])
    return cells


def fronts(found: Sequence[Entry], comparison: Comparison = QUANTIZATION) -> Cells:
    """What no other undercuts in both true bits and damage, by the marks of the figure."""
    small = compressing(found)
    cells = [["model", "mark", "method", comparison.head, "true bits", "damage"]]
    for model in models_of(small):
        for marked in marked_fronts(e for e in small if e.model == model).values():
            cells += [
                [model, mark, entry.method, str(entry.amount),
                 f"{entry.values['bits_per_weight']:.2f}", damage(entry)]
                for mark, entry in marked
            ]  # fmt: skip
    return cells


def others(found: Sequence[Entry], comparison: Comparison = QUANTIZATION) -> Cells:
    """What leaves the weights float: its amount is of something else, so it has no place."""
    models = models_of(found)
    cells = [["method", comparison.head, *models, "note"]]
    for method, amount in dict.fromkeys((e.method, e.amount) for e in leaving_float(found)):
        own = {e.model: e for e in found if (e.method, e.amount) == (method, amount)}
        notes = dict.fromkeys(e.note for e in own.values() if e.note)
        cells.append([method, str(amount),
                      *(damage(own[m]) if m in own else "–" for m in models),
                      "; ".join(notes)])  # fmt: skip
    return cells


def gaps(found: Sequence[Entry]) -> Cells:
    """Each lesson of a student, and the share of the gap to its teacher that it closes."""
    models = models_of(found)
    own = {(e.method, e.model): e for e in found if e.kind == STUDENT}
    cells = [["method", *(f"{m}: {what}" for m in models for what in ("damage", "gap closed"))]]
    for method in dict.fromkeys(name for name, _ in own):
        line = []
        for model in models:
            entry, alone = own.get((method, model)), own.get((ALONE, model))
            line += ["–"] * 2 if entry is None or alone is None else [
                damage(entry), closed(entry, alone)]
        cells.append([method, *line])
    return cells


def closed(entry: Entry, alone: Entry) -> str:
    """Of the damage of the student alone what is gone, seed by seed."""
    shares = [1 - own / whole for own, whole in zip(entry.damage, alone.damage, strict=True)]
    return f"{sum(shares) / len(shares):.0%} ± {(max(shares) - min(shares)) / 2:.0%}"


def markdown(cells: Cells) -> str:
    """The rows as a Markdown table."""
    head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in cells)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
