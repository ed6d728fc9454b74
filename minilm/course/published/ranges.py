"""Rules for ranges and thresholds of activations, as printed and right.

    [−B, B] -> [−M, M]     y = x·M / B
    hard threshold         y = clip(x, −t, t)
    soft threshold         y = t·tanh(x / t)
"""

import numpy as np

from minilm.compression import quantize
from minilm.compression.quantization.activations.thresholds import hard_threshold, soft_threshold
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, absmax, gaussian_weights
from minilm.types import Array

B, M = 2.0, 1.0  # a worked example's numbers: with these, 0.5 comes to the printed 0.25


def shifted_to_minus_one(x: Array, bound: float) -> Array:
    """y = (x − B) / (2B)"""
    return (x - bound) / (2 * bound)


def divided_by_the_bound(x: Array, bound: float) -> Array:
    """y = x / B"""
    return x / bound


def image_of_the_range(rule: Rule) -> Value:
    """What −B and B become."""
    low, high = rule(np.array([-B, B]), B)
    return float(low), float(high)


SHIFTED_TO_MINUS_ONE = Printed(
    article="E",
    name="scaled to −1 … 1",
    formula="(x − B) / (2B) scales to [−1, 1]",
    verdict="wrong",
    why="It scales to [−1, 0]. A symmetric range needs no shift: x / B.",
    as_printed=shifted_to_minus_one,
    right=divided_by_the_bound,
    what="what −B and B become, B = 2",
    measure=image_of_the_range,
)


def symmetric_by_the_range(x: Array, bits: int) -> Array:
    """symmetric quantization: x mapped to [−1, 1],   y = x / max|x|"""
    return x / np.abs(x).max()


def how_many_values(rule: Rule) -> Value:
    """How many different numbers are left of 4096 at 4 bits."""
    return len(np.unique(rule(gaussian_weights(), 4)))


SYMMETRIC_BY_THE_RANGE = Printed(
    article="E",
    name="symmetric means −1 … 1",
    formula="symmetric quantization: x ↦ [−1, 1]",
    verdict="incomplete",
    why="A map to [−1, 1] rounds nothing. Symmetric is a property of the codes: as many below 0 as "
    "above, ±(2^(b−1) − 1), and 0 at code 0, so that there is no zero point.",
    as_printed=symmetric_by_the_range,
    right=absmax,
    what="different numbers left of 4096 at 4 bits",
    measure=how_many_values,
)


def mapped_too_low(x: Array, bound: float, target: float) -> Array:
    """f(x) = (x − B)/(2B)·2M + (−M)"""
    return (x - bound) / (2 * bound) * 2 * target + (-target)


def mapped(x: Array, bound: float, target: float) -> Array:
    """f(x) = x·M / B,   which is (x + B)/(2B)·2M − M"""
    return x * target / bound


def image_of_both_ranges(rule: Rule) -> Value:
    """What −B and B become."""
    low, high = rule(np.array([-B, B]), B, M)
    return float(low), float(high)


MAPPED_TOO_LOW = Printed(
    article="E",
    name="mapped to −M … M",
    formula="f(x) = (x − B)/(2B) · 2M + (−M) maps [−B, B] to [−M, M]",
    verdict="wrong",
    why="It maps to [−3M, −M]: x − B is never positive. With x + B it would be right, and then the "
    "shifts cancel.",
    as_printed=mapped_too_low,
    right=mapped,
    what="what −B and B become, B = 2, M = 1",
    measure=image_of_both_ranges,
)


def worked_example(x: float, bound: float, target: float) -> float:
    """y = (x + B)/(2B)·2M − M,   q = round(y),   x̂ = q·B / M"""
    y = (x + bound) / (2 * bound) * 2 * target - target
    return float(np.rint(y) * bound / target)


def worked_right(x: float, bound: float, target: float) -> float:
    """s = B / 127,   q = round(x / s),   x̂ = s·q"""
    return float(quantize(np.array([x, bound]), 8).dense()[0])


def restored_half(rule: Rule) -> Value:
    """What 0.5 comes back as."""
    return round(rule(0.5, B, M), 4)


