"""Drift: how far an encoder's vectors move when its weights are rounded.

    cosine of a sentence      ⟨v, v'⟩               1: nothing has moved
    error after layer l       ‖h'_l − h_l‖ / ‖h_l‖   over all tokens

v and h are those of the float model, v' and h' of the compressed one. A small error e moves the
direction of a vector by an angle of about e, so that 1 − cosine is about e²/2: an error that halves
with every bit, as that of rounding does, makes the drift fall to a quarter.
"""

from collections.abc import Sequence

import numpy as np

from minilm.inspection.activations import change
from minilm.study.pretrained.encoding import Encoded
from minilm.study.pretrained.ranking import rank_agreement, topic_agreement
from minilm.types import Array

TINY = float(np.finfo(np.float64).tiny)


def measure_drift(before: Encoded, after: Encoded, topics: Sequence[str]) -> dict[str, float]:
    """What became of the embeddings and of each layer's states: one row's numbers.

    drift: 1 − the mean cosine; cosine, worst_cosine: the mean and the least over sentences;
    spearman, nearest, top_10, same_topic, topic: see ranking.py; error_0 … error_L: after each
    layer.
    ValueError for embeddings that are not finite.
    """
    gone = drifts(before.embeddings, after.embeddings)
    errors = [change(h, other)["error"]
              for h, other in zip(before.hidden, after.hidden, strict=True)]
    return {
        "drift": float(gone.mean()),
        "cosine": float(1 - gone.mean()),
        "worst_cosine": float(1 - gone.max()),
        **rank_agreement(before.embeddings, after.embeddings),
        **topic_agreement(after.embeddings, topics),
        **{f"error_{layer}": error for layer, error in enumerate(errors)},
    }


def drifts(before: Array, after: Array) -> Array:
    """1 − ⟨v, v'⟩/(‖v‖ ‖v'‖) of each row, (N, D) twice -> (N,) float64; 1 where v' is zero.

    Of unit vectors ‖v − v'‖² = 2 − 2⟨v, v'⟩: so it is not rounded as a number near 1 would be.
    ValueError for numbers that are not finite.
    """
    if not np.isfinite(after).all():
        raise ValueError("embeddings must be finite, got NaN or infinity")
    a, b = (v.astype(np.float64) for v in (before, after))
    a, b = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), TINY) for v in (a, b))
    return np.where(b.any(axis=1), np.square(a - b).sum(axis=1) / 2, 1)


def mean_drift(before: Array, after: Array) -> float:
    """The mean of `drifts`."""
    return float(drifts(before, after).mean())
