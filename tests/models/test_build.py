import json

import pytest

from minilm.models import (
    BagOfWordsClassifier,
    LSTMClassifier,
    LSTMLanguageModel,
    LSTMRegressor,
    MaskedLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerEncoder,
    TransformerLanguageModel,
    build,
    parameter_names,
)
from minilm.models.build import MODELS as EVERY_MODEL

MODELS = [
    LSTMLanguageModel(11),
    LSTMLanguageModel(11, width=6, embedding_width=4, layers=2, tied=False, dropout=0.1),
    LSTMLanguageModel(11, width=6, embedding_width=4),
    TransformerLanguageModel(11),
    TransformerLanguageModel(
        11, width=8, layers=1, heads=2, context=5, feed_forward=9, norm="post", tied=False
    ),
    TransformerLanguageModel(11, activation="exact_gelu", norm_eps=1e-12),
    TransformerLanguageModel(
        11, width=12, layers=3, heads=6, key_value_heads=3, context=5, tied=False, biases=False,
        positions="rotary", normalization="rms", activation="swiglu",
    ),
    TransformerLanguageModel(11, positions="learned", biases=False),
    TransformerEncoder(11),
    TransformerEncoder(
        11, width=8, layers=1, heads=2, context=5, feed_forward=9, activation="relu",
        token_types=3, norm_eps=1e-5, dropout=0.1, padding_id=4,
    ),
    MaskedLanguageModel(11),
    MaskedLanguageModel(11, width=8, layers=1, heads=2, activation="gelu", token_types=1),
    Seq2SeqTransformer(11),
    Seq2SeqTransformer(11, source_vocab_size=7, width=8, heads=2, tied=False, padding_id=6),
    Seq2SeqTransformer(11, norm="post", positions="learned", dropout=0.2),
    TransformerClassifier(11, 3),
    TransformerClassifier(
        11, 3, width=8, layers=1, heads=2, context=5, feed_forward=9, norm="post",
        positions="learned", pooling="first", dropout=0.1, padding_id=4,
    ),
    Seq2SeqLSTM(11),
    Seq2SeqLSTM(11, source_vocab_size=7, width=6, layers=2, attention="dot", tied=False),
    LSTMClassifier(11, 3),
    LSTMClassifier(11, 3, width=6, embedding_width=4, layers=2, pooling="last", dropout=0.1),
    LSTMRegressor(),
    LSTMRegressor(3, width=6, outputs=2, dropout=0.1),
    BagOfWordsClassifier(11, 3),
    BagOfWordsClassifier(11, 3, width=6, dropout=0.1, padding_id=2),
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_names_are_those_of_the_parameters(model):
    assert parameter_names(model) == list(model.init(0))


def test_names_of_a_large_model_take_no_memory():
    model = TransformerLanguageModel(2**30, width=2**30, context=2**30)
    assert parameter_names(model) == parameter_names(TransformerLanguageModel(2))


def test_every_model_is_here():
    assert {type(model) for model in MODELS} == set(EVERY_MODEL)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_survives_being_written_as_json(model):
    assert build(json.loads(json.dumps(model.config()))) == model


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model": "RNNLanguageModel", "vocab_size": 11},
        {"model": "LSTMLanguageModel"},
        {"model": "LSTMLanguageModel", "vocab_size": 11, "heads": 4},
    ],
)
def test_a_config_that_describes_no_model_is_refused(config):
    with pytest.raises(ValueError, match="config"):
        build(config)
