"""Gradient clipping: a step in the same direction, never longer than a limit."""

import math

import numpy as np

from minilm.types import Params


def global_norm(grads: Params) -> float:
    """‖g‖ = √(Σ over all parameters and all entries of g²)."""
    return math.sqrt(sum(float(np.vdot(grad, grad)) for grad in grads.values()))


def clip_by_global_norm(grads: Params, limit: float) -> tuple[Params, float]:
    """g · min(1, limit / ‖g‖), and ‖g‖ as it was.        Pascanu et al. 2013, algorithm 1

    All gradients are scaled by one number, so the direction stays. If the norm is not finite the
    gradients come back as they are, for the caller to refuse.
    """
    norm = global_norm(grads)
    if norm <= limit or not math.isfinite(norm):
        return grads, norm
    scale = limit / norm
    return {name: grad * scale for name, grad in grads.items()}, norm
