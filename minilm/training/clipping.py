"""Gradient clipping: a step in the same direction, never longer than a limit."""

import math

import numpy as np

from minilm.types import Params

SMALLEST = 1e-24  # a sum of squares above it is not made of squares that have lost their digits


def global_norm(grads: Params) -> float:
    """‖g‖ = √(Σ over all parameters and all entries of g²); inf or nan if an entry is not finite.

    The squares of float32 overflow from ‖g‖ = 1.8e19 on, and lose digits where entries are below
    1e-19: there it is largest · ‖g / largest‖ that is taken.
    """
    squares = sum(float(np.vdot(grad, grad)) for grad in grads.values())
    if SMALLEST < squares < math.inf:
        return math.sqrt(squares)
    largest = float(np.max([np.abs(grad).max(initial=0) for grad in grads.values()], initial=0))
    if not 0 < largest < math.inf:
        return largest
    scaled = [grad / largest for grad in grads.values()]
    return largest * math.sqrt(sum(float(np.vdot(grad, grad)) for grad in scaled))


def clip_in_place(grads: Params, limit: float) -> float:
    """g = g · min(1, limit / ‖g‖); returns ‖g‖ as it was.          Pascanu et al. 2013, algorithm 1

    All gradients are scaled by one number, so the direction stays. If the norm is not finite they
    are left as they are, for the caller to refuse. It is the arrays given that change: a copy would
    be one number more for each parameter.
    """
    norm = global_norm(grads)
    if limit < norm < math.inf:
        for grad in grads.values():
            grad *= limit / norm
    return norm
