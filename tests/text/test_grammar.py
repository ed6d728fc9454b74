"""The grammar: what it claims in closed form, found again by counting and by sampling."""

import math
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.text import GRAMMAR, Grammar, WordTokenizer
from minilm.text.grammar import Rule

# Sentences "go", "go go", … : "stay" of n times "go" has probability 0.75 · 0.25^(n−1).
COUNTER = Grammar.parse("Start -> 1 go More\nMore -> 0.75 ε | 0.25 go More")


def derivations(grammar, sentence):
    """The number of derivations of a sentence, by trying everything (no table of first words)."""
    words = tuple(sentence.removesuffix(".\n").split(" "))

    @cache
    def ways(symbols, begin, end):
        if not symbols:
            return int(begin == end)
        first, rest = symbols[0], symbols[1:]
        if first not in grammar.rules:
            return ways(rest, begin + 1, end) if words[begin : begin + 1] == (first,) else 0
        total = 0
        for middle in range(begin, end + 1):
            ways_first = sum(ways(rule.right, begin, middle) for rule in grammar.rules[first])
            total += ways_first and ways_first * ways(rest, middle, end)
        return total

    return ways((grammar.start,), 0, len(words))


def test_a_counter_by_hand():
    # geometric: E[n] = 4/3; each of the n choices costs the entropy of a coin with p = 1/4
    coin = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert COUNTER.expected_uses() == pytest.approx({"Start": 1, "More": 4 / 3})
    assert COUNTER.entropy() == pytest.approx(4 / 3 * coin)
    assert COUNTER.expected_length("word") == pytest.approx(4 / 3 + 1)
    assert COUNTER.expected_length() == pytest.approx(4 / 3 * 3 + 1)  # "go " thrice a word, "."
    assert COUNTER.entropy_rate("word") == pytest.approx(4 / 3 * coin / (7 / 3))
    assert COUNTER.log_probability("go go.\n") == pytest.approx(math.log(0.75 * 0.25))


def test_the_entropy_is_the_mean_over_the_whole_language():
    # enumerate the counter's language: what is left out has probability 0.25^60
    sentences = [" ".join(["go"] * n) + ".\n" for n in range(1, 61)]
    p = np.exp([COUNTER.log_probability(sentence) for sentence in sentences])
    assert p.sum() == pytest.approx(1)
    assert -(p * np.log(p)).sum() == pytest.approx(COUNTER.entropy())
    lengths = np.array([len(sentence) for sentence in sentences])
    assert (p * lengths).sum() == pytest.approx(COUNTER.expected_length())


def test_sampling_agrees_with_the_closed_forms():
    text = GRAMMAR.sample(5000, seed=3)
    sentences = text.splitlines(keepends=True)
    assert len(sentences) == 5000 and "".join(sentences) == text
    words = [len(sentence.split(" ")) + 1 for sentence in sentences]  # and the full stop
    surprise = [-GRAMMAR.log_probability(sentence) for sentence in sentences]
    for measured, expected in (
        ([len(sentence) for sentence in sentences], GRAMMAR.expected_length("character")),
        (words, GRAMMAR.expected_length("word")),
        (surprise, GRAMMAR.entropy()),
    ):
        standard_error = np.std(measured) / math.sqrt(5000)
        assert abs(np.mean(measured) - expected) < 4 * standard_error < 0.06 * expected
    assert -GRAMMAR.log_probability(text) == pytest.approx(sum(surprise))
    assert sum(surprise) / len(text) == pytest.approx(GRAMMAR.entropy_rate(), rel=0.01)


def test_relative_frequencies_are_the_probabilities():
    lines = COUNTER.sample(20_000, seed=0).splitlines()
    for sentence in ("go.", "go go.", "go go go."):
        p = math.exp(COUNTER.log_probability(sentence + "\n"))
        assert lines.count(sentence) / 20_000 == pytest.approx(p, abs=4 * math.sqrt(p / 20_000))


def test_the_same_seed_gives_the_same_text():
    assert GRAMMAR.sample(20, seed=1) == GRAMMAR.sample(20, seed=1) != GRAMMAR.sample(20, seed=2)
    assert GRAMMAR.sample(0, seed=1) == "" and GRAMMAR.log_probability("") == 0


