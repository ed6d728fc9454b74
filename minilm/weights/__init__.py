"""Weights that are not plain arrays, and what can be done with any of them.

    protocol.py      what a weight answers, and what every leaf inherits
    packing.py       codes of 1 to 8 bits without gaps
    rows.py          tensors kept as packed rows
    quantized.py     QuantizedTensor: codes and scales
    sparse.py        SparseTensor: a bitmask and the values under it
"""

from minilm.weights.packing import pack, unpack
from minilm.weights.protocol import Weight, as_dense, row_ids
from minilm.weights.quantized import QuantizedTensor
from minilm.weights.rows import PackedRows, from_rows, to_rows
from minilm.weights.sparse import SparseTensor

__all__ = [
    "PackedRows",
    "QuantizedTensor",
    "SparseTensor",
    "Weight",
    "as_dense",
    "from_rows",
    "pack",
    "row_ids",
    "to_rows",
    "unpack",
]
