"""Numbers that say how good a model or an approximation is. Each has one formula and one unit."""

import math

import numpy as np

from minilm.types import Array


def perplexity(nats: float) -> float:
    """exp(nats): among how many equally likely tokens the model in effect chooses.

    Infinite beyond what a float holds (a loss above 709 nats).
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bits(nats: float) -> float:
    """nats / ln 2. For a character model, mean nats per token give bits per character."""
    return nats / math.log(2)


def accuracy(logits: Array, targets: Array, *, ignore_index: int = -100) -> float:
    """The share of counted targets that have the largest logit (the first of them, if several do).

    logits: (..., V), targets: (...) integers; targets equal to ignore_index are not counted.
    ValueError for shapes that do not fit, logits that are not numbers, or nothing to count.
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"targets: shape must be logits.shape[:-1] = {logits.shape[:-1]}, got {targets.shape}"
        )
    counted = targets != ignore_index
    if not counted.any():
        raise ValueError("targets: there is nothing to count")
    if np.isnan(logits).any():
        raise ValueError("logits: contain NaN, which argmax would choose")
    return float((logits.argmax(axis=-1) == targets)[counted].mean())


def sqnr_db(x: Array, x_hat: Array) -> float:
    """Signal-to-quantization-noise ratio in decibels: 10 log10(Σ x² / Σ (x − x̂)²).

    x, x_hat: arrays of one shape. Every halving of the error's amplitude adds 6.02 dB. An exact
    copy gives +inf; an x of zeros with any error gives −inf. The sums run in float64 whatever the
    dtype, since squares of small float32 weights would vanish.
    ValueError for empty, non-finite or differently shaped arrays.
    """
    if np.shape(x) != np.shape(x_hat):
        raise ValueError(f"x_hat: must have the shape of x {np.shape(x)}, got {np.shape(x_hat)}")
    signal, copy = np.asarray(x, dtype=np.float64), np.asarray(x_hat, dtype=np.float64)
    if signal.size == 0:
        raise ValueError("x: is empty")
    for name, array in (("x", signal), ("x_hat", copy)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: contains NaN or infinite values")
    power, noise = float(np.sum(signal**2)), float(np.sum((signal - copy) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(power / noise) if power > 0 else -math.inf
