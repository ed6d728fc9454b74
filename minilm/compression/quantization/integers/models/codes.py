"""How an activation becomes codes: ranges seen while calibrating, and the scale laid on them.

    x ≈ S·(q − Z),   S = (high − low) / 255,   Z = round(−128 − low / S)       8 bits, −128 … 127
                     S = max|x| / 127,         Z = 0                           8 bits, symmetric
                     S = 2 max|x| / 32767,     Z = 0                           16 bits

Every place of a model where numbers pass from one step to the next is a *site* with one S and one
Z, fixed before anything is run. Codes of 8 bits are what products multiply. Codes of 16 bits are
sums that go on and on: a Transformer's residual stream, an LSTM's cells. They reach to twice what
was seen: other texts may go further, and 16 bits can spare one. Of a step, x *enters* with S_x and
Z_x (`entering`), y *leaves* with S_y and Z_y (`leaving`); a weight's scale is s_w, one a channel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import is_table
from minilm.compression.quantization.integers.fixed_point import Multiplier, to_fixed_point
from minilm.compression.quantization.quantize import quantize
from minilm.types import Array, Params
from minilm.weights import QuantizedTensor

LEVELS = 127  # of 8 symmetric bits, on each side of 0
WIDE = 2**15 - 1  # the same of 16 bits
HEADROOM = 2.0


class Site(NamedTuple):
    """x ≈ scale·(q − zero_point); scale: one, or one a channel."""

    scale: Any
    zero_point: int = 0


class Ranges:
    """The smallest and the largest number seen at each site, 0 included."""

    def __init__(self) -> None:
        self.ends: dict[str, tuple[float, float]] = {}

    def see(self, site: str, x: Array) -> Array:
        """Write down the range of x; answers x itself, so that it can stand in a formula."""
        low, high = float(x.min()), float(x.max())
        if not np.isfinite([low, high]).all():
            raise ValueError(f"what passes {site} in calibration must be finite")
        lowest, highest = self.ends.get(site, (0.0, 0.0))
        self.ends[site] = min(lowest, low), max(highest, high)
        return x

    def affine(self, site: str) -> Site:
        """8 bits with a zero point, for numbers that lie to one side of 0."""
        low, high = self.ends[site]
        scale = (high - low) / 255 or 1.0
        return Site(scale, int(np.clip(round(-128 - low / scale), -128, 127)))

    def symmetric(self, site: str, most: float = np.inf) -> Site:
        """8 bits; most: beyond this a number may be clipped."""
        return Site(min(self._largest(site), most) / LEVELS)

    def wide(self, site: str) -> Site:
        """16 bits, with room for twice what was seen."""
        return Site(HEADROOM * self._largest(site) / WIDE)

    def _largest(self, site: str) -> float:
        low, high = self.ends[site]
        return max(-low, high) or 1.0


def weight_codes(name: str, w: Any) -> tuple[Array, Array]:
    """Int8 codes of a matrix, and their scales: w ≈ scale · codes.

    w: an array, which is quantized here, or an 8-bit (or smaller) QuantizedTensor  ->  codes of its
    shape, scales float64 (out,), or (V,) of a table. ValueError for a weight of another kind, or
    with groups, zero points or a codebook: a sum over K has to have one scale, and no other term.
    """
    table = is_table(name)
    if isinstance(w, np.ndarray):
        w = quantize(w, 8, axis=0 if table else -1)
    fits = isinstance(w, QuantizedTensor) and w.ndim == 2 and w.zero_points is None
    if not fits or w.levels is not None or w.group_size is not None or w.bits > 8:
        raise ValueError(f"{name} must be an array, or codes of at most 8 bits with one scale a "
                         "channel or tensor and no zero points, as quantize(params, 8) makes them; "
                         f"got {w!r}")
    along = 0 if table else 1
    if w.scale.ndim and w.scale.shape[along] != w.shape[along]:
        raise ValueError(f"{name} must have a scale for each entry of axis {along}, "
                         f"got scales of shape {w.scale.shape}")
    scales = np.broadcast_to(w.scale.astype(np.float64).reshape(-1), w.shape[along : along + 1])
    return w.codes.astype(np.int8, order="C"), scales


def linear_constants(
    name: str, w: Any, b: Array | None, entering: Site, leaving: Site, transposed: bool = False
) -> Params:
    """What an integer linear map needs, by name: its codes, its bias and its multipliers.

        Σ_k (q_x − Z_x) q_w + b / (S_x s_w)  =  Σ_k q_x q_w + bias
        M = S_x s_w / S_y, one a channel

    transposed: the map is a table's transpose, whose codes are stored with the table.
    """
    codes, scales = weight_codes("token_embedding" if transposed else name, w)
    channels = codes.T if transposed else codes
    units = entering.scale * scales                                              # (out,)
    bias = -entering.zero_point * channels.sum(axis=0, dtype=np.int64)
    if b is not None:
        # a channel of zeros alone has scale 0: its bias counts in units of its own
        units = np.where(units == 0, leaving.scale, units)
        bias = bias + np.rint(b.astype(np.float64) / units).astype(np.int64)
    if np.abs(bias).max(initial=0) >= 2**30:
        raise ValueError(f"the bias of {name} must stay below 2^30 products of codes, "
                         f"got {np.abs(bias).max()}")
    constants = {} if transposed else {name: codes}
    constants[f"{name}:bias"] = bias.astype(np.int32)
    constants[f"{name}:zero_point"] = np.array(leaving.zero_point, np.int8)
    return constants | multiplier_constants(name, units / leaving.scale)


def multiplier_constants(name: str, M: Array | float) -> Params:
    """M as M0 and shift, by name."""
    M0, shift = to_fixed_point(M)
    return {f"{name}:M0": M0, f"{name}:shift": shift}


def multiplier(params: Params, name: str) -> Multiplier:
    """The inverse of `multiplier_constants`, in integers."""
    return Multiplier(params[f"{name}:M0"], params[f"{name}:shift"])


def table_constants(
    name: str, function: Callable[[Array], Array], entering: Site, leaving: Site, kind: Any
) -> Params:
    """function of every 8-bit code, as codes: 256 entries, of which code q's is number q mod 256.

    The nearest code to function(S·(q − Z)), for each of them: nothing is approximated.
    """
    q = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64)
    y = function(entering.scale * (q - entering.zero_point))
    limits = np.iinfo(kind)
    codes = np.clip(np.rint(y / leaving.scale) + leaving.zero_point, limits.min, limits.max)
    return {f"{name}:table": codes.astype(kind)}
