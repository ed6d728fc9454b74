"""Quantization: transform × grid × scale × rounding, each a plain function, combined by name.

The simplest case, b bits and one scale for the array, is three lines:

    s = max|x| / (2^(b−1) − 1)        scale: the largest number gets the outermost code
    q = round(x / s)                  code: rounding, to a grid of whole numbers
    x̂ = s·q                           what the code stands for

x = (0.1, −0.4, 0.75) at 4 bits:   s = 0.75/7 = 0.107,   q = (1, −4, 7),   x̂ = (0.11, −0.43, 0.75)

`quantize` makes a leaf of codes and scales: a weight that is multiplied, x @ w, as an array is. The
files, each of which has other choices for one of these lines (affine.py is the one to begin with):

    transforms.py     what is rounded in the place of x
    grids.py          the numbers that codes stand for: integers, signs, and the table of all;
                      in codebooks.py, lloyd_max.py and float_formats.py those not evenly spaced,
                      in entropy_coded.py those without an end
    objectives.py     over which range they are laid: absmax, percentile, and the table of all;
                      in least_squares.py, entropy.py, half_quadratic.py and rate.py those that
                      search
    scales.py         how far apart they stand then
    scale_formats.py  how scales are stored
    affine.py         the map between numbers and codes itself
    rounding.py       which code a number becomes: nearest, stochastic, and the table of all; in
                      gptq.py, adaround.py and trellis.py those that choose the codes of a channel
                      together (channels.py)
    layout.py         where the numbers that share a scale lie in memory
    on_grid.py        one array, placed on its grid and rounded
    scheme.py         one combination: the options, checked
    quantize.py       arrays and whole models: quantize, dequantize, fake_quantize
    methods.py        combinations that have a name: METHODS
    coders.py         bits that codes take when they are written down: true_bits

what the data say, before and after:

    calibration.py   what multiplies each weight, in one pass: calibrate, check_apart
    correction.py    biases and scales that make good what rounding spoilt: correct_biases,
                     correct_scales, names_read

scales and rotations that cost nothing at inference, params -> params with equal outputs:

    folding.py       scales of x, moved into the norm that makes x: fold_into_norms, scale_norms
    equalization.py  ranges shared out between two weights on a linear path: equalize
    rotation.py      the residual stream of a model with RMSNorm, rotated: rotate

where a code stands for several numbers at once:

    clusters.py   vectors that stand for those nearest to them: k_means
    product.py    rows cut into pieces, a codebook for each place: product_quantize

for files of others:

    formats.py   gguf's blocks of 32, bit for bit: to_gguf, from_gguf

and for numbers that are no parameters:

    key_value_cache.py   what a Transformer has read: QuantizedKeyValueCache
    activations.py       what multiplies a weight: quantize_activations; its static ranges are in
                         activation_ranges.py, the products without a weight in integer_attention.py

and in integers alone:

    integer.py       products of codes, exact: integer_matmul, affine_matmul; integer_weight.py
    fixed_point.py   times a real number: to_fixed_point, requantize
    integer_models/  an LSTM and a Transformer of integers: integer_only
"""

from minilm.compression.quantization.activations import quantize_activations
from minilm.compression.quantization.affine import affine_codes, affine_values
from minilm.compression.quantization.calibration import calibrate, check_apart
from minilm.compression.quantization.clusters import k_means
from minilm.compression.quantization.coders import true_bits
from minilm.compression.quantization.correction import correct_biases, correct_scales, names_read
from minilm.compression.quantization.equalization import equalize
from minilm.compression.quantization.fixed_point import requantize, to_fixed_point
from minilm.compression.quantization.folding import fold_into_norms, scale_norms
from minilm.compression.quantization.formats import from_gguf, to_gguf
from minilm.compression.quantization.grids import lloyd_max
from minilm.compression.quantization.integer import affine_matmul, integer_matmul
from minilm.compression.quantization.integer_attention import integer_attention
from minilm.compression.quantization.integer_models import integer_only
from minilm.compression.quantization.key_value_cache import QuantizedKeyValueCache
from minilm.compression.quantization.methods import METHODS, Method
from minilm.compression.quantization.product import product_quantize
from minilm.compression.quantization.quantize import dequantize, fake_quantize, quantize
from minilm.compression.quantization.rotation import rotate

__all__ = [
    "METHODS",
    "Method",
    "QuantizedKeyValueCache",
    "affine_codes",
    "affine_matmul",
    "affine_values",
    "calibrate",
    "check_apart",
    "correct_biases",
    "correct_scales",
    "dequantize",
    "equalize",
    "fake_quantize",
    "fold_into_norms",
    "from_gguf",
    "integer_attention",
    "integer_matmul",
    "integer_only",
    "k_means",
    "lloyd_max",
    "names_read",
    "product_quantize",
    "quantize",
    "quantize_activations",
    "requantize",
    "rotate",
    "scale_norms",
    "to_fixed_point",
    "to_gguf",
    "true_bits",
]
