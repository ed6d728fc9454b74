"""ROUGE-L by hand, and its subsequence against trying every one."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.metrics import characters, rouge_l
from minilm.metrics.rouge import lcs_length, lower_case_words

few = st.text("abc", max_size=7)


def test_by_hand():
    # Lin 2004: "police … the gunman" is in order, "the gunman … police" is not
    reference = ["police killed the gunman"]
    assert rouge_l(["police kill the gunman"], reference) == pytest.approx(100 * 3 / 4)
    assert rouge_l(["the gunman kill police"], reference) == pytest.approx(100 * 2 / 4)
    # P = 2/3, R = 2/4; the mean over the pairs
    both = rouge_l(["Police! The lion.", ""], [*reference, "something"])
    assert both == pytest.approx(100 * (2 * 2 / (3 + 4) + 0) / 2)


def test_pairs_without_words_count_nothing():
    assert rouge_l(["...", "a", ""], ["a", "!", ""]) == 0


def test_words_by_hand():
    assert lower_case_words("It's 3.14, Ünï_x: 北京") == ["it", "s", "3", "14", "ünï", "x", "北京"]
    assert rouge_l(["我京"], ["我在北京"], words=characters) == pytest.approx(100 * 2 * 2 / 6)


@given(few, few)
def test_the_common_subsequence_is_the_longest(a, b):
    def subsequences(text):
        return {"".join(kept) for n in range(len(text) + 1) for kept in combinations(text, n)}

    longest = max(map(len, subsequences(a) & subsequences(b)))
    assert lcs_length(a, b) == lcs_length(b, a) == longest
