"""Merging by hand, and against the algorithm as it is told: every merge reads every word again."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.text.tokenizers.merging import BORDER, apply_merges, learn_merges

words = st.dictionaries(
    st.lists(st.integers(0, 3), max_size=12).map(tuple), st.integers(1, 5), min_size=1, max_size=8
)


# The algorithm in full, with nothing to make it fast: what minilm learns and applies must equal it.


def learn_plainly(counts, n_symbols, n_merges, min_count):
    merges = []
    for new in range(n_symbols, n_symbols + n_merges):
        times = Counter()
        for word, count in counts.items():
            for pair in pairwise(word):
                times[pair] += count
        best = min(times, key=lambda pair: (-times[pair], pair), default=None)
        if times[best] < min_count:
            break
        merges.append(best)
        counts = {rewrite(word, best, new): count for word, count in counts.items()}
    return merges


def apply_plainly(word, ranks, results):
    while present := [pair for pair in pairwise(word) if pair in ranks]:
        first = min(present, key=ranks.__getitem__)
        word = rewrite(word, first, results[ranks[first]])
    return tuple(word)


def rewrite(word, pair, new):
    """From left to right, a new symbol for each such pair; no place is used twice."""
    written, i = [], 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            written.append(new)
            i += 2
        else:
            written.append(word[i])
            i += 1
    return tuple(written)


def test_by_hand():
    # a b a b c (three times), b c (twice): ab 6, bc 5; then abab 3, bc 2 left, ...
    counts = {(0, 1, 0, 1, 2): 3, (1, 2): 2}
    assert learn_merges(counts, 3, 10, min_count=1) == [(0, 1), (3, 2), (3, 4), (1, 2)]
    assert learn_merges(counts, 3, 10, min_count=3) == [(0, 1), (3, 2), (3, 4)]
    assert learn_merges(counts, 3, 1, min_count=1) == [(0, 1)]
    assert learn_merges({(): 4}, 3, 5, min_count=1) == []


def test_in_a_run_no_symbol_is_used_twice():
    assert list(apply_merges([(0,) * 5], {(0, 0): 0}, [1])) == [(1, 1, 0)]
    assert learn_merges({(0,) * 5: 1}, 1, 9, min_count=1) == [(0, 0), (1, 0), (1, 2)]


def test_runs_are_merged_from_the_left_even_if_their_parts_were_made_from_the_right():
    ranks, results = {(0, 1): 0, (2, 3): 1, (4, 4): 2}, [4, 4, 5]
    assert list(apply_merges([(2, 3, 0, 1, 0, 1)], ranks, results)) == [(5, 4)]


def test_pairs_do_not_reach_from_word_to_word():
    assert list(apply_merges([(0, 1), (), (0,), (1, 0, 1)], {(1, 0): 0}, [2])) == [
        (0, 1), (), (0,), (2, 1),
    ]  # fmt: skip
    assert list(apply_merges([], {(1, 0): 0}, [2])) == []
    assert BORDER < 0


@given(words, st.integers(0, 12), st.integers(1, 3))
@settings(max_examples=150)
def test_learning_is_what_counting_again_would_learn(counts, n_merges, min_count):
    merges = learn_merges(counts, 4, n_merges, min_count)
    assert merges == learn_plainly(counts, 4, n_merges, min_count)


@given(words, st.lists(st.lists(st.integers(0, 3), max_size=30), max_size=4))
@settings(max_examples=150)
def test_applying_is_what_looking_again_would_apply(counts, others):
    merges = learn_merges(counts, 4, 12, 1)
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    results = [4 + rank for rank in ranks.values()]
    given_words = [list(word) for word in counts] + others
    before = [list(word) for word in given_words]
    expected = [apply_plainly(word, ranks, results) for word in given_words]
    assert list(apply_merges(given_words, ranks, results)) == expected
    assert given_words == before


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=10),
    st.lists(st.integers(0, 5), max_size=30),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150)
def test_any_order_of_merges_is_obeyed(pairs, word, random):
    # a file may list a merge before those that make its parts, or make one token in two ways
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    results = [max(pair) + random.randint(1, 3) for pair in pairs]
    expected = apply_plainly(tuple(word), ranks, results)
    assert list(apply_merges([word], ranks, results)) == [expected]


def test_the_order_of_the_counts_does_not_matter():
    counts = {(0, 1, 2): 2, (2, 1): 2, (1, 2, 0, 1): 1, (0, 0): 2}
    backwards = dict(reversed(counts.items()))
    assert learn_merges(counts, 3, 9, 1) == learn_merges(backwards, 3, 9, 1)
