"""What tests of distillation share: small models, a batch, and the check of a loss as a whole."""

import numpy as np
import pytest

from minilm.models import (
    LSTMClassifier,
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)

V = 7
SMALL = {"vocab_size": V, "layers": 2, "heads": 2, "context": 8}
TOKENS = np.random.default_rng(0).integers(1, V, (3, 7))
TARGETS = TOKENS[:, 1:].copy()
TARGETS[0, :2] = -100
SOURCE = np.array([[3, 6, 1, 5], [2, 2, 0, 0], [4, 5, 6, 0]])
TEXT = (TOKENS[:, :-1], TARGETS)
PAIRS = (SOURCE, TOKENS[:, :-1], TARGETS)
LABELLED = (SOURCE, np.array([2, -100, 1]))

# kind: (teacher, student, batch); widths, norms, and where nothing forbids it layers and heads
# differ
CASES = {
    "transformer <- transformer": (
        TransformerLanguageModel(**SMALL, width=12),
        TransformerLanguageModel(**{**SMALL, "layers": 1}, width=8, norm="post"),
        TEXT,
    ),
    "grouped, rotary <- transformer": (
        TransformerLanguageModel(**{**SMALL, "heads": 4}, width=16),
        TransformerLanguageModel(
            **{**SMALL, "heads": 4}, width=8, key_value_heads=2, positions="rotary", tied=False,
            normalization="rms", activation="swiglu", biases=False,
        ),
        TEXT,
    ),
    "lstm <- transformer": (
        TransformerLanguageModel(**SMALL, width=12), LSTMLanguageModel(V, width=5), TEXT,
    ),
    "transformer <- lstm": (
        LSTMLanguageModel(V, width=12, layers=2),
        TransformerLanguageModel(**SMALL, width=4), TEXT,
    ),
    "encoder–decoder": (
        Seq2SeqTransformer(**SMALL, width=12), Seq2SeqTransformer(**SMALL, width=8), PAIRS,
    ),
    "lstm encoder–decoder <- transformer": (
        Seq2SeqTransformer(**SMALL, width=12), Seq2SeqLSTM(V, width=4), PAIRS,
    ),
    "classifier": (
        TransformerClassifier(**SMALL, width=12, classes=3),
        TransformerClassifier(**SMALL, width=8, classes=3, pooling="first"), LABELLED,
    ),
    "lstm classifier <- transformer": (
        TransformerClassifier(**SMALL, width=12, classes=3),
        LSTMClassifier(V, 3, width=4), LABELLED,
    ),
}  # fmt: skip


def opinionated(model, seed=0):
    """Fresh parameters that are sure of what they answer, and look at some tokens more than others.
    """
    grown = {"table": 3, "w_qkv": 3}
    params = model.init(seed)
    return {
        n: p * grown.get("table" if n.endswith("embedding") else n.rpartition(".")[2], 1)
        for n, p in params.items()
    }


@pytest.fixture(params=CASES)
def case(request):
    """(teacher, its params, student, its params, batch)"""
    teacher, student, batch = CASES[request.param]
    return teacher, opinionated(teacher), student, student.init(1), batch


@pytest.fixture
def check_loss_gradient():
    """Whether a loss's gradients are those of its total, for every array of the parameters."""

    def check(loss, model, params, batch, tolerance=1e-5):
        params = {n: p.astype(np.float64) for n, p in params.items()}
        rng, step = np.random.default_rng(5), 1e-6
        total, grads, count = loss(model, params, batch, None)
        assert grads.keys() == params.keys()
        for name, p in params.items():
            direction = rng.standard_normal(p.shape)

            def at(moved, name=name):
                return loss(model, {**params, name: moved}, batch, None)[0]

            measured = (at(p + step * direction) - at(p - step * direction)) / (2 * step)
            claimed = float((grads[name] * direction).sum())
            assert grads[name].shape == p.shape
            assert claimed == pytest.approx(measured, rel=tolerance, abs=1e-6), name
        return total, grads, count

    return check
