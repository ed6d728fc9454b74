"""The results of the methods: results.csv, the figures, and one self-contained HTML page."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from minilm.study import results
from minilm.study.methods.comparisons import COMPARISONS, Comparison
from minilm.study.methods.plots import draw_figures
from minilm.study.methods.ranking import entries, refusals
from minilm.study.methods.words import best, controlled, costs, every_width, fronts, gaps, others
from minilm.study.report import inline_svg
from minilm.study.settings import FLOAT, Settings


def captions(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """The title and the text below each figure."""
    return {
        "methods-at-one-width": (
            f"What each method costs at {comparison.said(comparison.shown)}",
            "Means over seeds; bars from the lowest to the highest. Linear within ±0.1, then "
            "logarithmic. Methods that train further are to be held against the dotted line, which "
            f"has {comparison.control}.",
        ),
        "methods-damage-versus-bits": (
            "What true bits buy",
            "Every method at every amount, means over seeds. Each line joins those that no other "
            "of its sort undercuts in both bits and damage: the table says which the marks are. "
            "Linear within ±0.01, then logarithmic.",
        ),
    }


def write_methods(
    rows: list[results.Row], settings: Settings, folder: Path
) -> list[results.Row]:
    """Write the table, the figures and the page; return the rows with their damage."""
    comparison = COMPARISONS[settings.methods]
    rows = [with_damage(row, rows, comparison) for row in rows]
    results.write(rows, folder / "results.csv", comparison.columns)
    every = entries(rows, comparison)
    found = [entry for entry in every if entry.method != FLOAT]
    figures, said = draw_figures(found, folder, comparison), captions(comparison)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    page = environment.get_template("methods.html").render(
        settings=settings,
        comparison=comparison,
        figures=[(*said[name], inline_svg(svg)) for name, svg in figures.items()],
        best=best(found, comparison),
        tables=every_width(found, comparison),
        controlled=controlled(found, comparison),
        fronts=fronts(found, comparison),
        others=others(found, comparison),
        gaps=gaps(found),
        costs=costs(every, comparison),
        refusals=refusals(rows),
        rows=rows,
        columns=comparison.columns,
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
    return rows


def with_damage(
    row: results.Row, rows: list[results.Row], comparison: Comparison
) -> results.Row:
    """The row with the columns of this table, and how far its loss lies above its float model's."""
    row = {name: row[name] for name in comparison.columns if row.get(name) not in (None, "")}
    row.setdefault("kind", FLOAT)
    row.setdefault(comparison.amount, 0)  # of the float model nothing is left out
    own = next(r for r in rows if (r["model"], r["seed"], r["method"]) == (
        row["model"], row["seed"], FLOAT))  # fmt: skip
    if "loss" in row:
        row["loss_above_float"] = row["loss"] - own["loss"]
    return row
