"""Sentiment: the rules by hand, Bayes accuracy by counting, and twins of the same words."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from minilm.text.tasks import TASKS
from minilm.text.tasks.sentiment import (
    BAD,
    GOOD,
    LABELS,
    PATTERNS,
    SEEN,
    UNSEEN,
    bag_of_words_ceiling,
    bag_twin,
    sentiment,
    sentiment_of,
)
from minilm.text.tasks.task import PARTS, held_out, pairs

CLEAN = sentiment(noise=0)


def bag(sentence):
    return frozenset(Counter(re.findall(r"\w+|[^\w\s]", sentence)).items())


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("The plot was good.", "positive"),
        ("The plot was not good.", "negative"),
        ("I think that the plot was not bad.", "positive"),
        ("I do not think that the plot was good.", "negative"),
        ("The plot was good and the cast was not bad.", "positive"),
        ("The plot was not good and the cast was bad.", "negative"),
        ("I do not think that the plot was good, and the cast was bad.", "negative"),
        ("I do think that the plot was good, and the cast was not bad.", "positive"),
        ("The plot was good but the cast was bad.", "negative"),
        ("The plot was not good but the cast was not bad.", "positive"),
        ("Although the plot was good, the cast was not good.", "negative"),
        ("The plot was good, although the cast was not good.", "positive"),
        ("I think that the plot was bad but the cast was good.", "positive"),
    ],
)
def test_rules_by_hand(sentence, label):
    assert sentiment_of(sentence) == label


@pytest.mark.parametrize("part", PARTS)
def test_labels_without_noise_are_the_rules_and_balanced(part):
    examples = CLEAN.examples(1000, seed=0, part=part)
    assert all(sentiment_of(source) == target for source, target in examples)
    positive = sum(target == "positive" for _, target in examples)
    assert abs(positive - 500) < 4 * np.sqrt(250)


def test_the_rules_are_right_as_often_as_bayes_allows():
    for noise in (0.05, 0.3):
        examples = sentiment(noise).examples(4000, seed=1)
        right = np.mean([sentiment_of(source) == target for source, target in examples])
        assert right == pytest.approx(1 - noise, abs=4 * np.sqrt(noise * (1 - noise) / 4000))
    assert {target for _, target in TASKS["sentiment"].examples(100, seed=0)} == set(LABELS)


@pytest.mark.parametrize("part", PARTS)
def test_twins_have_the_same_words_the_other_label_and_the_same_part(part):
    structures = UNSEEN if part == "structure" else SEEN
    examples = CLEAN.examples(800, seed=2, part=part)
    twinned = 0
    for source, label in examples:
        twin = bag_twin(source)
        if twin is None:
            continue
        twinned += 1
        assert bag(twin) == bag(source) and twin != source and bag_twin(twin) == source
        assert sentiment_of(twin) != label
    share = sum(PATTERNS[name].twins for name in structures) / len(structures)
    assert twinned >= 800 * share - 4 * np.sqrt(800 / 4)


def test_every_bag_is_as_often_positive_as_negative_where_there_are_twins():
    # each structure's sentences over few words, all of them: the best answer to each bag, counted
    signs = {word: word for word in ("good", "bad")}
    for pattern in PATTERNS.values():
        counts = defaultdict(Counter)
        for denied in pattern.denials:
            for aspects in (("plot", "cast"), ("cast", "plot")):
                for first in signs:
                    for second in signs:
                        clauses = [
                            f"{aspect} was {'not ' * no}{word}"
                            for aspect, no, word in zip(aspects, denied, (first, second))  # noqa: B905
                        ]
                        sentence = pattern.form.format(*clauses)
                        if pattern.agree is not None and not consistent(sentence, pattern):
                            continue
                        counts[bag(sentence)][sentiment_of(sentence)] += 1
        best = sum(max(c.values()) for c in counts.values())
        total = sum(sum(c.values()) for c in counts.values())
        assert best / total == (0.5 if pattern.twins else 1.0), pattern


def consistent(sentence, pattern):
    """Whether two clauses agree in sign as their pattern wants."""
    found = re.findall(r"(do not think that the|he) (\w+ was (?:not )?\w+)", sentence)
    signs = [(" not " in c) ^ ("not" in p) ^ (c.split()[-1] in GOOD) for p, c in found]
    return (signs[0] == signs[1]) == pattern.agree


def test_the_ceiling_of_a_bag_of_words():
    assert bag_of_words_ceiling(0.1) == pytest.approx(0.5 * 0.5 + 0.5 * 0.9)
    assert bag_of_words_ceiling(0.1, part="structure") == 0.5
    # a bag that knew the true label of all but the twinned sentences, and of these one of each pair
    examples = CLEAN.examples(3000, seed=3)
    sources = {}
    for source, label in examples:
        sources[source] = label
        twin = bag_twin(source)
        if twin:
            sources[twin] = sentiment_of(twin)
    by_bag = defaultdict(Counter)
    for source, label in sources.items():
        by_bag[bag(source)][label] += 1
    twinned = [c for c in by_bag.values() if len(c) == 2]
    assert all(c["positive"] == c["negative"] for c in twinned) and len(twinned) > 1000


def test_structures_of_one_clause_are_used_up_first_and_the_ceiling_only_falls():
    examples = CLEAN.examples(2000, seed=4, part="test")
    assert 200 < sum(source.count(" was ") == 1 for source, _ in examples) <= 3 * 42 + 84
    twinned = np.mean([bag_twin(source) is not None for source, _ in examples])
    assert twinned / 2 + (1 - twinned) * 0.9 < bag_of_words_ceiling(0.1, part="test")


def test_no_test_pair_of_content_words_and_no_unseen_structure_is_trained():
    def content(source):
        return [w for w in re.findall(r"\w+", source)
                if w in GOOD + BAD or f"he {w} was" in source]  # fmt: skip

    def skeleton(source):
        return re.sub(r"(he) \w+ was (not )?\w+", r"\1 C", source)

    train, test, structure = (CLEAN.examples(1500, seed=0, part=part) for part in PARTS)
    together = {pair for source, _ in train for pair in pairs(content(source))}
    assert not any(map(held_out, together))
    for source, _ in test + structure:
        assert any(map(held_out, set(pairs(content(source))) - together))
    seen, unseen = ({skeleton(s) for s, _ in part} for part in (train, structure))
    assert unseen == {"The C, although the C.", "I think that the C but the C."}
    assert not seen & unseen and {skeleton(s) for s, _ in test} == seen


def test_bad_arguments_are_named():
    for noise in (-0.1, 0.5, float("nan")):
        with pytest.raises(ValueError, match="noise: must be at least 0 and below"):
            sentiment(noise)
    with pytest.raises(ValueError, match="'purple' is not an adjective"):
        sentiment_of("The plot was purple.")
    with pytest.raises(ValueError, match="has no clause"):
        sentiment_of("Nice!")
