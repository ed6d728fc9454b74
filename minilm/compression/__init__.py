"""Compression: smaller parameters, and training that bears it.

    quantization/    fewer bits a weight: quantize, dequantize, fake_quantize,
                     product_quantize, the affine map; calibrate
    pruning.py       fewer weights: prune
    second_order.py  what rounding one weight spoils, made good by the others: sweep
    distillation.py  a smaller model, taught by a larger one: distillation_loss, distil
    views.py         training what will be compressed: straight_through, masked, compose
    parameters.py    which parameters are compressed, and which arrays are refused
"""

from minilm.compression.distillation import distil, distillation_loss
from minilm.compression.pruning import keep_masks, prune
from minilm.compression.quantization import (
    affine_codes,
    affine_values,
    calibrate,
    dequantize,
    fake_quantize,
    lloyd_max,
    product_quantize,
    quantize,
)
from minilm.compression.views import compose, masked, straight_through

__all__ = [
    "affine_codes",
    "affine_values",
    "calibrate",
    "compose",
    "dequantize",
    "distil",
    "distillation_loss",
    "fake_quantize",
    "keep_masks",
    "lloyd_max",
    "masked",
    "product_quantize",
    "prune",
    "quantize",
    "straight_through",
]