WORKED_EXAMPLE = Printed(
    article="E",
    name="the worked example",
    formula="x = 0.5:  (x + B)/(2B)·2M − M = 0.25, rounded to 0, \"equal to the original 0.5\"",
    verdict="false claim",
    why="Between −1 and 1 there are three integers, so 0.25 is rounded to 0, and 0 is not 0.5. "
    "With codes up to 127 in the place of M, 0.5 comes back nearly as it was. (The example takes "
    "x + B where its formula has x − B. B = 2 and M = 1 are what gives its 0.25.)",
    as_printed=worked_example,
    right=worked_right,
    what="what 0.5 comes back as",
    measure=restored_half,
)


def undefined_soft_threshold(x: Array, t: float) -> Array:
    """y = t where x > t, else a smooth function of x (here tanh(x): any will do)"""
    return np.where(x > t, t, np.tanh(x))


def soft(x: Array, t: float) -> Array:
    """y = t·tanh(x / t)"""
    return soft_threshold(x, t)[0]


def jump_and_lowest(rule: Rule) -> Value:
    """For t = 2: the largest step between neighbours 0.001 apart, and the least y, x in −9 … 9."""
    y = rule(np.linspace(-9, 9, 18_001), 2.0)
    return round(float(np.diff(y).max()), 3), round(float(y.min()), 2)


UNDEFINED_SOFT_THRESHOLD = Printed(
    article="E",
    name="soft threshold",
    formula="y = t if x > t, else a smooth function of x",
    verdict="incomplete",
    why="Which function is not said. One that does not reach t at t, with slope 0, leaves a jump "
    "or a kink where smoothness was the purpose; and nothing is said of x < −t.",
    as_printed=undefined_soft_threshold,
    right=soft,
    what="largest jump and least value for t = 2",
    measure=jump_and_lowest,
)


def sign_threshold(x: Array, t: float) -> Array:
    """y = t where x > t, −t where x < t"""
    return np.where(x > t, t, -t)


def hard(x: Array, t: float) -> Array:
    """y = clip(x, −t, t)"""
    return hard_threshold(x, t)[0]


def values_and_kept(rule: Rule) -> Value:
    """What −0.1, 0 and 0.1 become for t = 2."""
    return tuple(float(y) for y in rule(np.array([-0.1, 0, 0.1]), 2.0))


SIGN_THRESHOLD = Printed(
    article="E",
    name="hard threshold",
    formula="y = t if x > t, y = −t if x < t",
    verdict="wrong",
    why="One sign is missing: below −t, not below t. As printed it is a step function at t, of two "
    "values; a clip leaves what lies between −t and t as it is.",
    as_printed=sign_threshold,
    right=hard,
    what="what −0.1, 0 and 0.1 become for t = 2",
    measure=values_and_kept,
)


def five_bits_as_printed(x: Array) -> Array:
    """[−10, 10] at 5 bits: [0.1, 0.5, −0.3, 0.9] ↦ codes [6, 2, −1, 8],   x̂ = s·q"""
    return np.array([6, 2, -1, 8]) * (10 / 15)


def five_bits(x: Array) -> Array:
    """s = 10 / (2⁴ − 1),   q = round(x / s),   x̂ = s·q"""
    return quantize(np.append(x, 10), 5).dense()[:-1]


def largest_error_of_four(rule: Rule) -> Value:
    """max|x − x̂| of the four numbers."""
    x = np.array([0.1, 0.5, -0.3, 0.9])
    return round(float(np.abs(x - rule(x)).max()), 3)


FIVE_BITS = Printed(
    article="E",
    name="five bits without an error",
    formula="[0.1, 0.5, −0.3, 0.9] in [−10, 10] at 5 bits ↦ [6, 2, −1, 8], error 0",
    verdict="false claim",
    why="An error of 0 needs numbers that lie on the grid, and its step is 2/3 here: all four lie "
    "between −1 and 2 steps, and none but 0 and multiples of 2/3 would be exact. The printed codes "
    "are not even in the order of the numbers: 0.1 < 0.5, and 6 > 2.",
    as_printed=five_bits_as_printed,
    right=five_bits,
    what="largest error",
    measure=largest_error_of_four,
)

ENTRIES = (
    SHIFTED_TO_MINUS_ONE,
    SYMMETRIC_BY_THE_RANGE,
    MAPPED_TOO_LOW,
    WORKED_EXAMPLE,
    UNDEFINED_SOFT_THRESHOLD,
    SIGN_THRESHOLD,
    FIVE_BITS,
)
