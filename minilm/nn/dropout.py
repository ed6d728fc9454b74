"""Dropout: each value is left out with probability `rate`, the others make up for it."""

import numpy as np

from minilm.nn.checks import describe, require_float
from minilm.types import Array, Cache


def dropout(x: Array, rate: float, rng: np.random.Generator | None = None) -> tuple[Array, Cache]:
    """y = x ⊙ keep / (1 − rate), keep ~ Bernoulli(1 − rate); y = x when no rng is passed.

    x: (...)  ->  y: (...), cache        Srivastava et al. 2014, in the inverted form
    On exactly when an rng is passed; off (or at rate 0) it hands on x itself, not a copy.
    ValueError if rate lies outside [0, 1), TypeError if rng is not a Generator.
    """
    require_float("x", x)
    if not 0 <= rate < 1:
        raise ValueError(f"rate must lie in [0, 1), got {rate!r}")
    if rng is None:
        return x, None
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a np.random.Generator or None, got {describe(rng)}")
    if rate == 0:
        return x, None
    keep = rng.random(x.shape, dtype=np.float32) >= rate
    scaled_keep = keep * x.dtype.type(1 / (1 - rate))
    return x * scaled_keep, scaled_keep


def dropout_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of dropout: dx = dy ⊙ keep / (1 − rate)."""
    scaled_keep = cache
    return dy if scaled_keep is None else dy * scaled_keep
