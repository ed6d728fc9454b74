"""Scales: over which range of numbers a grid is laid, and how far apart its levels stand then.

    objectives.py      the range: absmax, percentile, …, and OBJECTIVES, all by name; in
                       least_squares.py, entropy.py, half_quadratic.py and rate.py those that search
    from_ranges.py     scale and zero point of a range
    formats.py         how scales are stored: SCALE_FORMATS
"""

from minilm.compression.quantization.scales.formats import SCALE_FORMATS
from minilm.compression.quantization.scales.from_ranges import affine_scale
from minilm.compression.quantization.scales.objectives import OBJECTIVES

__all__ = ["OBJECTIVES", "SCALE_FORMATS", "affine_scale"]
