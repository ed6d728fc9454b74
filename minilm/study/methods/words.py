"""The tables in words, as rows of strings: for the report, and as Markdown for the documentation.

Everything here is made from the table of results and from METHODS, TRAINED and WHOLE.
"""

from collections.abc import Iterable, Sequence

from minilm.compression.quantization.methods import METHODS, Method
from minilm.study.methods.ranking import (
    Entry,
    at,
    compressing,
    leaving_float,
    models_of,
    order_of_damage,
    places,
    widths,
)
from minilm.study.methods.trained import TRAINED
from minilm.study.methods.whole import WHOLE

Cells = list[list[str]]  # the first row is the head
REPRESENTATIVE = 3  # the bits at which a method's costs are shown, or the nearest that it has


def combinations() -> Cells:
    """Which combination each name of METHODS is."""
    head = ["method", "transform", "grid", "scale", "rounding", "coder", "bits", "needs", "source"]
    return [head] + [
        [name, method.transform, method.grid, scale_of(method), method.rounding, method.coder,
         listed(method.bits), method.needs or "–", method.source]
        for name, method in METHODS.items()
    ]  # fmt: skip


def scale_of(method: Method) -> str:
    """Objective, what shares a scale, whether there is a zero point, and how a scale is stored."""
    options = dict(method.options)
    size, axis = options.pop("group_size", None), options.pop("axis", None)
    shared = f"group of {size}" if size else axis or "channel"
    symmetric = options.pop("symmetric", True)
    stored = options.pop("scale_format", None)
    rest = [f"{key} {value}" for key, value in options.items()]
    parts = [method.objective, shared, "" if symmetric else "asymmetric", stored or "", *rest]
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
    return ", ".join(map(str, sorted(bits)))


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
    return f"{round(entry.mean, 4) + 0.0:+.4f} ± {entry.spread:.4f}"  # + 0.0: no "-0.0000"


def costs(found: Sequence[Entry]) -> Cells:
    """What each method takes, at one of its widths: bits, bytes, and time."""
    models = models_of(found)
    what = ("true bits", "memory (kB)", "file (kB)", "SQNR (dB)", "made in (s)", "inference")
    cells = [["method", "bits", *(f"{model}: {each}" for model in models for each in what)]]
    for method in dict.fromkeys(entry.method for entry in found):
        there = {(e.model, e.bits): e for e in found if e.method == method}
        bits = nearest({b for _, b in there})
        line: list[str] = []
        for model in models:
            entry = there.get((model, bits))
            line += cost(entry) if entry else ["–"] * len(what)
        cells.append([method, str(bits), *line])
    return cells


def cost(entry: Entry) -> list[str]:
    def shown(name: str, form: str, scale: float = 1.0) -> str:
        value = entry.values.get(name)
        return "–" if value is None else format(value * scale, form)

    return [
        shown("bits_per_weight", ".2f"), shown("memory_bytes", ",.0f", 1e-3),
        shown("file_bytes", ",.0f", 1e-3), shown("sqnr_db", ".1f"), shown("make_seconds", ".2f"),
        shown("inference_time", ".2f") + " ×",
    ]  # fmt: skip


def nearest(bits: Iterable[int]) -> int:
    """Of the widths of a method that at which its costs are shown."""
    return min(bits, key=lambda b: (abs(b - REPRESENTATIVE), b))


def every_width(found: Sequence[Entry]) -> list[tuple[int, Cells]]:
    """(bits, the order) for each width at which weights are rounded."""
    small = compressing(found)
    return [(bits, damages(small, bits)) for bits in widths(small)]


def best_sentences(found: Sequence[Entry]) -> list[str]:
    """At each width and model what stands first, and with what it ties."""
    small, said = compressing(found), []
    for bits in widths(small):
        for model in models_of(small):
            own = at(small, model, bits)
            first = [name for name, place in places(own).items() if place == 1]
            if own:
                tie = f", tied with {', '.join(first[1:])}" if first[1:] else ""
                said.append(f"{bits} bit{'' if bits == 1 else 's'}, {model}: {first[0]} "
                            f"({own[0].mean:+.4f} nats){tie}.")
    return said


def others(found: Sequence[Entry]) -> Cells:
    """What leaves the weights float: its bits are of something else, so it has no place."""
    models = models_of(found)
    cells = [["method", "bits", *models]]
    for method, bits in dict.fromkeys((e.method, e.bits) for e in leaving_float(found)):
        own = {e.model: e for e in found if (e.method, e.bits) == (method, bits)}
        cells.append([method, str(bits),
                      *(damage(own[m]) if m in own else "–" for m in models)])  # fmt: skip
    return cells


def markdown(cells: Cells) -> str:
    """The rows as a Markdown table."""
    head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in cells)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
