"""Looking inside a model, before and after compression: what it looks at, what flows, what moves.

    attention_maps   where each head looks; head_change, head_entropy
    activations      what multiplies each weight: its statistics, and how far compression moves it
    gradients        gradient norms by parameter and by lag, and the gradient at rounded weights
    listening        the leaf by which all of this is heard: no model knows of it
    plots            the figures; they need matplotlib, so `from minilm.inspection import plots`
    labels           tokens that a figure can draw

Each function returns arrays or plain numbers by name, and takes any parameters that the model
takes, floats or compressed leaves:

    maps = attention_maps(model, params, tokens)              {"block.0.attention": (B, H, T, S), …}
    head_change(maps, attention_maps(model, quantize(params, bits=4), tokens))
    activation_change(model, params, quantize(params, bits=4), tokens)
    gradient_change(gradients(model, params, batch, loss),
                    gradients(model, params, batch, loss, view=straight_through(4)))
"""

from minilm.inspection.activations import (
    activation_change,
    activation_statistics,
    activations,
    statistics,
)
from minilm.inspection.attention_maps import attention_maps, head_change, head_entropy
from minilm.inspection.gradients import (
    gradient_by_lag,
    gradient_change,
    gradient_norms,
    gradients,
)
from minilm.inspection.listening import Listening, listening

__all__ = [
    "Listening",
    "activation_change",
    "activation_statistics",
    "activations",
    "attention_maps",
    "gradient_by_lag",
    "gradient_change",
    "gradient_norms",
    "gradients",
    "head_change",
    "head_entropy",
    "listening",
    "statistics",
]
