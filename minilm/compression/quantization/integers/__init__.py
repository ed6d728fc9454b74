"""Integers alone.

    products.py      products of codes, exact, by a float32 BLAS
    weight.py        a quantized weight as the codes that a product takes
    fixed_point.py   times a real number
    models/          an LSTM and a Transformer of integers
"""

from minilm.compression.quantization.integers.fixed_point import requantize, to_fixed_point
from minilm.compression.quantization.integers.products import affine_matmul, integer_matmul

__all__ = ["affine_matmul", "integer_matmul", "requantize", "to_fixed_point"]
