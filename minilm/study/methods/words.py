"""The tables in words, as rows of strings: for the report, and as Markdown for the documentation.

Everything here is made from the table of results and from METHODS, TRAINED and WHOLE.
"""

from collections.abc import Iterable, Sequence

from minilm.compression.quantization.grids import GRIDS
from minilm.compression.quantization.methods import METHODS, Method
from minilm.study.methods.ranking import (
    WITH,
    WITHOUT,
    Entry,
    above,
    at,
    by_training,
    compressing,
    leaving_float,
    marked_fronts,
    models_of,
    order_of_damage,
    places,
    widths,
)
from minilm.study.methods.trained import FURTHER, TRAINED
from minilm.study.methods.whole import WHOLE

Cells = list[list[str]]  # the first row is the head
REPRESENTATIVE = 3  # the bits at which a method's costs are shown, or the nearest that it has
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


def damages(found: Sequence[Entry], bits: int) -> Cells:
    """Everything tried at one width, the least damage first, places and ties by model."""
    models = models_of(found)
    own = {model: at(found, model, bits) for model in models}
    placed = {model: places(entries) for model, entries in own.items()}
    cells = [["method", "kind", *(f"{m}: {what}" for m in models
                                  for what in ("place", "damage", "true bits"))]]  # fmt: skip
    for method in order_of_damage(found, bits):
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


def costs(found: Sequence[Entry]) -> list[tuple[str, Cells]]:
    """(model, what each method takes at one of its widths: bits, bytes, and time)."""
    head = ["method", "bits", "true bits", "memory (kB)", "file (kB)", "SQNR (dB)",
            "made in (s)", "inference / float"]  # fmt: skip
    tables = []
    for model in models_of(found):
        own = {(e.method, e.bits): e for e in found if e.model == model}
        cells = [head]
        for method in dict.fromkeys(name for name, _ in own):
            bits = nearest(b for name, b in own if name == method)
            cells.append([method, str(bits), *cost(own[method, bits])])
        tables.append((model, cells))
    return tables


def cost(entry: Entry) -> list[str]:
    def shown(name: str, form: str, scale: float = 1.0) -> str:
        value = entry.values.get(name)
        return "–" if value is None else format(value * scale, form)

    made = entry.values.get("make_seconds")
    return [
        shown("bits_per_weight", ".2f"), shown("memory_bytes", ",.0f", 1e-3),
        shown("file_bytes", ",.0f", 1e-3), shown("sqnr_db", ".1f"),
        "< 0.01" if made is not None and made < 0.01 else shown("make_seconds", ".2f"),
        shown("inference_time", ".2f"),
    ]  # fmt: skip


def nearest(bits: Iterable[int]) -> int:
    """Of the widths of a method that at which its costs are shown."""
    return min(bits, key=lambda b: (abs(b - REPRESENTATIVE), b))


def every_width(found: Sequence[Entry]) -> list[tuple[int, Cells]]:
    """(bits, the order) for each width at which weights are rounded."""
    small = compressing(found)
    return [(bits, damages(small, bits)) for bits in widths(small)]


def best(found: Sequence[Entry]) -> Cells:
    """At each width and model what stands first, without training and with it, and what ties."""
    small = compressing(found)
    cells = [["bits", "model", WITHOUT, WITH]]
    for bits in widths(small):
        for model in models_of(small):
            parts = by_training(at(small, model, bits))
            if any(parts.values()):
                cells.append([str(bits), model, first(parts[WITHOUT]), first(parts[WITH])])
    return cells


def first(own: Sequence[Entry]) -> str:
    """What has the least damage among entries of one model and width, and what ties with it."""
    if not own:
        return "–"
    _, *tied = (name for name, place in places(own).items() if place == 1)
    more = [f"{len(tied) - NAMED} more"] if len(tied) > NAMED else []
    said = "; ".join([*tied[:NAMED], *more])  # names have commas
    return f"{own[0].method} ({mean(own[0])})" + (f"; tied with {said}" if said else "")


def controlled(found: Sequence[Entry]) -> Cells:
    """What goes on from the trained model, and how far it is above the float model that did so."""
    models = models_of(found)
    controls = {e.model: e for e in found if e.method == FURTHER}
    cells = [["method", "bits", *(f"{m}: {what}" for m in models
                                  for what in ("damage", "above the control"))]]  # fmt: skip
    further = [name for name, row in TRAINED.items() if row.begins == "trained" and name != FURTHER]
    own = {(e.method, e.bits, e.model): e for e in found if e.method in further}
    for method, bits in dict.fromkeys((name, bits) for name, bits, _ in own):
        line = []
        for model in models:
            entry = own.get((method, bits, model))
            line += ["–"] * 2 if entry is None or model not in controls else [
                damage(entry), damage(above(entry, controls[model]))]
        cells.append([method, str(bits), *line])
    return cells


def fronts(found: Sequence[Entry]) -> Cells:
    """What no other undercuts in both true bits and damage, by the marks of the figure."""
    small = compressing(found)
    cells = [["model", "mark", "method", "bits", "true bits", "damage"]]
    for model in models_of(small):
        for marked in marked_fronts(e for e in small if e.model == model).values():
            cells += [
                [model, mark, entry.method, str(entry.bits),
                 f"{entry.values['bits_per_weight']:.2f}", damage(entry)]
                for mark, entry in marked
            ]  # fmt: skip
    return cells


def others(found: Sequence[Entry]) -> Cells:
    """What leaves the weights float: its bits are of something else, so it has no place."""
    models = models_of(found)
    cells = [["method", "bits", *models, "note"]]
    for method, bits in dict.fromkeys((e.method, e.bits) for e in leaving_float(found)):
        own = {e.model: e for e in found if (e.method, e.bits) == (method, bits)}
        notes = dict.fromkeys(e.note for e in own.values() if e.note)
        cells.append([method, str(bits),
                      *(damage(own[m]) if m in own else "–" for m in models),
                      "; ".join(notes)])  # fmt: skip
    return cells


def bits_said(bits: int) -> str:
    return f"{bits} bit{'' if bits == 1 else 's'}"


def markdown(cells: Cells) -> str:
    """The rows as a Markdown table."""
    head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in cells)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
