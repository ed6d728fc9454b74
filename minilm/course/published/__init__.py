"""The articles' printed formulas, tried: each as printed, what it yields, and the right one beside.

    PUBLISHED["the step is the range"].outcome()  ->  printed, right: both measured now
    table()                                       ->  all of them, rows of plain text

    entry.py                 Printed: what an entry has
    yardsticks.py            what several of them are measured by
    steps.py                 numbers: how far apart the levels stand
    casts.py                          casts, clips and missing rounding
    ranges.py                         ranges and thresholds of activations
    gates_and_attention.py   networks: the LSTM's gates, attention, heads
    blocks.py                          what a Transformer's blocks are made of
    word_vectors.py          word2vec, GloVe, and how they are called
    pruning.py               which weights go
    distillation.py          who is taught, by what
    calls.py                 code that does not run or changes nothing, and data used twice
    claims.py, costs.py      sentences about accuracy and ranges; about speed and computation

Nothing else in minilm imports this: what is wrong here is wrong on purpose.
"""

from collections.abc import Iterable
from typing import NamedTuple

from minilm.course.published import (
    blocks,
    calls,
    casts,
    claims,
    costs,
    distillation,
    gates_and_attention,
    pruning,
    ranges,
    steps,
    word_vectors,
)
from minilm.course.published.entry import ARTICLES, VERDICTS, Outcome, Printed, text

PAGES = (
    steps, casts, ranges, gates_and_attention, blocks, word_vectors, pruning, distillation, calls,
    claims, costs,
)  # fmt: skip
PUBLISHED: dict[str, Printed] = {entry.name: entry for page in PAGES for entry in page.ENTRIES}


class Row(NamedTuple):
    """One line of the table, plain text."""

    article: str
    name: str
    formula: str
    verdict: str
    measured: str
    printed: str
    right: str


def table(entries: Iterable[Printed] | None = None) -> list[Row]:
    """Every entry (or those given), by article, its two forms run and measured: a Row each."""
    rows = []
    chosen = PUBLISHED.values() if entries is None else entries
    for entry in sorted(chosen, key=lambda entry: list(ARTICLES).index(entry.article)):
        printed, right = entry.outcome()
        told = entry.article, entry.name, entry.formula, entry.verdict, entry.what
        rows.append(Row(*told, text(printed), text(right)))
    return rows


__all__ = ["ARTICLES", "PUBLISHED", "VERDICTS", "Outcome", "Printed", "Row", "table"]
