"""The batched gradients are the naive ones, added up; windows, and rows that come twice."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.embeddings.negative_sampling import (
    LIMIT,
    LONG,
    cbow_gradients,
    cbow_loss,
    descend,
    pair_gradients,
    skip_gram_gradients,
    skip_gram_loss,
)
from minilm.embeddings.windows import (
    distances,
    draw_windows,
    full_windows,
    same_sentence,
    sum_of_windows,
    window_chance,
    window_means,
    window_means_backward,
    windows_of,
)
from minilm.embeddings.word2vec_steps import Run, descend_context
from minilm.nn import check_gradient

BLOCKS, BLOCK, WINDOW, D, N = 3, 6, 2, 5, 4
M = BLOCKS * BLOCK


@pytest.fixture
def rows():
    """Vectors for M centres, the M + 2w tokens in sight, and N negatives; sentence numbers."""
    rng = np.random.default_rng(0)
    sentence_of = np.sort(rng.integers(0, 5, M + 2 * WINDOW))
    return (
        rng.standard_normal((M, D)),
        rng.standard_normal((M + 2 * WINDOW, D)),
        rng.standard_normal((N, D)),
        same_sentence(sentence_of, WINDOW, BLOCK),
    )


def pair_loss(v, u, noise):
    return np.log1p(np.exp(-(v @ u))) + np.log1p(np.exp(noise @ v)).sum()


def test_one_pair_by_hand():
    dv, du, dnoise = pair_gradients(
        np.array([1.0, 2.0]), np.array([0.0, 0.0]), np.array([[4.0, -2.0]])
    )
    # both scores are 0, σ = 1/2: the pair pulls by −1/2, the negative pushes by +1/2
    assert dv.tolist() == [2, -1]
    assert du.tolist() == [-0.5, -1]
    assert dnoise.tolist() == [[0.5, 1]]


def test_one_pair_by_finite_differences():
    rng = np.random.default_rng(1)
    point = [rng.standard_normal(shape) for shape in ((D,), (D,), (N, D))]
    for k, gradient in enumerate(pair_gradients(*point)):
        direction = rng.standard_normal(gradient.shape)
        ahead, behind = list(point), list(point)
        ahead[k], behind[k] = point[k] + 1e-6 * direction, point[k] - 1e-6 * direction
        slope = (pair_loss(*ahead) - pair_loss(*behind)) / 2e-6
        assert slope == pytest.approx((gradient * direction).sum(), rel=1e-6)


@pytest.mark.parametrize("negative", [N, 7])
def test_skip_gram_is_the_sum_over_pairs(rows, negative):
    v, context, noise, together = rows
    pairs = window_chance(distances(WINDOW, BLOCK), WINDOW) * together
    expected = [np.zeros_like(x) for x in (v, context, noise)]
    count = 0
    for i in range(M):
        for j in range(i, i + 2 * WINDOW + 1):  # token i + w is the centre itself
            weight = pairs[i // BLOCK, i % BLOCK, j - i // BLOCK * BLOCK]
            count += weight > 0
            dv, du, _ = pair_gradients(v[i], context[j], noise[:0])
            dv_noise, _, dnoise = pair_gradients(v[i], 0 * v[i], noise)
            share = negative / N  # of K negatives that each of the N drawn stands for
            expected[0][i] += weight * (dv + share * dv_noise)
            expected[1][j] += weight * du
            expected[2] += weight * share * dnoise
    assert count == np.count_nonzero(pairs) > M
    for got, want in zip(
        skip_gram_gradients(v, context, noise, pairs, negative), expected, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)  # the weights are float32


@pytest.mark.parametrize("negative", [N, 7])
def test_cbow_is_the_sum_over_centres(rows, negative):
    u, context, noise, together = rows
    rng = np.random.default_rng(2)
    pairs = draw_windows(distances(WINDOW, BLOCK), WINDOW, BLOCKS, rng) * together.astype(float)
    pairs[0, 3] = 0  # a centre that is alone in its sentence
    expected = [np.zeros_like(x) for x in (u, u, noise)]
    for i in range(M):
        row = pairs[i // BLOCK, i % BLOCK]
        window = i // BLOCK * BLOCK + np.flatnonzero(row)
        if len(window):
            h = context[window].mean(axis=0)
            dh_pair, du, _ = pair_gradients(h, u[i], noise[:0])
            dh_noise, _, dnoise = pair_gradients(h, 0 * h, noise)
            share = negative / N
            expected[0][i] = dh_pair + share * dh_noise
            expected[1][i] += du
            expected[2] += share * dnoise
    h, paired = window_means(context, pairs), pairs.max(axis=-1).reshape(-1, 1)
    for got, want in zip(cbow_gradients(h, u, noise, paired, negative), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-12)


def test_gradients_of_skip_gram(rows):
    *read, together = rows
    pairs = together * window_chance(distances(WINDOW, BLOCK), WINDOW).astype(float)

    def loss(v, context, noise):
        return skip_gram_loss(v, context, noise, pairs, 7), (v, context, noise)

    def backward(dloss, cache):
        return tuple(dloss * g for g in skip_gram_gradients(*cache, pairs, 7))

    check_gradient(loss, backward, *read)


def test_gradients_of_cbow(rows):
    h, _, noise, _ = rows
    u, paired = h[::-1].copy(), np.arange(M).reshape(-1, 1) != 3

    def loss(h, u, noise):
        return cbow_loss(h, u, noise, paired, 7), (h, u, noise)

    def backward(dloss, cache):
        return tuple(dloss * g for g in cbow_gradients(*cache, paired, 7))

    check_gradient(loss, backward, h, u, noise)


@pytest.mark.parametrize("mean", [True, False])
def test_gradients_of_window_means(rows, mean):
    _, context, _, together = rows
    rng = np.random.default_rng(2)
    pairs = draw_windows(distances(WINDOW, BLOCK), WINDOW, BLOCKS, rng) * together.astype(float)
    pairs[0, 3] = 0
    assert not window_means(context, pairs, mean)[3].any()

    def means(context):
        return window_means(context, pairs, mean), None

    def backward(dh, cache):
        return (window_means_backward(dh, pairs, mean),)

    check_gradient(means, backward, context)


def test_losses_of_vectors_of_zeros(rows):
    v, context, noise, together = (0 * x if x.dtype == float else x for x in rows)
    pairs = together * full_windows(distances(WINDOW, BLOCK), WINDOW)
    want = pairs.sum() * (1 + 7) * math.log(2)
    assert skip_gram_loss(v, context, noise, pairs, 7) == pytest.approx(want)
    centres = np.count_nonzero(pairs.any(axis=-1))
    assert centres > np.count_nonzero(pairs[1:].any(axis=-1))
    want = centres * (1 + 7) * math.log(2)
    paired = pairs.max(axis=-1).reshape(-1, 1)
    assert cbow_loss(v, v, noise, paired, 7) == pytest.approx(want)


def test_float32_stays_float32_and_huge_scores_are_no_trouble(rows):
    v, context, noise, together = (np.float32(100) * x.astype(np.float32) for x in rows)
    for got in skip_gram_gradients(v, context, noise, together, 5):
        assert got.dtype == np.float32 and np.isfinite(got).all()
    pairs = (together > 0).astype(np.float32)
    h, paired = window_means(context, pairs), pairs.max(axis=-1).reshape(-1, 1)
    for got in (h, window_means_backward(h, pairs), *cbow_gradients(h, v, noise, paired, 5)):
        assert got.dtype == np.float32 and np.isfinite(got).all()


@settings(max_examples=30)
@given(window=st.integers(1, 4), blocks=st.integers(1, 4), seed=st.integers(0, 99))
def test_pairs_lie_in_the_window_and_in_the_sentence(window, blocks, seed):
    block = 2 * window + seed % 3
    length = blocks * block
    rng = np.random.default_rng(seed)
    sentence_of = np.cumsum(rng.random(length + 2 * window) < 0.2)
    distance = distances(window, block)
    pairs = window_chance(distance, window) * same_sentence(sentence_of, window, block)
    for i in range(length):
        for j in range(length + 2 * window):
            d = abs(j - window - i)
            allowed = 1 <= d <= window and sentence_of[i + window] == sentence_of[j]
            column = j - i // block * block
            weight = pairs[i // block, i % block, column] if 0 <= column < block + 2 * window else 0
            assert weight == pytest.approx((window - d + 1) / window if allowed else 0)


def test_drawn_windows_have_the_stated_chance():
    distance = distances(3, 8)
    drawn = draw_windows(distance, 3, 5000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(axis=0), window_chance(distance, 3), atol=0.03)


@settings(max_examples=30)
@given(
    window=st.integers(1, 4), blocks=st.integers(1, 4), block=st.integers(1, 11),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_sum_of_windows_is_the_transpose_of_windows_of(window, blocks, block, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((blocks * block + 2 * window, 2))
    y = rng.standard_normal((blocks, block + 2 * window, 2))
    left = (windows_of(x, block, block + 2 * window) * y).sum()
    assert left == pytest.approx((x * sum_of_windows(y, block)).sum())


def test_descend_adds_up_what_one_row_is_given():
    table = np.ones((4, 2), np.float32)
    gradient = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    kept = gradient.copy()
    descend(table, np.array([2, 0, 2], np.int32), gradient, rate=0.5, terms=1)
    assert table.tolist() == [[-0.5, -1], [1, 1], [-2, -3], [1, 1]]
    assert np.array_equal(gradient, kept)


def test_descend_takes_a_limited_step_of_a_crowded_row():
    table = np.zeros((2, 1), np.float32)
    ids = np.array([0] * 100 + [1])
    descend(table, ids, np.ones((101, 1), np.float32), rate=0.5, terms=2)
    # 100 gradients of 2 pairs at rate 1/2 would weigh 100; LIMIT is what they may weigh
    assert table[0, 0] == pytest.approx(-LIMIT / 2)
    assert table[1, 0] == -0.5
    table[:] = 0  # where the vectors met are long, fewer pairs are too many
    met = np.full((7, 3), math.sqrt(2 * LONG / 3))
    descend(table, ids, np.ones((101, 1), np.float32), rate=0.5, terms=2, met=met)
    assert table[0, 0] == pytest.approx(-LIMIT / 4)
    assert table[1, 0] == -0.5


@pytest.mark.parametrize("mean", [True, False])
def test_a_word_of_a_mean_takes_the_whole_gradient_and_one_of_a_sum_its_share(mean):
    # one sentence of four words; the words' rows are 0, the centres' dh are 1, 10, 100, 1000
    sentence = np.array([-1, 0, 0, 0, 0, -2])
    pairs = full_windows(distances(1, 4), 1) * same_sentence(sentence, 1, 4)
    table, sight = np.zeros((5, 1)), np.array([4, 0, 1, 2, 3, 4])
    run = Run(sight, pairs, 1.5, mean)
    descend_context(table, run, 10.0 ** np.arange(4)[:, None], 0.01, 1, np.zeros((4, 1)))
    taken = [10, 101, 1010, 100] if mean else [10 / 2, 1 + 100 / 2, 10 / 2 + 1000, 100 / 2]
    np.testing.assert_allclose(table[:, 0], -0.01 * np.array([*taken, 0]))
