"""Whole models: parameters, forward and backward, made of the pairs in `minilm.nn`.

    language_model   what a language model answers, and the checks they share
    lstm             LSTMLanguageModel
    embed            how a Transformer takes in its tokens: table and positions
    block            one Transformer block: attention, feed-forward, residuals, norms
    key_value_cache  what a Transformer remembers of what it has read
    transformer      TransformerLanguageModel
    decoder_block    the block that also reads what an encoder made of another sequence
    seq2seq_model    what an encoder–decoder answers, and the checks they share
    conditioned      an encoder–decoder that has its source is a language model
    seq2seq_transformer   Seq2SeqTransformer: encoder and decoder
    build            from a configuration back to a model
"""

from minilm.models.build import build
from minilm.models.conditioned import Conditioned
from minilm.models.language_model import LanguageModel
from minilm.models.lstm import LSTMLanguageModel
from minilm.models.seq2seq_model import Seq2SeqModel
from minilm.models.seq2seq_transformer import Seq2SeqTransformer
from minilm.models.transformer import TransformerLanguageModel

__all__ = [
    "Conditioned",
    "LSTMLanguageModel",
    "LanguageModel",
    "Seq2SeqModel",
    "Seq2SeqTransformer",
    "TransformerLanguageModel",
    "build",
]
