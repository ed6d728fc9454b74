"""Every printed line is there, and both of its forms yield what they are said to yield."""

from dataclasses import replace
from math import inf, nan

import pytest

from minilm.course.published import ARTICLES, PAGES, PUBLISHED, VERDICTS, table
from minilm.course.published.entry import Printed, text

# What each article prints, one name a line, with what both forms come to. A pair (value, distance)
# in square brackets is a number that a figure or a table gives so roughly.
OUTCOMES = {
    "A": {
        "the step is the range": (([0.0, 0.05], [0.0, 0.05]), ([41.0, 0.05], [15.8, 0.05])),
        "divided by a power of two": ((0, 0), ([41.0, 0.05], [15.8, 0.05])),
        "restored by a power of two": (([8.3e4, 1e3], [287, 3]), (1, 1)),
        "more bits, wider steps": (([14.7, 0.2], [38.7, 0.2]), ([41.0, 0.05], [15.8, 0.05])),
        "codes clipped by half the weight": (([-0.08, 0.01], [0.08, 0.01]), (-7, 7)),
        "the gates of an LSTM": (
            ([0.016523, 1e-6], [0.019697, 1e-6]), ([0.016523, 1e-6], [0.019697, 1e-6]),
        ),
        "g called a gate": ((0.01, 0.99), (-1, 1)),
        "attention with Vᵀ": (("ValueError", [0.84, 0.01]), ("(5, 3)", 0)),
        "heads cut the sequence": (2, 8),
        "softmax over one unit": ((1, 1), (0.0067, 0.9933)),
        "feed-forward without b₂": (0, 2.65),
        "feed-forward with a sigmoid": ((0.25, 0.25**6, 0.007), ([1.13, 0.01], [2.07, 0.05], 0)),
        "sublayers side by side": (16, 8),
        "a norm around the layer": (([1.22, 0.1], [0.99, 0.05]), ([0.47, 0.05], [0, 1e-3])),
        "a decoder without a causal mask": ([0.154, 0.01], 0),
        "a decoder without cross-attention": (0, [1.53, 0.02]),
        "written into copies": (0, 1),
        "leaves changed in place": ("ValueError", "nothing"),
    },
    "B": {
        "GloVe by negative sampling": (([-1.139, 1e-3],) * 2, ([2.079, 1e-3], [4.382, 1e-3])),
        "embedding towards integers": (1, 50),
        "one table of vectors": ([0.6931, 1e-3], [0, 0.01]),
        "a bias of the same sign": ((10, [0, 1e-3]), (-1.61, [2.703, 1e-3])),
        "rounded to multiples of L": (0.5, 0.5),
        "half-connection quantization": ([11.2, 0.1], [73.6, 0.1]),
        "scaled and shifted": ((4096, 4096), (14, 4096)),
        "nodes by the size of a weight": ([0.938, 0.01], [0.092, 0.01]),
        "strings for lists of words": ((13, 1), (9, 3)),
        "train without its totals": ("ValueError", "nothing"),
        "quantization makes gradients vanish or explode": ((0, 0), (1, 1)),
        "few bits are fast": (("faster", "faster"), ("slower", "slower")),
    },
    "C": {
        "the larger nodes are pruned": ([0.163, 0.01], [0.837, 0.01]),
        "quantization improves accuracy": (
            (0.807, 0.807, 0.807), ([0.807, 0.005], [0.656, 0.02], [0.351, 0.03]),
        ),
        "quantization needs more computation": (16 * 8 + 16 * 8, 16 * 8 + 8),
        "a student with its weights halved": ((1, [0.302, 0.01]), (0.5, [0.02, 0.015])),
        "the test set as validation data": ([0.625, 0.01], [0.5, 0.01]),
        "an argument given twice": ("SyntaxError", "nothing"),
    },
    "D": {
        "cast before mapping": (([5.7, 0.1], [5.2, 0.1]), ([41.0, 0.05], [15.8, 0.05])),
        "mapped to the range": (
            ([41.7, 0.2], [17.1, 0.2], nan), ([41.7, 0.2], [17.1, 0.2], 3),
        ),
        "cast to bytes": ((2, 0, 255), (191, -127, 106)),
        "a loop variable rebound": (0, 1),
        "pruned weights without places": ((1, "ValueError"), (2, "nothing")),
        "importance of a whole tensor": (("the few large", 1), ("the many small", 256)),
        "the teacher's loss": ([177.5, 1], [177.5, 1]),
        "the student's loss": (0, [1.17, 0.1]),
        "the student reads the teacher": (1, 0),
        "the large model is updated": (([0.15, 0.02], 0), (0, [0.72, 0.05])),
    },
    "E": {
        "scaled to −1 … 1": ((-1, 0), (-1, 1)),
        "symmetric means −1 … 1": (4096, 14),
        "a smaller range, a smaller error": ((0.5, [3.8, 0.1]), ([2.4, 0.2], [18.9, 0.15])),
        "a smaller range, more computation": (136, 136),
        "soft threshold": (([1.037, 1e-3], -1), (0.001, -2)),
        "mapped to −M … M": ((-3, -1), (-1, 1)),
        "the worked example": (0, 0.5039),
        "finer means narrower": ((7, 3.5, 3.5), (7, 3.5, 7.5)),
        "hard threshold": ((-2, -2, -2), (-0.1, 0, 0.1)),
        "five bits without an error": ([4.433, 1e-3], [0.3, 1e-3]),
        "a class that does not exist": ("ImportError", "nothing"),
    },
    "often": {
        "the step is the range, from the minimum": (
            ([-9.0, 0.05], [-9.0, 0.05]), ([41.7, 0.2], [17.1, 0.2]),
        ),
        "a grid that ignores the data": (
            ([27.0, 0.05], [3.0, 0.05], [53, 0.2], [29, 0.2]),
            ([41.0, 0.05], [15.8, 0.05], [41.0, 0.05], [15.8, 0.05]),
        ),
        "as many steps as codes": (1, 0.5),
        "standardised and cast": ([-0.285, 0.01], [1, 1e-6]),
    },
}  # fmt: skip
NAMES = [name for named in OUTCOMES.values() for name in named]
# The rows of the table of formulas often published, in its order, by the entry that tries each.
OFTEN = [
    "the step is the range",
    "the step is the range, from the minimum",
    "divided by a power of two",
    "a grid that ignores the data",
    "mapped to −M … M",
    "five bits without an error",
    "as many steps as codes",
    "standardised and cast",
    "the larger nodes are pruned",
    "a student with its weights halved",
    "the large model is updated",
    "half-connection quantization",
]
# The two forms agree: the formula is right, or it is no reason for what is claimed of it.
SAME = {
    "the gates of an LSTM",
    "rounded to multiples of L",
    "the teacher's loss",
    "a smaller range, more computation",
}


