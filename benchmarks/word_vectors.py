"""The figures and tables of docs/word-vectors.md:  python -m benchmarks word_vectors

Trains skip-gram on a text whose co-occurrence is known exactly and lays its products beside PMI −
log k: known_optimum.csv, a row for each pair of words, and docs/known-optimum.svg; then on the text
that comes with gensim, for a map of some words (see `word_map`). Half a minute. Everything else on
the page is taken from the csv files of word2vec, counted_vectors and small_embeddings. --draw
trains nothing.
"""

import argparse

import matplotlib
import numpy as np

from benchmarks import counted_vectors, small_embeddings, table, word_map
from benchmarks.figure import RC, write
from benchmarks.records import HERE, RESULTS, SCORES, Row, read, replace_between
from benchmarks.records import write as write_csv
from minilm.embeddings.optimum import Products, sentence_counts, skip_gram_products
from minilm.embeddings.optimum_plot import optimum_figure

PAGE, OPTIMUM = HERE.parent / "docs" / "word-vectors.md", HERE / "known_optimum.csv"
FIGURE = HERE.parent / "docs" / "known-optimum.svg"
COLUMNS = ("learned", "optimum", "counts")  # of Products


def as_rows(products: Products) -> list[Row]:
    """A row for each pair (i, j)."""
    return [
        {"i": str(i), "j": str(j), **{name: f"{getattr(products, name)[i, j]:.6g}"
                                      for name in COLUMNS}}
        for i, j in np.ndindex(products.counts.shape)
    ]  # fmt: skip


def as_products(rows: list[Row]) -> Products:
    """And back."""
    side = 1 + max(int(row["i"]) for row in rows)
    learned, optimum, counts = (
        np.array([float(row[name]) for row in rows]).reshape(side, side) for name in COLUMNS
    )
    return Products(learned, optimum, counts)


def optimum_section() -> str:
    """The figure, and how near."""
    products = as_products(read(OPTIMUM))
    distance = np.abs(products.learned - products.optimum)
    frequent = products.counts >= np.median(products.counts)
    return (
        f"![Products of word and context vectors against PMI − log k, on the line where both are "
        f"equal]({FIGURE.name})\n\n"
        f"{len(products.counts)} words, {products.counts.size} pairs, "
        f"{products.counts.sum() / 2:,.0f} sentences: the correlation is "
        f"{products.correlation:.4f}. The median distance from the optimum is "
        f"{np.median(distance):.2f} nats, and {np.median(distance[frequent]):.2f} for the more "
        "frequent half of the pairs.\n"
    )


def gensim_section() -> str:
    """Word2vec's lines of the tables in benchmarks/README.md."""
    rows = [row for row in read(RESULTS) if row["work"].startswith("word2vec")]
    scores = [row for row in read(SCORES) if row["work"].startswith("word2vec")]
    ratios = table.markdown(table.RATIOS, (table.ratio_cells(row, scores) for row in rows))
    quality = table.markdown(table.QUALITY, map(table.quality_cells, table.grouped(scores)))
    return f"{ratios}\n{quality}"


def section(name: str) -> str:
    """What stands between the marks of this name."""
    if name == "optimum":
        return optimum_section()
    if name == "gensim":
        return gensim_section()
    if name == "map":
        return word_map.report(read(word_map.ROWS))
    if name == "models":
        return counted_vectors.report(read(counted_vectors.RESULTS))
    return small_embeddings.report(read(small_embeddings.RESULTS)) + "\n"


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"


SECTIONS = ("optimum", "map", "gensim", "models", "bits")


def main(arguments: list[str]) -> None:
    """Train, draw, and fill in the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks word_vectors", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--draw", action="store_true", help="figure and page from the csv files")
    if not parser.parse_args(arguments).draw:
        write_csv(OPTIMUM, as_rows(skip_gram_products(sentence_counts())))
        write_csv(word_map.ROWS, word_map.measured())
    with matplotlib.rc_context(RC):
        write(optimum_figure(as_products(read(OPTIMUM))), FIGURE)
    word_map.draw()
    for name in SECTIONS:
        replace_between(PAGE, *marks(name), section(name))
