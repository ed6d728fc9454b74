"""Whole models: parameters, forward and backward, made of the pairs in `minilm.nn`.

    language_model   what a language model answers, and the checks they share
    lstm             LSTMLanguageModel
    embed            how a Transformer takes in its tokens: table and positions
    block            one Transformer block: attention, feed-forward, residuals, norms
    key_value_cache  what a Transformer remembers of what it has read
    transformer      TransformerLanguageModel
    encoder          a stack of blocks that see all but padding
    transformer_encoder   TransformerEncoder: BERT's body, a vector for each token in its text
    masked_language_model   MaskedLanguageModel: that, and a head that fills gaps
    decoder_block    the block that also reads what an encoder made of another sequence
    decoder          a stack of those, over a memory whose keys and values are made once
    seq2seq_model    what an encoder–decoder answers, and the checks they share
    conditioned      an encoder–decoder that has its source is a language model
    seq2seq_transformer   Seq2SeqTransformer: encoder and decoder
    lstm_encoder     LSTMs that read a sequence forwards and backwards
    seq2seq_lstm     Seq2SeqLSTM: encoder, attention and decoder
    transformer_classifier   TransformerClassifier: an encoder, pooling and a head
    pooling          one vector for a whole text
    lstm_classifier  LSTMClassifier
    lstm_regressor   LSTMRegressor: vectors in, numbers out
    bag_of_words     BagOfWordsClassifier, the baseline
    build            from a configuration back to a model
"""

from minilm.models.bag_of_words import BagOfWordsClassifier
from minilm.models.build import build, parameter_names
from minilm.models.conditioned import Conditioned
from minilm.models.language_model import LanguageModel
from minilm.models.lstm import LSTMLanguageModel
from minilm.models.lstm_classifier import LSTMClassifier
from minilm.models.lstm_regressor import LSTMRegressor
from minilm.models.masked_language_model import MaskedLanguageModel
from minilm.models.seq2seq_lstm import Seq2SeqLSTM
from minilm.models.seq2seq_model import Seq2SeqModel
from minilm.models.seq2seq_transformer import Seq2SeqTransformer
from minilm.models.transformer import TransformerLanguageModel
from minilm.models.transformer_classifier import TransformerClassifier
from minilm.models.transformer_encoder import TransformerEncoder

__all__ = [
    "BagOfWordsClassifier",
    "Conditioned",
    "LSTMClassifier",
    "LSTMLanguageModel",
    "LSTMRegressor",
    "LanguageModel",
    "MaskedLanguageModel",
    "Seq2SeqLSTM",
    "Seq2SeqModel",
    "Seq2SeqTransformer",
    "TransformerClassifier",
    "TransformerEncoder",
    "TransformerLanguageModel",
    "build",
    "parameter_names",
]
