"""Product quantization: a row is cut into pieces, and each piece becomes one of 2^b learned ones.

    C_m = k-means of the m-th pieces of all rows        (K = 2^b, d)
    q_m = argmin_k |x_m − C_m[k]|²

A piece of d numbers takes b bits, so a number b/d: at b = 8 and d = 8 one bit, which no scalar code
of more than two levels reaches. What is learned must be stored as well: K·D floats for rows of D
numbers, the price of K rows. So it is a code for long tables (Jégou et al. 2011, section II).
"""

from typing import Any

import numpy as np

from minilm.compression.parameters import check_finite, is_table, plain_array
from minilm.compression.quantization.quantize import Bits, bits_by_name
from minilm.compression.quantization.scheme import is_integer
from minilm.compression.quantization.vectors.clusters import k_means, nearest
from minilm.types import Array, Params
from minilm.weights import ProductQuantizedTensor
from minilm.weights.packing import check_bits
from minilm.weights.rows import to_rows

SAMPLE = 1 << 16  # rows that a codebook is learned from; of a longer table, so many are drawn


def product_quantize(
    x: Array | Params,
    width: int,
    bits: Bits = 8,
    *,
    axis: int | None = None,
    iterations: int = 25,
    seed: int = 0,
) -> Any:
    """Codes of `bits` bits for each `width` numbers: array -> ProductQuantizedTensor, dict -> dict.

    x: finite real numbers, taken as float32. width: d, numbers that share a code. bits: 1 … 8;
    axis: whose entries are the rows that are cut (None: 0 for an array; in a dict 0 for names
    ending in `embedding`, else −1, as for `quantize`). iterations: of k-means, started by `seed`.

    Of a params dict every array of two or more axes is quantized; vectors, and companions named
    `w:role`, stay as they are. bits: one number, or a dict by name; a parameter that is not in it
    stays float.

    ValueError: empty or not finite, bits outside 1 … 8, no such axis, a width that does not divide
    a row, a name that no params have. TypeError: not real numbers, or a leaf already.
    """
    if not is_integer(width) or width < 1:
        raise ValueError(f"width must be a positive integer, got {width!r}")
    if not (axis is None or is_integer(axis)):
        raise ValueError(f"axis must be None or an integer, got {axis!r}")
    if not isinstance(x, dict):
        if isinstance(bits, dict):
            raise TypeError("bits must be one number for an array, got a dict by name")
        return quantize_rows("x", x, width, bits, axis or 0, iterations, seed)
    found = dict(x)
    for name, b in bits_by_name(x, bits).items():
        own = (0 if is_table(name) else -1) if axis is None else axis
        found[name] = quantize_rows(name, x[name], width, b, own, iterations, seed)
    return found


def quantize_rows(
    name: str, x: Any, width: int, bits: int, axis: int, iterations: int, seed: int
) -> ProductQuantizedTensor:
    """One array (`name` is what errors call it)."""
    x, bits = plain_array(name, x), check_bits(bits)
    check_finite(name, x)
    rows = to_rows(x, axis).astype(np.float32, copy=False)
    if rows.shape[1] % width:
        raise ValueError(
            f"width must divide the {rows.shape[1]} numbers of a row of {name} "
            f"(shape {x.shape}), got {width}"
        )
    rng = np.random.default_rng(seed)
    learned = rows
    if len(rows) > SAMPLE:
        learned = rows[np.sort(rng.choice(len(rows), SAMPLE, replace=False))]
    places = range(rows.shape[1] // width)
    codebooks = np.empty((len(places), 2**bits, width), np.float32)
    codes = np.empty((len(rows), len(places)), np.uint8)
    for m in places:
        piece = slice(m * width, (m + 1) * width)
        codebooks[m] = k_means(learned[:, piece], 2**bits, rng, iterations).centroids
        codes[:, m] = nearest(rows[:, piece], codebooks[m])  # to the codewords as they are stored
    return ProductQuantizedTensor.from_codes(
        codes, codebooks, bits, array_shape=x.shape, axis=axis
    )
