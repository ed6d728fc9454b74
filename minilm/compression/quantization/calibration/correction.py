"""Correction: what can still be made good once the codes are chosen, without another bit.

    bias     b ← b + E[x](W − Ŵ)             the mean error of a layer's output, taken back
    scale    s ← a·s,  a = argmin ‖X(w − a·ŵ)‖²     each channel's or group's, by least squares

Codes stay as they are, so neither costs anything when the model runs. Scales come first: a bias
makes good what is left. E[x] and XᵀX are those of calibration data (statistics.py); so "the mean
error is zero" holds on these data exactly, and on others as far as they are alike.

Nagel et al. 2019 (DFQ), section 4.2, for the biases.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from minilm.compression.parameters import is_table
from minilm.compression.quantization.calibration.statistics import check_seen, read_by
from minilm.types import Array, Batch, Params
from minilm.weights import Product, QuantizedTensor, Seen, as_dense, to_rows

FUSED = {"w": "b", "w_x": "b", "w_h": "b"}  # an LSTM adds one bias to the sum of two products


def correct_biases(
    quantized: Params, params: Params, seen: dict[str, Seen], read: Collection[str] = ()
) -> Params:
    """Biases that make the mean error of every layer's output zero: params -> params.

    quantized: made from params, the float ones; seen: from `calibrate`; read: names that the model
    looks for (`names_read`): biases among them that are missing are made.
    A weight whose products nothing is added to, and a table of which rows are only taken, keep
    their errors. ValueError for a weight that one of the two does not have, or of another width.
    """
    corrected = dict(quantized)
    for name, own in seen.items():
        w, w_hat, bias = *both(name, quantized, params, own), bias_of(name)
        if bias not in corrected and bias not in read:
            continue
        shift = own.mean @ (channels_last(name, w) - channels_last(name, w_hat))
        before = corrected.get(bias, np.zeros(len(shift), np.float32))
        corrected[bias] = (before + shift).astype(before.dtype)
    return corrected


def bias_of(name: str) -> str:
    """The name that the bias of a weight's products has, or would have.

    "l.w_up" -> "l.b_up"; an LSTM's w_x and w_h, and a plain "l.w" -> "l.b"; a table is multiplied
    as the head, whose bias is "head.b".
    """
    if is_table(name):
        return "head.b"
    prefix, dot, last = name.rpartition(".")
    return f"{prefix}{dot}{FUSED.get(last, 'b' + last[1:])}"


def names_read(model: Any, params: Params, batch: Batch) -> set[str]:
    """The parameters that the model looks for when it reads a batch, those not there included."""
    noting = Noting(params)
    model.forward(noting, *read_by(model, batch))
    return noting.names


class Noting(dict[str, Any]):
    """Parameters that note by which names they are asked."""

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        self.names.add(name)
        return super().get(name, default)


def correct_scales(quantized: Params, params: Params, seen: dict[str, Seen]) -> Params:
    """Scales that make ‖X(W − Ŵ)‖² least for the codes there are: params -> params.

    quantized, params, seen: as for `correct_biases`. The scales of a channel's groups are chosen
    together, and rounded as they are stored; where that does not lower a channel's error, or makes
    a scale negative, it keeps those it has. A QuantizedTensor is corrected, also as the rounded
    factor of a transform's Product. Other leaves stay as they are, and so do scales of one byte,
    those that belong to rows of w (in, out) or to columns of a table, and a table's only one.
    """
    corrected = dict(quantized)
    for name, own in seen.items():
        w, w_hat = both(name, quantized, params, own)
        corrected[name] = rescaled(w_hat, w, own, is_table(name))
    return corrected


def rescaled(leaf: Any, w: Array, seen: Seen, table: bool) -> Any:
    """A leaf with corrected scales, or the leaf itself."""
    if isinstance(leaf, Product):
        if table and correctable(leaf.a, table):
            return Product(with_scales(leaf.a, w, seen, leaf.b.T), leaf.b)
        if not table and correctable(leaf.b, table):
            return Product(leaf.a, with_scales(leaf.b, w, seen, leaf.a))
    return with_scales(leaf, w, seen) if correctable(leaf, table) else leaf


def correctable(leaf: Any, table: bool) -> bool:
    """Whether it has float scales for channels, or for groups of numbers that x meets together."""
    if not isinstance(leaf, QuantizedTensor) or leaf.scale_format is not None or leaf.transposed:
        return False
    return table == (leaf.axis is not None and leaf.axis % 2 == 0)


def with_scales(q: QuantizedTensor, w: Array, seen: Seen, left: Any = None) -> QuantizedTensor:
    """q with the scales that make ‖X(w − left·ŵ)‖² least for each of its channels.

    With v_g the part of ŵ in group g, 0 elsewhere, and a_g its factor: A a = b, where
    A_gh = v_gᵀ G v_h,  b_g = v_gᵀ C,   G = leftᵀ XᵀX left,  C = leftᵀ XᵀX w.
    """
    gram = through = seen.cost
    assert gram is not None  # as `both` has checked
    if left is not None:
        through = gram @ left
        gram = through.T @ left
    wanted = to_rows(w, q.axis) @ through
    v = q.decode().astype(np.float64)                                    # (channels, n)
    groups = q.scales.shape[1]
    a_matrix, b = np.empty((len(v), groups, groups)), in_groups(wanted * v, groups)
    for g, part in enumerate(np.split(np.arange(v.shape[1]), groups)):
        a_matrix[:, g] = in_groups(v[:, part] @ gram[part] * v, groups)
    if len(q.scales) < len(v):  # one scale for all channels: one sum over all of them
        a_matrix, b = a_matrix.sum(axis=0, keepdims=True), b.sum(axis=0, keepdims=True)
    # the smallest change from a = 1 that solves it: groups that say nothing stay as they are
    change = np.linalg.pinv(a_matrix, hermitian=True) @ (b - a_matrix.sum(axis=2))[:, :, None]
    before = q.scales.astype(np.float64)
    with np.errstate(over="ignore"):
        scales = (before * (1 + change[:, :, 0])).astype(q.scales.dtype)
    factor = np.divide(scales, before, out=np.ones(scales.shape), where=before > 0)
    valid = (np.isfinite(factor) & (factor > 0)).all(axis=1)
    factor[~valid] = 1  # which lowers nothing
    lower = change_of_error(factor, a_matrix, b) < 0
    scales = np.where(lower[:, None], scales, q.scales)
    better = replace(q, scales=scales, largest_error=float("nan"))
    if left is not None:  # nobody knows what the factor stands for, but the product
        return better
    return replace(better, largest_error=float(np.abs(w - better.dense()).max()))


def change_of_error(factor: Array, a_matrix: Array, b: Array) -> Array:
    """By how much ‖X(w − Σ a_g v_g)‖² = aᵀAa − 2bᵀa + … differs from that at a = 1: (channels,)."""

    def error(a: Array) -> Array:
        return np.einsum("cg,cgh,ch->c", a, a_matrix, a) - 2 * (b * a).sum(axis=1)

    return error(factor) - error(np.ones_like(factor))


def in_groups(x: Array, groups: int) -> Array:
    """Sums over each group's columns: (channels, n) -> (channels, groups)."""
    return x.reshape(len(x), groups, -1).sum(axis=2)


def both(name: str, quantized: Params, params: Params, seen: Seen) -> tuple[Array, Any]:
    """A weight before and after; ValueError where it is not in both, or does not fit the rows."""
    if name not in quantized or name not in params:
        where = "quantized" if name not in quantized else "params"
        raise ValueError(f"seen must be of the same model, but {name} is not in {where}")
    w = as_dense(params[name])
    check_seen(name, seen)
    if channels_last(name, w).shape[0] != seen.width or w.shape != quantized[name].shape:
        raise ValueError(f"{name} must have one shape before and after, with {seen.width} numbers "
                         f"to a channel, got {w.shape} and {quantized[name].shape}")
    return w, quantized[name]


def channels_last(name: str, w: Any) -> Array:
    """A weight as that which x is multiplied by, dense: a table is transposed, as in h @ E.T."""
    return as_dense(w).T if is_table(name) else as_dense(w)
