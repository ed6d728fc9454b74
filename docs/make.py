"""Take figures and tables from a finished study:  python docs/make.py runs/NAME

No number of these tables is typed by hand: of the main study this script copies results.csv and the
figure into docs/ and writes the table into README.md; of a study of methods it makes methods.csv
or fewer-weights.csv, the figures, and the tables of methods.md or fewer-weights.md. Tests make the
tables again from the csv files.
"""

import csv
import json
import shutil
import sys
from pathlib import Path

from minilm.study.methods import pruning_words, ranking, words
from minilm.study.methods.comparisons import COMPARISONS, Comparison
from minilm.study.settings import FEWER_WEIGHTS_STUDY, FLOAT, QUANTIZATION_STUDY

DOCS = Path(__file__).parent
PAGES = {QUANTIZATION_STUDY: "methods", FEWER_WEIGHTS_STUDY: "fewer-weights"}  # here
FIGURES = ("at-one-width", "damage-versus-bits")
README = DOCS.parent / "README.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"
MODELS = ("LSTM", "Transformer", "word2vec")

# What a line of the table shows: its name, the column of results.csv, and the rows it is made of.
LINES = (
    ("float32, the loss itself", "loss", {"method": "float32"}),
    ("8 bits per channel", "loss_above_float", {"method": "per-channel absmax", "bits": "8"}),
    ("4 bits per tensor", "loss_above_float", {"method": "per-tensor absmax", "bits": "4"}),
    ("4 bits per channel", "loss_above_float", {"method": "per-channel absmax", "bits": "4"}),
    ("4 bits per group of 64", "loss_above_float", {"method": "per-group MSE", "bits": "4"}),
    ("3 bits per group", "loss_above_float", {"method": "per-group MSE", "bits": "3"}),
    ("2 bits per group", "loss_above_float", {"method": "per-group MSE", "bits": "2"}),
    ("2 bits, trained with rounding", "loss_above_float",
     {"method": "per-group MSE, trained", "bits": "2"}),
    ("further training, no rounding", "loss_above_float", {"method": "float32, trained further"}),
    ("half of the weights pruned", "loss_above_float",
     {"method": "magnitude pruning", "sparsity": "0.5"}),
    ("half the width, trained alone", "loss_above_float", {"method": "student alone"}),
    ("half the width, distilled", "loss_above_float", {"method": "student distilled"}),
)  # fmt: skip


