"""The steps of integer-only inference: integers in, integers out, nothing else in between.

    linear      q_y = clip(Z_y + round(M · (Σ_k q_x q_w + bias)))     products: the operands 8 bits
    looked_up   q_y = table[q_x]                                      any function of one code
    added       q_x + round(M · (Σ_k …))                              a residual step
    normed      LayerNorm or RMSNorm: sums of integers, an integer root, a division
    softmaxed   attention: e^(score − max) from a table, sums and a division

Constants are found in `params` under the step's name (codes.py makes them). Divisions and
multiplications by M round to the nearest, half-way up. Floats occur twice: in `integer_matmul`,
where they are exact, and as the first guess of a root, which is then corrected.
"""

import numpy as np

from minilm.compression.quantization.integers.fixed_point import requantize, scaled
from minilm.compression.quantization.integers.models.codes import multiplier
from minilm.compression.quantization.integers.products import Operand, integer_matmul
from minilm.types import Array, Params

NORM_BITS = 10  # after the point, of a number that was divided by its standard deviation
MEAN_BITS = 8  # after the point, of a mean of codes
WIDE_LOW, WIDE_HIGH = -(2**15), 2**15 - 1


def linear_sums(q: Array, params: Params, name: str, w: Operand | None = None) -> Array:
    """Σ_k q w + bias, int32. q: (..., in) int8; w: the codes, if not those of this name."""
    w = params[name] if w is None else w
    sums = integer_matmul(q.reshape(-1, q.shape[-1]), w)
    sums += params[f"{name}:bias"]
    return sums.reshape(*q.shape[:-1], -1)


def linear(q: Array, params: Params, name: str) -> Array:
    """A linear map of codes. q: (..., in) int8  ->  (..., out) int8."""
    sums = linear_sums(q, params, name)
    return requantize(sums, *multiplier(params, name), int(params[f"{name}:zero_point"]))


def added(x: Array, q: Array, params: Params, name: str) -> Array:
    """x plus a linear map of q, in the stream's scale. x: (..., D) int16, q: int8  ->  int16."""
    y = scaled(linear_sums(q, params, name), *multiplier(params, name))
    return wide(np.add(y, x, out=y))


def read_out(x: Array, params: Params, tied: bool) -> tuple[Array, Array]:
    """Codes of the logits, int16, and the logits themselves: the one multiplication by a float."""
    if "head.w_project" in params:
        x = linear(x, params, "head.w_project")
    w = params["token_embedding"].T if tied else params["head.w"]
    sums = linear_sums(x, params, "head.w", w)
    codes = wide(scaled(sums, *multiplier(params, "head.w")))
    return codes, codes * params["logits:scale"]


def wide(x: Array) -> Array:
    """Saturated to int16."""
    return np.clip(x, WIDE_LOW, WIDE_HIGH).astype(np.int16)


def looked_up(q: Array, params: Params, name: str) -> Array:
    """table[q] for every code. q: int8  ->  the table's type."""
    return np.take(params[f"{name}:table"], q.view(np.uint8))


def gated(q: Array, gate: Array, params: Params, name: str) -> Array:
    """Number by number: round(M (q − Z_q)(gate − Z_g)) + Z. int8, int8 -> int8."""
    z_q, z_gate = params[f"{name}:zeros"].astype(np.int32)
    # int32 said: NumPy 1 subtracts a number from int8 in int8, where it wraps
    product = (q.astype(np.int32) - z_q) * (gate.astype(np.int32) - z_gate)
    return requantize(product, *multiplier(params, name), int(params[f"{name}:zero_point"]))


def normed(x: Array, params: Params, name: str) -> Array:
    """q = clip(Z + round(M · (n ⊙ gain + bias))),  n = (x − mean) / √(variance + eps).

    x: (..., D) int16  ->  (..., D) int8, or int16 where the stream goes on from here. With D x and
    D² variance everything is whole, the root by `integer_root`:

        n = (D x − Σx) 2^10 / root(D Σx² − (Σx)² + eps)         RMSNorm: without both (Σx)
    """
    x = x.astype(np.int64)
    D = x.shape[-1]
    total, squares = x.sum(axis=-1, keepdims=True), np.einsum("...d,...d->...", x, x)[..., None]
    x *= D
    squares *= D
    if f"{name}:bias" in params:  # a norm with a bias is a LayerNorm
        x -= total
        squares -= total * total
    root = integer_root(squares + params[f"{name}:eps"])
    n = divided(x << NORM_BITS, root)
    n *= params[name]
    if f"{name}:bias" in params:
        n += params[f"{name}:bias"]
    low, high = (int(end) for end in params[f"{name}:ends"])
    return requantize(n, *multiplier(params, name), int(params[f"{name}:zero_point"]), low, high)


def integer_root(v: Array) -> Array:
    """⌊√v⌋ of whole numbers 0 ≤ v < 2⁶², exact.

    The float root's whole part is that, or one more: just below a square it is rounded up to its
    root. At a square and above, rounding is too small to lead below it.
    """
    root = np.sqrt(v.astype(np.float64)).astype(np.int64)
    root -= root * root > v
    return root


def divided(a: Array, b: Array) -> Array:
    """round(a / b), half-way up, for whole numbers and b > 0: int64."""
    doubled = 2 * a
    doubled += b
    return np.floor_divide(doubled, 2 * b, out=doubled)


def softmaxed(
    q: Array, k: Array, v: Array, mask: Array | None, params: Params, name: str
) -> Array:
    """Attention: the mean of the values, weighted by e^score.

        index = min(255, round(M · (max score − score))),  e = table[index],   0 where hidden
        y     = clip(Z + round(M_y · round(2^8 Σ e v / Σ e)))

    q, k, v: (..., T, d) int8, mask: bool or None  ->  (..., T_q, d) int8. The weights e are 0 … 255
    for 0 … 1 and not yet divided by their sum, so that many small ones lose nothing by rounding.
    """
    scores = integer_matmul(q, k.swapaxes(-1, -2))
    hidden = None if mask is None else ~np.broadcast_to(mask, scores.shape)
    if hidden is not None:
        scores[hidden] = np.iinfo(np.int32).min
    behind = scores.max(axis=-1, keepdims=True).astype(np.int64) - scores
    index = np.minimum(scaled(behind, *multiplier(params, f"{name}:score")), 255)
    e = np.take(params[f"{name}:table"], index)                                  # uint8
    if hidden is not None:
        e[hidden] = 0
    total = e.sum(axis=-1, keepdims=True, dtype=np.int64)
    mean = divided(integer_matmul(e, v).astype(np.int64) << MEAN_BITS, total)
    return requantize(mean, *multiplier(params, name), int(params[f"{name}:zero_point"]))
