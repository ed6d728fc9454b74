"""Queries on vectors, plain and packed; correlation with people; agreement of two tables."""

import math
import pickle

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.embeddings import KeyedVectors, UnknownWordError, neighbour_agreement, unknown_word

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
    assert repr(wv) == "KeyedVectors<vector_size=2, 5 keys>"
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


def test_rows_go_by_number_too(wv):
    assert wv[1].tolist() == [0, 1] and wv[np.int64(3)].tolist() == [-1, 0]
    assert wv[[0, "north"]].tolist() == [[2, 0], [0, 1]]
    assert 4 in wv and 5 not in wv and -1 not in wv
    assert wv.get_index("west") == wv.get_index(3) == 3
    assert wv.get_index("south", default=-1) == -1
    assert [row.tolist() for row in wv] == VECTORS.tolist()
    for key in (5, -1):
        with pytest.raises(KeyError, match=f"word {key}"):
            wv[key]


def test_a_word_that_is_a_number_is_a_word():
    wv = KeyedVectors([1, 0, "two"], np.eye(3, dtype=np.float32))
    assert wv[1].tolist() == [1, 0, 0] and wv[2].tolist() == [0, 0, 1]


def test_unit_vectors(wv):
    assert wv.get_vector("east").tolist() == [2, 0]
    assert wv.get_vector("east", norm=True).tolist() == [1, 0]
    assert wv.get_vector("nowhere", norm=True).tolist() == [0, 0]
    lengths = np.linalg.norm(wv.get_normed_vectors(), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 0], rtol=1e-6)


def test_norms_are_measured_again_when_told(wv):
    wv.vectors = VECTORS * np.array([[1], [1], [1], [1], [0]], np.float32)
    wv.vectors[0] = [0, 5]
    assert wv.fill_norms()[0] == 2
    assert wv.fill_norms(force=True)[0] == wv.norms[0] == 5
    assert wv.most_similar("east", topn=1) == [("north", pytest.approx(1))]
    wv.vectors[0] = [4, 0]
    wv.norms = None  # as in gensim
    assert wv.most_similar("east", topn=1) == [("northeast", pytest.approx(math.sqrt(0.5)))]


def test_mean_by_hand(wv):
    # units: east (1, 0), west (−1, 0), north (0, 1)
    assert wv.get_mean_vector(["east", "north"]).tolist() == [0.5, 0.5]
    assert wv.get_mean_vector(["east", "north"], pre_normalize=False).tolist() == [1, 0.5]
    assert wv.get_mean_vector(["east", "west"], weights=[3, 1]).tolist() == [0.5, 0]
    assert wv.get_mean_vector(["east", "west"], weights=[1, -1]).tolist() == [1, 0]
    assert wv.get_mean_vector(["east", VECTORS[0]]).tolist() == [1.5, 0]  # a vector as it is
    assert wv.get_mean_vector(["east", "sun"]).tolist() == [1, 0]
    assert wv.get_mean_vector(["sun"]).tolist() == [0, 0]
    np.testing.assert_allclose(
        wv.get_mean_vector(["east", "north"], post_normalize=True), [math.sqrt(0.5)] * 2, rtol=1e-6
    )
    with pytest.raises(KeyError, match="sun"):
        wv.get_mean_vector(["east", "sun"], ignore_missing=False)
    with pytest.raises(ValueError, match="at least one"):
        wv.get_mean_vector([])
    with pytest.raises(ValueError, match="weights must be 2"):
        wv.get_mean_vector(["east", "west"], weights=[1])


def test_weights_of_the_words_asked_with(wv):
    # 3 east + north points between east and northeast
    (first, cosine), *_ = wv.most_similar([("east", 3.0), "north"])
    assert first == "northeast" and cosine == pytest.approx(4 / math.sqrt(20))
    assert wv.most_similar([("east", -1.0)], topn=1) == wv.most_similar(negative="east", topn=1)
    # vectors as they are, words at length 1: 3·north outweighs east
    (first, cosine), *_ = wv.most_similar(["east", np.array([0, 3])])
    assert first == "north" and cosine == pytest.approx(3 / math.sqrt(10))


def test_only_the_first_words_are_searched():
    wv = random_table(V=3000)
    few = KeyedVectors(wv.index_to_key[:1500], wv.vectors[:1500])
    assert wv.most_similar("w3", restrict_vocab=1500) == few.most_similar("w3")
    assert wv.most_similar("w2000", restrict_vocab=5, topn=99)[-1][0] in wv.index_to_key[:5]
    assert len(wv.most_similar("w2000", restrict_vocab=5, topn=99)) == 5
    assert wv.most_similar("w3", restrict_vocab=9999) == wv.most_similar("w3")
    assert wv.most_similar("w3", topn=None).shape == (3000,)
    assert wv.most_similar("w3", topn=None, restrict_vocab=7).shape == (7,)
    assert wv.most_similar("w3", topn=0) == []
    with pytest.raises(ValueError, match="restrict_vocab must be None or an integer >= 0, got -1"):
        wv.most_similar("w3", restrict_vocab=-1)


