"""Cross-layer equalization: what one weight's channels lack in range, the next weight's rows give.

    (x W₁ / s) (s ⊙ W₂) = x W₁ W₂        s_i = √(max|column i of W₁| / max|row i of W₂|)

Then both ranges are √(r₁ r₂), and a scale for the whole tensor suits every channel (Nagel et al.
2019, section 4.1). The result is exact where the path from W₁ to W₂ is linear in channel i:

    attention   the values, columns of w_qkv (or w_kv)  ->  rows of w_out: a head is a mean of them
    SwiGLU      the columns of w_up  ->  rows of w_down: silu(gate) ⊙ up is linear in up
    ReLU        the same, for relu(x / s) = relu(x) / s

It is not through GELU, of which that is not true; nor through an LSTM's gates or tanh, nor through
a softmax: there it is refused.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.parameters import check_alone, plain_array
from minilm.compression.quantization.folding.norms import an_example
from minilm.nn.multi_head_attention import head_counts
from minilm.types import Array, Params

# why no linear path leads to a weight of this name
REASONS = {
    "w_down": "GELU stands between w_up and it, and gelu(x / s) is not gelu(x) / s",
    "w_h": "it reads h = o ⊙ tanh(c): gates and tanh are not linear",
    "w_x": "it reads h = o ⊙ tanh(c) of the layer below, which is not linear, or rows of a table",
    "w_qkv": "it reads a norm, see fold_into_norms(); behind it, queries and keys go through the "
    "softmax",
    "w_up": "it reads a norm, see fold_into_norms()",
    "w_gate": "it reads a norm, see fold_into_norms()",
}


class Pair(NamedTuple):
    """The columns of `first` from `start` on, and of its bias if there is one, and what reads them.

    They are so many `groups` of equal size, and each reaches `heads` groups of rows of `second`.
    """

    first: str
    bias: str
    start: int
    second: str
    groups: int
    heads: int


def equalize(model: Any, params: Params, names: Iterable[str] | None = None) -> Params:
    """Equal ranges on both sides of each linear path: params -> params, equal outputs.

    params: plain arrays. names: the second weights of the paths, such as "block.0.attention.w_out"
    or "block.0.feed_forward.w_down"; None: of all that there are.
    ValueError with the reason where no linear path leads to a weight, or to any of them, and for
    weights with companions, which would not be theirs any more.
    TypeError for a weight that is compressed already. A channel that is zero on either side stays
    as it is.
    """
    equal = dict(params)
    if names is None:
        names = [n for n in params if n.endswith(".w_out") or is_through(model, params, n)]
    pairs = [path_to(model, params, name) for name in names]
    if not pairs:
        path_to(model, params, an_example(params))
    check_alone(params, [name for pair in pairs for name in (pair.first, pair.second)], "equalize")
    for pair in pairs:
        first, second = (plain_array(name, params[name]) for name in (pair.first, pair.second))
        first, second = first.copy(), second.copy()
        columns = first[:, pair.start :]                                         # (D, G·d)
        # the rows of the heads that share a head of values: (G, H/G, d, out)
        rows = second.reshape(pair.groups, pair.heads, -1, second.shape[1])
        r_1 = abs(columns).max(axis=0).reshape(pair.groups, -1)                  # (G, d)
        r_2 = abs(rows).max(axis=(1, 3))                                         # (G, d)
        s = _ratio(r_1, r_2).astype(first.dtype)
        columns /= s.reshape(-1)
        rows *= s[:, None, :, None].astype(second.dtype)
        equal |= {pair.first: first, pair.second: second}
        if pair.bias in params:
            equal[pair.bias] = bias = params[pair.bias].copy()
            bias[pair.start :] /= s.reshape(-1).astype(bias.dtype)
    return equal


def path_to(model: Any, params: Params, name: str) -> Pair:
    """The linear path that ends in the weight `name`. ValueError with the reason if none does."""
    if name not in params:
        raise ValueError(f"names must be parameters, got {name!r}")
    part, _, last = name.rpartition(".")
    rows, kind = params[name].shape[0], part.rpartition(".")[2]
    if last == "w_out" and kind == "attention":
        w_qkv = f"{part}.w_qkv"
        H, G = head_counts(params[w_qkv].shape[1], rows, model.head_dim)
        return Pair(w_qkv, f"{part}.b_qkv", (H + G) * model.head_dim, name, G, H // G)
    if last == "w_out" and kind == "cross_attention":
        return Pair(f"{part}.w_kv", f"{part}.b_kv", rows, name, rows // model.head_dim, 1)
    if is_through(model, params, name):
        return Pair(f"{part}.w_up", f"{part}.b_up", 0, name, 1, 1)
    reason = REASONS.get(last, "no linear path leads to it from one weight alone")
    raise ValueError(f"{name} cannot be equalized with what comes before it: {reason}")


def is_through(model: Any, params: Params, name: str) -> bool:
    """Whether `name` is a w_down that w_up reaches by a way that lets a channel's scale pass."""
    part, _, last = name.rpartition(".")
    is_relu = getattr(model, "activation", None) == "relu"
    return last == "w_down" and (is_relu or f"{part}.w_gate" in params)


def _ratio(r_1: Array, r_2: Array) -> Array:
    """√(r₁ / r₂); 1 where either is 0."""
    used = (r_1 > 0) & (r_2 > 0)
    return np.sqrt(np.where(used, r_1, 1)) / np.sqrt(np.where(used, r_2, 1))
