"""The tables of docs/pretrained.md, rows of strings made from the rows of docs/pretrained.csv."""

import math
from collections.abc import Callable, Iterable, Sequence

from minilm.study.methods.words import Cells
from minilm.study.pretrained.measure import DRAWN, ONE_PART, Row
from minilm.study.pretrained.methods import COMPARED

# the columns of drift, as they are shown
Shown = Sequence[tuple[str, Callable[[Row], str]]]
LAYERS = range(7)
PLAINEST = "round to nearest"
BY_LAYER = (
    ("round to nearest", 8), ("round to nearest", 4), ("in groups", 4),
    ("GPTQ, least squares", 4), ("GPTQ, least squares", 3), ("GPTQ, least squares", 2),
)  # fmt: skip


def cosine(value: float) -> str:
    """As many digits as tell it from 1."""
    return f"{value:.5f}" if value > 0.99 else f"{value:.4f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def small(value: float) -> str:
    """Two significant digits, without a power of ten, and whole from 10 on."""
    if value >= 10:
        return f"{value:.0f}"
    digits = 1 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:.{digits}f}"


DRIFT: Shown = (
    ("mean cosine", lambda r: cosine(r["cosine"])),
    ("worst cosine", lambda r: f"{r['worst_cosine']:.4f}"),
    ("rank correlation", lambda r: f"{r['spearman']:.4f}"),
    ("same nearest", lambda r: percent(r["nearest"])),
    ("ten nearest kept", lambda r: percent(r["top_10"])),
    ("nearest has the topic", lambda r: percent(r["same_topic"])),
    ("nearest topic is right", lambda r: percent(r["topic"])),
)
RANKS: Shown = (DRIFT[2], DRIFT[4])
SIZE: Shown = (
    ("true bits", lambda r: f"{r['bits_per_weight']:.2f}"),
    ("file, MB", lambda r: f"{r['file_bytes'] / 1e6:.1f}"),
)


def part(rows: Iterable[Row], name: str) -> list[Row]:
    return [row for row in rows if row["part"] == name]


def titles(*shown: Shown) -> list[str]:
    return [title for each in shown for title, _ in each]


def line(row: Row, *shown: Shown) -> list[str]:
    return [form(row) for each in shown for _, form in each]


def widths(rows: Iterable[Row]) -> list[int]:
    return sorted({int(row["bits"]) for row in rows}, reverse=True)


def whole(row: Row) -> bool:
    """Whether all matrices are rounded: such rows stand side by side."""
    return row["method"] not in ("word table alone", "all but the word table")


IN_SHORT = (
    ("float32", 32), ("round to nearest", 8), ("round to nearest", 4),
    ("GPTQ, least squares, of 32", 4), ("mixed precision, then GPTQ", 4),
    ("mixed precision, then GPTQ", 3),
)  # fmt: skip


def in_short(rows: Sequence[Row]) -> Cells:
    """The README's table: a few lines and columns of the others."""
    shown = (SIZE[1], DRIFT[0], DRIFT[2], DRIFT[3], DRIFT[6])
    found = {(row["method"], row["bits"]): row
             for name in ("float", "weights") for row in part(rows, name)}
    cells = [["bits", "method", *titles(shown)]]
    return cells + [[str(bits), method, *line(found[method, bits], shown)]
                    for method, bits in IN_SHORT]


def best(rows: Sequence[Row]) -> Cells:
    """At each width what drifts least, and the plainest way beside it."""
    own = [row for row in part(rows, "weights") if whole(row)]
    cells = [["bits", "method", *titles(SIZE, DRIFT)]]
    float32 = part(rows, "float")[0]
    cells.append(["32", "float32", *line(float32, SIZE, DRIFT)])
    for bits in widths(own):
        at = sorted((row for row in own if row["bits"] == bits), key=lambda r: r["drift"])
        plain = [row for row in at if row["method"] == PLAINEST]
        for row in {id(row): row for row in (*at[:1], *plain)}.values():
            cells.append([str(bits), row["method"], *line(row, SIZE, DRIFT)])
    return cells


def every_width(rows: Sequence[Row]) -> list[tuple[int, Cells]]:
    """(bits, all methods tried there, the least drift first)."""
    own = [row for row in part(rows, "weights") if whole(row)]
    tables = []
    for bits in widths(own):
        at = sorted((row for row in own if row["bits"] == bits), key=lambda r: r["drift"])
        cells = [["method", *titles(SIZE, DRIFT), "SQNR, dB", "seconds"]]
        cells += [[row["method"], *line(row, SIZE, DRIFT), f"{row['sqnr_db']:.1f}",
                   f"{row['seconds']:.1f}"] for row in at]  # fmt: skip
        tables.append((bits, cells))
    return tables


