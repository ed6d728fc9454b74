"""Activations rounded too: a leaf that rounds x before it multiplies it.

    y = x̂ w,   x̂ = s·(q − z),   q = saturate(round(f(x) / s) + z)

    f(x) = x                      dynamic, or static without a threshold
    f(x) = clip(x, −t, t)         hard threshold
    f(x) = t·tanh(x / t)          soft threshold: nearly x near 0, never beyond ±t, and no corner

t is `clip` in the code. What 8-bit weights alone do not save is time: their products are still
those of floats. When x has 8 bits too, the product of both is one of integers, exact, and one
multiplication by the scales brings it back. A processor with fast products of integers saves time
so; here they go through the float BLAS (integers/products.py), and none is saved. The names that go
with it:

    W8A8 dynamic   quantize_activations(quantize(params, 8))
                   s from x itself: the largest number of each token (by="token") or of all of x
                   (by="tensor"). Nothing to calibrate, but x has to be looked at first.
    W8A8 static    quantize_activations(quantize(params, 8), calibration=calibrate(…))
                   s from calibration: one number for each weight, known beforehand.
    W4A8, A8 …     the same over 4-bit weights, over floats

Weights in groups, codebooks, sums and products of weights multiply x̂ as floats, with the same
result but for its last bits; so does whatever is not a QuantizedTensor of whole numbers.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.compression.parameters import float_type, is_table, matrices
from minilm.compression.quantization.activations.ranges import RANGES, SMALLEST, code_ends, scale_of
from minilm.compression.quantization.activations.thresholds import THRESHOLDS
from minilm.compression.quantization.affine import affine_codes, in_scales
from minilm.compression.quantization.integers.products import affine_matmul
from minilm.compression.quantization.integers.weight import integer_weight
from minilm.compression.quantization.scheme import is_integer, is_real
from minilm.nn.linear import input_gradient, weight_gradient
from minilm.types import Array, Params
from minilm.weights import Diagonal, Product, Seen, Weight, as_dense, row_ids


def quantize_activations(
    params: Params,
    bits: int = 8,
    *,
    calibration: dict[str, Seen] | None = None,
    by: str | None = None,
    threshold: str = "hard",
    clip: float | dict[str, float] | None = None,
    objective: str = "absmax",
    percentile: float = 99.99,
    symmetric: bool = True,
) -> Params:
    """params -> params whose weights round what multiplies them. Weights stay as they are.

    bits: 2 … 8, or 1 with symmetric=False: the codes 0 and 1.
    calibration: None (dynamic), or what `calibrate` has seen (static); a weight that nothing
        multiplied there stays as it is.
    by: "token" or "tensor": which numbers share a dynamic scale (default: token); static: "tensor".
    clip: t, one or by name; None: dynamic no threshold, static the end of the range.
    threshold: "hard" or "soft"; "soft" needs a t, by `clip` or by calibration.
    objective: of static ranges: "absmax", "percentile", "moving_average", "mse" or
        "entropy" (ranges.py). percentile: % of the numbers inside, for "percentile".
    symmetric: codes ±(2^(b−1) − 1), or 0 … 2^b − 1 with a zero point.

    A name ending in `embedding` is a table: what is rounded is the h of h @ E.T, not E[ids]. Of a
    Product, say a transform times codes, the x of its last factor is rounded.
    ValueError for options that are none of these or do not go together, TypeError for a weight that
    rounds its x already.
    """
    check_options(bits, calibration, by, threshold, clip, objective, percentile, symmetric)
    weights = {name: w for name, w in matrices(params).items() if w.ndim == 2}
    clips = dict(clip) if isinstance(clip, dict) else dict.fromkeys(weights, clip)
    unknown = [name for name in clips if name not in weights]
    if unknown:
        raise ValueError(f"clip must name weights of two axes, got {', '.join(unknown)}")
    made = dict(params)
    for name, weight in weights.items():
        t = clips.get(name)
        how: dict[str, Any] = {
            "bits": bits, "by": by or "token", "threshold": threshold, "symmetric": symmetric,
            "clip": None if t is None else np.array(t, np.float32),
        }  # fmt: skip
        table = is_table(name)
        if calibration is not None:
            if name not in calibration:
                continue
            seen = before_last_factor(name, calibration[name], weight.T if table else weight)
            ends = RANGES[objective](name, seen, bits, symmetric, percentile)
            how |= static_scale(ends, t, threshold, bits, symmetric) | {"by": "tensor"}
        elif threshold == "soft" and t is None:
            raise ValueError(f"threshold='soft' needs a t for {name}: pass clip= or calibration=")
        made[name] = rounding_input(name, weight, table, how)
    return made


def rounding_input(name: str, weight: Any, table: bool, how: dict[str, Any]) -> Any:
    """The weight, with its x rounded: where it meets the last factor of a Product."""
    if isinstance(weight, RoundedInput):
        raise TypeError(f"{name} rounds what multiplies it already")
    if table:
        return rounding_input(name, weight.T, False, how).T
    if isinstance(weight, Product):
        return Product(weight.a, rounding_input(name, weight.b, False, how))
    return RoundedInput(weight, **how)


def before_last_factor(name: str, seen: Seen, weight: Any) -> Seen:
    """What calibration saw, as the last factor of a weight sees it: scaled by a Diagonal."""
    if not isinstance(weight, Product):
        return seen
    if not isinstance(weight.a, Diagonal):
        raise ValueError(
            f"the range of what multiplies the last factor of {name} is not known from what "
            f"multiplies the first, a {type(weight.a).__name__}: leave calibration out, for a "
            "dynamic scale"
        )
    ends = np.stack([seen.minimum, seen.maximum]) * weight.a.values
    scaled = Seen(seen.width)
    scaled.count, scaled.minimum, scaled.maximum = seen.count, ends.min(axis=0), ends.max(axis=0)
    scaled.batch_ranges = [(float(scaled.minimum.min()), float(scaled.maximum.max()))]
    return scaled


def static_scale(
    ends: tuple[float, float], t: float | None, threshold: str, bits: int, symmetric: bool
) -> dict[str, Any]:
    """The fields of a leaf with a fixed range: scale, zero_point and clip, each of no axes."""
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    if t is None and threshold == "soft":
        t = max(-low, high)
    if t is not None:
        low, high = (-t, t) if threshold == "soft" else (max(low, -t), min(high, t))
    scale, zero_point = scale_of(np.array(low), np.array(high), bits, symmetric)
    return {
        "scale": np.asarray(scale, np.float32),
        "zero_point": np.asarray(zero_point, np.int16),
        "clip": None if t is None else np.array(t, np.float32),
    }


def check_options(
    bits: Any, calibration: Any, by: Any, threshold: Any, clip: Any, objective: Any,
    percentile: Any, symmetric: bool,
) -> None:  # fmt: skip
    """Refuse by name what is none of the choices or does not go together."""
    least = 2 if symmetric else 1  # the only symmetric code of one bit would be 0
    if not is_integer(bits) or not least <= bits <= 8:
        raise ValueError(f"bits must lie in {least} … 8, got {bits!r}"
                         + ("; 1 needs codes of one side" if bits == 1 else ""))
    for name, value, choices in (
        ("by", by, (None, "token", "tensor")), ("threshold", threshold, tuple(THRESHOLDS)),
        ("objective", objective, tuple(RANGES)),
    ):  # fmt: skip
        if value not in choices:
            allowed = ", ".join(map(repr, choices))
            raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    if calibration is not None and by == "token":
        raise ValueError("by='token' is dynamic: leave calibration out, or by")
    if calibration is None and objective != "absmax":
        raise ValueError(f"objective={objective!r} chooses a static range: pass calibration=")
    if not (is_real(percentile) and 0 < percentile <= 100):
        raise ValueError(f"percentile must lie in (0, 100], got {percentile!r}")
    for t in clip.values() if isinstance(clip, dict) else [1.0 if clip is None else clip]:
        if not (is_real(t) and SMALLEST <= t < np.inf):
            raise ValueError(f"clip must be positive and finite, got {t!r}")


@dataclass(frozen=True, eq=False, repr=False)
class RoundedInput(Weight):
    """x @ w = x̂ weight. Its `.T` is linear: x @ w.T = x weightᵀ, and w.T.T is w.

    weight: any weight (in, out). scale, zero_point: arrays of no axes, or None: from each x itself,
    `by` token or tensor. clip: t, or None. transposed: this is the `.T`, of shape (out, in).
    Gradients pass straight through the rounding: dx is dy weightᵀ times the slope of f, and 0 where
    codes saturate; a dynamic scale is taken as constant. dw is x̂ᵀ dy.
    """

    weight: Any
    bits: int = 8
    by: str = "token"
    threshold: str = "hard"
    symmetric: bool = True
    scale: Array | None = None
    zero_point: Array | None = None
    clip: Array | None = None
    transposed: bool = False

    def __post_init__(self) -> None:
        if self.weight.ndim != 2:
            raise ValueError(f"weight must be a matrix, got shape {self.weight.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        return self.weight.shape[::-1] if self.transposed else self.weight.shape

    @property
    def T(self) -> "RoundedInput":
        return dataclasses.replace(self, transposed=not self.transposed)

    def dense(self) -> Array:
        dense = as_dense(self.weight)
        return dense.T if self.transposed else dense

    def unpacked(self) -> "RoundedInput":
        """Itself, with the codes of its weight laid out for products, or its floats."""
        laid = integer_weight(self.weight)
        if laid is None:
            laid = self.weight.unpacked() if isinstance(self.weight, Weight) else self.weight
        return dataclasses.replace(self, weight=laid)

    def check(self) -> None:
        """Refuse what `quantize_activations` does not make: see `Weight.check`."""
        super().check()
        check_options(self.bits, None, self.by, self.threshold, self.clip, "absmax", 100,
                      self.symmetric)
        low, high = code_ends(self.bits, self.symmetric)
        for name, number, least, most in (
            ("scale", self.scale, 0, np.finfo(np.float32).max),
            ("zero_point", self.zero_point, low, high),
        ):
            if number is not None and not least <= number <= most:
                raise ValueError(f"{name} must lie in [{least}, {most}], got {number}")

    def __getitem__(self, ids: Array) -> Array:
        return (self.weight.T if self.transposed else self.weight)[row_ids(ids)]

    def __rmatmul__(self, x: Array) -> Array:
        x = np.asarray(x)
        if self.transposed:
            return x @ self.weight.T
        x = x.astype(float_type(x), copy=False)
        if x.shape[-1:] != self.shape[:1]:
            raise ValueError(f"x must have shape (..., {self.shape[0]}), got {x.shape}")
        laid = integer_weight(self.weight)
        if laid is None:
            return self.rounded(x) @ self.weight
        codes, scale, zero_point = self.codes(x)
        rows = codes.reshape(-1, codes.shape[-1])
        if scale.ndim:
            scale, zero_point = scale.reshape(-1, 1), zero_point.reshape(-1, 1)
        y = affine_matmul(rows, laid.codes, zero_point, laid.zero_point).astype(x.dtype)
        y *= laid.scale.astype(x.dtype)  # small: before the other, which is as large as x
        y *= scale
        return y.reshape(*x.shape[:-1], laid.shape[1])

    def codes(self, x: Array) -> tuple[Array, Array, Array]:
        """q, int8 or (not symmetric) uint8 of x's shape; s and z: () or, by token, (..., 1)."""
        x = self._bent(x)
        if self.scale is None:
            axis = -1 if self.by == "token" else None
            lowest = np.asarray(x.min(axis=axis, keepdims=axis is not None, initial=0))
            highest = np.asarray(x.max(axis=axis, keepdims=axis is not None, initial=0))
            with np.errstate(over="ignore", invalid="ignore"):
                span = highest - lowest
            if not np.isfinite(span).all():
                raise ValueError(f"x must be finite, and highest − lowest too, to be rounded; got "
                                 f"{lowest.min()} to {highest.max()}")
            scale, zero_point = scale_of(lowest, highest, self.bits, self.symmetric)
            scale = scale.astype(x.dtype)
        else:
            assert self.zero_point is not None
            scale, zero_point = self.scale.astype(x.dtype), self.zero_point
        zero_point = np.asarray(zero_point, np.int64)
        low, high = code_ends(self.bits, self.symmetric)
        return affine_codes(x, scale, zero_point, low, high), scale, zero_point

    def rounded(self, x: Array) -> Array:
        """x̂ = s·(q − z), in x's dtype and shape."""
        codes, scale, zero_point = self.codes(x)
        values = codes.astype(x.dtype)
        values -= zero_point
        values *= scale
        return values

    def input_gradient(self, dy: Array, x: Array) -> Array:
        if self.transposed:
            return input_gradient(dy, x, self.weight.T)
        return input_gradient(dy, x, self.weight) * self._slope(x)

    def weight_gradient(self, dy: Array, x: Array) -> Array:
        if self.transposed:
            return weight_gradient(dy, x, self.weight.T)
        return weight_gradient(dy, self.rounded(x), self.weight)

    def _bent(self, x: Array) -> Array:
        """f(x)."""
        if self.clip is None:
            return x
        t = self.clip.astype(x.dtype)
        return THRESHOLDS[self.threshold].forward(x, t)[0]

    def _slope(self, x: Array) -> Array:
        """∂x̂/∂x, as if nothing were rounded: f'(x), and 0 where codes saturate."""
        slope = np.ones_like(x)
        if self.clip is not None:
            t = self.clip.astype(x.dtype)
            soft = self.threshold == "soft"
            # a fixed range's end has a code of its own, so |x| = t is inside; PACT's is not
            slope = 1 - np.square(np.tanh(x / t)) if soft else (np.abs(x) <= t).astype(x.dtype)
        if self.scale is not None:
            assert self.zero_point is not None
            low, high = code_ends(self.bits, self.symmetric)
            place = in_scales(self._bent(x), self.scale) + self.zero_point
            slope *= (low <= place) & (place <= high)  # on the boundary is inside
        return slope
