"""Scale formats: how a scale is stored. It is rounded first, before any code is chosen by it.

    float32     4 bytes
    float16     2 bytes, the next number above: the range's ends stay inside
"""

from collections.abc import Callable

import numpy as np

from minilm.types import Array


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
    return np.where(rounded < scale, np.nextafter(rounded, np.float16(np.inf)), rounded)


SCALE_FORMATS: dict[str, Callable[[Array, float], Array]] = {
    "float32": as_they_are,
    "float16": up_to_half,
}
