"""Exercises of notebook 04: beam search, a softmax with a mask, what BLEU counts."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.types import Array

Answer = Callable[..., Any]


def log_probability(ids: Any, log_first: Array, log_next: Array) -> float:
    """log p of a text of letters, the next of which depends on the last."""
    return float(log_first[ids[0]] + log_next[ids[:-1], ids[1:]].sum())


def best_of_beams(
    log_first: Array, log_next: Array, length: int, beams: int, keep: str = "likeliest"
) -> float:
    """log p of the best text that the search finds.

    keep: "likeliest", what is right; "last step", the beginnings whose last letter is the
    likeliest; "one of each", the best continuation of each beginning.
    """
    first = np.argsort(-log_first, kind="stable")[:beams]
    last, log_p = first, log_first[first]
    for _ in range(length - 1):
        steps = log_next[last]
        continued = log_p[:, None] + steps
        if keep == "one of each":
            last = steps.argmax(axis=1)
            log_p = continued.max(axis=1)
            continue
        by = continued if keep == "likeliest" else steps
        kept = np.argsort(-by.ravel(), kind="stable")[:beams]
        log_p, last = continued.ravel()[kept], kept % len(log_first)
    return float(log_p.max())


def misleading(rng: np.random.Generator) -> tuple[Array, Array]:
    """A table in which the likeliest first letter leads to no likely text, its letters shuffled."""
    first = np.array([0.5, 0.4, 0.1])
    after = np.array([[0.4, 0.3, 0.3], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]])
    order = rng.permutation(3)
    return np.log(first[order]), np.log(after[np.ix_(order, order)])


def check_search_with_beams(search_with_beams: Answer, rng: np.random.Generator) -> None:
    def table(V: int) -> tuple[Array, Array]:
        rows = np.log(rng.dirichlet(np.full(V, 0.5), size=V + 1) + 1e-6)
        return rows[0], rows[1:]

    def found(first: Array, after: Array, length: int, beams: int) -> float:
        given = search_with_beams(first.copy(), after.copy(), length, beams)
        want(
            isinstance(given, tuple | list) and len(given) == 2,
            "return two things: the ids of the best text, and its log p",
        )
        ids = np.asarray(given[0])
        want(
            ids.shape == (length,) and np.issubdtype(ids.dtype, np.integer),
            f"the text should be {length} integer ids, got {given[0]!r}",
        )
        really = log_probability(ids, first, after)
        want(
            np.isclose(float(given[1]), really, atol=1e-4),
            f"your log p of {ids.tolist()} is {float(given[1]):.4f}, but the logarithms along it "
            f"add up to {really:.4f}: log_first of the first letter, then log_next[last, new]",
        )
        return really

    tables = [table(5) for _ in range(25)]
    for first, after in tables[:5]:
        every = [log_probability(ids, first, after) for ids in product(range(5), repeat=3)]
        want(
            np.isclose(found(first, after, 3, 25), max(every)),
            "25 beams keep every beginning of two letters, so the likeliest text of three must be "
            "found, and it is not",
        )
    greedy = [best_of_beams(*one, 6, 1) for one in tables]
    want(
        np.allclose([found(*one, 6, 1) for one in tables], greedy),
        "with one beam the search is greedy: the likeliest letter each time",
    )
    right = [best_of_beams(*one, 6, 3) for one in tables]
    yours = [found(*one, 6, 3) for one in tables]
    want(not np.allclose(yours, greedy), "with three beams it still finds what greedy finds")
    first, after = misleading(rng)
    want(
        np.isclose(found(first, after, 3, 2), best_of_beams(first, after, 3, 2)),
        "where the likeliest text begins with the second likeliest letter, two beams miss it: "
        "begin with the `beams` likeliest letters, not with one",
    )
    for keep, hint in (
        ("last step", "the beginnings that are kept are those with the likeliest *last letter*: "
         "compare the sums of all their logarithms"),
        ("one of each", "each beginning is continued in one way only: continue it in all V ways, "
         "and keep the best of all these together (two may come from one beginning)"),
    ):  # fmt: skip
        want(not np.allclose(yours, [best_of_beams(*one, 6, 3, keep) for one in tables]), hint)
    want(
        not (np.array(yours) > np.array(right) + 1e-6).any(),
        "it finds more than three beams can: of all continuations together keep `beams`, not "
        "`beams` of each beginning",
    )
    want(np.allclose(yours, right), "with three beams, the text found is not the right one")


def check_masked_softmax(masked_softmax: Answer, rng: np.random.Generator) -> None:
    T, S = 5, 8

    def answer(scores: Array, allowed: Array) -> Array:
        with np.errstate(all="ignore"):
            given = np.asarray(masked_softmax(scores.copy(), allowed.copy()))
        want(given.shape == (T, S), f"the weights should have shape {(T, S)}, got {given.shape}")
        return given

    scores = rng.standard_normal((T, S))
    allowed = rng.random((T, S)) < 0.6
    allowed[:, 2], allowed[:, 5] = True, False
    e = np.exp(scores) * allowed
    right = e / e.sum(axis=1, keepdims=True)
    plain = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    given = answer(scores, allowed)
    want(not np.allclose(given, plain), "the mask has no effect: it is the plain softmax")
    want(
        not np.allclose(given, plain * allowed),
        "the weights of a row do not sum to 1: hide before the softmax, not after it",
    )
    want(np.allclose(given[~allowed], 0, atol=1e-6), "what is not allowed should have the weight 0")
    by_column = e / e.sum(axis=0, keepdims=True).clip(1e-9)
    want(not np.allclose(given, by_column), "the softmax runs along each row, the last axis")
    want(np.allclose(given, right, atol=1e-5), "the weights should be e^score / their sum, a row")
    for shift in (1000.0, -1000.0):
        want(
            np.allclose(answer(scores + shift, allowed), right, atol=1e-5),
            f"with scores near {shift:g} the result is wrong: subtract from each row its largest "
            "allowed score before you take e^score",
        )
    higher = np.where(allowed, scores, scores + 2000)
    want(
        np.allclose(answer(higher, allowed), right, atol=1e-5),
        "a large score that is not allowed changes the result: the largest score that is "
        "subtracted must be an allowed one",
    )
    allowed[3] = False
    want(
        np.allclose(answer(scores, allowed)[3], 0),
        "a row in which nothing is allowed should be all zeros (0 / 0 is not a number)",
    )


def check_clipped_matches(clipped_matches: Answer, rng: np.random.Generator) -> None:
    def runs_of(words: list[str], n: int) -> list[tuple[str, ...]]:
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    def answer(written: list[str], reference: list[str], n: int) -> tuple[int, int]:
        given = clipped_matches(list(written), list(reference), n)
        want(
            isinstance(given, tuple | list) and len(given) == 2,
            "return two numbers: the n-grams matched, and the n-grams of what was written",
        )
        return int(given[0]), int(given[1])

    want(answer(["the"] * 4, ["the", "cat"], 1) != (4, 4), "four times “the” against one “the” is "
         "one match: an n-gram counts at most as often as it stands in the reference")  # fmt: skip
    for n, run in ((2, "two"), (3, "three")):
        want(answer(["a"], ["a", "b"], n) == (0, 0), f"one word has no run of {run}: want 0 and 0")
    for _ in range(20):
        written = [str(word) for word in rng.choice(["a", "b", "c"], size=rng.integers(5, 12))]
        reference = [str(word) for word in rng.choice(["a", "b", "c"], size=rng.integers(5, 12))]
        for n in (1, 2, 3, 4):
            ours, theirs = runs_of(written, n), runs_of(reference, n)
            matched = sum(min(ours.count(run), theirs.count(run)) for run in set(ours))
            found, total = answer(written, reference, n)
            want(
                total == len(ours),
                f"{len(written)} words have {len(ours)} runs of {n}, you count {total}: it is "
                "the runs of what was *written* that p_n is a share of",
            )
            once = len(set(ours) & set(theirs))
            want(
                found == matched or found != once,
                "a run that stands twice in both is two matches: count, do not make a set",
            )
            want(found == matched, f"{' '.join(written)} / {' '.join(reference)}, n = {n}: "
                 f"{matched} matches, you count {found}")  # fmt: skip


EXERCISES: list[Exercise] = [
    Exercise(
        "search_with_beams",
        "Beam search for the likeliest text of a small language.",
        check_search_with_beams,
        points=3,
    ),
    Exercise(
        "masked_softmax", "A softmax over the places that are allowed.", check_masked_softmax, 2
    ),
    Exercise("clipped_matches", "The n-grams that BLEU counts.", check_clipped_matches, 2),
]
