"""Small language models and their compression, in NumPy that can be read.

    params = model.init(seed=0)                            a model's parameters: name -> weight
    params, history = minilm.fit(model, params, batches)   train them
    smaller = minilm.quantize(params, bits=4)              compress them: params -> params
    logits, cache = model.forward(smaller, tokens)         the same forward line runs either

Each name below is documented where it is defined; README.md has the map of the house.
"""

from minilm import compression, nn
from minilm.compression import dequantize, distillation_loss, fake_quantize, prune, quantize
from minilm.embeddings import Word2Vec
from minilm.models import LSTMLanguageModel, Seq2SeqTransformer, TransformerLanguageModel
from minilm.nn import check_gradient
from minilm.training import fit
from minilm.weights import load, save, thaw

__version__ = "0.7.0"

__all__ = [
    "LSTMLanguageModel",
    "Seq2SeqTransformer",
    "TransformerLanguageModel",
    "Word2Vec",
    "check_gradient",
    "compression",
    "dequantize",
    "distillation_loss",
    "fake_quantize",
    "fit",
    "load",
    "nn",
    "prune",
    "quantize",
    "save",
    "thaw",
]