def agrees(found, wanted):
    if isinstance(wanted, tuple):
        return len(found) == len(wanted) and all(map(agrees, found, wanted))
    if isinstance(wanted, list):
        return found == pytest.approx(wanted[0], abs=wanted[1])
    if isinstance(wanted, str):
        return found == wanted
    return found == pytest.approx(wanted, rel=1e-3, abs=1e-6, nan_ok=True)


def wanted(name):
    return next(named[name] for named in OUTCOMES.values() if name in named)


def test_all_that_the_articles_print_is_there_and_nothing_else():
    for article, named in OUTCOMES.items():
        assert {e.name for e in PUBLISHED.values() if e.article == article} == set(named)
    assert list(OUTCOMES) == list(ARTICLES)
    assert set(OFTEN) <= set(PUBLISHED)


def test_no_entry_is_left_off_its_page_and_no_name_is_taken_twice():
    for page in PAGES:
        there = {id(value) for value in vars(page).values() if isinstance(value, Printed)}
        assert there == {id(entry) for entry in page.ENTRIES}
    assert sum(len(page.ENTRIES) for page in PAGES) == len(PUBLISHED) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_yield_what_they_are_said_to(name):
    outcome, (printed, right) = PUBLISHED[name].outcome(), wanted(name)
    assert agrees(outcome.printed, printed), outcome
    assert agrees(outcome.right, right), outcome


@pytest.mark.parametrize("name", NAMES)
def test_the_yardstick_tells_one_form_from_the_other(name):
    entry = PUBLISHED[name]
    swapped = replace(entry, as_printed=entry.right, right=entry.as_printed).outcome()
    mixed_up = agrees(swapped.printed, wanted(name)[0]) and agrees(swapped.right, wanted(name)[1])
    assert mixed_up == (name in SAME)
    assert name in SAME or entry.verdict != "right"


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_says_what_and_why(name):
    entry = PUBLISHED[name]
    assert entry.verdict in VERDICTS and entry.article in ARTICLES
    assert entry.formula and entry.why and entry.what
    for form in (entry.as_printed, entry.right):
        assert form.__doc__, "begins with its formula"


def test_another_article_or_verdict_is_refused():
    entry = PUBLISHED["the step is the range"]
    with pytest.raises(ValueError, match=r"article must be one of A, .* got 'F'"):
        replace(entry, article="F")
    with pytest.raises(ValueError, match=r"verdict must be one of right, .* got 'odd'"):
        replace(entry, verdict="odd")


def test_the_table_has_a_row_of_plain_text_for_every_entry_by_article():
    few = [PUBLISHED[name] for name in ("scaled to −1 … 1", "sublayers side by side")]
    assert table(few) == [
        ("A", "sublayers side by side", "Sublayer = attention ∥ feed-forward", "wrong",
         "width of the output for width 8", "16", "8"),
        ("E", "scaled to −1 … 1", "(x − B) / (2B) scales to [−1, 1]", "wrong",
         "what −B and B become, B = 2", "-1, 0", "-1, 1"),
    ]  # fmt: skip
    whole = table()
    assert sorted(row.name for row in whole) == sorted(NAMES)
    assert "".join(row.article[0] for row in whole) == "".join(
        article[0] * len(named) for article, named in OUTCOMES.items()
    )
    assert all(isinstance(cell, str) and cell and "\n" not in cell for row in whole for cell in row)


def test_values_as_text():
    assert text((41.0014, 15.8, 2, "nothing")) == "41.0, 15.8, 2, nothing"
    assert [text(v) for v in (0.00786, -9.02, 83376.4, -0.0, nan, inf)] == [
        "0.00786", "-9.02", "83376", "0", "nan", "inf",
    ]  # fmt: skip
