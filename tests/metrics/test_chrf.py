"""chrF by hand, and equal to sacrebleu's."""

import random

import pytest

from minilm.metrics import chrf


def random_pairs(seed, n):
    """Strings and disturbed copies of them, many shorter than the longest n-gram."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(n):
        wanted = rng.choices("abcde é北京\n.", k=rng.choice([0, 1, 3, 5, 6, 12, 40]))
        written = [rng.choice("abcde ") if rng.random() < 0.2 else c for c in wanted]
        pairs.append(("".join(c for c in written if rng.random() < 0.9), "".join(wanted)))
    return pairs


def test_by_hand():
    # letters: 2 of 2 and 2 of 3; pairs: 1 of 1 and 1 of 2; no triple is written
    p, r = (1 + 1) / 2, (2 / 3 + 1 / 2) / 2
    assert chrf(["ab"], ["a bc"]) == pytest.approx(100 * 5 * p * r / (4 * p + r))


def test_recall_weighs_more_than_precision():
    assert chrf(["abcdefgh"], ["abcdef"]) > chrf(["abcdef"], ["abcdefgh"])


def test_white_space_does_not_count():
    assert chrf(["我在 北京\n"], ["我 在北京"]) == pytest.approx(100)


def test_a_reference_too_short_for_an_n_adds_nothing_to_it():
    # the second pair's "ab" counts among the letters only
    both, first = chrf(["abcdef", "ab"], ["abcdef", "a"]), chrf(["abcdef"], ["abcdef"])
    p = ((7 / 8) + 1 + 1 + 1 + 1 + 1) / 6
    assert first == pytest.approx(100) and both == pytest.approx(100 * 5 * p / (4 * p + 1))


@pytest.mark.oracle
def test_equals_sacrebleu():
    from sacrebleu.metrics import CHRF

    theirs = CHRF()
    for pair in random_pairs(seed=0, n=1000):
        expected = theirs.corpus_score([pair[0]], [[pair[1]]]).score
        assert chrf([pair[0]], [pair[1]]) == pytest.approx(expected, abs=1e-6), pair
    for seed in range(1, 21):
        hypotheses, references = zip(*random_pairs(seed, n=50), strict=True)
        expected = theirs.corpus_score(hypotheses, [references]).score
        assert chrf(hypotheses, references) == pytest.approx(expected, abs=1e-6)
