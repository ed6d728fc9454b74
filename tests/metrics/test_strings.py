"""What every score of written answers refuses, and what all agree on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.metrics import bleu, characters, chrf, exact_match, rouge_l

SCORES = [bleu, chrf, rouge_l, exact_match]


@pytest.mark.parametrize("score", SCORES)
def test_wrong_arguments_are_named(score):
    with pytest.raises(TypeError, match="hypotheses: must be a sequence of strings, got one"):
        score("abc", ["abc"])
    with pytest.raises(TypeError, match="references: must be a sequence of strings, got one"):
        score(["abc"], "abc")
    with pytest.raises(TypeError, match="references: must be strings, got None"):
        score(["a", "b"], ["a", None])
    with pytest.raises(TypeError, match=r"hypotheses: must be strings, got \['a'\]"):
        score([["a"]], ["a"])
    with pytest.raises(ValueError, match=r"as many as the references \(2\), got 1"):
        score(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="references: there is nothing to compare with"):
        score([], [])


@pytest.mark.parametrize("score", SCORES)
def test_nothing_in_common_is_worth_nothing_and_the_reference_itself_everything(score):
    reference = ["the cat sat on the mat.", "it was warm there"]
    best = 1 if score is exact_match else 100
    assert score(reference, reference) == pytest.approx(best)
    assert score(["xyz xyz xyz xyz", ""], reference) == 0
    assert score(["", ""], reference) == 0


@pytest.mark.parametrize("score", SCORES)
def test_arrays_of_strings_are_sequences_of_strings(score):
    rows = ["the cat sat on the mat.", "it was warm there"]
    assert score(np.array(rows), np.array(rows[::-1])) == score(rows, rows[::-1])


@pytest.mark.parametrize("score", [bleu, chrf, rouge_l])
@given(pairs=st.lists(st.tuples(st.text("ab. ,", max_size=9), st.text("ab. ,", max_size=9)),
                      min_size=1, max_size=5))  # fmt: skip
def test_scores_are_floats_from_0_to_100_whatever_the_order_of_the_pairs(score, pairs):
    forth, back = (score(*zip(*rows, strict=True)) for rows in (pairs, pairs[::-1]))
    assert type(forth) is float and 0 <= forth <= 100 + 1e-9
    assert forth == pytest.approx(back)


def test_characters_by_hand():
    assert characters(" 我 在\n北京 ") == ["我", "在", "北", "京"] and characters("") == []
