"""What flows through a model: what multiplies each weight, and how compression moves it.

    statistics   of all x that a weight w met in x @ w
    change       ‖x' − x‖ / ‖x‖  and  cos = ⟨x', x⟩ / (‖x'‖ ‖x‖),   x' seen in the compressed model

The x of one weight has passed all weights before it, so its change is the error that has gathered
on the way; a weight's own error shows in the x of those behind it. So what moves most need not be
what bears compression least: that is told by the loss with this one weight compressed.

Weights come in the order in which the forward pass first uses them, and are named as in
listening.py: "w", "w.T", "w[ids]". Every position of a batch counts, padding included: give it
sequences of one length, or one.
"""

import math
from typing import Any

import numpy as np

from minilm.inspection.listening import listening
from minilm.types import Array, Params


def activations(model: Any, params: Params, *inputs: Array) -> dict[str, Array]:
    """All rows that each weight met in model.forward(params, *inputs), dropout off.

    inputs: what `forward` takes, ids (B, T), or source and target_inputs
    ->  {name: (rows, in)}; a weight inside a loop over time has them step by step.
    """
    heard: dict[str, list[Array]] = {}

    def hear(name: str, x: Array) -> None:
        heard.setdefault(name, []).append(x.reshape(-1, x.shape[-1]).copy())

    model.forward(listening(params, hear), *inputs)
    return {name: np.concatenate(rows) for name, rows in heard.items()}


def activation_statistics(
    model: Any, params: Params, *inputs: Array
) -> dict[str, dict[str, float]]:
    """{name: the `statistics` of what multiplies this weight}."""
    return {name: statistics(x) for name, x in activations(model, params, *inputs).items()}


def statistics(x: Array) -> dict[str, float]:
    """What a quantizer of x would have to know. x: (rows, channels), neither empty.

    mean, std, min, max, absmax;
    zeros: the share of numbers that are exactly 0;
    kurtosis: E[(x − mean)⁴] / std⁴, 3 for a Gaussian, large when few numbers make up the spread;
    outlier: absmax of the largest channel over that of the median channel. Where one scale has to
    serve all channels, log2(outlier) bits are lost to the median one.
    NaN for the kurtosis of a constant; the outlier is inf if half of the channels are always 0,
    and NaN if all of them are.
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"x must have shape (rows, channels), neither empty, got {x.shape}")
    centred = x - x.mean()
    by_channel = abs(x).max(axis=0)
    variance = float(np.mean(centred**2))
    return {
        "mean": float(x.mean()),
        "std": math.sqrt(variance),
        "min": float(x.min()),
        "max": float(x.max()),
        "absmax": float(by_channel.max()),
        "zeros": float(np.mean(x == 0)),
        "kurtosis": quotient(float(np.mean(centred**4)), variance**2),
        "outlier": quotient(float(by_channel.max()), float(np.median(by_channel))),
    }


def activation_change(
    model: Any, params: Params, compressed: Params, *inputs: Array
) -> dict[str, dict[str, float]]:
    """{name: {"error": ‖x' − x‖/‖x‖, "cosine"}} of what multiplies each weight.

    x: seen with params, x': with compressed, over the whole batch. Error 0 and cosine 1 where
    nothing has moved. ValueError if a weight meets another number of channels than before.
    """
    before = activations(model, params, *inputs)
    after = activations(model, compressed, *inputs)
    changes = {}
    for name, x in before.items():
        if name not in after or after[name].shape != x.shape:
            got = after[name].shape if name in after else "none"
            raise ValueError(f"{name} must meet x of shape {x.shape} in both models, got {got}")
        changes[name] = change(x, after[name])
    return changes


def change(x: Array, other: Array) -> dict[str, float]:
    """error ‖x' − x‖/‖x‖ and cosine of two arrays of one shape; 0/0 counts as no error."""
    x, other = np.asarray(x, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    distance, length, other_length = (float(np.linalg.norm(a)) for a in (other - x, x, other))
    return {
        "error": quotient(distance, length) if distance else 0.0,
        "cosine": quotient(float(x @ other), length * other_length) if distance else 1.0,
    }


def quotient(a: float, b: float) -> float:
    """a / b, of which 0/0 is NaN and a/0 is inf."""
    if b:
        return a / b
    return math.inf if a else math.nan
