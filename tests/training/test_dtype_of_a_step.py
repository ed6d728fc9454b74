"""A whole step keeps the dtype of the parameters: nothing on its way is wider, or narrower."""

import dataclasses

import numpy as np
import pytest

import minilm.training
from minilm import LSTMLanguageModel, Seq2SeqTransformer, TransformerLanguageModel, fit
from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    LSTMRegressor,
    MaskedLanguageModel,
    Seq2SeqLSTM,
    TransformerClassifier,
    TransformerEncoder,
)
from minilm.models.build import CLASSES
from minilm.nn import (
    cross_entropy,
    cross_entropy_backward,
    squared_error,
    squared_error_backward,
)
from minilm.training import (
    SGD,
    AdamW,
    clip_in_place,
    cross_entropy_loss,
    evaluate,
    squared_error_loss,
)

MODELS = [
    LSTMLanguageModel(7, width=6, embedding_width=4, layers=2, dropout=0.2),
    LSTMLanguageModel(7, width=6, tied=False),
    TransformerLanguageModel(7, width=8, layers=2, heads=2, context=5, dropout=0.2),
    TransformerLanguageModel(7, width=8, layers=1, heads=2, context=5, norm="post", tied=False),
    Seq2SeqTransformer(7, width=8, layers=1, heads=2, context=6, dropout=0.2),
    Seq2SeqTransformer(7, 7, width=8, layers=1, heads=2, context=6, norm="post", tied=False),
    TransformerLanguageModel(
        7, width=8, layers=2, heads=4, context=5, positions="rotary", normalization="rms",
        activation="swiglu", key_value_heads=2, biases=False,
    ),
    Seq2SeqLSTM(7, width=8, layers=2, dropout=0.2, padding_id=0),
    Seq2SeqLSTM(7, 7, width=8, attention="dot", tied=False),
    TransformerClassifier(7, 3, width=8, layers=1, heads=2, context=6, dropout=0.2),
    LSTMClassifier(7, 3, width=8, pooling="last", dropout=0.2),
    BagOfWordsClassifier(7, 3, width=8, dropout=0.2),
    LSTMRegressor(3, width=8, outputs=2, dropout=0.2),
    MaskedLanguageModel(7, width=8, layers=1, heads=2, context=6, dropout=0.2),
]  # fmt: skip
READS_AND_WRITES = (Seq2SeqTransformer, Seq2SeqLSTM)
CLASSIFIES = (TransformerClassifier, LSTMClassifier, BagOfWordsClassifier)
OPTIMIZERS = [SGD(), SGD(momentum=0.9), AdamW()]
IDS = np.random.default_rng(0).integers(1, 7, size=(4, 6), dtype=np.int32)  # 0 is padding
TEXT = IDS[:, :-1], IDS[:, 1:]

models = pytest.mark.parametrize("model", MODELS, ids=repr)
optimizers = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def parameters(model, dtype):
    return {name: weight.astype(dtype) for name, weight in model.init(0).items()}


def taught(model, dtype=np.float32):
    """A batch of the form that the model is taught by."""
    if isinstance(model, LSTMRegressor):
        numbers = np.random.default_rng(1).standard_normal((4, 20)).astype(dtype)
        return numbers[:, :18].reshape(4, 6, 3), numbers[:, 18:]
    if isinstance(model, CLASSIFIES):
        return IDS, IDS[:, 0] % 3
    return (IDS[:, ::-1], *TEXT) if isinstance(model, READS_AND_WRITES) else TEXT


def loss_for(model):
    """The loss for `fit`, and its pair."""
    if isinstance(model, LSTMRegressor):
        return squared_error_loss, squared_error, squared_error_backward
    return cross_entropy_loss, cross_entropy, cross_entropy_backward


def mean_loss(model, seen, batch):
    if isinstance(model, (*READS_AND_WRITES, *CLASSIFIES, LSTMRegressor, MaskedLanguageModel)):
        total, _, count = loss_for(model)[0](model, seen, batch, None)
        return total / count
    return evaluate(model, seen, IDS.ravel())


def test_every_model_and_optimizer_is_here():
    # an encoder alone says nothing that a loss could be taken of
    assert {type(model) for model in MODELS} == set(CLASSES.values()) - {TransformerEncoder}
    public = [getattr(minilm.training, name) for name in minilm.training.__all__]
    made = {c for c in public if dataclasses.is_dataclass(c) and hasattr(c, "update")}
    assert made == {type(optimizer) for optimizer in OPTIMIZERS}


@models
@dtypes
def test_forward_and_backward(model, dtype, arrays_in):
    params = parameters(model, dtype)
    *inputs, targets = taught(model, dtype)
    logits, cache = model.forward(params, *inputs, rng=np.random.default_rng(0))
    _, loss_of, loss_backward = loss_for(model)
    loss, loss_cache = loss_of(logits, targets)
    dlogits = loss_backward(3, loss_cache)
    grads = model.backward(dlogits, cache, dhidden=np.ones_like(cache["hidden"]))
    assert type(loss) is float
    assert grads.keys() == params.keys()
    found = [a.dtype for a in arrays_in([logits, cache, loss_cache, dlogits, grads])]
    floats = [d for d in found if d.kind == "f"]
    assert len(floats) > 10 and set(floats) == {np.dtype(dtype)}


@models
@optimizers
@dtypes
@pytest.mark.parametrize("workers", [1, 2])
def test_fit(model, optimizer, dtype, workers, arrays_in):
    dtypes = set()

    @dataclasses.dataclass
    class Looking:
        """The optimizer, and what it was handed."""

        elementwise = optimizer.elementwise

        def update(self, arrays, grads, state, learning_rate, step):
            optimizer.update(arrays, grads, state, learning_rate, step)
            dtypes.update(a.dtype for a in arrays_in([arrays, grads, state]))
            assert type(learning_rate) is float

    params = parameters(model, dtype)
    batch = taught(model, dtype)
    fitted, history = fit(
        model, params, lambda step: batch, steps=3, optimizer=Looking(), clip_norm=0.1,
        workers=workers, evaluate=lambda seen: mean_loss(model, seen, batch),
        loss=loss_for(model)[0],
    )  # fmt: skip
    assert dtypes == {np.dtype(dtype)}
    assert {a.dtype for a in fitted.values()} == {np.dtype(dtype)}
    assert {type(value) for entry in history for value in entry.values()} <= {int, float}


@models
@optimizers
def test_no_temporary_is_wider(model, optimizer, watched):
    params = {name: watched(weight) for name, weight in model.init(0).items()}
    state, batch = {}, taught(model)
    for step in range(2):
        rng = np.random.default_rng(step)
        _, grads, count = loss_for(model)[0](model, params, batch, rng)
        grads = {name: watched(grad) / count for name, grad in grads.items()}
        norm = clip_in_place(grads, 0.1)
        assert norm > 0.1
        optimizer.update(params, grads, state, 1e-3, step)
        state = {name: watched(value) for name, value in state.items()}
