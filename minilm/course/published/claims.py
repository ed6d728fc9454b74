"""Sentences about accuracy and ranges that can be tried: what follows from them, and what is so.

`as_printed` does what follows if the sentence is believed, `right` what is so.
"""

import numpy as np

from minilm.compression import fake_quantize, quantize, straight_through
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, gaussian_weights
from minilm.metrics import accuracy, sqnr_db
from minilm.types import Array


def derivative_of_rounding(w: Array) -> Array:
    """∂x̂/∂x by differences, with a scale that stays as it is"""
    q, h = quantize(w, 4), 1e-6
    s = float(q.scale)
    return s * (np.rint((w + h) / s) - np.rint((w - h) / s)) / (2 * h)


def passed_straight_through(w: Array) -> Array:
    """∂x̂/∂x := 1 in the range: minilm.compression.straight_through"""
    _, pullback = straight_through(4, axis="tensor")({"w": w}, 0)
    return pullback({"w": np.ones_like(w)})["w"]


def mean_derivative(rule: Rule) -> Value:
    """The median and the mean over 64 × 64 weights."""
    derivative = rule(gaussian_weights().astype(np.float64).reshape(64, 64))
    return float(np.median(derivative)), float(derivative.mean())


GRADIENTS_VANISH = Printed(
    article="B",
    name="quantization makes gradients vanish or explode",
    formula="quantization ⇒ vanishing or exploding gradients",
    verdict="false claim",
    why="After training there are no gradients at all. In training, rounding's own derivative is 0 "
    "almost everywhere: not smaller with each layer, but gone at the first. It is replaced by 1, "
    "and then gradients are as large as without rounding.",
    as_printed=derivative_of_rounding,
    right=passed_straight_through,
    what="∂x̂/∂x at 4 bits, median and mean",
    measure=mean_derivative,
)


def at_least_as_accurate(w: Array, bits: int) -> Array:
    """accuracy(quantized) ≥ accuracy(float): as good as w itself"""
    return w


def rounded(w: Array, bits: int) -> Array:
    """the weights that are left: x̂ = s·round(w / s)"""
    return fake_quantize(w, bits)


def accuracy_in_bits(weights: Rule) -> Value:
    """At 8, 3 and 2 bits, of 4000 points whose classes were drawn by w: w itself is best."""
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((32, 10)), rng.standard_normal((4000, 32))
    classes = (x @ w + rng.gumbel(size=(4000, 10))).argmax(axis=1)
    return tuple(round(accuracy(x @ weights(w, b), classes), 3) for b in (8, 3, 2))


QUANTIZATION_IMPROVES = Printed(
    article="C",
    name="quantization improves accuracy",
    formula="quantization ⇒ accuracy ↑",
    verdict="false claim",
    why="Rounding removes information. At 8 bits the loss is too small to see, below 4 it is not. "
    "(On a small test set either may be ahead by luck; that is not an improvement.)",
    as_printed=at_least_as_accurate,
    right=rounded,
    what="accuracy at 8, 3 and 2 bits: at least, and measured",
    measure=accuracy_in_bits,
)


CLIPS = np.arange(0.5, 4.5, 0.5)  # in standard deviations


def smallest_range(w: Array, bits: int) -> float:
    """the range of least error = the smallest (of 0.5 σ, 1 σ, … 4 σ)"""
    return float(CLIPS.min() * w.std())


def best_range(w: Array, bits: int) -> float:
    """argmin_c Σ (w − x̂_c)²:   quantize(w, bits, objective="mse")"""
    largest_code = 2 ** (bits - 1) - 1
    return float(quantize(w, bits, objective="mse").scale) * largest_code


def clipped_and_rounded(w: Array, clip: float, bits: int) -> Array:
    """s = c / (2^(b−1) − 1),   x̂ = s·round(clip(w, −c, c) / s)"""
    step = clip / (2 ** (bits - 1) - 1)
    return step * np.rint(np.clip(w, -clip, clip) / step)


def range_and_db(choose: Rule) -> Value:
    """The range in σ, and the SQNR at 4 bits in dB."""
    w = gaussian_weights()
    clip = choose(w, 4)
    return clip / float(w.std()), sqnr_db(w, clipped_and_rounded(w, clip, 4))


SMALLER_RANGE_SMALLER_ERROR = Printed(
    article="E",
    name="a smaller range, a smaller error",
    formula="smaller range ⇒ smaller error",
    verdict="false claim",
    why="The steps become finer, but what lies outside is clipped, and soon that costs more. "
    "Between the two lies the best range, which grows with the number of bits.",
    as_printed=smallest_range,
    right=best_range,
    what="range in σ; SQNR at 4 bits, dB",
    measure=range_and_db,
)


def range_by_precision(step: float, bits: int) -> float:
    """range ∝ step:   7·s, as at 4 bits"""
    return 7 * step


def range_by_both(step: float, bits: int) -> float:
    """range = (2^(b−1) − 1)·s"""
    return (2 ** (bits - 1) - 1) * step


def range_of_finer_steps(reach: Rule) -> Value:
    """How far it goes with steps of 1 at 4 bits, of ½ at 4 bits, and of ½ at 5 bits."""
    return reach(1, 4), reach(0.5, 4), reach(0.5, 5)


FINER_MEANS_NARROWER = Printed(
    article="E",
    name="finer means narrower",
    formula="higher precision ⇒ smaller range",
    verdict="incomplete",
    why="At a fixed number of bits it is so: range = (2^(b−1) − 1)·s. One bit more pays for steps "
    "half as wide; precision costs bits or range.",
    as_printed=range_by_precision,
    right=range_by_both,
    what="range with steps of 1 at 4 bits, ½ at 4 bits, ½ at 5 bits",
    measure=range_of_finer_steps,
)

ENTRIES = (
    GRADIENTS_VANISH,
    QUANTIZATION_IMPROVES,
    SMALLER_RANGE_SMALLER_ERROR,
    FINER_MEANS_NARROWER,
)
