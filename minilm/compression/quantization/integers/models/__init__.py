"""Integer-only inference: language models whose weights and activations are integers throughout.

    model, params = integer_only(model, params, batches)
    logits, _ = model.forward(params, tokens)

    codes.py                  ranges seen in calibration, scales laid on them, and the constants
    steps.py                  the steps themselves: integers in, integers out
    lstm.py                   LSTMLanguageModel
    transformer.py            TransformerLanguageModel
    transformer_constants.py  what it computes with

Everywhere else a compressed model runs the model's own forward; here it has one of its own. Every
scale is known beforehand, and what passes from step to step are codes (Jacob et al. 2018): σ, tanh,
gelu, silu and e^x are looked up for each 8-bit code, and norms take an integer root and a division.
The one float is the logits' scale, at the end.

The params are plain arrays, to be saved like others; all are integers but that scale.
"""

from collections.abc import Iterable
from typing import Any

from minilm.compression.quantization.integers.models.lstm import (
    IntegerLSTM,
    lstm_constants,
    lstm_ranges,
)
from minilm.compression.quantization.integers.models.transformer import IntegerTransformer
from minilm.compression.quantization.integers.models.transformer_constants import (
    transformer_constants,
    transformer_ranges,
)
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.types import Batch, Params

KINDS: dict[type, tuple[Any, Any, Any]] = {
    LSTMLanguageModel: (IntegerLSTM, lstm_ranges, lstm_constants),
    TransformerLanguageModel: (IntegerTransformer, transformer_ranges, transformer_constants),
}

__all__ = ["IntegerLSTM", "IntegerTransformer", "integer_only"]


def integer_only(model: Any, params: Params, batches: Iterable[Batch]) -> tuple[Any, Params]:
    """A language model in integers: 8-bit weights, 8-bit activations, 16-bit sums.

    params: floats, or `quantize(params, bits)` of at most 8 bits by channel or tensor, symmetric,
        on integers; from floats 8 bits by channel are made. batches: of training data, ids (B, T)
        each or with what comes after them, which set the range of every activation.
      ->  (IntegerLSTM or IntegerTransformer, its params)

    TypeError for another model. ValueError for no batches, for numbers that are not finite, and for
    weights in groups, with zero points or a codebook: a sum of products must have one scale.
    """
    kind = KINDS.get(type(model))
    if kind is None:
        known = " or ".join(known.__name__ for known in KINDS)
        raise TypeError(f"model must be a {known}, got {type(model).__name__}")
    integer_model, ranges_of, constants_of = kind
    ranges = ranges_of(model, params, batches)
    if not ranges.ends:
        raise ValueError("batches must hold at least one batch to calibrate with, got none")
    return integer_model(model), constants_of(model, params, ranges)
