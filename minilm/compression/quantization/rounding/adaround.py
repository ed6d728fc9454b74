"""AdaRound: whether each weight is rounded down or up is learned, by what it does to the products.

    ŵ = low + h(v)·(high − low)          low, high: the levels below and above w
    h(v) = clip(1.2·σ(v) − 0.1, 0, 1)    the rectified sigmoid, which reaches 0 and 1

    minimise over v:   ‖X(w − ŵ)‖² / ‖X(w − nearest)‖²  +  λ·mean(1 − |2h(v) − 1|^β)

X, the vectors that multiply w in calibration, enters by its Gram matrix alone, ‖Xe‖² = eᵀ(XᵀX)e.
At the start h is where w lies between its two levels, so that ŵ = w. After a while the second term,
whose β falls from 20 to 2, drives every h to 0 or 1. At the end h is rounded, and a channel that
nearest rounding suits better gets that.

Nagel et al. 2020, eq. 21–25; here the first term has the error of nearest rounding as its unit, so
that one λ suits all layers.
"""

import math

import numpy as np

from minilm.compression.parameters import needed
from minilm.compression.quantization.affine import nearest as to_nearest
from minilm.compression.quantization.rounding.channels import Rows
from minilm.nn import sigmoid, sigmoid_backward
from minilm.training.optimizers import AdamW
from minilm.types import Array, Cache, Params
from minilm.weights import Seen

STRETCH = 1.2  # of the sigmoid, about ½
STEPS, LEARNING_RATE = 300, 0.05
DECISION = 30.0  # λ
FREE = 0.2  # of all steps, before the second term begins
BETAS = 20.0, 2.0  # from, to


def adaround(rows: Rows, seen: Seen | None, rng: np.random.Generator | None = None) -> Array:
    """The levels of an array's channels, each the one below or above its number, learned.

    rows: numbers (channels, n) and their grid; seen: of what multiplies a channel, of width n
      ->  (channels, n), each number on its grid. ValueError without calibration.
    ‖X(w − ŵ)‖² of each channel is at most that of rounding to nearest.
    """
    gram: Array = needed(seen, "each channel", "rounding 'adaround'").cost
    gram = gram / (np.diagonal(gram).max() or 1)
    w, all_columns = np.ascontiguousarray(rows.numbers), slice(None)
    nearest, low, high = (  # in w's order in memory, whatever that of the scales
        np.ascontiguousarray(rows.project(all_columns, w, rounding))
        for rounding in (to_nearest, level_below, level_above)
    )
    step = (high - low).max(axis=1, keepdims=True)
    step[step == 0] = 1

    def in_steps(levels: Array) -> Array:  # the squares of what is huge or tiny are no numbers
        return (levels - w) / step

    before = output_errors(in_steps(nearest), gram)
    unit = np.where(before > 0, before, 1).astype(w.dtype)
    h = learned(in_steps(low), (high - low) / step, gram.astype(w.dtype), unit)
    chosen = np.where(h >= 0.5, high, low)
    better = output_errors(in_steps(chosen), gram) < before
    return np.where(better[:, None], chosen, nearest)


def level_below(position: Array, rng: None = None, out: Array | None = None) -> Array:
    """⌊position⌋: a rounding."""
    return np.floor(position, out=out)


def level_above(position: Array, rng: None = None, out: Array | None = None) -> Array:
    """⌊position⌋ + 1: a rounding."""
    return np.add(np.floor(position), 1, out=out)


def output_errors(error: Array, gram: Array) -> Array:
    """‖Xe‖² of each channel: e (channels, n), XᵀX (n, n)  ->  (channels,) float64."""
    return np.einsum("cn,cn->c", error @ gram, error, dtype=np.float64)


def learned(start: Array, step: Array, gram: Array, unit: Array) -> Array:
    """h after gradient descent on the two terms, by Adam: (channels, n).

    start: low − w, step: high − low, (channels, n); unit: (channels,), the error to compare with
    """
    fraction = np.divide(-start, step, out=np.full_like(start, 0.5), where=step > 0)
    params: Params = {"v": unrectified(np.clip(fraction, 0, 1))}
    optimizer, state = AdamW(0.9, 0.99, weight_decay=0.0), {}  # type: tuple[AdamW, Params]
    for count in range(STEPS):
        h, h_cache = rectified_sigmoid(params["v"])
        _, error_cache = relative_error(h, start, step, gram, unit)
        dh = relative_error_backward(np.ones_like(unit), error_cache)
        done = (count / STEPS - FREE) / (1 - FREE)
        if done >= 0:
            first, last = BETAS
            beta = last + (first - last) * (1 + math.cos(math.pi * done)) / 2
            weight = DECISION / h.shape[1]
            dh += indecision_backward(np.full_like(h, weight), indecision(h, beta)[1])
        grads = {"v": rectified_sigmoid_backward(dh, h_cache)}
        optimizer.update(params, grads, state, LEARNING_RATE, count)
    return rectified_sigmoid(params["v"])[0]


def rectified_sigmoid(v: Array) -> tuple[Array, Cache]:
    """h = clip(1.2·σ(v) − 0.1, 0, 1)."""
    y, cache = sigmoid(v)
    stretched = STRETCH * y - (STRETCH - 1) / 2
    return np.clip(stretched, 0, 1), (cache, (stretched > 0) & (stretched < 1))


def rectified_sigmoid_backward(dh: Array, cache: Cache) -> Array:
    """The gradient of rectified_sigmoid: dv, 0 where h has reached 0 or 1."""
    sigmoid_cache, inside = cache
    return sigmoid_backward(dh * (STRETCH * inside), sigmoid_cache)


def unrectified(h: Array) -> Array:
    """The v of an h in [0, 1]: the inverse of rectified_sigmoid."""
    return -np.log(STRETCH / (h + (STRETCH - 1) / 2) - 1)


def relative_error(
    h: Array, start: Array, step: Array, gram: Array, unit: Array
) -> tuple[Array, Cache]:
    """eᵀ(XᵀX)e / unit of each channel, e = start + h·step: (channels,), cache."""
    error = start + h * step
    product = error @ gram
    return np.einsum("cn,cn->c", product, error) / unit, (product, step, unit)


def relative_error_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of relative_error by h: dh (channels, n)."""
    product, step, unit = cache
    return 2 * (dy / unit)[:, None] * product * step


def indecision(h: Array, beta: float) -> tuple[Array, Cache]:
    """1 − |2h − 1|^β of each h: 0 at 0 and 1, and 1 half-way."""
    return 1 - np.abs(2 * h - 1) ** beta, (h, beta)


def indecision_backward(dy: Array, cache: Cache) -> Array:
    """The gradient of indecision by h."""
    h, beta = cache
    u = 2 * h - 1
    return dy * (-2 * beta * np.abs(u) ** (beta - 1) * np.sign(u))
