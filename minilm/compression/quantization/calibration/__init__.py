"""What the data say, before rounding and after.

    statistics.py   what multiplies each weight, in one pass
    correction.py   biases and scales that make good what rounding spoilt
"""

from minilm.compression.quantization.calibration.correction import (
    correct_biases,
    correct_scales,
    names_read,
)
from minilm.compression.quantization.calibration.statistics import calibrate, check_apart

__all__ = ["calibrate", "check_apart", "correct_biases", "correct_scales", "names_read"]