def tables_alone(rows: Sequence[Row]) -> Cells:
    """The word table by itself, and everything but it."""
    cells = [["what is rounded", "bits", *titles(SIZE, DRIFT[:3])]]
    return cells + [[row["method"], str(int(row["bits"])), *line(row, SIZE, DRIFT[:3])]
                    for row in part(rows, "weights") if not whole(row)]


def each_table(rows: Sequence[Row]) -> Cells:
    """Each table by itself at the width of single matrices."""
    cells = [["table", "bits", "drift", *titles(DRIFT[1:5])]]
    return cells + [[f"`{row['where']}`", str(int(row["bits"])), small(row["drift"]),
                     *line(row, DRIFT[1:5])]
                    for row in part(rows, "matrices") if row["where"].endswith("embedding")]


def by_part(rows: Sequence[Row]) -> Cells:
    """One part rounded, all else float: whether ranks agree, by part and bits."""
    found = {(row["where"], int(row["bits"])): row for row in part(rows, "layers")}
    cells = [["rounded", *(f"{shown[0]}, {bits} bits" for shown in RANKS for bits in ONE_PART)]]
    return cells + [
        [where, *(form(found[where, bits]) for _, form in RANKS for bits in ONE_PART)]
        for where in dict.fromkeys(where for where, _ in found)
    ]


def by_layer(rows: Sequence[Row]) -> Cells:
    """‖h' − h‖/‖h‖ after the embeddings and each block."""
    cells = [["method", "bits", "embeddings", *(f"layer {layer}" for layer in LAYERS[1:])]]
    own = {(row["method"], int(row["bits"])): row for row in part(rows, "weights")}
    return cells + [
        [method, str(bits), *(f"{own[method, bits][f'error_{layer}']:.3f}" for layer in LAYERS)]
        for method, bits in BY_LAYER
    ]


def draws(rows: Sequence[Row]) -> Cells:
    """Lowest to highest over draws of half the calibrating sentences, beside all of them."""
    cells = [["method", "bits", "drift with all", "with half of them, lowest", "highest"]]
    drawn = part(rows, "draws")
    for method in DRAWN:
        for bits in COMPARED:
            def chosen(some: Iterable[Row], method: str = method, bits: int = bits) -> list[float]:
                return [r["drift"] for r in some if (r["method"], r["bits"]) == (method, bits)]

            halves = chosen(drawn)
            cells.append([method, str(bits),
                          *map(small, (*chosen(part(rows, "weights")), min(halves), max(halves)))])
    return cells


def activations(rows: Sequence[Row]) -> Cells:
    """Weights and activations rounded, in the order tried; the activations alone first."""
    cells = [["weights", "activations", "method", *titles(DRIFT)]]
    return cells + [
        [f"{int(row['bits'])} bits" if row["bits"] < 16 else "fp16",
         f"{int(row['activation_bits'])} bits", row["method"], *line(row, DRIFT)]
        for row in sorted(part(rows, "activations"),
                          key=lambda r: (-r["bits"], -r["activation_bits"], r["drift"]))
    ]  # fmt: skip


def inputs(rows: Sequence[Row]) -> Cells:
    """Outliers of what multiplies each weight, before and after the cures."""
    cells = [["x of", "rms", "largest", "channel", "at",
              *(what + cure for what in ("kurtosis", "outlier")
                for cure in ("", ", SmoothQuant", ", rotation"))]]  # fmt: skip
    for row in part(rows, "inputs"):
        _, layer, _, name = row["where"].split(".")
        cells.append([
            f"layer {int(layer) + 1}, `{name}`", f"{row['rms']:.2f}", f"{row['absmax']:.1f}",
            f"{int(row['channel'])}", f"`{row['token']}`",
            *(f"{row[f'{cure}kurtosis']:.0f}" for cure in ("", "smooth_", "rotated_")),
            *(f"{row[f'{cure}outlier']:.1f}" for cure in ("", "smooth_", "rotated_")),
        ])  # fmt: skip
    return cells


def printed(rows: Sequence[Row]) -> Cells:
    """Rules as articles print them, beside round to nearest."""
    cells = [["rule", "bits", *titles(DRIFT)]]
    beside = [row for row in part(rows, "weights") if row["method"] == PLAINEST
              and row["bits"] in (8, 4)]  # fmt: skip
    return cells + [[row["method"], str(int(row["bits"])), *line(row, DRIFT)]
                    for row in (*part(rows, "printed"), *beside)]


def the_run(rows: Sequence[Row]) -> str:
    """What was measured, in a sentence."""
    float32 = part(rows, "float")[0]
    seconds = sum(row["seconds"] or 0 for row in rows)
    return (
        f"{len(rows)} measurements; rounding took {seconds / 60:.0f} minutes of one processor "
        f"in all. The float model takes {float32['file_bytes'] / 1e6:.1f} MB; the nearest "
        f"other sentence is of the same topic for {percent(float32['same_topic'])} of the scored "
        f"sentences, the nearest topic is their own for {percent(float32['topic'])}.\n"
    )
