"""Quantize an array, or a whole model: `params -> params`.

For a weight (in, out) a channel is a column, for an embedding table it is a row, so that `E[ids]`
and `h @ E.T` share scales; groups run down the other axis. Biases and gains stay float. What
happens to one array is told in on_grid.py; here it is transformed first and packed, and all that
is applied by name.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minilm.compression.parameters import float_type, is_table, matrices, plain_array
from minilm.compression.quantization.affine import values_of
from minilm.compression.quantization.kept_values import is_sparse_floats, on_kept_values
from minilm.compression.quantization.on_grid import OnGrid, place_on_grid, rounded
from minilm.compression.quantization.scales.from_ranges import reach_of
from minilm.compression.quantization.scheme import Scheme
from minilm.compression.quantization.transforms import TRANSFORMS
from minilm.types import Array, Params
from minilm.weights import (
    HalfTensor,
    Product,
    ProductQuantizedTensor,
    QuantizedTensor,
    TrellisTensor,
    Weight,
)
from minilm.weights.packing import check_bits, code_type, pack
from minilm.weights.protocol import weight_fields
from minilm.weights.quantized import stored_codes

Bits = int | dict[str, int]
CODED = (QuantizedTensor, ProductQuantizedTensor, HalfTensor, TrellisTensor)


def quantize(
    x: Array | Params,
    bits: Bits = 8,
    *,
    symmetric: bool = True,
    axis: int | str | None = None,
    group_size: int | None = None,
    grid: str = "int",
    objective: str = "absmax",
    percentile: float = 99.9,
    rounding: str = "nearest",
    transform: str = "none",
    scale_format: str | None = None,
    calibration: Any = None,
    seed: int = 0,
) -> Any:
    """x̂ = s·(q − z) with b-bit codes q: an array -> a leaf, a params dict -> params dict.

    A leaf is multiplied as an array is; leaf.dense() is x̂, true_bits(leaf) / leaf.size its bits per
    weight, scales and all. It is a QuantizedTensor, unless the grid or the rounding makes one of
    its own (HalfTensor, TrellisTensor); with a transform it is a Product of the transform's inverse
    and that.

    x: finite real numbers of any shape, taken as float32; of a SparseTensor only the values kept
        are coded (kept_values.py). bits: 1 … 8, or 16.
    symmetric: q within ±(2^(b−1) − 1) and z = 0 (1 bit: the two signs, times mean|x|);
        else q in 0 … 2^b − 1, z an integer, and the range includes 0.
    axis: one scale for each entry of that axis; None: one for all. group_size: one scale for so
        many neighbours inside a channel.

    What follows are rows of tables, each in a file of its own, which tells what they do:

    grid (grids/): "int"; evenly spaced too "int_full", "mid_rise", "int_real_zero" and
        "entropy_coded" (bits: of entropy); fixed levels "nf", "power_of_two", "logarithmic"; small
        floats "e2m1", "e4m3", "e5m2"; "fp16", "bf16"; fitted to x "lloyd_max".
    objective (scales/objectives.py): "absmax", "percentile" (`percentile` % of the numbers inside
        the range), "mse", "entropy", "hqq", for three levels "absmean" and "twn", …
    rounding (rounding/): "nearest" (half to even), "stochastic" (drawn by `seed`), "gptq",
        "adaround", "trellis".
    transform (transforms.py), of matrices: "none", "awq", "smooth", "hadamard".
    scale_format (scales/formats.py): None is "float32", for groups "float16"; "e8m0", "e4m3".
    calibration: what multiplies x, as a Seen or as example rows X (N, n), n the numbers of a
        channel; of a params dict a dict of these by name, as `calibrate` makes it. For "gptq",
        "adaround", "awq" and "smooth"; "lloyd_max" weights its errors by it.

    Combinations with a name are in METHODS (methods.py).

    Of a params dict every array of two or more axes is quantized, by channel (axis=None) or with
    one scale a tensor (axis="tensor"). Names ending in `embedding` are tables. Vectors, and
    companions named `w:role` (what training keeps beside a weight w), stay as they are. bits: one
    number, or a dict by name; a parameter that is not in it stays float.

    ValueError: empty or not finite, bits that the grid does not have, a group_size that does not
    divide, calibration that is missing or of another width, a name that no table or params has.
    TypeError: not real numbers, or quantized already.
    """
    scheme = Scheme(
        symmetric, axis, group_size, grid, objective, percentile, rounding,
        transform, scale_format, calibration, seed,
    )  # fmt: skip
    return map_weights(x, bits, scheme, quantize_array)


def fake_quantize(x: Array | Params, bits: Bits = 8, **how: Any) -> Any:
    """dequantize(quantize(x, bits, **how)), without packing.

    An array -> float array of its shape (float64 when x is, else float32); params -> params.
    """
    return map_weights(x, bits, Scheme(**how), fake_quantize_array)


def dequantize(q: Any) -> Any:
    """The floats that codes stand for: what `quantize` or `product_quantize` made -> ndarray.

    A params dict -> params dict with its quantized tensors as floats and all else as it is.
    """
    if isinstance(q, dict):
        return {name: w.dense() if is_quantized(w) else w for name, w in q.items()}
    if not is_quantized(q):
        raise TypeError(f"q must be a quantized tensor or a params dict, got {type(q).__name__}")
    return q.dense()


def is_quantized(weight: Any) -> bool:
    """Whether a weight holds codes, itself or in one of its parts (as a transformed one does)."""
    if isinstance(weight, CODED):
        return True
    return isinstance(weight, Weight) and any(
        is_quantized(part) for _, part in weight_fields(weight)
    )


def map_weights(x: Any, bits: Bits, scheme: Scheme, function: Callable[..., Any]) -> Any:
    """function(name, array, bits, scheme, rng) of an array, or of those in a dict with bits."""
    rng = np.random.default_rng(scheme.seed)
    if not isinstance(x, dict):
        if isinstance(bits, dict):
            raise TypeError("bits must be one number for an array, got a dict by name")
        return function("x", quantizable("x", x), bits, scheme, rng)
    chosen = bits_by_name(x, bits)
    check_calibration(scheme.calibration, x, chosen)
    return {
        name: function(name, quantizable(name, w), chosen[name], scheme.for_parameter(name), rng)
        if name in chosen
        else w
        for name, w in x.items()
    }


def quantizable(name: str, x: Any) -> Any:
    """A SparseTensor of floats as it is, all else as plain_array has it."""
    return x if is_sparse_floats(x) else plain_array(name, x)


def check_calibration(calibration: Any, params: Params, chosen: dict[str, int]) -> None:
    """Refuse calibration of what is no parameter, or without a matrix that is to be quantized.

    A table may be missing: one whose rows are only looked up multiplies nothing.
    """
    if not isinstance(calibration, dict):
        return
    unknown = [name for name in calibration if name not in params]
    missing = [name for name in chosen if name not in calibration
               and params[name].ndim == 2 and not is_table(name)]
    if unknown or missing:
        what = f"has {', '.join(unknown)}, no parameter" if unknown else (
            f"lacks {', '.join(missing)}")
        raise ValueError(f"calibration {what}; calibrate(model, params, batches) makes it")


def bits_by_name(params: Params, bits: Bits) -> dict[str, int]:
    """The bits of each parameter that is to be quantized; ValueError for one that cannot be."""
    weights = list(matrices(params))
    if not isinstance(bits, dict):
        check_bits(bits, wide=True)
        return dict.fromkeys(weights, bits)
    unknown = [name for name in bits if name not in weights]
    if unknown:
        raise ValueError(f"bits must name weights of two or more axes, got {', '.join(unknown)}; "
                         f"there are {', '.join(weights)}")
    return bits


def transformed(
    name: str, x: Array, bits: int, scheme: Scheme, rng: np.random.Generator
) -> tuple[Any, Array, Scheme]:
    """left, x' and the scheme for x': x = left @ x', or a table's x = x' @ left.T; left None: x' is
    x."""
    transform = TRANSFORMS[scheme.transform]
    if transform is None:
        return None, x, scheme
    if x.ndim != 2:
        raise ValueError(f"transform {scheme.transform!r} is for matrices, "
                         f"got {name} of shape {x.shape}")
    table = rows_are_channels(scheme)
    plain = replace(scheme, transform="none", rounding="nearest", calibration=None)

    def quantized(w: Array) -> Array:
        found = fake_quantize_array(name, w.T if table else w, bits, plain, rng)
        return found.T if table else found

    w = x.T if table else x
    left, w, seen = transform(name, w, scheme.seen(name, len(w)), quantized)
    return left, w.T if table else w, replace(scheme, transform="none", calibration=seen)


def rows_are_channels(scheme: Scheme) -> bool:
    """Whether a matrix has its rows for channels, as a table: then one multiplies by x.T."""
    return scheme.rows_axis is not None and scheme.rows_axis % 2 == 0


def multiplied(left: Any, q: Any, scheme: Scheme) -> Product:
    """left @ q, or where a channel is a row q @ left.T."""
    return Product(q, left.T) if rows_are_channels(scheme) else Product(left, q)


def quantize_array(
    name: str, x: Any, bits: int, scheme: Scheme, rng: np.random.Generator
) -> Any:
    """One array, packed, or the kept values of a SparseTensor."""
    if not isinstance(x, np.ndarray):
        return on_kept_values(quantize_array, name, x, bits, scheme, rng)
    left, turned, own = transformed(name, x, bits, scheme, rng)
    on_grid = place_on_grid(name, turned, bits, own)
    q = (on_grid.tensor or packed)(on_grid, own, rng)
    return q if left is None else multiplied(left, q, scheme)


def packed(on_grid: OnGrid, scheme: Scheme, rng: np.random.Generator) -> QuantizedTensor:
    """The codes of an array on its grid, and its scales."""
    numbers, grid, layout, bits = on_grid.numbers, on_grid.grid, on_grid.layout, on_grid.bits
    signed = not grid.affine and grid.levels is None
    stored, largest_error = np.empty(numbers.shape, code_type(bits)), 0.0
    for place, codes, s, z in rounded(on_grid, scheme, rng):
        stored_codes(codes, bits, signed, out=stored[place])
        error = values_of(codes, s, z, grid, out=codes)
        error -= numbers[place]
        largest_error = max(largest_error, float(error.max()), -float(error.min()))
    scales, tensor_scale, coded = layout.scales(on_grid.scale), None, scheme.scale_kind.codes
    if coded is not None:
        scales, tensor_scale = coded(scales, reach_of(grid))
    zero_points = None
    if grid.affine:
        kind = np.float16 if grid.real_zero else code_type(bits)
        zero_points = layout.scales(on_grid.zero_point).astype(kind)
    return QuantizedTensor(
        pack(layout.rows(stored), bits),
        scales,
        zero_points,
        grid.levels,
        bits,
        layout.shape,
        None if layout.axis is None else int(layout.axis),
        largest_error=largest_error,
        scale_format=None if coded is None else scheme.scale_format,
        tensor_scale=tensor_scale,
    )


def fake_quantize_array(
    name: str, x: Any, bits: int, scheme: Scheme, rng: np.random.Generator
) -> Array:
    """One array, rounded to its grid and not packed."""
    if not isinstance(x, np.ndarray):
        return on_kept_values(fake_quantize_array, name, x, bits, scheme, rng).dense()
    left, turned, own = transformed(name, x, bits, scheme, rng)
    values = place_on_grid(name, turned, bits, own).dense(own, rng)
    if left is not None:
        values = multiplied(left, values, scheme).dense()
    return values.astype(float_type(x), copy=False)
