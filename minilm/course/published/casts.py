"""Rules that cast, clip, or leave out the rounding, as printed and right.

    right:   q = clip(round(x / s) + z, q_min, q_max)        first scale, then round, then clip

The order matters: what is cut off by a cast no scale brings back, and a cast neither rounds (it
cuts towards 0) nor clips (it wraps around).
"""

import numpy as np

from minilm.compression import fake_quantize, prune, quantize
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import (
    Rule,
    absmax,
    db_at_8_and_4,
    gaussian_weights,
    min_max,
)
from minilm.metrics import sqnr_db
from minilm.types import Array


def clipped_by_half_the_weight(codes: Array, w: Array, bits: int) -> Array:
    """clip(w_q, −max(w)/2, max(w)/2)"""
    return np.clip(codes, -w.max() / 2, w.max() / 2)


def clipped_to_the_codes(codes: Array, w: Array, bits: int) -> Array:
    """clip(w_q, −(2^(b−1) − 1), 2^(b−1) − 1)"""
    largest = 2 ** (bits - 1) - 1
    return np.clip(codes, -largest, largest)


def range_of_codes(clip: Rule) -> Value:
    """Least and largest of what becomes of −20 … 20 at 4 bits."""
    clipped = clip(np.arange(-20.0, 21), gaussian_weights(), 4)
    return float(clipped.min()), float(clipped.max())


CLIPPED_BY_HALF_THE_WEIGHT = Printed(
    article="A",
    name="codes clipped by half the weight",
    formula="w_q = clip(w_q, -max(w)/2, max(w)/2)",
    verdict="wrong",
    why="A code is a number of steps and max(w) is a weight: the bound is in the wrong unit, and "
    "no code but 0 keeps its place. (If every weight is below 0 the two bounds cross.)",
    as_printed=clipped_by_half_the_weight,
    right=clipped_to_the_codes,
    what="least and largest of what codes −20 … 20 become at 4 bits",
    measure=range_of_codes,
)


def scaled_and_shifted(w: Array, bits: int) -> Array:
    """W_q = W·L + offset"""
    L, offset = 2**bits - 1, 0.5
    return w * L + offset


def how_many_values(rule: Rule) -> Value:
    """How many different numbers are left of 4096 at 4 bits, and of how many there were."""
    x = gaussian_weights()
    return len(np.unique(rule(x, 4))), len(np.unique(x))


SCALED_AND_SHIFTED = Printed(
    article="B",
    name="scaled and shifted",
    formula="W_q = W · L + offset",
    verdict="incomplete",
    why="Without rounding nothing is quantized: all the different numbers are still there, and "
    "each of them still takes 32 bits.",
    as_printed=scaled_and_shifted,
    right=absmax,
    what="different numbers at 4 bits, of how many",
    measure=how_many_values,
)


def half_of_the_connections(w: Array) -> Array:
    """w, with half of its connections"""
    return prune(w, 0.5).dense()


def half_precision(w: Array) -> Array:
    """x̂ = the nearest float16: sign, 5 bits of exponent, 10 of mantissa"""
    return quantize(w, 16, grid="fp16").dense()


def db(rule: Rule) -> Value:
    """SQNR of rule(x)."""
    x = gaussian_weights()
    return sqnr_db(x, rule(x))


HALF_OF_THE_CONNECTIONS = Printed(
    article="B",
    name="half-connection quantization",
    formula="half precision = half of the connections",
    verdict="wrong",
    why="Half is the number of bits: float16 in the place of float32. Every connection stays, and "
    "its weight keeps 11 significant bits. Dropping half of them is pruning.",
    as_printed=half_of_the_connections,
    right=half_precision,
    what="SQNR, dB",
    measure=db,
)


def cast_before_mapping(x: Array, bits: int) -> Array:
    """z = (x − mean) / std,   i = int(z),   i mapped to the range,   and all of it undone"""
    mean, std = x.mean(), x.std()
    whole = ((x - mean) / std).astype(np.int64)
    scale = (2 ** (bits - 1) - 1) / np.abs(whole).max()
    codes = np.rint(whole * scale)
    return codes / scale * std + mean


CAST_BEFORE_MAPPING = Printed(
    article="D",
    name="cast before mapping",
    formula="standardise to mean 0 and variance 1; cast to integers; map to [q_min, q_max]",
    verdict="wrong",
    why="Of numbers of variance 1, the cast leaves −4 … 4: seven to nine values, at any number of "
    "bits. What lay between two integers is gone before the range is used. First map, then round.",
    as_printed=cast_before_mapping,
    right=absmax,
    what="SQNR at 8 and 4 bits, dB",
    measure=db_at_8_and_4,
)


