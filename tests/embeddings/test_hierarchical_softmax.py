"""Huffman's tree, the probabilities that its paths give, and their gradients."""

import math

import numpy as np
import pytest

from minilm.embeddings.hierarchical_softmax import (
    cbow_path_gradients,
    cbow_path_loss,
    huffman_tree,
    skip_gram_path_gradients,
    skip_gram_path_loss,
)
from minilm.embeddings.windows import (
    distances,
    full_windows,
    same_sentence,
    window_chance,
    window_means,
)
from minilm.nn import check_gradient

BLOCKS, BLOCK, WINDOW, D = 3, 4, 2, 5
M = BLOCKS * BLOCK


def test_a_tree_by_hand():
    # 1 + 1 = 2 (node 0), 2 + 2 = 4 (node 1), 4 + 4 = 8 (node 2, the root)
    tree = huffman_tree(np.array([4, 2, 1, 1]))
    assert tree.lengths.tolist() == [1, 2, 3, 3]
    assert tree.points[0, 0] == 2
    assert tree.points[2].tolist() == tree.points[3].tolist() == [2, 1, 0]
    assert (tree.signs != 0).sum(axis=1).tolist() == [1, 2, 3, 3]
    assert tree.signs[2, 2] == -tree.signs[3, 2]
    codes, points = tree.path(1)
    assert points.tolist() == [2, 1] and set(codes.tolist()) <= {0, 1}


def test_the_mean_length_is_within_one_question_of_the_entropy():
    counts = np.random.default_rng(0).zipf(1.5, 300).clip(max=10_000)
    tree, share = huffman_tree(counts), counts / counts.sum()
    entropy = -(share * np.log2(share)).sum()
    assert entropy <= (share * tree.lengths).sum() < entropy + 1
    assert math.isclose((0.5**tree.lengths).sum(), 1)  # Kraft: no code begins another


def test_one_word_needs_no_question():
    tree = huffman_tree(np.array([7]))
    assert tree.lengths.tolist() == [0]
    points, signs = tree.paths(np.array([0, 0]))
    assert points.shape == signs.shape == (2, 0)


def test_probabilities_sum_to_one():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 50, 20)
    tree, v, nodes = huffman_tree(counts), rng.standard_normal(D), rng.standard_normal((19, D))
    total = 0.0
    for word in range(20):
        codes, points = tree.path(word)
        right = 1 / (1 + np.exp(nodes[points] @ v))
        total += np.where(codes == 1, right, 1 - right).prod()
    assert total == pytest.approx(1)


@pytest.fixture
def run():
    """Rows in sight (M + 2w, D), a node table, the M centres' paths, sentence numbers."""
    rng = np.random.default_rng(0)
    tree = huffman_tree(rng.integers(1, 50, 12))
    points, signs = tree.paths(rng.integers(0, 12, M))
    assert (signs == 0).any() and (signs[:, -1] != 0).any()  # of several lengths
    sentence_of = np.sort(rng.integers(0, 5, M + 2 * WINDOW))
    context = rng.standard_normal((M + 2 * WINDOW, D))
    return context, rng.standard_normal((11, D))[points], signs, sentence_of


def path_loss(v, nodes, signs):
    return sum(np.log1p(np.exp(-s * (v @ u))) for u, s in zip(nodes, signs, strict=True) if s)


def test_skip_gram_is_the_sum_over_pairs(run):
    context, nodes, signs, sentence_of = run
    weights = window_chance(distances(WINDOW, 1), WINDOW)
    pairs = weights * same_sentence(sentence_of, WINDOW, 1)
    want = 0.0
    for i in range(M):
        for j in range(i, i + 2 * WINDOW + 1):
            together = sentence_of[j] == sentence_of[i + WINDOW] and j != i + WINDOW
            weight = together * (WINDOW + 1 - abs(j - WINDOW - i)) / WINDOW
            want += weight * path_loss(context[j], nodes[i], signs[i])
    assert skip_gram_path_loss(context, nodes, signs, pairs) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("mean", [True, False])
def test_cbow_is_the_sum_over_centres(run, mean):
    context, nodes, signs, sentence_of = run
    pairs = full_windows(distances(WINDOW, BLOCK), WINDOW)
    pairs = pairs * same_sentence(sentence_of, WINDOW, BLOCK)
    pairs[1, 2] = 0  # a centre that is alone
    want = 0.0
    for i in range(M):
        window = i // BLOCK * BLOCK + np.flatnonzero(pairs[i // BLOCK, i % BLOCK])
        if len(window):
            h = context[window].mean(axis=0) if mean else context[window].sum(axis=0)
            want += path_loss(h, nodes[i], signs[i])
    h, paired = window_means(context, pairs, mean), pairs.max(axis=-1).reshape(-1, 1)
    assert cbow_path_loss(h, nodes, signs * paired) == pytest.approx(want, rel=1e-6)


def test_gradients_of_skip_gram(run):
    context, nodes, signs, sentence_of = run
    pairs = window_chance(distances(WINDOW, 1), WINDOW).astype(float)
    pairs = pairs * same_sentence(sentence_of, WINDOW, 1)

    def loss(context, nodes):
        return skip_gram_path_loss(context, nodes, signs, pairs), (context, nodes)

    def backward(dloss, cache):
        return tuple(dloss * g for g in skip_gram_path_gradients(*cache, signs, pairs))

    check_gradient(loss, backward, context, nodes)


def test_gradients_of_cbow(run):
    context, nodes, signs, _ = run
    signs = signs * (np.arange(M).reshape(-1, 1) != 6)  # a centre that is alone

    def loss(h, nodes):
        return cbow_path_loss(h, nodes, signs), (h, nodes)

    def backward(dloss, cache):
        return tuple(dloss * g for g in cbow_path_gradients(*cache, signs))

    check_gradient(loss, backward, context[:M], nodes)


def test_float32_stays_float32_and_huge_scores_are_no_trouble(run):
    context, nodes, signs, sentence_of = run
    context, nodes = (np.float32(100) * x.astype(np.float32) for x in (context, nodes))
    pairs = full_windows(distances(WINDOW, 1), WINDOW) * same_sentence(sentence_of, WINDOW, 1)
    pairs = pairs.astype(np.float32)
    h = context[:M]
    of_skip_gram = skip_gram_path_gradients(context, nodes, signs, pairs)
    for got in (*of_skip_gram, *cbow_path_gradients(h, nodes, signs)):
        assert got.dtype == np.float32 and np.isfinite(got).all()
    assert math.isfinite(skip_gram_path_loss(context, nodes, signs, pairs))
    assert math.isfinite(cbow_path_loss(h, nodes, signs))


@pytest.mark.oracle
@pytest.mark.parametrize("counts", [[5, 5, 5, 5, 3, 3, 2, 1, 1, 1], [7], None])
def test_codes_and_points_are_gensims(counts):
    from gensim.models import KeyedVectors
    from gensim.models.word2vec import _assign_binary_codes

    if counts is None:
        counts = np.sort(np.random.default_rng(0).zipf(1.3, 500))[::-1].tolist()
    theirs = KeyedVectors(1)
    theirs.add_vectors([str(i) for i in range(len(counts))], np.zeros((len(counts), 1)))
    for word, count in enumerate(counts):
        theirs.set_vecattr(str(word), "count", count)
    _assign_binary_codes(theirs)
    tree = huffman_tree(np.array(counts))
    for word in range(len(counts)):
        codes, points = tree.path(word)
        assert codes.tolist() == list(theirs.get_vecattr(word, "code"))
        assert points.tolist() == list(theirs.get_vecattr(word, "point"))
