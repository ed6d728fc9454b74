"""Skip-gram in `fit`: gradients, the pairs drawn, a teacher, rounded weights, the fixed loss."""

import math
from collections import Counter

import numpy as np
import pytest

from minilm.compression import quantize, straight_through
from minilm.embeddings import (
    Pairs,
    SkipGram,
    Word2Vec,
    distilled_negative_sampling_loss,
    negative_sampling_loss,
    pair_batches,
    read_corpus,
    validation_loss,
)
from minilm.embeddings.negative_sampling import pair_gradients
from minilm.nn import check_gradient
from minilm.training import constant, fit


def tables(V=7, D=4, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    names = ("input_embedding", "output_embedding")
    return {name: rng.standard_normal((V, D)).astype(dtype) for name in names}


BATCH = Pairs(np.array([0, 3, 3, 6]), np.array([[1, 2, 2], [3, 0, 5], [1, 1, 1], [6, 5, 4]]))


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    sentences = [[f"{'ab'[n % 2]}{k}" for k in rng.integers(0, 12, 8)] for n in range(300)]
    return read_corpus(sentences, min_count=1)


def test_scores_are_checked_by_finite_differences():
    model, params = SkipGram(7, 4), tables()

    def op(v, u):
        return model.forward({"input_embedding": v, "output_embedding": u}, *BATCH)

    def op_backward(dscores, cache):
        grads = model.backward(dscores, cache)
        return grads["input_embedding"], grads["output_embedding"]

    check_gradient(op, op_backward, params["input_embedding"], params["output_embedding"])


def test_loss_is_the_sum_of_the_naive_pairs():
    params = tables()
    v, u = params.values()
    total, grads, count = negative_sampling_loss(SkipGram(7, 4), params, BATCH)
    expected, loss = {name: np.zeros_like(table) for name, table in params.items()}, 0.0
    for centre, outputs in zip(*BATCH, strict=True):
        signs = np.array([-1, 1, 1])
        loss += np.log1p(np.exp(signs * (u[outputs] @ v[centre]))).sum()
        dv, du, dnoise = pair_gradients(v[centre], u[outputs[0]], u[outputs[1:]])
        expected["input_embedding"][centre] += dv
        np.add.at(expected["output_embedding"], outputs, np.vstack((du, dnoise)))
    assert count == 4 and total == pytest.approx(loss)
    for name, want in expected.items():
        np.testing.assert_allclose(grads[name], want, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_a_taught_loss_agrees_with_its_gradient(alpha):
    params, teacher = tables(D=4), tables(D=9, seed=1)
    loss = distilled_negative_sampling_loss(teacher, alpha=alpha)
    total, grads, count = loss(SkipGram(7, 4), params, BATCH)
    assert count == 4
    rng = np.random.default_rng(2)
    for name, table in params.items():
        way = rng.standard_normal(table.shape)
        ahead = loss(SkipGram(7, 4), {**params, name: table + 1e-6 * way}, BATCH)[0]
        behind = loss(SkipGram(7, 4), {**params, name: table - 1e-6 * way}, BATCH)[0]
        assert (ahead - behind) / 2e-6 == pytest.approx((grads[name] * way).sum(), rel=1e-5)
    if alpha == 0:
        assert total == pytest.approx(negative_sampling_loss(SkipGram(7, 4), params, BATCH)[0])


def test_a_student_equal_to_its_teacher_has_nothing_to_learn():
    params = tables(dtype=np.float32)
    _, grads, _ = distilled_negative_sampling_loss(params)(SkipGram(7, 4), params, BATCH)
    assert all(np.abs(grad).max() < 1e-6 for grad in grads.values())
    with pytest.raises(ValueError, match="alpha"):
        distilled_negative_sampling_loss(params, alpha=1.5)


def test_init():
    params = SkipGram(50, 8).init(seed=3)
    assert params["input_embedding"].dtype == np.float32
    assert 1 / 16 < np.abs(params["input_embedding"]).max() <= 1 / 8
    assert not params["output_embedding"].any()
    with pytest.raises(ValueError, match="width"):
        SkipGram(50, 0)


def test_pairs_are_drawn_in_proportion_to_their_chance():
    # sentences x y z and y z: with window 2, neighbours weigh 2 and x–z, two apart, 1
    vocabulary, ids, sentence_of = read_corpus([["x", "y", "z"], ["y", "z"]], min_count=1)
    pairs = pair_batches(
        vocabulary, ids, sentence_of, batch_size=14_000, window=2, negative=3, sample=0
    )(0)
    assert pairs.centres.shape == (14_000,) and pairs.outputs.shape == (14_000, 4)
    words = np.array(vocabulary.words)
    drawn = zip(words[pairs.centres], words[pairs.outputs[:, 0]], strict=True)
    share = {"".join(pair): count / 2000 for pair, count in Counter(drawn).items()}
    assert share == pytest.approx(
        {"xy": 1, "yx": 1, "yz": 2, "zy": 2, "xz": 0.5, "zx": 0.5}, abs=0.1
    )
    noise = np.bincount(pairs.outputs[:, 1:].reshape(-1)) / (3 * 14_000)
    assert noise == pytest.approx(np.diff(vocabulary.noise_cdf(), prepend=0), abs=0.02)


def test_frequent_words_are_drawn_less():
    vocabulary, ids, sentence_of = read_corpus([["the", "a"] * 20, ["the", "b"]], min_count=1)
    options = {"batch_size": 2000, "negative": 1, "window": 1}
    often = pair_batches(vocabulary, ids, sentence_of, sample=0, **options)(0)
    thinned = pair_batches(vocabulary, ids, sentence_of, sample=0.01, **options)(0)
    b = vocabulary.words.index("b")
    assert np.mean(thinned.centres == b) > 1.5 * np.mean(often.centres == b)


def test_the_same_step_has_the_same_pairs(corpus):
    one, two = pair_batches(*corpus, seed=5), pair_batches(*corpus, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(one(7), two(7), strict=True))
    assert not np.array_equal(one(7).centres, one(8).centres)
    assert not np.array_equal(one(7).centres, pair_batches(*corpus, seed=6)(7).centres)


def test_bad_batches(corpus):
    vocabulary, ids, sentence_of = corpus
    with pytest.raises(ValueError, match="two known words of one sentence, got 1 words"):
        pair_batches(vocabulary, ids[:1], sentence_of[:1])
    with pytest.raises(ValueError, match="window"):
        pair_batches(vocabulary, ids, sentence_of, window=0)


def test_validation_loss_of_nothing_known(corpus):
    pairs = pair_batches(*corpus, batch_size=5000)(0)
    empty = SkipGram(24, 8).init(0)
    assert validation_loss(empty, pairs) == pytest.approx(6 * math.log(2))


def test_validation_loss_is_the_loss_and_runs_on_packed_tables():
    params = tables(60, 16, dtype=np.float32)
    rng = np.random.default_rng(0)
    pairs = Pairs(rng.integers(0, 60, 100), rng.integers(0, 60, (100, 6)))
    total, _, count = negative_sampling_loss(SkipGram(60, 16), params, pairs)
    assert validation_loss(params, pairs) == pytest.approx(total / count, rel=1e-5)
    assert validation_loss(params, pairs, batch_size=7) == pytest.approx(total / count, rel=1e-5)
    packed = quantize(params, bits=3)
    dense = {name: leaf.dense() for name, leaf in packed.items()}
    assert validation_loss(packed, pairs) == pytest.approx(validation_loss(dense, pairs), rel=1e-5)


def test_fit_trains_distils_and_sees_rounded_weights(corpus):
    batches = pair_batches(*corpus, batch_size=256)
    held_out = pair_batches(*corpus, batch_size=4096, seed=9)(0)
    # 6 H(1/6) nats: the loss of one who knows no words, only that one score in six is a pair
    blind = -math.log(1 / 6) - 5 * math.log(5 / 6)

    def trained(width, start, loss=negative_sampling_loss, rate=0.01, **options):
        params, _ = fit(SkipGram(24, width), start, batches, steps=300, loss=loss,
                        schedule=constant(rate), clip_norm=None, **options)  # fmt: skip
        return params

    def measured(params):
        return validation_loss(params, held_out)

    teacher = trained(8, SkipGram(24, 8).init(2))
    assert measured(teacher) < blind - 0.5

    taught = distilled_negative_sampling_loss(teacher, alpha=0.7)
    student = trained(4, SkipGram(24, 4).init(1), loss=taught)
    assert student["input_embedding"].shape == (24, 4)
    assert measured(student) < blind - 0.5

    tuned = trained(8, teacher, rate=1e-3, view=straight_through(bits=3))
    assert measured(quantize(tuned, bits=3)) < measured(quantize(teacher, bits=3)) - 0.02


def test_a_trained_word2vec_goes_on_in_fit():
    sentences = [["a", "b", "c", "d"] * 3] * 20
    model = Word2Vec(sentences, vector_size=6, sg=1, epochs=2)
    text = model.vocabulary.encode(sentences)
    batches = pair_batches(model.vocabulary, *text, batch_size=32)
    params, _ = fit(SkipGram(4, 6), model.params, batches, steps=3, loss=negative_sampling_loss)
    assert params.keys() == model.params.keys()
