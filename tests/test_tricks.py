"""docs/why-fast.md shows what benchmarks/tricks.csv holds, and both ways of a trick agree."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    """benchmarks/ is not installed: it is run from the repository."""
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


@pytest.fixture
def tricks():
    from benchmarks.tricks.catalogue import TRICKS

    return TRICKS


def test_the_page_is_made_of_the_results():
    from benchmarks.records import read
    from benchmarks.tricks import page

    shown = page.PAGE.read_text(encoding="utf-8").split(page.BEGIN)[1].split(page.END)[0]
    assert shown == page.report(read(page.RESULTS))


def test_a_trick_without_gain_is_said_to_have_none():
    from benchmarks.tricks import page

    row = {"first_quartile": "0.98", "third_quartile": "1.2", "gain": "1.1",
           "before_seconds": "0.011", "after_seconds": "0.01"}  # fmt: skip
    assert not page.gains(row)
    assert page.gains({**row, "first_quartile": "1.06"})
    assert page.times(row) == ("11 ms", "10 ms")
    assert page.times({**row, "after_seconds": "0.0000321"}) == ("11000 µs", "32 µs")


def test_what_gains_nothing_says_why_it_is_kept(tricks):
    from benchmarks.tricks import page

    trick = next(trick for trick in tricks if trick.kept)
    row = {"first_quartile": "0.98", "third_quartile": "1.2", "gain": "1.1",
           "before_seconds": "0.011", "after_seconds": "0.01"}  # fmt: skip
    why = " ".join(trick.kept.split())
    assert page.section(trick, row).endswith(f"no gain on this machine. {why}\n")
    quick = page.section(trick, {**row, "first_quartile": "1.06"})
    assert quick.endswith("1.1 times as fast.\n") and why not in quick


def test_packing_agrees_with_minilm():
    from benchmarks.tricks import words_and_codes as forms
    from minilm.weights.packing import pack

    codes = forms.codes(16, 32, 3)
    np.testing.assert_array_equal(forms.pack_by_joining(codes), pack(codes, 3))
    codes = forms.codes(16, 32, 4)
    np.testing.assert_array_equal(forms.turn_words(codes), pack(codes.T, 4))


def test_every_trick_has_its_own_name_and_a_place_that_is_there(tricks):
    assert len({trick.name for trick in tricks}) == len(tricks)
    for trick in tricks:
        for file in re.findall(r"[\w/]+\.py", trick.where):
            assert (ROOT / "minilm" / file).exists(), file


def test_both_ways_agree(tricks):
    from benchmarks.tricks.trick import check_equal

    for trick in tricks:
        if trick.cores > 1 or trick.name == "Keep freed memory":  # a matter of processes
            continue
        check_equal(trick, trick.before(*trick.make()), trick.after(*trick.make()))


def test_disagreement_is_refused(tricks):
    from benchmarks.tricks.trick import check_equal

    answer = {"w": np.ones(3), "b": (2.0, None)}
    check_equal(tricks[0], answer, {"w": np.ones(3) + 1e-9, "b": (2.0, None)})
    for wrong in ({**answer, "w": np.full(3, 1.1)}, {**answer, "w": np.ones((1, 3))},
                  {**answer, "b": (np.nan, None)}):  # fmt: skip
        with pytest.raises(ValueError, match=r"Keep freed memory: answer \d"):
            check_equal(tricks[0], answer, wrong)


def test_what_the_page_warns_of_is_wrong():
    """`dtable[ids] += dy` keeps one of several."""
    from benchmarks.tricks.operations import scatter_by_add_at, scatter_by_sorting

    dy, ids = np.ones((4, 2), np.float32), np.array([1, 0, 1, 1])
    right = [[1, 1], [3, 3], [0, 0]]
    np.testing.assert_array_equal(scatter_by_add_at(dy, ids, 3), right)
    np.testing.assert_array_equal(scatter_by_sorting(dy, ids, 3), right)
    wrong = np.zeros((3, 2), np.float32)
    wrong[ids] += dy
    np.testing.assert_array_equal(wrong, [[1, 1], [1, 1], [0, 0]])
