"""Exercises of notebook 02: n-grams, PPMI, a row's best scale, a table in four bits."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.embeddings.subwords import character_ngrams
from minilm.embeddings.word_pairs import average_ranks, correlation
from minilm.types import Array

LETTERS = "abcdeghiklmnorstuéü"
MOST_BITS, LEAST_AGREEMENT = 4.5, 0.99  # of a small table


def check_ngrams_of(ngrams_of: Callable[..., Any], rng: np.random.Generator) -> None:
    """All runs, the ends marked; words shorter than max_n, and one that repeats itself."""
    letters: list[str] = [str(c) for c in rng.choice(list(LETTERS), 7, replace=False)]
    for word, low, high in (
        ("".join(letters), 3, 5), ("".join(letters[:2]), 3, 6), (letters[0] * 4, 2, 3),
    ):  # fmt: skip
        given = ngrams_of(word, low, high)
        want(isinstance(given, Sequence | set) and not isinstance(given, str), "return a list")
        want(all(isinstance(run, str) for run in given), "each n-gram is a string")
        found, right = Counter(given), Counter(character_ngrams(word, low, high))
        said = f"of {word!r} with lengths {low} to {high}: "
        bare = Counter(
            word[i : i + n] for n in range(low, high + 1) for i in range(len(word) - n + 1)
        )
        want(found != bare, said + "the word must be put between < and > before it is cut")
        short = [run for run in right if len(run) == high]
        want(not short or any(run in found for run in short),
             said + f"none of length {high}; max_n is one of the lengths")
        last = [run for run in right if run.endswith(">")]
        want(not last or any(run in found for run in last),
             said + "none ends in '>': the last run of each length is missing")
        want(all(low <= len(run) <= high for run in found),
             said + "some are shorter or longer (a slice beyond the end of a string is cut short)")
        want(set(found) != set(right) or found == right,
             said + "a run that is there twice must be listed twice")
        want(found == right, said + f"{len(right)} different ones are right, e.g. "
             f"{min(right)!r}, not {len(found)}")


def check_ppmi_table(ppmi_table: Callable[[Array], Any], rng: np.random.Generator) -> None:
    """Counts with zeros, rows and columns of different sums."""
    counts = rng.integers(0, 5, (6, 6)) * rng.integers(1, 30, (6, 6)).astype(float)
    counts[np.arange(6), np.arange(6)] += 1 + np.arange(6)
    counts[0, 1], counts[2, 4] = 0, 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        given = np.asarray(ppmi_table(counts.copy()), float)
    want(given.shape == (6, 6), f"one number for each pair: (6, 6) here, not {given.shape}")
    want(np.isfinite(given).all(), "pairs that never met have 0 here, not −∞ or nan")
    rows, columns, total = counts.sum(axis=1, keepdims=True), counts.sum(axis=0), counts.sum()
    pmi = np.log(np.maximum(counts, 1e-300) * total / (rows * columns))
    right = np.maximum(pmi, 0)
    want(not np.allclose(given, np.where(counts > 0, pmi, 0)),
         "that is the PMI; PPMI has 0 where it is below 0")
    want(not np.allclose(given, np.maximum(pmi - np.log(total), 0)),
         "the sum of all counts is missing: P(i, j) and both P are counts divided by it")
    want(not np.allclose(given, right / np.log(2)), "in nats: the natural logarithm")
    want(not np.allclose(given, np.where(counts > 0, np.exp(pmi), 0)), "the logarithm is missing")
    want((given > -1e-6).all(), "no number of the table is below 0")
    want(np.allclose(given, right, atol=1e-5),
         "not log P(i, j) / (P(i) P(j)): P(i) is the share of row i's sum, P(j) of column j's")
    want(not caught, "right, but with a warning: keep log away from 0, as by np.maximum before it")


def check_best_scale(best_scale: Callable[..., Any], rng: np.random.Generator) -> None:
    """(x·q)/(q·q), tried on codes that absmax would not have chosen."""
    for _ in range(3):
        row = rng.standard_normal(24)
        codes = np.clip(np.round(row / 0.31), -4, 4).astype(int)
        right = float(row @ codes) / float(codes @ codes)
        given = float(best_scale(row.copy(), codes.copy()))
        largest = np.abs(codes).max()
        want(not np.isclose(given, np.abs(row).max() / largest),
             "that fits the largest number; asked is the least sum of squares over all")
        want(not np.isclose(given, 1 / right), "upside down: x is near s·q, so s is near x/q")
        want(not np.isclose(given, float(row @ codes) / len(row)), "divide by Σ q², not by D")
        want(not np.isclose(given, float(row @ codes) / float(row @ row)), "divide by Σ q²")
        ratio = np.mean(row[codes != 0] / codes[codes != 0])
        want(not np.isclose(given, ratio),
             "the mean of x/q counts small codes as much as large ones; set dJ/ds = 0")
        want(np.isclose(given, right, rtol=1e-4),
             "not the least: d/ds Σ (x − s q)² = −2 Σ q (x − s q) must be 0")
    given = float(best_scale(rng.standard_normal(5), np.zeros(5, int)))
    want(given == 0, f"where all codes are 0 the scale is to be 0, not {given}")


def agreement(before: Array, after: Array) -> float:
    """Spearman's correlation of the cosines of all pairs of rows."""

    def cosines(x: Array) -> Array:
        unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return (unit @ unit.T)[np.triu_indices(len(x), k=1)]

    return correlation(*(average_ranks(cosines(x)) for x in (before, after)))


