"""Hypotheses: exactly one is language, nothing else gives it away, and both splits by looking."""

from collections import Counter

import numpy as np
import pytest

from minilm.text.tasks import TASKS
from minilm.text.tasks.hypotheses import (
    CATEGORY,
    CONTENT,
    SEEN,
    SEPARATOR,
    SOUND_ALIKE,
    UNSEEN,
    WORDS,
    grammatical,
)
from minilm.text.tasks.task import PARTS, held_out, pairs

N = 600


@pytest.fixture(scope="module")
def parts():
    return {part: TASKS["hypotheses"].examples(N, seed=0, part=part) for part in PARTS}


def structure(sentence):
    return " ".join(CATEGORY[word] for word in sentence.split())


def test_words_have_one_category_and_sound_alikes_have_two():
    assert sum(map(len, WORDS.values())) == len(CATEGORY)
    assert all(CATEGORY[a] != CATEGORY[b] for a, b in SOUND_ALIKE)
    assert len({word for pair in SOUND_ALIKE for word in pair}) == 2 * len(SOUND_ALIKE)
    assert grammatical("the bear ate our red meat")
    for wrong in ("the bare ate our red meat", "the bear eight our read meat", "", "the unicorn"):
        assert not grammatical(wrong)


def test_exactly_one_of_four_is_grammatical_and_it_was_said(parts):
    for source, target in [e for part in parts.values() for e in part]:
        hypotheses = source.split(SEPARATOR)
        assert len(set(hypotheses)) == 4
        assert [h for h in hypotheses if grammatical(h)] == [target]


def test_neither_place_nor_majority_tells_which_was_said(parts):
    places = Counter(s.split(SEPARATOR).index(t) for s, t in parts["train"])
    assert all(abs(places[i] - N / 4) < 4 * np.sqrt(N * 3 / 16) for i in range(4))
    sounds = {word: pair for pair in SOUND_ALIKE for word in pair}
    for source, _ in parts["train"]:
        for words in zip(*(h.split() for h in source.split(SEPARATOR)), strict=True):
            spellings = Counter(words)
            assert sorted(spellings.values()) in ([4], [2, 2])
            assert len({sounds.get(word, word) for word in words}) == 1  # they do sound alike


def test_no_test_pair_of_content_words_and_no_unseen_structure_is_trained(parts):
    def content(sentence):
        return {word for word in sentence.split() if CATEGORY[word] in CONTENT}

    together = {pair for e in parts["train"] for pair in pairs(content(e.target))}
    assert not any(map(held_out, together))
    for part in ("test", "structure"):
        for _, target in parts[part]:
            assert any(map(held_out, set(pairs(content(target))) - together))
    assert {structure(e.target) for e in parts["train"] + parts["test"]} == set(SEEN)
    assert {structure(e.target) for e in parts["structure"]} == set(UNSEEN)
    assert {w for e in parts["train"] for w in e.target.split()} == set(CATEGORY)
