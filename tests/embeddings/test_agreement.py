"""The share of neighbours that two tables have in common."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors, neighbour_agreement

WORDS = ["east", "north", "northeast", "west"]
VECTORS = np.array([[2, 0], [0, 1], [3, 3], [-1, 0]], np.float32)


def random_table(V=200, D=16, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((V, D)).astype(np.float32)
    return KeyedVectors([f"w{i}" for i in range(V)], vectors)


def test_agreement_falls_with_the_bits():
    wv = random_table()
    agreement = [
        neighbour_agreement(wv, KeyedVectors(wv.index_to_key, quantize(wv.vectors, bits=b, axis=0)))
        for b in (8, 4, 2)
    ]
    assert 1 > agreement[0] > agreement[1] > agreement[2] > 10 / 199
    assert agreement[0] > 0.95


def test_agreement_by_hand():
    a = KeyedVectors(WORDS, VECTORS)
    b = KeyedVectors(WORDS, VECTORS[[1, 0, 2, 3]])  # east and north change places
    # nearest, a: east, north, west -> northeast, northeast, north;  b: west -> east
    words = ["east", "north", "west"]
    assert neighbour_agreement(a, b, topn=1, words=words) == pytest.approx(2 / 3)
    assert neighbour_agreement(a, a, topn=2) == 1
    with pytest.raises(ValueError, match="both tables"):
        neighbour_agreement(a, KeyedVectors(["other", "words"], VECTORS[:2]))
    with pytest.raises(KeyError, match="nowhere"):
        neighbour_agreement(a, b, topn=1, words=["nowhere"])


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_agreement_ignores_rotation_and_scale(seed, scale):
    wv = random_table(40, 6, seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))
    turned = KeyedVectors(wv.index_to_key, (wv.vectors @ turn * scale).astype(np.float32))
    assert neighbour_agreement(wv, turned, topn=5) > 0.98  # ties aside, 1
    other = random_table(40, 6, seed + 1)
    agreement = neighbour_agreement(wv, other, topn=5)
    assert 0 <= agreement < 0.6
    assert agreement == pytest.approx(neighbour_agreement(other, wv, topn=5))
