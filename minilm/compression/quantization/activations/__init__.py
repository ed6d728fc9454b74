"""Activations: what multiplies a weight is rounded too.

    rounded_input.py   the leaf that rounds x before its product: quantize_activations
    ranges.py          static ranges, from calibration
    thresholds.py      where x is clipped: hard or soft
    attention.py       the products without a weight, in integers: for `attend`
"""

from minilm.compression.quantization.activations.attention import integer_attention
from minilm.compression.quantization.activations.rounded_input import quantize_activations

__all__ = ["integer_attention", "quantize_activations"]
