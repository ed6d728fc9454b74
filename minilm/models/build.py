"""From a configuration, as a saved file holds it, back to a model.

    build(model.config()) == model

and what parameters such a model has, by name, before any are made.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from minilm.models.bag_of_words import BagOfWordsClassifier
from minilm.models.lstm import LSTMLanguageModel
from minilm.models.lstm_classifier import LSTMClassifier
from minilm.models.lstm_regressor import LSTMRegressor
from minilm.models.masked_language_model import MaskedLanguageModel
from minilm.models.seq2seq_lstm import Seq2SeqLSTM
from minilm.models.seq2seq_transformer import Seq2SeqTransformer
from minilm.models.transformer import TransformerLanguageModel
from minilm.models.transformer_classifier import TransformerClassifier
from minilm.models.transformer_encoder import TransformerEncoder

MODELS = (
    LSTMLanguageModel,
    TransformerLanguageModel,
    TransformerEncoder,
    MaskedLanguageModel,
    Seq2SeqTransformer,
    Seq2SeqLSTM,
    TransformerClassifier,
    LSTMClassifier,
    LSTMRegressor,
    BagOfWordsClassifier,
)
CLASSES = {model.__name__: model for model in MODELS}


def build(config: dict[str, Any]) -> Any:
    """The model that a configuration describes: {"model": its class, and its fields}.

    Raises ValueError for an unknown model, a missing or unknown field, or a bad value.
    """
    name = config.get("model")
    if name not in CLASSES:
        raise ValueError(f'config["model"] must be one of {sorted(CLASSES)}, got {name!r}')
    fields = {field: value for field, value in config.items() if field != "model"}
    try:
        return CLASSES[name](**fields)
    except TypeError as error:
        raise ValueError(f"config does not describe a {name}: {error}") from error


def parameter_names(model: Any) -> list[str]:
    """The names of all parameters of a model, in their order.

    They depend on its layers and choices, but on none of its sizes; so a model as small as can be
    is asked, which makes its parameters at once.
    """
    sizes = {
        name: int(value)
        for name, value in vars(model).items()
        if isinstance(value, int | np.integer) and not isinstance(value, bool)
    }
    small = dict.fromkeys(sizes, 2) | {"heads": 1, "key_value_heads": 1, "padding_id": 0}
    if "layers" in sizes:
        small["layers"] = sizes["layers"]
    if sizes.get("embedding_width") != sizes.get("width"):
        small["embedding_width"] = 4  # an LSTM has a map from one to the other
    return list(replace(model, **{name: small[name] for name in sizes}).init(0))
