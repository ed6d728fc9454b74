"""Skip-gram's products are PMI − log k where the text is known exactly, and the figure shows it."""

import math
import warnings

import numpy as np
import pytest

from minilm.embeddings import read_corpus
from minilm.embeddings.cooccurrence import Cooccurrences, cooccurrences
from minilm.embeddings.optimum import Products, sentence_counts, skip_gram_products, two_word_text
from minilm.embeddings.optimum_plot import optimum_figure
from minilm.embeddings.ppmi import shifted_pmi


def test_counts_are_symmetric_and_no_pair_is_missing():
    counts = sentence_counts(20, 5000, seed=3)
    assert counts.shape == (20, 20) and counts.dtype == np.int64
    assert np.array_equal(counts, counts.T) and counts.min() >= 1
    assert abs(counts.sum() - 5000) < 250  # rounded, and raised to 1
    assert np.array_equal(counts, sentence_counts(20, 5000, seed=3))
    assert not np.array_equal(counts, sentence_counts(20, 5000, seed=4))


def test_the_text_has_exactly_these_counts():
    counts = np.array([[1, 5, 0], [2, 3, 4], [0, 0, 7]])
    text = two_word_text(counts, seed=1)
    assert len(text) == counts.sum() and text != sorted(text)
    vocabulary, ids, sentence_of = read_corpus(text, min_count=1)
    rank = [vocabulary.words.index(f"w{i}") for i in range(3)]
    x = cooccurrences(ids, sentence_of, 3, np.ones(1)).dense()[np.ix_(rank, rank)]
    assert x.tolist() == (counts + counts.T).tolist()


@pytest.mark.parametrize("negative", [1, 5])
def test_the_optimum_is_where_the_loss_of_a_pair_is_least(negative):
    """−X log σ(s) − k X_i P_α(j) log σ(−s), tried on both sides of each entry."""
    counts = sentence_counts(5, 400)
    optimum = shifted_pmi(Cooccurrences.from_dense(counts), negative, 0.75).reshape(5, 5)
    noise = counts.sum(axis=0) ** 0.75
    owed = negative * counts.sum(axis=1, keepdims=True) * noise / noise.sum()

    def loss(s):
        return counts * np.log1p(np.exp(-s)) + owed * np.log1p(np.exp(s))

    assert (loss(optimum) < loss(optimum + 0.01)).all()
    assert (loss(optimum) < loss(optimum - 0.01)).all()


@pytest.fixture(scope="module")
def products():
    return skip_gram_products(sentence_counts(20, 30_000), epochs=15)


def test_skip_gram_learns_the_shifted_pmi(products):
    assert products.correlation >= 0.98
    assert np.array_equal(products.counts, 2 * sentence_counts(20, 30_000))
    error = products.learned - products.optimum
    assert abs(error.mean()) < 0.06  # log 2 is 0.69: the shift is there
    often = products.counts > np.median(products.counts)
    assert math.sqrt((error[often] ** 2).mean()) < 0.1
    slope = np.polyfit(products.optimum.ravel(), products.learned.ravel(), 1)[0]
    assert slope == pytest.approx(1, abs=0.1)


def test_the_noise_exponent_belongs_to_the_statement():
    counts = sentence_counts(12, 8000)
    flat = skip_gram_products(counts, ns_exponent=0.0, epochs=15)
    both = Cooccurrences.from_dense(flat.counts)
    pmi = shifted_pmi(both, negative=2).reshape(flat.learned.shape)
    assert flat.correlation > 0.98 > 0.97 > flat._replace(optimum=pmi).correlation


def test_too_few_dimensions_fall_short(products):
    narrow = skip_gram_products(sentence_counts(20, 10_000), vector_size=3, epochs=5)
    assert narrow.correlation < 0.9 < products.correlation


def test_the_figure_shows_every_pair_and_the_line(products):
    figure = optimum_figure(products)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    axes, bar = figure.axes
    (points,) = axes.collections
    drawn = {tuple(point) for point in points.get_offsets().tolist()}
    x, y = products.optimum.ravel(), products.learned.astype(float).ravel()
    assert drawn == set(zip(x.tolist(), y.tolist(), strict=True))
    assert np.array_equal(np.sort(points.get_array()), np.sort(products.counts.ravel()))
    ((start, slope),) = [(line.get_xy1(), line.get_slope()) for line in axes.lines]
    assert start == (0, 0) and slope == 1
    assert "PMI − log k" in axes.get_xlabel() and "v·u" in axes.get_ylabel() and bar.get_ylabel()
    assert f"{products.correlation:.4f}" in axes.get_title() and "400 pairs" in axes.get_title()
    assert axes.get_legend() is not None


def test_correlation_by_hand():
    x = np.array([[0.0, 1], [2, 3]])
    assert Products(2 * x + 1, x, x).correlation == pytest.approx(1)
    assert Products(-x, x, x).correlation == pytest.approx(-1)
