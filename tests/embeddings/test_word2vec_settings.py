"""Settings that come out of arrays: a grid of np.linspace, a size that was counted."""

import numpy as np
import pytest

from minilm.embeddings import Word2Vec
from minilm.embeddings.word2vec_settings import settings_of
from minilm.models import LSTMLanguageModel
from minilm.models.language_model import check_positive
from minilm.weights import read_header, save

TEXT = [["a", "b", "c"]] * 5


def test_numpys_numbers_are_pythons(tmp_path):
    usual = {"vector_size": 4, "window": 2, "min_count": 1, "negative": 3, "seed": 7, "epochs": 2,
             "alpha": 0.125, "max_final_vocab": 3, "workers": 1}  # fmt: skip
    counted = {name: np.array([value])[0] for name, value in usual.items()}
    counted["window"] = np.uint8(2)  # of which -window would be 254
    ours, plain = Word2Vec(TEXT, **counted), Word2Vec(TEXT, **usual)
    assert not any(isinstance(value, np.generic) for value in vars(ours).values())
    assert ours.wv.vectors.dtype == np.float32
    assert np.array_equal(ours.wv.vectors, plain.wv.vectors)
    ours.save(tmp_path / "model")
    assert settings_of(Word2Vec.load(tmp_path / "model")) == settings_of(plain)
    assert ours.train(TEXT, total_examples=np.int64(5), epochs=np.int64(1))[1] == 15


def test_min_count_of_nothing_keeps_every_word():
    text = [["a", "a", "b", "c"]]
    assert Word2Vec(text, vector_size=4, min_count=0).wv.index_to_key == ["a", "b", "c"]


@pytest.mark.parametrize("size", [0, -1, True, np.True_, 2.0, np.float64(2), np.int64(0), "2"])
def test_sizes_that_are_none(size):
    with pytest.raises(ValueError, match="width must be an integer of at least 1, got"):
        check_positive(width=size)


def test_sizes_of_a_language_model_may_be_numpys(tmp_path):
    check_positive(a=np.int64(1), b=np.uint8(3), c=4)
    model = LSTMLanguageModel(vocab_size=np.int64(5), width=np.int32(4), layers=np.int64(1))
    save(tmp_path / "model", model.init(0), header=model.config())
    assert read_header(tmp_path / "model")["vocab_size"] == 5
    with pytest.raises(TypeError, match="header must be a dict of what JSON can carry"):
        save(tmp_path / "model", {}, header={"set": {1}})
