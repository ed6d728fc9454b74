"""From a configuration, as a saved file holds it, back to a model.

    build(model.config()) == model
"""

from typing import Any

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