def hidden_tables(rng: np.random.Generator) -> dict[str, Array]:
    """Tables (400, 64) with some structure, by what is special about them."""
    plain = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 64))
    plain += 2 * rng.standard_normal((400, 64))
    lengths = rng.lognormal(0, 1, (400, 1))
    spiked = plain.copy()
    size = np.sqrt(np.square(plain).mean(axis=1, keepdims=True))
    places = rng.integers(0, 64, (400, 1))
    np.put_along_axis(spiked, places, 5.0 * size * rng.choice([-1, 1], (400, 1)), axis=1)
    found = {"ordinary rows": plain, "rows of very different lengths": plain * lengths,
             "one large number in every row": spiked}
    return {name: table.astype(np.float32) for name, table in found.items()}


def check_small_table(small_table: Callable[[Array], Any], rng: np.random.Generator) -> None:
    """Bytes first, then the order of the cosines, on three kinds of tables."""
    for name, table in hidden_tables(rng).items():
        q = small_table(table.copy())
        want(hasattr(q, "nbytes") and hasattr(q, "shape"),
             f"return a compressed table, such as quantize gives, not a {type(q).__name__}")
        want(q.shape == table.shape, f"the table has the shape {table.shape}, yours {q.shape}")
        bits = 8 * q.nbytes / table.size
        rounded = isinstance(q, np.ndarray)
        want(not (rounded and bits > MOST_BITS),
             f"an array of {q.dtype if rounded else ''} takes {bits:.0f} bits per number, however "
             "few values it holds: return the packed table, not its floats")
        want(bits <= MOST_BITS + 1e-9, f"{bits:.2f} true bits per number, {MOST_BITS} are allowed: "
             "scales and codebooks count, too")
        got = agreement(table, np.asarray(q[np.arange(len(table))], float))
        want(got >= LEAST_AGREEMENT, f"{name}: the Spearman correlation is {got:.4f}, "
             f"{LEAST_AGREEMENT} is asked for (at {bits:.2f} bits). {advice(name)}")


def advice(name: str) -> str:
    return {
        "ordinary rows": "Are there as many bits as are allowed?",
        "rows of very different lengths": "How many rows share a scale?",
    }.get(name, "A large number makes the scale of all that share it coarse: who shares it?")


EXERCISES: list[Exercise] = [
    Exercise("ngrams_of", "The character n-grams of a word.", check_ngrams_of),
    Exercise("ppmi_table", "Positive PMI from counts.", check_ppmi_table),
    Exercise("best_scale", "The scale of least squared error of a row.", check_best_scale),
    Exercise("small_table", "An embedding in 4 bits, within 0.01.", check_small_table, points=2),
]
