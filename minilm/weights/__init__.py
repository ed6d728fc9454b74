"""Weights that are not plain arrays, and what can be done with any of them.

    protocol.py           what a weight answers, and what every leaf inherits
    packing.py            codes of 1 to 8 bits, or 16, without gaps
    rows.py               tensors kept as packed rows
    quantized.py          QuantizedTensor: codes and scales
    byte_scales.py        what scales of one byte stand for
    product_quantized.py  ProductQuantizedTensor: codes of subvectors and their codebooks
    trellis.py            TrellisTensor: codes that a shift register turns into levels
    sparse.py             SparseTensor: where values are kept (a bitmask or CSR), and which
    half.py               HalfTensor: floats in two bytes, fp16 or bf16
    combinators.py        Product, Sum, Diagonal: weights made of weights
    hadamard.py           Hadamard: a rotation of one bit a row
    recorder.py           Recorder: a weight that writes down what multiplies it
    histogram.py          Histogram: counts of numbers whose range is not known beforehand
    tree.py               parameters as plain arrays and back; thaw
    files.py              save and load
"""

from minilm.weights.combinators import Diagonal, Product, Sum
from minilm.weights.files import check_target, load, read_header, replacing, save
from minilm.weights.hadamard import Hadamard
from minilm.weights.half import HalfTensor
from minilm.weights.packing import pack, unpack
from minilm.weights.product_quantized import ProductQuantizedTensor
from minilm.weights.protocol import Weight, as_dense, row_ids
from minilm.weights.quantized import QuantizedTensor
from minilm.weights.recorder import Recorder, Seen
from minilm.weights.rows import PackedRows, from_rows, to_rows
from minilm.weights.sparse import SparseTensor
from minilm.weights.tree import flatten, nbytes, thaw, unflatten
from minilm.weights.trellis import TrellisTensor

__all__ = [
    "Diagonal",
    "Hadamard",
    "HalfTensor",
    "PackedRows",
    "Product",
    "ProductQuantizedTensor",
    "QuantizedTensor",
    "Recorder",
    "Seen",
    "SparseTensor",
    "Sum",
    "TrellisTensor",
    "Weight",
    "as_dense",
    "check_target",
    "flatten",
    "from_rows",
    "load",
    "nbytes",
    "pack",
    "read_header",
    "replacing",
    "row_ids",
    "save",
    "thaw",
    "to_rows",
    "unflatten",
    "unpack",
]
