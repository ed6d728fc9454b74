"""Drift: one row's numbers, and the limit that they are held against."""

from dataclasses import replace

import numpy as np
import pytest

from minilm.compression.parameters import matrices
from minilm.metrics import sqnr_db
from minilm.pretrained.sentences import sentence_embeddings
from minilm.study.pretrained.drift import drifts, mean_drift, measure_drift
from minilm.study.pretrained.encoding import Encoded, batches_of, encode
from minilm.study.pretrained.limit import at_the_limit


def test_drift_by_hand():
    before = np.array([[1.0, 0], [0, 1], [0.6, 0.8]])
    after = np.array([[2.0, 0], [1, 0], [0.8, 0.6]])
    np.testing.assert_allclose(drifts(before, after), [0, 1, 1 - 0.96], atol=1e-12)
    assert mean_drift(before, after) == pytest.approx(1.04 / 3)


def test_a_vector_of_zeros_has_drifted_by_one():
    assert drifts(np.array([[1.0, 0]]), np.zeros((1, 2))).tolist() == [1]


def test_a_small_drift_is_not_lost_beside_one():
    angle = 1e-6
    after = np.array([[np.cos(angle), np.sin(angle)]])
    assert drifts(np.array([[1.0, 0]]), after)[0] == pytest.approx(angle**2 / 2, rel=1e-6)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        drifts(np.ones((1, 2)), np.array([[np.nan, 1]]))


def test_a_row_by_hand():
    before = Encoded(np.eye(4), [np.ones((3, 2)), np.full((3, 2), 2.0)])
    moved = np.eye(4)
    moved[0] = [0.6, 0.8, 0, 0]
    after = Encoded(moved, [np.ones((3, 2)), np.full((3, 2), 2.5)])
    row = measure_drift(before, after, list("aabb"))
    assert row["cosine"] == pytest.approx(0.9) and row["worst_cosine"] == pytest.approx(0.6)
    assert row["drift"] == pytest.approx(0.1)
    assert row["error_0"] == 0 and row["error_1"] == pytest.approx(0.25)


def test_embeddings_are_those_of_sentence_embeddings(bench):
    texts = [s.text for s in bench.scored]
    expected = sentence_embeddings(bench.pretrained, texts)
    np.testing.assert_allclose(bench.floats.embeddings, expected, atol=1e-6)
    assert len(bench.floats.hidden) == 3
    tokens = sum(ids.size for _, ids in bench.to_score)
    assert all(h.shape == (tokens, 64) for h in bench.floats.hidden)


def test_batches_have_no_padding_and_every_text_once(pretrained, sentences):
    batches = batches_of(pretrained, [s.text for s in sentences])
    assert sorted(np.concatenate([rows for rows, _ in batches])) == list(range(24))
    assert all((ids != pretrained.model.padding_id).all() for _, ids in batches)


def test_a_long_sentence_is_cut_as_sentence_embeddings_cuts_it(pretrained):
    short = replace(pretrained, longest=5)
    texts = ["the ship by the reef", "the ship by a tower", "a mast"]  # [CLS] the ship by [SEP]
    batches = batches_of(short, texts)
    assert max(ids.shape[1] for _, ids in batches) == 5
    found = encode(short, short.params, batches).embeddings
    np.testing.assert_allclose(found, sentence_embeddings(short, texts), atol=1e-6)
    np.testing.assert_array_equal(found[0], found[1])


def test_packed_and_unpacked_say_the_same(bench):
    rounded = bench.rounded(4, "in groups")
    a, b = (encode(bench.pretrained, rounded, bench.to_score, packed=p) for p in (True, False))
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-5)


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_the_limit_has_shannons_noise_in_every_channel(bits):
    w = np.random.default_rng(0).standard_normal((400, 30)).astype(np.float32)
    w[:, 7] *= 50
    params = {"w": w, "some_embedding": w.T.copy(), "b": w[0]}
    noisy = at_the_limit(params, bits, 0)
    assert noisy["b"] is params["b"]
    for column in (0, 7):
        assert sqnr_db(w[:, column], noisy["w"][:, column]) == pytest.approx(6.02 * bits, abs=1)
        rows = w[:, column], noisy["some_embedding"][column]
        assert sqnr_db(*rows) == pytest.approx(6.02 * bits, abs=1)
    quiet = [np.delete(each, 7, axis=1) for each in (w, noisy["w"])]
    assert sqnr_db(*quiet) == pytest.approx(6.02 * bits, abs=0.3)
    assert noisy["w"].dtype == np.float32


def test_a_quarter_of_the_drift_for_every_bit(bench):
    found = [bench.measured(at_the_limit(bench.params, bits, 0))["drift"] for bits in (5, 6, 7, 8)]
    ratios = np.array(found[:-1]) / found[1:]
    assert (ratios > 3).all() and (ratios < 5.3).all()
    assert set(matrices(at_the_limit(bench.params, 3, 0))) == set(matrices(bench.params))
