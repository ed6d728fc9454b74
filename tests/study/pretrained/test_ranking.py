"""Neighbours, ranks and topics of similarities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.embeddings.table_rows import unit_rows
from minilm.study.pretrained.ranking import nearest, rank_agreement, similarities, topic_agreement


def at(*degrees):
    """Unit vectors of the plane."""
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_nearest_by_hand():
    similar = similarities(at(0, 10, 30, 70))
    assert np.isneginf(similar.diagonal()).all()
    assert nearest(similar, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


def test_topics_by_hand():
    #    a at 0, 20, 100; b at 90, 110: the a at 100 is nearest to a b, as the b's are to it
    found = topic_agreement(at(0, 20, 100, 90, 110), list("aaabb"))
    assert found["same_topic"] == pytest.approx(2 / 5)
    # means: a without itself at 60, 50, 10; b without itself at 110, 90. 0: a 60, b 100; 20: a 50,
    # b 100; 100: a 10, b 100; 90: a (0, 20, 100) at about 36, b 110; 110: a about 36, b 90
    assert found["topic"] == pytest.approx(4 / 5)


def test_a_sentence_is_no_witness_of_its_own_topic():
    # 50 is 50 from the other a and 40 from the mean of the b; with itself it would be 25 from a's
    assert topic_agreement(at(0, 50, 80, 100), list("aabb"))["topic"] == pytest.approx(3 / 4)


def test_a_topic_of_one_sentence_is_refused():
    with pytest.raises(ValueError, match="'b' has one"):
        topic_agreement(at(0, 1, 2), list("aab"))


def test_agreement_by_hand():
    before, after = at(0, 10, 30, 70), at(0, 10, 15, 70)
    found = rank_agreement(before, after)
    # nearest: 1 0 1 2 before; 1 2 1 2 after
    assert found["nearest"] == pytest.approx(3 / 4)
    # differences of angles 10 30 70 20 60 40 -> ranks from the nearest 1 3 6 2 5 4;
    # then 10 15 70 5 60 55 -> 2 3 6 1 5 4: two ranks off by 1 of 6
    assert found["spearman"] == pytest.approx(1 - 6 * 2 / (6 * 35))
    assert found["top_10"] == 1  # of four sentences all three others are among the nearest


def test_how_many_of_the_nearest_are_kept():
    before, after = vectors(0, n=30), vectors(1, n=30)
    first, second = (nearest(similarities(each), 10) for each in (before, after))
    kept = [len(set(a) & set(b)) / 10 for a, b in zip(first, second, strict=True)]
    assert 0.2 < np.mean(kept) < 0.6  # by chance 10 of 29
    assert rank_agreement(before, after)["top_10"] == pytest.approx(np.mean(kept))


def vectors(seed, n=12, width=5):
    return unit_rows(np.random.default_rng(seed).standard_normal((n, width)))


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(0, 50))
def test_agreement_is_whole_with_itself_and_knows_no_direction(seed, turn):
    before = vectors(seed)
    rotation = np.linalg.qr(np.random.default_rng(turn).standard_normal((5, 5)))[0]
    assert rank_agreement(before, before) == pytest.approx(
        {"spearman": 1, "nearest": 1, "top_10": 1})  # fmt: skip
    turned = rank_agreement(before, before @ rotation)
    assert turned == pytest.approx({"spearman": 1, "nearest": 1, "top_10": 1})


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(0, 50))
def test_agreement_lies_in_its_range(seed, other):
    found = rank_agreement(vectors(seed), vectors(other))
    assert -1 <= found["spearman"] <= 1
    assert 0 <= found["nearest"] <= 1 and 0 <= found["top_10"] <= 1
