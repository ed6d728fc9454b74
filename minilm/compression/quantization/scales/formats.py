"""Scale formats: how a scale is stored. It is rounded first, before any code is chosen by it.

    float32    4 bytes
    float16    2 bytes, the next number above: the range's ends stay inside
    e8m0       1 byte, a power of two: 2^(⌊log2 max|x|⌋ − ⌊log2 reach⌋), reach the grid's last level
    e4m3       1 byte times one float32 t for the tensor: t·e4m3(s / t), t = max s / 448

With a power of two max|x| may lie beyond the last level, by less than a factor of two, and is
clipped: OCP Microscaling Formats 1.0, section 6.3. Two levels of scales are NVFP4's; they are
rounded to nearest, up or down.

What each code of a byte stands for: minilm/weights/byte_scales.py.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minilm.types import Array
from minilm.weights.byte_scales import BYTE_SCALES, E4M3_MAX

EDGE = 2.0**-22  # a rounding error or two of float32
Codes = tuple[Array, Array | None]


def as_they_are(scale: Array, reach: float) -> Array:
    """float32."""
    return scale


def up_to_half(scale: Array, reach: float = 1.0) -> Array:
    """The smallest float16 not below each scale, so that the range's ends stay inside.

    float32 as they are, if one of them is so large or small that float16 would lose digits of it.
    """
    kept = scale[scale > 0]
    limits = np.finfo(np.float16)
    if kept.size and (kept.min() < limits.tiny or kept.max() > limits.max):
        return scale
    rounded = scale.astype(np.float16)
    with np.errstate(over="ignore"):  # of float16's largest number the next one is not taken
        above = np.nextafter(rounded, np.float16(np.inf))
    return np.where(rounded < scale, above, rounded)


def e8m0_codes(scale: Array, reach: float) -> Codes:
    """The exponents; of a scale of 0 the smallest."""
    # that of the numbers, were it not rounded
    largest = scale.astype(np.float64) * reach * (1 + EDGE)
    exponent = np.frexp(largest)[1] - np.frexp(reach)[1]
    return np.where(scale > 0, np.clip(exponent + 127, 0, 254), 0).astype(np.uint8), None


def e4m3_codes(scale: Array, reach: float) -> Codes:
    """The nearest small floats, half-way the even; only a scale of 0 becomes 0."""
    # a tensor's scale is found again from its largest scale t·448: fl(fl(7·t) / 7) = t
    tensor_scale = np.float32((scale.max() or 1) / np.float32(E4M3_MAX))
    levels = BYTE_SCALES["e4m3"][:127]
    codes = np.rint(np.interp(scale / tensor_scale, levels, np.arange(127.0)))
    return np.maximum(codes, scale > 0).astype(np.uint8), tensor_scale.reshape(1, 1)


class ScaleFormat(NamedTuple):
    """A row of the table: the rounded scales as floats (scale, reach) -> scale; and, where bytes
    stand for them, the codes and the tensor's scale, which rounded scales give back exactly.
    coarse: scales are so few that a search for the best must try them as they are stored."""

    rounded: Callable[[Array, float], Array]
    codes: Callable[[Array, float], Codes] | None = None
    coarse: bool = False


def bytes_for(
    name: str, codes: Callable[[Array, float], Codes], coarse: bool = False
) -> ScaleFormat:
    """A row of which BYTE_SCALES has the values."""

    def rounded(scale: Array, reach: float) -> Array:
        found, tensor_scale = codes(scale, reach)
        values = BYTE_SCALES[name][found]
        return values if tensor_scale is None else values * tensor_scale.reshape(())

    return ScaleFormat(rounded, codes, coarse)


SCALE_FORMATS = {
    "float32": ScaleFormat(as_they_are),
    "float16": ScaleFormat(up_to_half),
    "e8m0": bytes_for("e8m0", e8m0_codes, coarse=True),
    "e4m3": bytes_for("e4m3", e4m3_codes),
}
