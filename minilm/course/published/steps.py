"""Rules that say how far apart the levels stand, as printed and right.

    right:   s = (max − min) / (2^b − 1),   q = round(x / s) + z,   x̂ = s·(q − z)

The step has to follow the weights (their range is divided) and the bits (into so many steps). Each
rule below has lost one of the two.
"""

import numpy as np

from minilm.compression import affine_codes, affine_values, quantize
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import (
    Rule,
    absmax,
    db_at_8_and_4,
    gaussian_weights,
    min_max,
)
from minilm.types import Array


def step_is_the_range(x: Array, bits: int) -> Array:
    """Δ = max − min,   x_q = round(x / Δ),   x̂ = Δ·x_q"""
    step = x.max() - x.min()
    return step * np.rint(x / step)


STEP_IS_THE_RANGE = Printed(
    article="A",
    name="the step is the range",
    formula="x_q = Round(x / Δ),  Δ = max − min",
    verdict="wrong",
    why="Every weight lies within one step of 0, so all but the one or two largest become 0, at "
    "any number of bits: the bits do not occur in the formula. The range is to be divided into "
    "steps, s = (max − min)/(2^b − 1).",
    as_printed=step_is_the_range,
    right=absmax,
    what="SQNR at 8 and 4 bits, dB",
    measure=db_at_8_and_4,
)


def range_step_from_the_minimum(x: Array, bits: int) -> Array:
    """x_q = round((x − min) / Δ),   x̂ = Δ·x_q + min"""
    step = x.max() - x.min()
    return step * np.rint((x - x.min()) / step) + x.min()


RANGE_STEP_FROM_THE_MINIMUM = Printed(
    article="often",
    name="the step is the range, from the minimum",
    formula="x_q = round((x − min) / Δ),  Δ = max − min",
    verdict="wrong",
    why="The codes are 0 and 1, the smallest weight and the largest. Each weight is moved to one "
    "of these two ends, which is farther than to 0: worse than no weights at all.",
    as_printed=range_step_from_the_minimum,
    right=min_max,
    what="SQNR at 8 and 4 bits, dB",
    measure=db_at_8_and_4,
)


def divided_by_a_power_of_two(x: Array, bits: int) -> Array:
    """w_q = round(w / 2^(b−1)),   ŵ = 2^(b−1)·w_q"""
    return np.rint(x / 2 ** (bits - 1)) * 2 ** (bits - 1)


DIVIDED_BY_A_POWER_OF_TWO = Printed(
    article="A",
    name="divided by a power of two",
    formula="w_q = round(w / 2**(bits-1))",
    verdict="wrong",
    why="The step is 128 at 8 bits and 8 at 4, whatever the weights are. Theirs are below 1, so "
    "every code is 0. A factor on the wrong side: w·2^(b−1) has codes, though no scale either.",
    as_printed=divided_by_a_power_of_two,
    right=absmax,
    what="SQNR at 8 and 4 bits, dB",
    measure=db_at_8_and_4,
)


def restored_by_a_power_of_two(codes: Array, scale: float, bits: int) -> Array:
    """ŵ = round(w_q · 2^(b−1))"""
    return np.rint(codes * 2 ** (bits - 1))


def restored_by_the_scale(codes: Array, scale: float, bits: int) -> Array:
    """ŵ = s·w_q"""
    return affine_values(codes, scale, 0)


def largest_restored(restore: Rule) -> Value:
    """The largest weight that comes back, in units of the largest there was, at 8 and 4 bits."""
    x = gaussian_weights()
    sizes = []
    for bits in (8, 4):
        q = quantize(x, bits)
        sizes.append(float(np.abs(restore(q.codes, q.scale, bits)).max() / np.abs(x).max()))
    return tuple(sizes)


RESTORED_BY_A_POWER_OF_TWO = Printed(
    article="A",
    name="restored by a power of two",
    formula="w = round(w_q * 2**(bits-1))",
    verdict="wrong",
    why="Codes that were right come back as multiples of 128, far too "
    "large; only the scale that made them can undo it. And a restored weight is no integer: "
    "there is nothing to round.",
    as_printed=restored_by_a_power_of_two,
    right=restored_by_the_scale,
    what="largest restored weight / largest weight, at 8 and 4 bits",
    measure=largest_restored,
)


def there_and_back(x: Array, bits: int) -> Array:
    """ŵ = round(round(w / 2^(b−1)) · 2^(b−1))"""
    codes = np.rint(x / 2 ** (bits - 1))
    return restored_by_a_power_of_two(codes, 1, bits)


def db_of_large_weights(rule: Rule) -> Value:
    """SQNR at 8 and 4 bits where σ = 200: weights so large that even this rule has codes."""
    return db_at_8_and_4(rule, sigma=200)


