"""The results of the methods: results.csv, the figures, and one self-contained HTML page."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from minilm.study import results
from minilm.study.methods.plots import SHOWN_BITS, draw_figures
from minilm.study.methods.ranking import entries, refusals
from minilm.study.methods.words import best, controlled, costs, every_width, fronts, others
from minilm.study.report import inline_svg
from minilm.study.settings import FLOAT, Settings

COLUMNS = {
    "model": "LSTM, Transformer",
    "method": "what was done to the model",
    "kind": "post-training, trained, whole model",
    "bits": "that it was asked for: of the weights, unless it rounds something else",
    "loss": "validation loss, nats per token",
    "loss_above_float": "loss − loss of the same model in float32, nats",
    "bits_per_weight": "true bits per weight: everything kept, by the method's coder",
    "file_bytes": "size of the saved file",
    "memory_bytes": "bytes held in memory",
    "sqnr_db": "10·log10(Σw² / Σ(w − ŵ)²), dB, against the floats that were rounded",
    "make_seconds": "processor time of the method, its training included, calibration not",
    "inference_time": "processor time of an evaluation, over that of the float model",
    "seed": "of initialisation and batches",
    "seconds": "that the whole cell took",
    "note": "why it was refused, or what else to know",
}
CAPTIONS = {
    "methods-at-one-width": (
        f"What each method costs at {SHOWN_BITS} bits",
        "Means over seeds; bars from the lowest to the highest. Linear within ±0.1, then "
        "logarithmic. Methods that train further are to be held against the dotted line, which has "
        "trained as long without rounding.",
    ),
    "methods-damage-versus-bits": (
        "What true bits buy",
        "Every method at every width, means over seeds. Each line joins those that no other of its "
        "sort undercuts in both bits and damage: the table says which the marks are. Linear within "
        "±0.01, then logarithmic.",
    ),
}


def write_methods(
    rows: list[results.Row], settings: Settings, folder: Path
) -> list[results.Row]:
    """Write the table, the figures and the page; return the rows with their damage."""
    rows = [with_damage(row, rows) for row in rows]
    results.write(rows, folder / "results.csv", COLUMNS)
    every = entries(rows)
    found = [entry for entry in every if entry.method != FLOAT]
    figures = draw_figures(found, folder)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    page = environment.get_template("methods.html").render(
        settings=settings,
        figures=[(*CAPTIONS[name], inline_svg(svg)) for name, svg in figures.items()],
        best=best(found),
        tables=every_width(found),
        controlled=controlled(found),
        fronts=fronts(found),
        others=others(found),
        costs=costs(every),
        refusals=refusals(rows),
        rows=rows,
        columns=COLUMNS,
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
    return rows


def with_damage(row: results.Row, rows: list[results.Row]) -> results.Row:
    """The row with the columns of this table, and how far its loss lies above its float model's."""
    row = {name: row[name] for name in COLUMNS if row.get(name) not in (None, "")}
    row.setdefault("kind", FLOAT)
    own = next(r for r in rows if (r["model"], r["seed"], r["method"]) == (
        row["model"], row["seed"], FLOAT))  # fmt: skip
    if "loss" in row:
        row["loss_above_float"] = row["loss"] - own["loss"]
    return row