def standardised_and_cast(x: Array) -> Array:
    """q = int8((x − mean) / std),   x̂ = std·q + mean"""
    mean, std = x.mean(), x.std()
    codes = ((x - mean) / std).astype(np.int64).astype(np.int8)  # modulo 256
    return codes * std + mean


def absmax_at_8_bits(x: Array) -> Array:
    """s = max|x| / 127,   q = round(x / s),   x̂ = s·q"""
    return fake_quantize(x, 8)


def one_large_weight(rule: Rule) -> Value:
    """What a weight of 1 becomes among 40,000 zeros."""
    x = np.zeros(40_000, np.float32)
    x[0] = 1
    return float(rule(x)[0])


STANDARDISED_AND_CAST = Printed(
    article="often",
    name="standardised and cast",
    formula="q = int8((x − mean) / std)",
    verdict="wrong",
    why="Variance 1 does not bound the range: one of n numbers can lie √n standard deviations "
    "from the mean. Beyond 127 the cast wraps around, and the largest weight comes back negative.",
    as_printed=standardised_and_cast,
    right=absmax_at_8_bits,
    what="what 1 becomes among 40,000 zeros at 8 bits",
    measure=one_large_weight,
)


def mapped_to_the_range(x: Array, bits: int) -> Array:
    """x_q = round((x − min)/(max − min)·(q_max − q_min) + q_min),   and its inverse"""
    q_min, q_max = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    with np.errstate(invalid="ignore"):                           # 0 / 0 where x is constant
        codes = np.rint((x - x.min()) / (x.max() - x.min()) * (q_max - q_min) + q_min)
    return (codes - q_min) / (q_max - q_min) * (x.max() - x.min()) + x.min()


def db_and_a_constant(rule: Rule) -> Value:
    """SQNR at 8 and 4 bits, and what eight times the number 3 become."""
    constant = rule(np.full(8, 3, np.float32), 8)
    return (*db_at_8_and_4(rule), round(float(constant[0]), 4))


MAPPED_TO_THE_RANGE = Printed(
    article="D",
    name="mapped to the range",
    formula="x_q = round((x − x_min)/(x_max − x_min) · (q_max − q_min) + q_min)",
    verdict="incomplete",
    why="Right as min–max quantization, but a constant x divides by 0. If the range is extended "
    "to 0 first, that happens for zeros alone, and 0 has a code of its own, as padding needs.",
    as_printed=mapped_to_the_range,
    right=min_max,
    what="SQNR at 8 and 4 bits, dB; what a constant 3 becomes",
    measure=db_and_a_constant,
)


def cast_to_bytes(x: Array) -> Array:
    """(x·(q_max − q_min) + q_min).byte(),   q_min = −127/128,   q_max = 127/128"""
    q_min, q_max = -127 / 128, 127 / 128
    shifted = x * (q_max - q_min) + q_min
    return shifted.astype(np.int64).astype(np.uint8)              # cuts towards 0; −1 wraps to 255


def codes_of_8_bits(x: Array) -> Array:
    """q = round(x / s),   s = max|x| / 127"""
    return quantize(x, 8).codes


def how_many_codes(rule: Rule) -> Value:
    """How many different codes 4096 weights get, the least and the largest of them."""
    codes = rule(gaussian_weights())
    return len(np.unique(codes)), int(codes.min()), int(codes.max())


CAST_TO_BYTES = Printed(
    article="D",
    name="cast to bytes",
    formula="(param * (q_max - q_min) + q_min).byte(),  q_min = -127/128,  q_max = 127/128",
    verdict="wrong",
    why="q_min and q_max are weights where codes are meant. Small weights are moved to about −1 "
    "and cut to −1 or 0; a byte has no sign, so −1 is stored as 255. Two codes are left.",
    as_printed=cast_to_bytes,
    right=codes_of_8_bits,
    what="different codes at 8 bits, the least and the largest",
    measure=how_many_codes,
)

ENTRIES = (
    CLIPPED_BY_HALF_THE_WEIGHT,
    SCALED_AND_SHIFTED,
    HALF_OF_THE_CONNECTIONS,
    CAST_BEFORE_MAPPING,
    STANDARDISED_AND_CAST,
    MAPPED_TO_THE_RANGE,
    CAST_TO_BYTES,
)
