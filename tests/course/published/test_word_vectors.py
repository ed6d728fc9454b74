"""Word vectors: the optima by their derivatives, the signs by hand, the calls against gensim."""

import numpy as np
import pytest

from minilm import Word2Vec
from minilm.course.published import PUBLISHED, word_vectors
from minilm.embeddings.glove import pair_gradients


def test_both_optima_have_derivative_zero():
    counts = np.array([[8.0, 2.0, 5.0], [1.0, 9.0, 4.0], [3.0, 3.0, 1.0]])
    s = word_vectors.by_negative_sampling(counts)
    drawn = word_vectors.K * np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    sigma = 1 / (1 + np.exp(-s))
    assert np.allclose(counts * (sigma - 1) + drawn * sigma, 0)
    s = word_vectors.by_least_squares(counts)
    for score, count in zip(s.flat, counts.flat, strict=True):
        _, _, error = pair_gradients(np.zeros(2), np.zeros(2), score, 0.0, count, 0.7)
        assert error == pytest.approx(0)


def test_the_bias_of_either_loss_by_hand():
    v, b = np.array([1.0, 2.0]), np.array([0.5])
    context, noise = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])

    def minus_log_sigmoid(x):
        return np.log1p(np.exp(-x))

    # scores 1 with the context, 2 and 3 with the noise
    wrong = minus_log_sigmoid(1.5) + minus_log_sigmoid(-1.5) + minus_log_sigmoid(-2.5)
    right = minus_log_sigmoid(1.5) + minus_log_sigmoid(-2.5) + minus_log_sigmoid(-3.5)
    assert word_vectors.same_sign(v, b, context, noise) == pytest.approx(wrong)
    assert word_vectors.turned_sign(v, b, context, noise) == pytest.approx(right)


def test_one_table_cannot_do_better_than_log_2():
    # s = v_a·v_b ≤ (|v_a|² + |v_b|²)/2, so the four losses are at least 4 log 2 together
    assert PUBLISHED["one table of vectors"].outcome().printed >= np.log(2) - 1e-3


def test_embeddings_give_rows():
    table = np.array([[0.2, -0.4], [0.3, 0.1]])
    assert word_vectors.to_integers(np.array([1, 0]), table).tolist() == [[0, 0], [0, 0]]
    assert word_vectors.to_vectors(np.array([1, 0]), table).tolist() == [[0.3, 0.1], [0.2, -0.4]]


def test_words_of_strings_are_characters_and_minilm_refuses_them():
    assert word_vectors.words_of_strings(["a cat"]) == [" ", "a", "c", "t"]
    assert set(word_vectors.words_of_lists(["a cat", "a dog"])) == {"a", "cat", "dog"}
    with pytest.raises(TypeError, match="single characters"):
        Word2Vec(word_vectors.SENTENCES, min_count=1)


def test_the_extra_bracket_alone_is_an_error_too():
    model = Word2Vec(vector_size=4, min_count=1)
    model.build_vocab(word_vectors.TOKENS)
    with pytest.raises(TypeError, match="words must be strings, got list"):
        model.train([word_vectors.TOKENS], total_examples=1, epochs=1)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_gensim_reads_strings_as_characters_and_train_wants_its_totals():
    import gensim.models

    strings = gensim.models.Word2Vec(word_vectors.SENTENCES, vector_size=4, min_count=1)
    assert sorted(strings.wv.index_to_key) == word_vectors.words_of_strings(word_vectors.SENTENCES)

    def untrained():
        model = gensim.models.Word2Vec(vector_size=4, min_count=1)
        model.build_vocab(word_vectors.TOKENS)
        return model

    with pytest.raises(ValueError, match="either total_examples or total_words"):
        word_vectors.train_on_a_nested_list(untrained())
    word_vectors.train_with_totals(untrained())
