"""Take figures and tables from a finished study:  python docs/make.py runs/NAME

No number of these tables is typed by hand: of the main study this script copies results.csv and the
figure into docs/ and writes the table into README.md; of a study of methods it makes methods.csv,
its figures, and the tables of methods.md. Tests make the tables again from the csv files.
"""

import csv
import json
import shutil
import sys
from pathlib import Path

from minilm.study.methods import ranking, words

DOCS = Path(__file__).parent
METHODS_PAGE = DOCS / "methods.md"
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


def methods_blocks(rows: list[dict[str, str]]) -> dict[str, str]:
    """The parts of methods.md that are made: name -> Markdown."""
    found = [entry for entry in ranking.entries(rows) if entry.method != "float32"]
    order = "".join(
        f"### {bits} bit{'' if bits == 1 else 's'}\n\n{words.markdown(cells)}\n"
        for bits, cells in words.every_width(found)
    )
    refused = (f"- {model}, {method}: {why}\n" for model, method, why in ranking.refusals(rows))
    seeds = ", ".join(sorted({row["seed"] for row in rows}))
    return {
        "seeds": f"Seeds: {seeds}.\n",
        "combinations": words.markdown(words.combinations()),
        "trainings": words.markdown(words.trainings()),
        "wholes": words.markdown(words.wholes()),
        "figure": "![What each method costs at 3 bits](methods-at-one-width.svg)\n",
        "best": "".join(f"- {sentence}\n" for sentence in words.best_sentences(found)),
        "order": order,
        "others": words.markdown(words.others(found)),
        "front": "![Damage against true bits per weight](methods-damage-versus-bits.svg)\n",
        "costs": words.markdown(words.costs(found)),
        "refusals": "".join(refused),
    }


def filled(page: str, blocks: dict[str, str]) -> str:
    """The page with each block between its marks, in the place of what stood there."""
    for name, text in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, rest = page.split(begin)
        page = before + begin + text + end + rest.split(end)[1]
    return page


def make_methods(folder: Path) -> None:
    shutil.copy(folder / "results.csv", DOCS / "methods.csv")
    for name in ("methods-at-one-width.svg", "methods-damage-versus-bits.svg"):
        shutil.copy(folder / name, DOCS / name)
    page = METHODS_PAGE.read_text(encoding="utf-8")
    made = filled(page, methods_blocks(read(DOCS / "methods.csv")))
    METHODS_PAGE.write_text(made, encoding="utf-8")


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
    (make_methods if settings["methods"] else make_readme)(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
