"""Distributions that break coders, and symbols drawn from them."""

import numpy as np
import pytest


def of_counts(counts, seed=0):
    """Symbols that occur exactly so often, shuffled."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


CASES = {
    "empty": np.zeros(0, np.int64),
    "one symbol": np.full(5000, 3),
    "a single one": np.array([7]),
    "two": np.array([0, 1]),
    "256 equal": of_counts(np.full(256, 40)),
    "three equal": of_counts(np.full(3, 4001)),
    "1 to a million": of_counts(np.array([1_000_000, 1])),
    "geometric": of_counts(2 ** np.arange(17)),
    "a long tail": of_counts((1e5 / np.arange(1, 300) ** 2).astype(int) + 1),
    "with gaps": of_counts(np.array([0, 0, 50, 0, 3, 0, 0, 4])),
    "10 000 different": np.random.default_rng(1).permutation(10_000),
    "3 bits": np.random.default_rng(2).binomial(30, 0.5, 20_000),
}


@pytest.fixture(params=sorted(CASES))
def symbols(request):
    """Each kind of symbols in turn, (n,) int64."""
    return CASES[request.param]
