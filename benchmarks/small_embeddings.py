"""Word vectors made smaller: what is lost?  python -m benchmarks small_embeddings

Skip-gram vectors of the text that comes with gensim (settings: word2vec.py), with three seeds, each
compressed in many ways and asked again: Spearman's correlation with people's judgements on two
lists of word pairs, analogies, and how many of a frequent word's ten nearest words are still its
nearest. A row of the csv file is one recipe on one seed's vectors; --draw only draws and reports.

Subvectors are cut from the rows as they are, or from rows of length 1: cosines do not ask for the
length, and rare words' short vectors then count as much as others in what is learned. The lengths
themselves are lost.
"""

import argparse
from functools import partial
from typing import Any

import matplotlib
import numpy as np

from benchmarks.figure import RC, write
from benchmarks.records import HERE, Row, read
from benchmarks.records import write as write_csv
from minilm import Word2Vec, quantize
from minilm.compression import product_quantize
from minilm.embeddings.compressed_quality import FLOAT, Recipe, quality_against_bits
from minilm.embeddings.plots import quality_figure, values
from minilm.types import Array

SEEDS = (0, 1, 2)
FREQUENT = 1000  # words whose neighbours are compared
RESULTS, FIGURE = HERE / "small_embeddings.csv", HERE.parent / "docs" / "small-embeddings.svg"
LISTS = ("WordSim-353", "SimLex-999")
# numbers a code, bits of a code: about 5, 6, 10, 16, 26 and 36 times smaller, codebooks included
CUTS = ((2, 8), (2, 6), (5, 7), (10, 7), (10, 6))
# what each recipe may lose of Spearman's correlation, in the mean over seeds, on each list
AIMS = {
    "integers: 8 bits": 0.005,
    "integers: 4 bits": 0.02,
    "subvectors: 5 numbers in 7 bits": 0.05,
    "subvectors of unit rows: 5 numbers in 7 bits": 0.05,
}


def integers(table: Array, bits: int) -> Any:
    """A scale for each word."""
    return quantize(table, bits, axis=0)


def subvectors(table: Array, width: int, bits: int) -> Any:
    """Product quantization."""
    return product_quantize(table, width, bits)


def subvectors_of_unit_rows(table: Array, width: int, bits: int) -> Any:
    """Product quantization of the directions alone."""
    return product_quantize(table / np.linalg.norm(table, axis=1, keepdims=True), width, bits)


def recipes() -> dict[str, Recipe]:
    """By the names that csv, table and figure use: "family: setting"."""
    found: dict[str, Recipe] = {
        f"integers: {bits} bits": partial(integers, bits=bits) for bits in (8, 6, 4, 3, 2)
    }
    families = {"subvectors": subvectors, "subvectors of unit rows": subvectors_of_unit_rows}
    for family, compress in families.items():
        for width, bits in CUTS:
            name = f"{family}: {width} numbers in {bits} bits"
            found[name] = partial(compress, width=width, bits=bits)
    return found


def measured() -> list[Row]:
    """Train, compress, ask: a row for each seed and recipe."""
    from benchmarks.word2vec import DATA, PAIRS, SETTINGS, sentences  # here: --draw needs no gensim

    text, rows = sentences(), []
    settings: dict[str, Any] = SETTINGS
    for seed in SEEDS:
        wv = Word2Vec(text, seed=seed, **settings).wv
        found = quality_against_bits(
            wv, recipes(), PAIRS, DATA / "questions-words.txt", words=wv.index_to_key[:FREQUENT]
        )
        rows += [{"seed": str(seed), **as_text(row)} for row in found]
        print(f"seed {seed}: done", flush=True)
    return rows


def as_text(row: dict[str, Any]) -> Row:
    """Six digits are enough."""
    return {k: v if isinstance(v, str) else f"{v:.6g}" for k, v in row.items()}


def losses(rows: list[Row], recipe: str, column: str) -> Array:
    """Floats minus compressed, of each seed."""
    lost: Array = values(rows, FLOAT, column) - values(rows, recipe, column)
    return lost


def report(rows: list[Row]) -> str:
    """A Markdown table of means over seeds; what is lost of Spearman with its worst seed."""
    lists = [name for name in rows[0] if name in LISTS]
    shares = [name for name in ("analogies", "neighbours") if name in rows[0]]
    head = ["recipe", "times smaller", *(f"{name}, lost (worst)" for name in lists), *shares, "aim"]
    lines = [head, ["---"] * len(head)]
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        cells = [recipe, f"{values(rows, recipe, 'times_smaller').mean():.1f}"]
        for name in lists:
            lost = losses(rows, recipe, name)
            own = f"{lost.mean():.4f} ({lost.max():.4f})"
            cells.append(f"{values(rows, FLOAT, name).mean():.4f}" if recipe == FLOAT else own)
        cells += [f"{values(rows, recipe, name).mean():.1%}" for name in shares]
        cells.append(verdict(rows, recipe, lists))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def verdict(rows: list[Row], recipe: str, lists: list[str]) -> str:
    """Is the aim met on each list, in the mean over seeds?"""
    if recipe not in AIMS:
        return ""
    met = all(losses(rows, recipe, name).mean() < AIMS[recipe] for name in lists)
    return f"below {AIMS[recipe]:g}: {'met' if met else 'missed'}"


def draw(rows: list[Row]) -> None:
    """docs/small-embeddings.svg."""
    with matplotlib.rc_context(RC):
        write(quality_figure(rows), FIGURE)


def main(arguments: list[str]) -> None:
    """Measure, write, draw and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks small_embeddings", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--draw", action="store_true", help="figure and table from the csv file")
    if not parser.parse_args(arguments).draw:
        write_csv(RESULTS, measured())
    rows = read(RESULTS)
    draw(rows)
    print(report(rows))