def table(rows: list[dict[str, str]]) -> str:
    """The README's table: means over seeds, and half the range between them after ±."""
    lines = [f"| | {' | '.join(MODELS)} |", "|---" * (1 + len(MODELS)) + "|"]
    for name, column, wanted in LINES:
        cells = []
        for model in MODELS:
            chosen = {**wanted, "model": model}
            values = [float(r[column]) for r in rows if chosen.items() <= r.items()]
            sign = "" if column == "loss" else "+"
            mean, spread = sum(values) / len(values), (max(values) - min(values)) / 2
            cells.append(f"{round(mean, 3) + 0.0:{sign}.3f} ± {spread:.3f}")  # + 0.0: no "-0.000"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sizes(rows: list[dict[str, str]]) -> str:
    """One sentence on files and on the n-grams."""
    shares = []
    for model in MODELS:
        whole, packed = (
            next(int(r["file_bytes"]) for r in rows if wanted.items() <= r.items())
            for wanted in (
                {"model": model, "method": "float32"},
                {"model": model, "method": "per-group MSE", "bits": "4"},
            )
        )
        shares.append(f"{packed / whole:.3f} ({model}, {whole / 1e3:,.0f} kB)")
    ngrams = [f"{float(r['loss']):.2f}" for r in rows if r["model"] == "n-gram"]
    return (
        f"The file at 4 bits per group, scales and all, takes {', '.join(shares)} of the float32 "
        f"file. Witten–Bell n-grams of order 1 to {len(ngrams)} lose {', '.join(ngrams)} nats per "
        "character on the same text.\n"
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def blocks(rows: list[dict[str, str]], study: str) -> dict[str, str]:
    """The parts of a page on methods that are made: name -> Markdown."""
    comparison = COMPARISONS[study]
    every = ranking.entries(rows, comparison)
    return {
        **{name: words.markdown(cells) for name, cells in OWN[study](every).items()},
        **told(rows, every, comparison, PAGES[study]),
    }


def told(
    rows: list[dict[str, str]], every: list[ranking.Entry], comparison: Comparison, page: str
) -> dict[str, str]:
    """What both pages show: the run, the order, the controls, the fronts, the costs, refusals."""
    found = [entry for entry in every if entry.method != FLOAT]
    refused = (f"- {model}, {method}: {why}\n" for model, method, why in ranking.refusals(rows))
    shown = comparison.said(comparison.shown)
    return {
        "run": the_run(rows),
        "best": words.markdown(words.best(found, comparison)),
        "figure": f"![What each method costs at {shown}, a line a method, the least damage on top]"
                  f"({page}-at-one-width.svg)\n",
        "order": "".join(folded(f"{comparison.said(amount)}: {len(cells) - 1} methods", cells)
                         for amount, cells in words.every_width(found, comparison)),
        "control": words.markdown(words.controlled(found, comparison)),
        "front": "![Damage against true bits per weight, with two Pareto fronts]"
                 f"({page}-damage-versus-bits.svg)\n",
        "fronts": folded("The methods on the fronts, by their marks",
                         words.fronts(found, comparison)),
        "others": words.markdown(words.others(found, comparison)),
        "costs": "".join(folded(f"{model}: {len(cells) - 1} rows", cells)
                         for model, cells in words.costs(every, comparison)),
        "refusals": "".join(refused),
    }  # fmt: skip


def of_quantization(every: list[ranking.Entry]) -> dict[str, words.Cells]:
    return {"combinations": words.combinations(), "trainings": words.trainings(),
            "wholes": words.wholes()}  # fmt: skip


def of_fewer_weights(every: list[ranking.Entry]) -> dict[str, words.Cells]:
    return {"combinations": pruning_words.prunings(), "scopes": pruning_words.by_scope(every),
            "gaps": words.gaps(every), "time": pruning_words.bytes_and_time(every)}  # fmt: skip


OWN = {QUANTIZATION_STUDY: of_quantization, FEWER_WEIGHTS_STUDY: of_fewer_weights}


def the_run(rows: list[dict[str, str]]) -> str:
    """Seeds, the float models, and how long it took."""
    seeds = ", ".join(sorted({row["seed"] for row in rows}))
    floats: dict[str, list[float]] = {}
    for row in rows:
        if row["method"] == FLOAT:
            floats.setdefault(row["model"], []).append(float(row["loss"]))
    losses = ", ".join(
        f"{sum(each) / len(each):.3f} ± {(max(each) - min(each)) / 2:.3f} ({model})"
        for model, each in floats.items()
    )
    hours = sum(float(row["seconds"]) for row in rows) / 3600
    return (
        f"Seeds: {seeds}. {len(rows):,} measurements, which took {hours:.1f} hours together, "
        "shared out over processes. The float models' own losses: "
        f"{losses} nats per character.\n"
    )


def folded(title: str, cells: words.Cells) -> str:
    """A table that opens at a click."""
    return (
        f"<details>\n<summary>{title}</summary>\n\n{words.markdown(cells)}\n</details>\n\n"
    )


def filled(page: str, blocks: dict[str, str]) -> str:
    """The page with each block between its marks, in the place of what stood there."""
    for name, text in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, rest = page.split(begin)
        page = before + begin + text + end + rest.split(end)[1]
    return page


def make_page(folder: Path, study: str) -> None:
    name = PAGES[study]
    shutil.copy(folder / "results.csv", DOCS / f"{name}.csv")
    for figure in FIGURES:
        shutil.copy(folder / f"methods-{figure}.svg", DOCS / f"{name}-{figure}.svg")
    page = DOCS / f"{name}.md"
    made = filled(page.read_text(encoding="utf-8"), blocks(read(DOCS / f"{name}.csv"), study))
    page.write_text(made, encoding="utf-8")


def make_readme(folder: Path) -> None:
    for name in ("results.csv", "error-versus-bits.svg"):
        shutil.copy(folder / name, DOCS / name)
    rows = read(DOCS / "results.csv")
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    text = before + BEGIN + table(rows) + "\n" + sizes(rows) + END + after
    README.write_text(text, encoding="utf-8")


def main(folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    if settings["methods"]:
        make_page(folder, settings["methods"])
    else:
        make_readme(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
