"""One forward and one backward for every kind of weight: idea 1, seen from the models."""

import numpy as np
import pytest

from minilm.models import (
    LSTMLanguageModel,
    MaskedLanguageModel,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerEncoder,
    TransformerLanguageModel,
)
from minilm.weights import Diagonal, Product, SparseTensor, Weight, thaw

TEXT = np.random.default_rng(0).integers(11, size=(3, 5))
SOURCE = np.array([[3, 7, 1, 5], [2, 2, 0, 0], [9, 4, 6, 0]])  # 0 fills up
SMALL = {"vocab_size": 11, "width": 8, "layers": 2, "heads": 2}
MODELS = [
    LSTMLanguageModel(11, width=6, embedding_width=4, layers=2),
    LSTMLanguageModel(11, width=6, tied=False),
    TransformerLanguageModel(11, width=8, layers=2, heads=2),
    TransformerLanguageModel(11, width=8, layers=1, heads=2, norm="post", tied=False),
    *(
        TransformerClassifier(**SMALL, classes=3, norm=norm, positions=positions, pooling=pooling)
        for norm, positions, pooling in [
            ("pre", "sinusoidal", "mean"), ("post", "sinusoidal", "mean"),
            ("pre", "learned", "mean"), ("post", "learned", "mean"),
            ("pre", "sinusoidal", "first"), ("post", "learned", "first"),
        ]
    ),
    TransformerEncoder(**SMALL),
    MaskedLanguageModel(**SMALL),
    Seq2SeqTransformer(**SMALL),
    Seq2SeqTransformer(**SMALL, source_vocab_size=13, norm="post"),
    Seq2SeqTransformer(**SMALL, source_vocab_size=13, tied=False),
]  # fmt: skip


def inputs_of(model):
    if hasattr(model, "source_vocab_size"):
        return SOURCE, TEXT
    return (SOURCE,) if hasattr(model, "padding_id") else (TEXT,)


def sparse(w):
    return SparseTensor.from_dense(w, np.random.default_rng(0).random(w.shape) < 0.5)


def nested(w):
    return Product(Diagonal(np.full(w.shape[0], 2, np.float32)), sparse(w))


@pytest.mark.parametrize("leaf", [sparse, nested])
@pytest.mark.parametrize("model", MODELS)
def test_leaves_give_what_their_float_arrays_give(model, leaf):
    inputs = inputs_of(model)
    packed = {name: leaf(p) if p.ndim == 2 else p for name, p in model.init(0).items()}
    assert any(isinstance(p, Weight) for p in packed.values())
    logits, cache = model.forward(packed, *inputs)
    expected, expected_cache = model.forward(thaw(packed), *inputs)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    dlogits = np.random.default_rng(1).standard_normal(logits.shape, dtype=np.float32)
    grads = model.backward(dlogits, cache)
    expected_grads = model.backward(dlogits, expected_cache)
    assert set(grads) == set(expected_grads)
    for name, grad in grads.items():
        assert type(grad) is np.ndarray
        np.testing.assert_allclose(grad, expected_grads[name], atol=1e-4, err_msg=name)