THERE_AND_BACK = Printed(
    article="A",
    name="more bits, wider steps",
    formula="dequantize(quantize(w, bits), bits): round(round(w / 2**(bits-1)) * 2**(bits-1))",
    verdict="wrong",
    why="The step is 2^(b−1), so it doubles with each bit, where it should be halved: 8 bits are "
    "far worse than 4. (And at 4 bits nothing keeps the codes below 8.)",
    as_printed=there_and_back,
    right=absmax,
    what="SQNR at 8 and 4 bits of weights with σ = 200, dB",
    measure=db_of_large_weights,
)


def fixed_grid(x: Array, bits: int) -> Array:
    """x̂ = round(w · 2^(b−1)) / 2^(b−1)"""
    return np.rint(x * 2 ** (bits - 1)) / 2 ** (bits - 1)


def db_of_small_and_large(rule: Rule) -> Value:
    """SQNR at 8 and 4 bits where σ = 0.05, then where σ = 1."""
    return db_at_8_and_4(rule) + db_at_8_and_4(rule, sigma=1)


FIXED_GRID = Printed(
    article="often",
    name="a grid that ignores the data",
    formula="ŵ = round(w · 2^(b−1)) / 2^(b−1)",
    verdict="wrong",
    why="The step is 2^−(b−1) for any weights. Small ones lose "
    "as much as by two bits. Large ones seem to win as much, but their codes are not clipped: b "
    "bits do not hold them.",
    as_printed=fixed_grid,
    right=absmax,
    what="SQNR at 8 and 4 bits with σ = 0.05, then σ = 1, dB",
    measure=db_of_small_and_large,
)


def as_many_steps_as_codes(x: Array, bits: int) -> tuple[Array, float]:
    """s = (max − min) / 2^b,   q = round((x − min) / s) in 0 … 2^b − 1   ->  x̂, s"""
    step = float(x.max() - x.min()) / 2**bits
    codes = np.clip(np.rint((x - x.min()) / step), 0, 2**bits - 1)
    return step * codes + x.min(), step


def one_step_less_than_codes(x: Array, bits: int) -> tuple[Array, float]:
    """s = (max − min) / (2^b − 1),   q = round(x / s) + z   ->  x̂, s"""
    q = quantize(x, bits, symmetric=False)
    return q.dense(), float(q.scale)


def largest_error_in_steps(rule: Rule) -> Value:
    """max|x − x̂| / s at 4 bits."""
    x = gaussian_weights()
    x_hat, step = rule(x, 4)
    return float(np.abs(x - x_hat).max() / step)


AS_MANY_STEPS_AS_CODES = Printed(
    article="often",
    name="as many steps as codes",
    formula="s = (max − min) / 2^b",
    verdict="wrong",
    why="2^b levels have 2^b − 1 steps between them. With one step more, the largest weight would "
    "need code 2^b; it is cut off, a whole step away, twice the bound of s/2.",
    as_printed=as_many_steps_as_codes,
    right=one_step_less_than_codes,
    what="largest error at 4 bits, in steps",
    measure=largest_error_in_steps,
)


def rounded_to_steps(x: Array, L: float) -> Array:
    """Q(x) = round(x / L) · L"""
    return np.rint(x / L) * L


def rounded_with_codes(x: Array, L: float) -> Array:
    """x̂ = s·q,   q = round(x / s),   s = L"""
    return affine_values(affine_codes(x, L, 0, -(2**31), 2**31 - 1), L, 0)


def largest_error_of_a_step(rule: Rule) -> Value:
    """max|x − x̂| / L for L = 0.01."""
    x = gaussian_weights()
    return round(float(np.abs(x - rule(x, 0.01)).max() / 0.01), 2)


ROUNDED_TO_STEPS = Printed(
    article="B",
    name="rounded to multiples of L",
    formula="Q(x) = round(x / L) · L",
    verdict="right",
    why="It is x̂ = s·q with s = L. L is called the number of levels, but it must be the step: "
    "with L = 16 \"levels\" every weight here becomes 0.",
    as_printed=rounded_to_steps,
    right=rounded_with_codes,
    what="largest error for L = 0.01, in steps",
    measure=largest_error_of_a_step,
)

ENTRIES = (
    STEP_IS_THE_RANGE,
    RANGE_STEP_FROM_THE_MINIMUM,
    DIVIDED_BY_A_POWER_OF_TWO,
    RESTORED_BY_A_POWER_OF_TWO,
    THERE_AND_BACK,
    FIXED_GRID,
    AS_MANY_STEPS_AS_CODES,
    ROUNDED_TO_STEPS,
)
