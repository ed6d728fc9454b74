"""Models that read one thing and say another run compressed with no code of their own for it."""

import numpy as np
import pytest

from minilm.compression import distil, prune, quantize, straight_through
from minilm.generation import answer
from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
)
from minilm.training import cross_entropy_loss, fit
from minilm.weights import Weight, load, save, thaw

rng = np.random.default_rng(0)
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])
TARGET_INPUTS, TARGETS = rng.integers(1, 11, size=(2, 3, 5))
PAIRS = (SOURCE, TARGET_INPUTS, TARGETS)
LABELLED = (SOURCE, np.array([2, 0, 1]))
SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2, "context": 6}
CASES = {
    "encoder–decoder": (Seq2SeqTransformer(**SMALL), PAIRS),
    "two tables": (
        Seq2SeqTransformer(
            **SMALL, source_vocab_size=13, norm="post", tied=False, positions="learned"
        ),
        PAIRS,
    ),
    "classifier": (TransformerClassifier(**SMALL, classes=3), LABELLED),
    "classifier, first": (
        TransformerClassifier(
            **SMALL, classes=3, norm="post", positions="learned", pooling="first"
        ),
        LABELLED,
    ),
    "lstm encoder–decoder": (Seq2SeqLSTM(11, width=8, layers=2), PAIRS),
    "lstm encoder–decoder, dot": (
        Seq2SeqLSTM(11, source_vocab_size=13, width=8, attention="dot", tied=False),
        PAIRS,
    ),
    "lstm classifier": (LSTMClassifier(11, 3, width=8, embedding_width=6, layers=2), LABELLED),
    "lstm classifier, last": (LSTMClassifier(11, 3, width=8, pooling="last"), LABELLED),
    "bag of words": (BagOfWordsClassifier(11, 3, width=8), LABELLED),
}
by_case = pytest.mark.parametrize("name", CASES)


def loss_of(model, params, batch):
    total, _, count = cross_entropy_loss(model, params, batch, None)
    return total / count


@by_case
@pytest.mark.parametrize("compress", [lambda p: quantize(p, 4), lambda p: prune(p, 0.5)])
def test_compressed_weights_give_what_their_thawed_arrays_give(name, compress, tmp_path):
    model, batch = CASES[name]
    params = model.init(0)
    packed = compress(params)
    assert all(isinstance(packed[n], Weight) for n, p in params.items() if p.ndim == 2)
    *inputs, _ = batch
    logits, _ = model.forward(packed, *inputs)
    np.testing.assert_allclose(logits, model.forward(thaw(packed), *inputs)[0], atol=1e-5)
    assert not np.allclose(logits, model.forward(params, *inputs)[0], atol=1e-3)
    save(tmp_path / "model.npz", packed)
    again = load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.forward(again, *inputs)[0], logits)


@by_case
def test_training_that_sees_the_weights_rounded(name):
    model, batch = CASES[name]
    params = model.init(0)
    rounded = straight_through(4)
    trained, _ = fit(model, params, [batch], steps=20, view=rounded, schedule=lambda step: 0.01)
    assert loss_of(model, quantize(trained, 4), batch) < loss_of(model, quantize(params, 4), batch)


@by_case
def test_a_student_learns_from_a_teacher(name):
    """Of the teacher's answers alone: the hard targets have no weight."""
    model, batch = CASES[name]
    taught_by = {n: 3 * p for n, p in model.init(7).items()}
    loss = distil(model, taught_by, temperature=1.0, alpha=1.0)
    params = model.init(0)
    student, _ = fit(model, params, [batch], steps=20, loss=loss, schedule=lambda step: 0.02)
    before, after = (loss(model, p, batch, None)[0] for p in (params, student))
    assert after < 0.7 * before


@pytest.mark.parametrize("name", [name for name, (_, batch) in CASES.items() if batch is PAIRS])
def test_an_answer_is_the_same_packed_and_thawed(name):
    model, _ = CASES[name]
    packed = quantize({n: 3 * p for n, p in model.init(0).items()}, 4)
    how = {"begin_id": 1, "end_id": 2, "length": 6}
    for beams in (1, 3):
        ours = answer(model, packed, SOURCE, beams=beams, packed=True, **how)
        expected = answer(model, packed, SOURCE, beams=beams, **how)
        assert [ids.tolist() for ids in ours] == [ids.tolist() for ids in expected]
