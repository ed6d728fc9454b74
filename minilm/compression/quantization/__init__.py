"""Quantization: grid × scale × rounding, each a plain function, combined by name.

    grids.py      the numbers that codes stand for: integers, signs, codebooks, Lloyd–Max
    scales.py     how far apart they stand: absmax, percentile, MSE
    rounding.py   which of them a number becomes: nearest, stochastic; the affine map itself
    scheme.py     one combination, laid on one array
    quantize.py   arrays and whole models: quantize, dequantize, fake_quantize
"""

from minilm.compression.quantization.grids import lloyd_max
from minilm.compression.quantization.quantize import dequantize, fake_quantize, quantize
from minilm.compression.quantization.rounding import affine_codes, affine_values

__all__ = [
    "affine_codes",
    "affine_values",
    "dequantize",
    "fake_quantize",
    "lloyd_max",
    "quantize",
]
