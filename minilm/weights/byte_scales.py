"""Scales of one byte: what each of the 256 codes stands for.

    e8m0    2^(u − 127)                  a power of two: OCP Microscaling Formats 1.0, section 5.4
    e4m3    2^(E − 7) · (1 + M/8)        a small float without infinities, subnormal at E = 0, times
                                         one float32 for the whole tensor: NVFP4 (Micikevicius et
                                         al. 2022, section 3; the sign bit is not used)

Codes that stand for no number (255 of e8m0, 127 and the negative ones of e4m3) are NaN.
"""

import numpy as np

from minilm.types import Array


def e8m0() -> Array:
    """(256,) float32."""
    values = np.full(256, np.nan, np.float32)
    values[:255] = np.ldexp(np.float32(1), np.arange(255) - 127)
    return values


def e4m3() -> Array:
    """(256,) float32."""
    E, M = np.divmod(np.arange(127), 8)
    values = np.full(256, np.nan, np.float32)
    values[:127] = np.where(E > 0, np.ldexp(8.0 + M, E - 10), np.ldexp(1.0 * M, -9))
    return values


BYTE_SCALES = {"e8m0": e8m0(), "e4m3": e4m3()}
E4M3_MAX = 448.0  # the largest of them
