"""The bias of a word: its gradient, what it learns, and what the article's sign does to it."""

import math

import numpy as np
import pytest

from minilm.embeddings import Word2Vec
from minilm.embeddings.negative_sampling import skip_gram_loss
from minilm.embeddings.windows import distances, full_windows
from minilm.embeddings.word_bias import biased_skip_gram_gradients, biased_skip_gram_loss
from minilm.nn import check_gradient

BLOCKS, BLOCK, WINDOW, D, N, K = 2, 4, 2, 3, 6, 5
PAIRS = np.stack([full_windows(distances(WINDOW, BLOCK), WINDOW).astype(float)] * BLOCKS)


def rows(scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    m = BLOCKS * BLOCK
    return [scale * rng.standard_normal(s) for s in ((m, D), m, (m + 2 * WINDOW, D), (N, D))]


def right(score, noise_scores, b):
    """−log σ(s + b) − Σ log σ(−s_n − b)"""
    return np.log1p(np.exp(-score - b)) + np.log1p(np.exp(noise_scores + b)).sum()


def printed(score, noise_scores, b):
    """−log σ(s + b) − Σ log σ(−s_n + b), as an article has it"""
    return np.log1p(np.exp(-score - b)) + np.log1p(np.exp(noise_scores - b)).sum()


def test_gradients():
    def loss(v, bias, context, noise):
        read = v, bias, context, noise
        return biased_skip_gram_loss(*read, PAIRS, K), read

    def backward(dloss, cache):
        return tuple(dloss * g for g in biased_skip_gram_gradients(*cache, PAIRS, K))

    check_gradient(loss, backward, *rows())


def test_without_a_bias_it_is_the_usual_objective_and_with_one_the_scores_move():
    v, bias, context, noise = rows()
    usual = skip_gram_loss(v, context, noise, PAIRS, K)
    assert biased_skip_gram_loss(v, 0 * bias, context, noise, PAIRS, K) == pytest.approx(usual)
    v, bias, context, noise = rows(scale=0)
    b = 0.7  # every score is b: a pair's −log σ(b), and K times −log σ(−b)
    one = math.log1p(math.exp(-b)) + K * math.log1p(math.exp(b))
    got = biased_skip_gram_loss(v, bias + b, context, noise, PAIRS, K)
    assert got == pytest.approx(PAIRS.sum() * one)


def test_as_printed_the_loss_falls_for_ever_whatever_the_vectors():
    rng = np.random.default_rng(0)
    for _ in range(5):
        score, noise_scores = 3 * rng.standard_normal(), 3 * rng.standard_normal(K)
        b = np.linspace(-30, 30, 200)
        wrong = np.array([printed(score, noise_scores, x) for x in b])
        good = np.array([right(score, noise_scores, x) for x in b])
        assert (np.diff(wrong) < 0).all() and wrong[-1] < 1e-8  # the best bias is infinite
        assert 0 < good.argmin() < len(b) - 1  # the right one has a best bias
    zero = np.zeros(K)
    best = -math.log(K)  # σ(b) = 1 / (1 + K)
    assert right(0, zero, best) < min(right(0, zero, best - 0.01), right(0, zero, best + 0.01))


def test_word2vec_learns_it():
    sentences = [["a", "b", "c"], ["b", "a", "d"]] * 50
    options = {"vector_size": 4, "min_count": 1, "sg": 1, "epochs": 3, "negative": K}
    model = Word2Vec(sentences, bias=True, **options)
    bias = model.params["input_bias"]
    assert bias.shape == (4,) and bias.dtype == np.float32
    assert (bias < 0).all()  # more of the pairs shown are noise
    assert "input_bias" not in Word2Vec(sentences, **options).params
