"""Small models with their inputs, one for each way of looking at a sequence."""

import numpy as np
import pytest

from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)

IDS = np.random.default_rng(0).integers(1, 11, size=(3, 6))
SOURCE = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [7, 8, 9, 0]])  # 0 fills up

MODELS = {
    "transformer": (TransformerLanguageModel(11, width=8, layers=2, heads=2), (IDS,)),
    "transformer post untied": (
        TransformerLanguageModel(11, width=8, layers=1, heads=4, norm="post", tied=False), (IDS,),
    ),
    "llama": (
        TransformerLanguageModel(
            11, width=8, layers=2, heads=4, key_value_heads=2, positions="rotary",
            normalization="rms", activation="swiglu", biases=False, tied=False,
        ), (IDS,),
    ),
    "seq2seq": (
        Seq2SeqTransformer(11, 10, width=8, layers=2, heads=2, padding_id=0), (SOURCE, IDS),
    ),
    "lstm": (LSTMLanguageModel(11, width=6, embedding_width=4, layers=2), (IDS,)),
    "lstm untied": (LSTMLanguageModel(11, width=6, tied=False), (IDS,)),
    "lstm seq2seq": (Seq2SeqLSTM(11, 10, width=6, padding_id=0), (SOURCE, IDS)),
    "classifier": (
        TransformerClassifier(11, 3, width=8, layers=1, heads=2, padding_id=0), (SOURCE,),
    ),
    "lstm classifier": (LSTMClassifier(11, 3, width=6, padding_id=0), (SOURCE,)),
    "bag of words": (BagOfWordsClassifier(11, 3, width=6, padding_id=0), (SOURCE,)),
}  # fmt: skip
ATTENTIVE = ["transformer", "transformer post untied", "llama", "seq2seq", "classifier"]


def example(name):
    """model, params, inputs"""
    model, inputs = MODELS[name]
    return model, model.init(0), inputs


@pytest.fixture(params=MODELS)
def any_model(request):
    return example(request.param)


@pytest.fixture(params=ATTENTIVE)
def attentive(request):
    return example(request.param)


@pytest.fixture
def taught(any_model):
    """model, params, batch: what it reads, and what it is to say"""
    model, params, inputs = any_model
    classifier = hasattr(model, "classes")
    targets = np.array([0, 2, 1]) if classifier else np.roll(inputs[-1], -1, axis=1)
    return model, params, (*inputs, targets)


@pytest.fixture
def transformer():
    return example("transformer")


@pytest.fixture
def seq2seq():
    return example("seq2seq")


@pytest.fixture
def lstm():
    return example("lstm")