@given(st.integers(0, 10**6))
def test_every_sentence_has_one_derivation_also_when_all_are_tried(seed):
    assert derivations(GRAMMAR, GRAMMAR.sample(1, seed)) == 1


def test_the_derivation_counter_does_see_ambiguity():
    rules = {
        "S": (Rule(0.5, ("x", "T")), Rule(0.5, ("T", "x"))),
        "T": (Rule(1.0, ("x",)),),
    }
    assert derivations(SimpleNamespace(rules=rules, start="S"), "x x.\n") == 2


def test_what_is_and_is_not_in_the_language():
    for sentence in (
        "the dog sleeps.\n",
        "the cats that a dog that sings follows sleep.\n",
        "a small young girl likes every bird that waits near the house and the king sings.\n",
    ):
        assert -math.inf < GRAMMAR.log_probability(sentence) < 0
    for text in (
        "the dog sleep.\n",  # agreement
        "the cats that a dog follows sleeps.\n",  # agreement across a relative clause
        "a dogs sleep.\n",
        "the dog sleeps. \n",
        "the dog  sleeps.\n",
        "the dog sleeps .\n",
        "the dog sleeps..\n",
        "the dog sleeps. the dog sleeps.\n",
        "the dog sleeps",
        "the dog sleeps.",  # no new line: the sentence has not ended
        "the dog sleeps\n",
        "the dog.\n",
        "the unicorn sleeps.\n",
        "the NounSg sleeps.\n",
        " the dog sleeps.\n",
        ".\n",
        "\n",
        "the dog sleeps.\n\nthe dog sleeps.\n",
    ):
        assert GRAMMAR.log_probability(text) == -math.inf, text


def test_a_sentence_of_fixed_length_is_neither_shorter_nor_longer():
    fixed = Grammar.parse("S -> 1 a b")
    assert fixed.log_probability("a b.\na b.\n") == 0
    assert fixed.log_probability("a.\n") == fixed.log_probability("a b b.\n") == -math.inf


def test_word_tokens_are_the_words_that_the_entropy_per_word_counts():
    text = GRAMMAR.sample(200, seed=0)
    words = len(text.replace(".\n", " . ").split())
    assert len(WordTokenizer.train(text).encode(text)) == words + 1  # the last new line


def test_printing_and_parsing_are_inverse():
    assert Grammar.parse(str(GRAMMAR)) == GRAMMAR
    assert "More      -> 0.85 ε | 0.1 and Sentence | 0.05 but Sentence\n" in str(GRAMMAR)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there are none"),
        ("S -> 0.5 a", "S: probabilities must be > 0 and sum to 1"),
        ("S -> 1 a | 0 b", "S: probabilities must be > 0"),
        ("S -> nan a", "S: probabilities must be > 0"),
        ("S -> 1 a T", "'T' has no rules"),
        ("S -> 1 a-b", "'a-b' has no rules and is not a word"),
        ("s -> 1 a", "symbols are capitalised, got 's'"),
        ("S: 1 a", "not a line"),
        ("S -> 1 a\nS -> 1 b", "not a line .* or a second one"),
        ("S -> a b", "a rule must be"),
        ("S -> 1 a | ", "a rule must be"),
        ("S -> 0.5 a | 0.5 a b", "S: 'a' does not tell which rule was used"),
        ("S -> 0.5 S a | 0.5 a", "S: 'a' does not tell"),
        ("S -> 1 T a\nT -> 0.5 ε | 0.5 a", "T: 'a' does not tell"),
        ("S -> 0.5 T a | 0.5 a\nT -> 1 ε", "S: 'a' does not tell"),
        ("S -> 0.5 ε | 0.5 a", "S, the start, must write at least one word"),
        ("S -> 0.5 a | 0.5 b S S", "sentences are endless"),
        ("S -> 1 S", "sentences are endless"),
    ],
)
def test_grammars_that_would_break_the_promise_are_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        Grammar.parse(text)


def test_units_are_named():
    with pytest.raises(ValueError, match=r"unit: must be one of \['character', 'word'\]"):
        GRAMMAR.entropy_rate("byte")
