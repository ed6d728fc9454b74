"""The hidden units of LSTMs: what a unit writes with, and who reads it.

    a = x w_x + h w_h + b       unit u has column u of each of the four gates, and row u of w_h
    layer above, or head        has a row for it too

Where encoder and decoder are LSTMs, the decoder begins in the state that the encoder ends in, in
a bidirectional encoder in both states side by side, layer by layer:

    encoder, forwards   units 0 1 2          ends with h =  a b c
    encoder, backwards  units 0 1 2          ends with h =  d e f
    decoder             units 0 1 2 3 4 5    begins with h =  a b c d e f

So a unit of the encoder and the unit of the decoder that takes over its state, here unit 1 of those
that read backwards and unit 4, are one group, and go together.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression.shrinking.groups import Cut, Groups, places, present
from minilm.models import LSTMClassifier, LSTMLanguageModel, LSTMRegressor, Seq2SeqLSTM
from minilm.models.lstm_encoder import WAYS
from minilm.types import Array, Params


def own(params: Params, prefix: str, units: Array | None = None) -> Groups:
    """What an LSTM's units (None: all of them) have in the LSTM itself."""
    width = params[f"{prefix}.w_h"].shape[0]
    units = np.arange(width) if units is None else units
    gates = units[:, None] + width * np.arange(4)                            # (units, 4)
    writers = tuple(
        Cut(f"{prefix}.{part}", axis, gates) for part, axis in (("w_x", 1), ("w_h", 1), ("b", 0))
    )
    return Groups(writers, (Cut(f"{prefix}.w_h", 0, units[:, None]),))


def language_model_units(model: LSTMLanguageModel, params: Params) -> dict[str, Groups]:
    """Layer by layer; the last is read by the head, which may be the (tied) table of tokens."""
    found = {}
    for layer in range(model.layers):
        groups = own(params, f"lstm.{layer}")
        each = places(groups.count)
        readers = present(params, Cut(f"lstm.{layer + 1}.w_x", 0, each))
        if not readers:
            readers = present(params, Cut("head.w", 0, each), Cut("head.w_project", 0, each))
        readers = readers or (Cut("token_embedding", 1, each),)
        found[f"lstm.{layer}"] = Groups(groups.writers, groups.readers + readers)
    return found


def regressor_units(model: LSTMRegressor, params: Params) -> dict[str, Groups]:
    """The units of its one layer."""
    groups = own(params, "lstm")
    head = Cut("head.w", 0, places(groups.count))
    return {"lstm": Groups(groups.writers, (*groups.readers, head))}


def encoder_units(
    model: Any, params: Params, last: Callable[[Array, int], tuple[Cut, ...]]
) -> dict[str, Groups]:
    """The units of each way (forwards, backwards) of each level of a bidirectional encoder.

    last(units, width): who reads these units of the last level; both ways are numbered as one.
    """
    found = {}
    for level in range(model.layers):
        first = 0
        width = sum(params[f"encoder.{level}.{way}.w_h"].shape[0] for way in WAYS)
        for way in WAYS:
            groups = own(params, f"encoder.{level}.{way}")
            units = first + np.arange(groups.count)
            if level + 1 < model.layers:
                readers = tuple(
                    Cut(f"encoder.{level + 1}.{above}.w_x", 0, units[:, None]) for above in WAYS
                )
            else:
                readers = last(units, width)
            found[f"encoder.{level}.{way}"] = Groups(groups.writers, groups.readers + readers)
            first += groups.count
    return found


def classifier_units(model: LSTMClassifier, params: Params) -> dict[str, Groups]:
    """The units of the encoder, whose last level the head reads."""
    return encoder_units(model, params, lambda units, _: (Cut("head.w", 0, units[:, None]),))


def seq2seq_units(model: Seq2SeqLSTM, params: Params) -> dict[str, Groups]:
    """The units of the encoder, each with its partner in the decoder.

    ValueError for dot attention: its scale is the width's, which would no longer be the same.
    """
    if model.attention != "additive":
        raise ValueError("units of a Seq2SeqLSTM can go with attention='additive' only: the scale "
                         f"of attention={model.attention!r} depends on how many there are")

    def last(units: Array, width: int) -> tuple[Cut, ...]:
        """Attention's keys; its queries are the partners; `combine` reads both, decoder's first."""
        both = np.stack([units, width + units], axis=1)
        return (
            Cut("attention.w_k", 0, units[:, None]),
            Cut("attention.w_q", 0, units[:, None]),
            Cut("combine.w", 0, both),
        )

    found = {}
    first = 0
    for name, groups in encoder_units(model, params, last).items():
        level, way = int(name.split(".")[1]), name.split(".")[2]
        first = 0 if way == WAYS[0] else first
        units = first + np.arange(groups.count)
        partner = own(params, f"decoder.{level}", units)
        above = present(params, Cut(f"decoder.{level + 1}.w_x", 0, units[:, None]))
        found[name] = Groups(
            groups.writers + partner.writers, groups.readers + partner.readers + above
        )
        first += groups.count
    return found


UNITS: dict[type, Callable[[Any, Params], dict[str, Groups]]] = {
    LSTMLanguageModel: language_model_units,
    LSTMRegressor: regressor_units,
    LSTMClassifier: classifier_units,
    Seq2SeqLSTM: seq2seq_units,
}
# The width that a configuration gives to n units a layer; a Seq2SeqLSTM has one width for all.
WIDTHS: dict[type, Callable[[int], int]] = {
    LSTMLanguageModel: lambda n: n,
    LSTMRegressor: lambda n: n,
    LSTMClassifier: lambda n: 2 * n,
}


def units(model: Any, params: Params) -> dict[str, Groups]:
    """The hidden units of every LSTM: {"lstm.0": Groups, …}; {} for a model without."""
    return UNITS[type(model)](model, params) if type(model) in UNITS else {}
