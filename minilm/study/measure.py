"""Sizes and errors of compressed parameters: the bytes that a file takes, and the weights' SQNR."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minilm.types import Array, Params
from minilm.weights import Diagonal, Product, SparseTensor, Weight, as_dense, nbytes, save


def compressed_size(params: Params) -> dict[str, Any]:
    """True bits per weight and bytes of the saved file, for everything that the model needs.

    Scales, zero points, codebooks, masks and the parameters left in float all count; the divisor is
    the number of parameters of the model, whatever became of them.
    """
    parameters = sum(int(np.prod(w.shape)) for w in params.values())
    bits_per_weight = round(8 * nbytes(params) / parameters, 4)
    return {"bits_per_weight": bits_per_weight, "file_bytes": saved_bytes(params)}


def saved_bytes(params: Params, write: Callable[[Path, Params], None] = save) -> int:
    """Bytes of the file that `save`, or another function such as `save_coded`, writes of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        write(path, params)
        return path.stat().st_size


def numbers_kept(weight: Any) -> int:
    """How many numbers a weight consists of: the zeros of a SparseTensor are none."""
    if isinstance(weight, SparseTensor):
        return numbers_kept(weight.values)
    if isinstance(weight, Product):
        return numbers_kept(weight.a) + numbers_kept(weight.b)
    if isinstance(weight, Diagonal):
        return numbers_kept(weight.values)
    return int(np.prod(weight.shape))


def weight_sqnr(params: Params, compressed: Params) -> float | None:
    """10·log10(Σw² / Σ(w − ŵ)²) over all weights that were compressed, in dB.

    None where that is no number: all exact, nothing but zeros, or something not finite.
    """
    power = noise = 0.0
    for name, weight in compressed.items():
        if isinstance(weight, Weight):  # one after another: all together may be large
            w = as_dense(params[name])
            power += square_sum(w)
            noise += square_sum(w - weight.dense())
    if not (0 < noise < math.inf and 0 < power < math.inf):
        return None
    return round(10 * math.log10(power / noise), 4)


def square_sum(x: Array) -> float:
    """Σ x², summed in float64."""
    return float(np.square(x).sum(dtype=np.float64))
