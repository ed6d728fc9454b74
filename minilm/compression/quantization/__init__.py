"""Quantization: transform × grid × scale × rounding, each a plain function, combined by name.

The simplest case, b bits and one scale for the array, is three lines:

    s = max|x| / (2^(b−1) − 1)        scale: the largest number gets the outermost code
    q = round(x / s)                  code: rounding, to a grid of whole numbers
    x̂ = s·q                           what the code stands for

x = (0.1, −0.4, 0.75) at 4 bits:   s = 0.75/7 = 0.107,   q = (1, −4, 7),   x̂ = (0.11, −0.43, 0.75)

`quantize` makes a *leaf* of codes and scales: a weight that is multiplied, x @ w, as an array is
(minilm/weights/protocol.py). The files, each of which has other choices for one of these lines
(affine.py is the one to begin with):

    transforms.py   what is rounded in the place of x
    grids/          the numbers that codes stand for: integers, floats, codebooks
    scales/         over which range they are laid, and how far apart they stand then
    affine.py       the map between numbers and codes itself
    rounding/       which code a number becomes; for a whole channel, GPTQ, AdaRound, the trellis
    layout.py       where the numbers that share a scale lie in memory
    on_grid.py      one array, placed on its grid and rounded
    scheme.py       one combination: the options, checked
    quantize.py     arrays and whole models: quantize, dequantize, fake_quantize
    kept_values.py  of pruned weights, the values that are kept: sparse quantization
    methods.py      combinations that have a name: METHODS
    coders.py       bits that codes take when they are written down: true_bits

Around these:

    calibration/         what multiplies each weight, and what that can make good
    folding/             scales and rotations that cost nothing at inference
    vectors/             a code for several numbers at once: product quantization
    gguf.py              gguf's blocks of 32, bit for bit: to_gguf, from_gguf
    key_value_cache.py   what a Transformer has read: QuantizedKeyValueCache
    activations/         what multiplies a weight is rounded too
    integers/            products of codes; whole models without a float: integer_only

In the words of articles: *symmetric* and *asymmetric* (here also *affine*) are `symmetric=True` and
`=False`; *adaptive* is a range that follows the data, as a group's own, a token's own
(quantize_activations) or one that is trained (learned_steps, learned_clips, in ../views/);
*uniform* are the grids of grids/integers.py and grids/entropy_coded.py, *non-uniform* the others.
"""

from minilm.compression.quantization.activations import integer_attention, quantize_activations
from minilm.compression.quantization.affine import affine_codes, affine_values
from minilm.compression.quantization.calibration import (
    calibrate,
    check_apart,
    correct_biases,
    correct_scales,
    names_read,
)
from minilm.compression.quantization.coders import true_bits
from minilm.compression.quantization.folding import (
    equalize,
    fold_into_norms,
    rotate,
    scale_norms,
)
from minilm.compression.quantization.gguf import from_gguf, to_gguf
from minilm.compression.quantization.grids import lloyd_max
from minilm.compression.quantization.integers import (
    affine_matmul,
    integer_matmul,
    requantize,
    to_fixed_point,
)
from minilm.compression.quantization.integers.models import integer_only
from minilm.compression.quantization.key_value_cache import QuantizedKeyValueCache
from minilm.compression.quantization.methods import METHODS, Method
from minilm.compression.quantization.quantize import dequantize, fake_quantize, quantize
from minilm.compression.quantization.vectors import k_means, product_quantize

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
