"""Queries on vectors, plain and packed; correlation with people; agreement of two tables."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors, neighbour_agreement
from minilm.embeddings.keyed_vectors import average_ranks, correlation, read_pairs

WORDS = ["east", "north", "northeast", "west", "nowhere"]
VECTORS = np.array([[2, 0], [0, 1], [3, 3], [-1, 0], [0, 0]], np.float32)


@pytest.fixture
def wv():
    return KeyedVectors(WORDS, VECTORS)


def random_table(V=200, D=16, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((V, D)).astype(np.float32)
    return KeyedVectors([f"w{i}" for i in range(V)], vectors)


def test_look_up(wv):
    assert wv["north"].tolist() == [0, 1] and wv["north"].dtype == np.float32
    assert wv[["west", "east"]].tolist() == [[-1, 0], [2, 0]]
    assert "east" in wv and "south" not in wv
    assert len(wv) == 5 and wv.vector_size == 2
    assert wv.key_to_index["northeast"] == 2


def test_similarity_by_hand(wv):
    assert wv.similarity("east", "northeast") == pytest.approx(math.sqrt(0.5))
    assert wv.similarity("east", "west") == pytest.approx(-1)
    assert wv.similarity("east", "nowhere") == 0
    assert type(wv.similarity("east", "west")) is float


def test_most_similar_by_hand(wv):
    assert wv.most_similar("east", topn=2) == [
        ("northeast", pytest.approx(math.sqrt(0.5))),
        ("north", 0.0),
    ]
    assert wv.most_similar(["east", "north"], topn=1) == [("northeast", pytest.approx(1))]
    assert wv.most_similar(positive="north", negative="east", topn=1)[0][0] == "west"
    assert wv.most_similar(np.array([-1.0, 0.1]), topn=1)[0][0] == "west"  # a vector, not a word
    assert len(wv.most_similar("east", topn=100)) == 4


def test_nearest_leaves_the_word_itself_out(wv):
    assert wv.nearest(["east", "west"], topn=1)[0] == {"northeast"}
    assert all(word not in near for word, near in zip(WORDS, wv.nearest(WORDS, 3), strict=True))


def test_unknown_word_is_named_with_near_spellings(wv):
    with pytest.raises(KeyError, match=r"'nort'; near spellings: north"):
        wv["nort"]
    with pytest.raises(KeyError, match="no vector for the word 'xyzzy'"):
        wv.most_similar("xyzzy")
    with pytest.raises(KeyError, match="xyzzy"):
        wv.similarity("east", "xyzzy")


def test_bad_tables_and_queries(wv):
    with pytest.raises(ValueError, match="a word twice"):
        KeyedVectors(["a", "a"], VECTORS[:2])
    with pytest.raises(ValueError, match=r"each of the 1 words, got \(2, 2\)"):
        KeyedVectors(["a"], VECTORS[:2])
    with pytest.raises(ValueError, match="row 1"):
        KeyedVectors(["a", "b"], np.array([[1, 1], [np.nan, 0]], np.float32))
    with pytest.raises(ValueError, match="topn"):
        wv.most_similar("east", topn=0)
    with pytest.raises(ValueError, match="topn"):
        wv.nearest(["east"], topn=5)
    with pytest.raises(ValueError, match="got neither"):
        wv.most_similar()


@pytest.mark.parametrize("bits", [1, 3, 4, 8])
def test_queries_run_on_the_packed_table(bits):
    wv = random_table()
    packed = quantize(wv.vectors, bits=bits, axis=0)
    ours = KeyedVectors(wv.index_to_key, packed)
    dense = KeyedVectors(wv.index_to_key, packed.dense())
    assert ours.vectors is packed
    np.testing.assert_allclose(ours["w7"], dense["w7"])
    assert ours.similarity("w1", "w2") == pytest.approx(dense.similarity("w1", "w2"), abs=1e-6)
    got, want = (table.most_similar("w3", ["w4"]) for table in (ours, dense))
    assert [word for word, _ in got] == [word for word, _ in want]
    assert [c for _, c in got] == pytest.approx([c for _, c in want], abs=1e-6)
    assert neighbour_agreement(ours, dense) == 1


def test_agreement_falls_with_the_bits():
    wv = random_table()
    agreement = [
        neighbour_agreement(wv, KeyedVectors(wv.index_to_key, quantize(wv.vectors, bits=b, axis=0)))
        for b in (8, 4, 2)
    ]
    assert 1 > agreement[0] > agreement[1] > agreement[2] > 10 / 199
    assert agreement[0] > 0.95


def test_agreement_by_hand():
    a = KeyedVectors(WORDS[:4], VECTORS[:4])
    b = KeyedVectors(WORDS[:4], VECTORS[[1, 0, 2, 3]])  # east and north change places
    # nearest, a: east, north, west -> northeast, northeast, north;  b: west -> east
    words = ["east", "north", "west"]
    assert neighbour_agreement(a, b, topn=1, words=words) == pytest.approx(2 / 3)
    assert neighbour_agreement(a, a, topn=2) == 1
    with pytest.raises(ValueError, match="both tables"):
        neighbour_agreement(a, KeyedVectors(["other", "words"], VECTORS[:2]))
    with pytest.raises(KeyError, match="nowhere"):
        neighbour_agreement(a, b, topn=1, words=["nowhere"])


@settings(deadline=None, max_examples=20)
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


def test_average_ranks():
    assert average_ranks(np.array([5.0, 7.0, 7.0, 1.0])).tolist() == [2, 3.5, 3.5, 1]


def test_correlation_of_a_constant_is_nan():
    assert math.isnan(correlation(np.ones(3), np.arange(3.0)))
    assert correlation(np.arange(3.0), -np.arange(3.0)) == pytest.approx(-1)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000))
def test_spearman_sees_only_the_order(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 12).astype(float), rng.standard_normal(12)
    before = correlation(average_ranks(x), average_ranks(y))
    after = correlation(average_ranks(np.exp(x)), average_ranks(y**3))
    assert before == pytest.approx(after, nan_ok=True)


def test_word_pairs_from_a_list(wv):
    scores = wv.evaluate_word_pairs(
        [("east", "West", 1.0), ("EAST", "northeast", 9), ("east", "north", 4), ("east", "sun", 7)]
    )
    assert scores.spearman == pytest.approx(1)
    assert 0.9 < scores.pearson < 1
    assert scores.oov_ratio == 0.25
    with pytest.raises(ValueError, match="at least two of known words, got 1 among 2"):
        wv.evaluate_word_pairs([("east", "west", 1), ("sun", "moon", 3)])


def test_of_two_spellings_the_first_counts():
    wv = KeyedVectors(["may", "May", "june", "July"], VECTORS[[0, 1, 2, 0]])
    # cosines of "may", not of "May": with july 1, with june 0.71
    scores = wv.evaluate_word_pairs([("MAY", "july", 2), ("May", "june", 1)])
    assert scores.spearman == pytest.approx(1) and scores.oov_ratio == 0


def test_word_pairs_from_a_file(wv, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("# a comment\n# Word 1\tWord 2\tscore\neast\twest\t1.5\n\neast  north 3\n")
    assert list(read_pairs(path)) == [("east", "west", 1.5), ("east", "north", 3.0)]
    assert wv.evaluate_word_pairs(path) == wv.evaluate_word_pairs(str(path))
    path.write_text("east west 1\neast north\n")
    with pytest.raises(ValueError, match=r"pairs\.tsv, line 2: .* got 'east north'"):
        wv.evaluate_word_pairs(path)
    with pytest.raises(FileNotFoundError):
        wv.evaluate_word_pairs(tmp_path / "nothing")
