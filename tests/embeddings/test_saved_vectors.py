"""minilm's own files of vectors, counts of words, and words that are added."""

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.embeddings import PPMI, FastText, FastTextKeyedVectors, GloVe, KeyedVectors, Word2Vec
from minilm.weights import QuantizedTensor, save

TEXT = [["cat", "dog", "cat", "cow"]] * 3 + [["cat", "dog"]]
COUNTS = {"cat": 7, "dog": 4, "cow": 3}
SMALL = {"vector_size": 4, "min_count": 1}


@pytest.fixture
def wv():
    return KeyedVectors(["east", "north", 7], np.eye(3, 2, dtype=np.float32), np.array([5, 4, 2]))


@pytest.mark.parametrize("model", [Word2Vec, FastText, GloVe, PPMI])
def test_how_often_the_text_had_a_word(model):
    settings = {"vector_size": 2, "min_count": 1} if model is PPMI else SMALL
    trained = model(TEXT, **settings).wv
    assert {word: trained.get_vecattr(word, "count") for word in COUNTS} == COUNTS
    assert type(trained.get_vecattr("cat", "count")) is int
    with pytest.raises(KeyError, match="'ct'; near spellings: cat"):
        trained.get_index("ct")
    with pytest.raises(KeyError, match="attr must be 'count', got 'sample_int'"):
        trained.get_vecattr("cat", "sample_int")


def test_counts_that_are_not_known(wv):
    with pytest.raises(KeyError, match="no counts are known of these vectors"):
        KeyedVectors(["a"], np.ones((1, 2))).get_vecattr("a", "count")
    with pytest.raises(ValueError, match=r"counts must have shape \(1,\), got \(2,\)"):
        KeyedVectors(["a"], np.ones((1, 2)), np.ones(2, int))
    with pytest.raises(KeyError, match="south"):
        wv.get_vecattr("south", "count")


@pytest.mark.parametrize("bits", [None, 4])
@pytest.mark.parametrize("counted", [True, False])
def test_saved_and_loaded_to_the_bit(wv, bits, counted, tmp_path):
    if bits:
        wv.vectors = quantize(wv.vectors, bits=bits, axis=0)
    wv.counts = wv.counts if counted else None
    wv.save(tmp_path / "mine.kv")
    again = KeyedVectors.load(tmp_path / "mine.kv", mmap="r")
    assert again.index_to_key == ["east", "north", 7] and type(again) is KeyedVectors
    assert isinstance(again.vectors, QuantizedTensor if bits else np.ndarray)
    assert np.array_equal(again[["east", 7]], wv[["east", 7]])
    assert again["east"].dtype == np.float32
    assert again.counts.tolist() == [5, 4, 2] if counted else again.counts is None
    assert [path.name for path in tmp_path.iterdir()] == ["mine.kv"]


def test_fasttexts_vectors_keep_their_ngrams(tmp_path):
    trained = FastText(TEXT, **SMALL, min_n=2, max_n=3, bucket=500).wv
    trained.save(tmp_path / "mine.kv")
    again = FastTextKeyedVectors.load(tmp_path / "mine.kv")
    assert "cats" in again and np.array_equal(again["cats"], trained["cats"])
    assert again.get_vecattr("cow", "count") == 3
    with pytest.raises(ValueError, match=r"mine\.kv holds no KeyedVectors"):
        KeyedVectors.load(tmp_path / "mine.kv")
    with pytest.raises(TypeError, match="made of its n-grams"):
        again.add_vector("new", np.ones(4))


def test_files_of_something_else(tmp_path):
    Word2Vec(TEXT, **SMALL).save(tmp_path / "model")
    save(tmp_path / "weights", {"w": np.ones(3)})
    for name in ("model", "weights"):
        with pytest.raises(ValueError, match=f"{name} holds no KeyedVectors: .* model's load"):
            KeyedVectors.load(tmp_path / name)
    (tmp_path / "pickle").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match=r"pickle cannot be loaded: .* not written by minilm"):
        KeyedVectors.load(tmp_path / "pickle")
    with pytest.raises(FileNotFoundError):
        KeyedVectors.load(tmp_path / "nothing")


def test_words_are_added_by_hand(wv):
    before = wv.vectors
    assert wv.add_vector("west", [-2, 0]) == 3
    assert wv["west"].tolist() == [-2, 0] and wv["west"].dtype == np.float32
    assert wv.similarity("east", "west") == pytest.approx(-1) and wv.fill_norms()[3] == 2
    assert [wv.get_vecattr(word, "count") for word in ("east", "west")] == [5, 0]
    wv.add_vectors(["south", "east", "south"], [[0, -1], [9, 9], [0, -3]])
    assert wv.index_to_key == ["east", "north", 7, "west", "south"]
    assert wv["east"].tolist() == [1, 0] and wv["south"].tolist() == [0, -3]
    wv.add_vectors(["south", "east"], [[0, -4], [9, 0]], replace=True)
    assert wv[["south", "east", "west"]].tolist() == [[0, -4], [9, 0], [-2, 0]]
    assert before.tolist() == [[1, 0], [0, 1], [0, 0]]  # a model's own table


def test_what_cannot_be_added(wv):
    for weights in ([[1, 2, 3]], [1, 2], [[1, 2], [3, 4]]):
        with pytest.raises(ValueError, match=r"weights of shape \(n, 2\), got \['a'\]"):
            wv.add_vectors(["a"], weights)
    with pytest.raises(ValueError, match="keys must be a list"):
        wv.add_vectors("ab", [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="finite, row 3"):
        wv.add_vector("a", [np.inf, 0])
    assert len(wv) == 3  # nothing was added
    wv.vectors = quantize(wv.vectors, bits=8, axis=0)
    with pytest.raises(TypeError, match=r"must be an array .* got a QuantizedTensor"):
        wv.add_vector("a", [1, 0])


@pytest.mark.oracle
def test_words_are_added_as_by_gensim():
    import gensim

    table = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    words, more = list("abcd"), ["e", "b", "f"]
    ours, theirs = KeyedVectors(words, table), gensim.models.KeyedVectors(3)
    theirs.add_vectors(words, table)
    for replace in (False, True):
        rows = np.random.default_rng(1 + replace).standard_normal((3, 3)).astype(np.float32)
        for each in (ours, theirs):
            each.add_vectors(more, rows, replace=replace)
        assert ours.index_to_key == theirs.index_to_key
        assert np.array_equal(ours.vectors, theirs.vectors)
    with pytest.warns(UserWarning, match="can be costly"):
        row = theirs.add_vector("g", np.ones(3, np.float32))
    assert ours.add_vector("g", np.ones(3)) == row == 6
    assert [w for w, _ in ours.most_similar("g")] == [w for w, _ in theirs.most_similar("g")]