def test_similar_by_word_and_by_vector(wv):
    assert wv.similar_by_word("east", topn=2) == wv.most_similar("east", topn=2)
    assert wv.similar_by_vector(VECTORS[0], topn=1) == [("east", pytest.approx(1))]
    with pytest.raises(ValueError, match=r"shape \(2,\), got float64 \(3,\)"):
        wv.similar_by_vector(np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        wv.similar_by_vector(np.array([np.nan, 1]))


def test_distances_by_hand(wv):
    half = 1 - math.sqrt(0.5)
    np.testing.assert_allclose(wv.distances("east"), [0, 1, half, 2, 1], atol=1e-6)
    np.testing.assert_allclose(wv.distances("east", ["west", "north"]), [2, 1], atol=1e-6)
    np.testing.assert_allclose(wv.distances(np.array([0, 3.0]), ["north"]), [0], atol=1e-6)
    assert wv.distance("east", "northeast") == pytest.approx(half)


def test_rank_by_hand(wv):
    # from east: northeast, then north and nowhere (both at 1), then west
    assert wv.closer_than("east", "west") == ["north", "northeast", "nowhere"]
    assert wv.closer_than("east", "northeast") == []
    assert [wv.rank("east", word) for word in WORDS[1:]] == [2, 1, 4, 2]
    with pytest.raises(KeyError, match="sun"):
        wv.rank("east", "sun")


def test_most_similar_to_given_by_hand(wv):
    assert wv.most_similar_to_given("west", ["east", "north", "northeast"]) == "north"
    with pytest.raises(ValueError, match="at least one"):
        wv.most_similar_to_given("west", [])


def test_what_doesnt_match(wv):
    assert wv.doesnt_match(["north", "northeast", "east", "west"]) == "west"
    with pytest.warns(UserWarning, match=r"left out: \['sun'\]"):
        assert wv.doesnt_match(["north", "northeast", "sun", "west"]) == "west"
    with pytest.raises(ValueError, match="at least one known word"):
        wv.doesnt_match(["sun"])
    with pytest.raises(ValueError, match="must be a list"):
        wv.doesnt_match("north east west")


def test_similarity_of_lists(wv):
    assert wv.n_similarity(["east", "north"], ["west", "north"]) == pytest.approx(
        (-2 + 1) / math.sqrt(5 * 2)
    )
    with pytest.raises(KeyError, match="sun"):
        wv.n_similarity(["east"], ["sun"])


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


def test_near_spellings_are_sought_when_read(wv, monkeypatch):
    monkeypatch.setattr(unknown_word, "difflib", None)  # any search would fail
    with pytest.raises(UnknownWordError) as caught:
        wv["nort"]
    assert caught.value.args == ("nort",)  # what repr shows, not the whole vocabulary
    monkeypatch.undo()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_bad_tables_and_queries(wv):
    with pytest.raises(ValueError, match="a word twice"):
        KeyedVectors(["a", "a"], VECTORS[:2])
    with pytest.raises(ValueError, match=r"each of the 1 words, got \(2, 2\)"):
        KeyedVectors(["a"], VECTORS[:2])
    with pytest.raises(ValueError, match="row 1"):
        KeyedVectors(["a", "b"], np.array([[1, 1], [np.nan, 0]], np.float32))
    with pytest.raises(ValueError, match="topn"):
        wv.most_similar("east", topn=-1)
    with pytest.raises(ValueError, match="topn"):
        wv.nearest(["east"], topn=5)
    with pytest.raises(ValueError, match="topn must be None or an integer >= 0"):
        wv.most_similar("east", topn=2.5)
    with pytest.raises(TypeError, match="vectors must be an array or a weight, got list"):
        KeyedVectors(["a"], [[1.0]])
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
    pairs = [(f"w{i}", f"w{i + 1}", i % 7) for i in range(50)]
    for query in (
        lambda wv: wv.distances("w5"),
        lambda wv: wv.distances("w5", ["w6", "w9"]),
        lambda wv: [wv.rank("w5", "w6"), wv.n_similarity(["w1", "w2"], ["w3"])],
        lambda wv: wv.most_similar("w9", topn=None, restrict_vocab=50),
        lambda wv: wv.get_normed_vectors(),
        lambda wv: np.array(list(wv)),
        lambda wv: np.array(wv.evaluate_word_pairs(pairs)[:2]),
    ):
        np.testing.assert_allclose(query(ours), query(dense), atol=1e-6)
    for query in (
        lambda wv: wv.closer_than("w5", "w6"),
        lambda wv: wv.most_similar_to_given("w5", ["w6", "w7", "w8"]),
        lambda wv: wv.doesnt_match(["w1", "w2", "w3", "w4"]),
    ):
        assert query(ours) == query(dense)


