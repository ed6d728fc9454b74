"""Witten-Bell n-grams against a hand count, a plain dictionary version, and the known figures."""

import math
import platform
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.text import CharTokenizer, load_corpus, split, witten_bell_losses


def plainly(train, validation, vocab_size, order):
    """The formula, token by token."""
    followers = defaultdict(Counter)
    for n in range(order):
        for i in range(n, len(train)):
            followers[tuple(train[i - n : i])][train[i]] += 1

    def p(word, history, shorter):
        seen = followers.get(history)
        if not seen:
            return shorter
        return (seen[word] + len(seen) * shorter) / (seen.total() + len(seen))

    total = 0.0
    for i, word in enumerate(validation):
        probability = 1 / vocab_size
        for n in range(min(order, i + 1)):
            probability = p(word, tuple(validation[i - n : i]), probability)
        total -= math.log(probability)
    return total / len(validation)


def test_by_hand():
    # train "aab", V = 2. Order 1: c = 3, T = 2, p(a) = (2 + 2/2)/5 = 3/5, p(b) = (1 + 1)/5 = 2/5.
    # Order 2 after a (followed by a and b): c = 2, T = 2, p(b | a) = (1 + 2 · 2/5)/4 = 9/20;
    # b was never followed by anything, so p(a | b) = p(a). Validation "aba".
    losses = witten_bell_losses(np.array([0, 0, 1]), np.array([0, 1, 0]), 2, 2)
    expected = [
        -math.log(3 / 5 * 2 / 5 * 3 / 5) / 3,
        -math.log(3 / 5 * 9 / 20 * 3 / 5) / 3,
    ]
    assert losses == pytest.approx(expected)


tokens = st.lists(st.integers(0, 3), min_size=1, max_size=30)


@given(tokens, tokens)
@settings(max_examples=60)
def test_the_vectorised_form_is_the_formula(train, validation):
    losses = witten_bell_losses(np.array(train), np.array(validation), 4, 5)
    expected = [plainly(train, validation, 4, order) for order in range(1, 6)]
    assert losses == pytest.approx(expected, rel=1e-10)


@given(tokens, st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=60)
def test_probabilities_sum_to_one(train, history):
    def p(sentence):
        loss = witten_bell_losses(np.array(train), np.array(sentence), 4, 3)[-1]
        return math.exp(-loss * len(sentence))

    given_history = p(history) if history else 1.0
    assert sum(p([*history, word]) for word in range(4)) == pytest.approx(given_history)


def test_long_histories_over_a_large_vocabulary_do_not_overflow():
    train = np.array([0, 99_999, 5, 99_999, 7] * 3, dtype=np.int32)
    losses = witten_bell_losses(train, train, 100_000, 10)
    assert losses == pytest.approx([plainly(train, train, 100_000, n) for n in range(1, 11)])
    assert all(type(loss) is float for loss in losses)


# The text belongs to the Python version; this is what CPython 3.11.7 carries (any other: nearly).
FIGURES = [3.24, 2.32, 1.71, 1.40, 1.32]


def test_python_docs():
    ids = CharTokenizer.train(text := load_corpus("python-docs")).encode(text)
    blocks = split(ids, validation=0.1)
    losses = witten_bell_losses(blocks.train, blocks.validation, len(set(text)), 5)
    exact = platform.python_version() == "3.11.7"
    assert losses == pytest.approx(FIGURES, abs=0.0051 if exact else 0.25)


def test_wrong_arguments_are_named():
    good = np.array([0, 1])
    for train, validation, vocab_size, order, complaint in (
        (good[:0], good, 2, 1, "train: is empty"),
        (good, good[:0], 2, 1, "validation: is empty"),
        (good, good + 1, 2, 1, r"validation: tokens must lie in 0\.\.1"),
        (good - 1, good, 2, 1, r"train: tokens must lie in 0\.\.1"),
        (good, good, 2, 0, "max_order: must be at least 1"),
    ):
        with pytest.raises(ValueError, match=complaint):
            witten_bell_losses(train, validation, vocab_size, order)
    with pytest.raises(TypeError, match="train: must be integers"):
        witten_bell_losses(good / 2, good, 2, 1)
