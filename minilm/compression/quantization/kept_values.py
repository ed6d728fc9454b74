"""Sparse quantization: of a pruned weight, only the values that were kept get codes.

    w          0.5   0    −1.5   0    1.0
    kept       1     0    1      0    1            a bit each, or CSR (minilm/weights/sparse.py)
    codes      2          −7          5            4 bits, scale 1.5/7

So pruned weights stay exactly zero whatever the grid, even one without a zero, and neither a scale
nor a level is spent on them: absmean is the mean of the kept magnitudes, a codebook is fitted to
the kept values alone. Han et al. 2016 (Deep Compression: prune, then share values, then code).

One scale for the whole tensor, or of a matrix one a channel: ŵ = S · diag(c), where c holds each
channel's largest magnitude and S is the SparseTensor of w / c, coded with one scale, zero point and
codebook for all. A symmetric grid with objective "absmax" then gives the codes that the array has.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minilm.compression.parameters import check_finite
from minilm.compression.quantization.rounding.table import ROUNDINGS
from minilm.compression.quantization.scheme import Scheme
from minilm.compression.quantization.transforms import TRANSFORMS
from minilm.weights import Diagonal, Product, SparseTensor


def on_kept_values(
    function: Callable[..., Any],
    name: str,
    s: SparseTensor,
    bits: int,
    scheme: Scheme,
    rng: np.random.Generator,
) -> Any:
    """s with function(name, its values, bits, scheme, rng) in their place: a SparseTensor, or by
    channel a Product of that and a Diagonal. One that keeps nothing stays as it is.

    ValueError for what asks where a value stands in its channel: a transform, a rounding of whole
    channels (their later weights would have to make good the pruned ones too), and groups by
    channel; with one scale for all a group is so many kept values, in their order. Calibration is
    not used.
    """
    check_scheme(name, s, scheme)
    if not s.values.size:
        return s
    plain = replace(scheme, axis=None, calibration=None)
    if scheme.rows_axis is None:
        return replace(s, values=function(name, s.values, bits, plain, rng))
    check_finite(name, s.values)
    dense, by_row = s.dense(), scheme.rows_axis % 2 == 0
    largest = np.abs(dense).max(axis=1 if by_row else 0).astype(np.float32)
    largest[largest == 0] = 1
    channels = Diagonal(largest)
    even = SparseTensor.from_dense(dense / (largest[:, None] if by_row else largest), s.kept)
    q = replace(even, values=function(name, even.values, bits, plain, rng))
    return Product(channels, q) if by_row else Product(q, channels)


def check_scheme(name: str, s: SparseTensor, scheme: Scheme) -> None:
    """Refuse what cannot be done to values that have no neighbours."""
    for part, chosen, refused in (
        ("transform", scheme.transform, TRANSFORMS[scheme.transform] is not None),
        ("rounding", scheme.rounding, ROUNDINGS[scheme.rounding].whole is not None),
    ):
        if refused:
            raise ValueError(f"{part} {chosen!r} is for arrays, {name} is a SparseTensor: it would "
                             "have to change the weights that are pruned")
    axis = scheme.rows_axis
    if axis is not None and (s.ndim != 2 or not -2 <= axis < 2):
        raise ValueError(f"axis must be None or an axis of a matrix for a SparseTensor, got {axis} "
                         f"for {name} of shape {s.shape}")
    if axis is not None and scheme.group_size is not None:
        raise ValueError("group_size of a SparseTensor counts kept values, of which channels have "
                         f"different numbers: {name} needs axis=None, or in a dict axis='tensor'")


def is_sparse_floats(x: Any) -> bool:
    """Whether x is a SparseTensor whose values are not coded yet."""
    return isinstance(x, SparseTensor) and isinstance(x.values, np.ndarray)
