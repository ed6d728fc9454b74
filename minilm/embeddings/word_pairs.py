"""Do the vectors rank pairs of words as people do?

People gave each pair a score, as in WordSim-353 and SimLex-999; the vectors give a cosine.

    Pearson's r       Σ x'y' / √(Σ x'² Σ y'²)     x' = x − mean
    Spearman's ρ      Pearson's r of the ranks

The p-value is the chance of a correlation as far from 0 as this in n pairs without any relation.
Fisher 1915: such r have the density (1 − r²)^(n/2 − 2), so with r = sin φ

    p = ∫ cos^(n−3) φ dφ from arcsin |r|  /  ∫ cos^(n−3) φ dφ from 0,    both to π/2
"""

import math
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minilm.embeddings.line_sentence import numbered_lines
from minilm.types import Array

if TYPE_CHECKING:
    from minilm.embeddings.keyed_vectors import KeyedVectors


class Correlation(NamedTuple):
    """A correlation and its two-sided p-value."""

    statistic: float
    pvalue: float


class WordPairScores(NamedTuple):
    """Cosines against people's scores over the known pairs; per cent of the pairs unknown."""

    pearson: Correlation
    spearman: Correlation
    oov_ratio: float


def word_pair_scores(
    wv: "KeyedVectors",
    pairs: str | os.PathLike[str] | Iterable[tuple[str, str, float]],
    *,
    delimiter: str | None = None,
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
) -> WordPairScores:
    """See `KeyedVectors.evaluate_word_pairs`."""
    if isinstance(pairs, str | os.PathLike):
        pairs = read_pairs(pairs, delimiter)
    known = known_rows(wv.index_to_key[:restrict_vocab], case_insensitive)
    people, cosine, total, unknown = [], [], 0, 0
    for a, b, score in pairs:
        total += 1
        i, j = (known.get(spelling(word, case_insensitive)) for word in (a, b))
        if i is not None and j is not None:
            people.append(float(score))
            cosine.append(wv.similarity(i, j))
            continue
        unknown += 1
        if dummy4unknown:
            people.append(float(score))
            cosine.append(0.0)
    if total - unknown < 2:
        raise ValueError(
            f"pairs must hold at least two of known words, got {total - unknown} among {total}"
        )
    gold, ours = np.array(people), np.array(cosine)
    r, rho = correlation(gold, ours), correlation(average_ranks(gold), average_ranks(ours))
    n = len(gold)
    return WordPairScores(
        Correlation(r, p_value(r, n)), Correlation(rho, p_value(rho, n)), 100 * unknown / total
    )


def spelling(word: str, case_insensitive: bool) -> str:
    """What two words must share to count as one."""
    return word.upper() if case_insensitive else word


def known_rows(words: Iterable[str], case_insensitive: bool) -> dict[str, int]:
    """The row of each spelling; of words that are spelt alike, the first counts."""
    rows: dict[str, int] = {}
    for i, word in enumerate(words):
        rows.setdefault(spelling(word, case_insensitive), i)
    return rows


def read_pairs(
    path: str | os.PathLike[str], delimiter: str | None = None
) -> Iterator[tuple[str, str, float]]:
    """(word, word, score) from a file in the form of WordSim-353 and SimLex-999.

    delimiter None: tabs where a line has any, else spaces. The first line may name the columns.
    """
    for number, line in numbered_lines(path):
        if line.strip() and not line.startswith("#"):
            try:
                a, b, score = line.split(delimiter or ("\t" if "\t" in line else None))
                yield a.strip(), b.strip(), float(score)
            except ValueError:
                if number > 1:
                    raise ValueError(
                        f"{path}, line {number}: must be two words and a score, got {line!r}"
                    ) from None


def average_ranks(x: Array) -> Array:
    """Ranks from 1; equal values share the mean of their ranks: [5, 7, 7] -> [1, 2.5, 2.5]."""
    _, which, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[which]


def correlation(x: Array, y: Array) -> float:
    """Pearson's r of x and y, (n,) each; nan if either is constant."""
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else math.nan


def p_value(r: float, n: int) -> float:
    """The chance of a correlation beyond ±r in n unrelated pairs; nan where n < 3 or r is nan."""
    if n < 3 or math.isnan(r):
        return math.nan
    nodes, weights = np.polynomial.legendre.leggauss(200)  # Gauss's quadrature over [−1, 1]

    def integral(start: float) -> float:
        half = (math.pi / 2 - start) / 2
        return half * float(weights @ np.cos(start + half * (1 + nodes)) ** (n - 3))

    return integral(math.asin(min(abs(r), 1.0))) / integral(0.0)
