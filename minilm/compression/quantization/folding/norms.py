"""Scales of x moved into the norm that makes x, so that nothing is left to do at inference.

    norm(x) ⊙ (1/s) = normed ⊙ (gain/s) + bias/s        gain AND bias are divided

    Product(Diagonal(1/s), Q) after a norm   ->   gain/s, bias/s, and Q alone

s is what AWQ or SmoothQuant multiplies a weight's rows by (transforms.py). Folding it is allowed
only where nothing else reads what the norm makes. In a pre-norm block that is so: norm_1 is read by
w_qkv, the norm before the feed-forward layer by w_up, and by w_gate too, which must then have the
same s. `scale_norms` finds such a common s, and folds it before any rounding.
Elsewhere a scale stays a factor of its own, at n multiplications a vector: `norm_before` says why.

Xiao et al. 2022 (SmoothQuant), section 4.2; Lin et al. 2023 (AWQ), section 3.2.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minilm.compression.parameters import check_alone, is_table, matrices, plain_array
from minilm.compression.quantization.quantize import fake_quantize
from minilm.compression.quantization.transforms import TRANSFORMS
from minilm.types import Array, Params
from minilm.weights import Diagonal, Hadamard, Product, Seen

ATTENTION = ("attention.w_qkv",)
CROSS_ATTENTION = ("cross_attention.w_q",)
FEED_FORWARD = ("feed_forward.w_gate", "feed_forward.w_up")

# why x cannot be scaled before it reaches a weight of this name
REASONS = {
    "attention.w_out": "it reads the heads, means of the values, and no norm: equalize() balances "
    "it with the columns of w_qkv that make the values",
    "cross_attention.w_out": "it reads the heads, means of the values, and no norm: equalize() "
    "balances it with the columns of w_kv that make the values",
    "cross_attention.w_kv": "it reads the encoder's memory, which every block of the decoder reads",
    "feed_forward.w_down": "it reads hidden values, and no norm: equalize() balances it with w_up "
    "where these are a product (SwiGLU) or a ReLU's",
    "w_x": "an LSTM reads rows of the table or the state h = o ⊙ tanh(c) of the layer below, "
    "which that layer reads too, at its next step",
    "w_h": "it reads the state h = o ⊙ tanh(c), which lies between −1 and 1 whatever is scaled "
    "before the gates",
    "embedding": "a table's rows are looked up as well as multiplied by",
    "head.w": 'what it reads is cache["hidden"], which a student\'s teacher, say, reads too',
}


def norm_before(model: Any, params: Params, name: str) -> str:
    """The norm whose output the weight `name` reads, alone or with others: "block.0.norm_1", say.

    ValueError, with the reason, where there is none or where something else reads its output.
    """
    if name not in params:
        raise ValueError(f"name must be one of the parameters, got {name!r}")
    for norm, readers in norm_readers(params).items():
        if name in readers:
            if getattr(model, "norm", "post") == "pre":  # BERT's kind says no norm: it is post
                return norm
            raise ValueError(
                f"{name} has no norm to fold a scale into: in a post-norm block it reads what the "
                "norm before it made, and so does the residual step, which adds it to the sum"
            )
    reason = next(
        (why for ending, why in REASONS.items() if name.endswith(ending)),
        "it does not read what a norm makes",
    )
    raise ValueError(f"{name} has no norm to fold a scale into: {reason}")


def norm_readers(params: Params) -> dict[str, list[str]]:
    """{norm: the weights of its own block that read it}, as they would in a pre-norm block."""
    found = {}
    for name in params:
        norm = name.removesuffix(".gain")
        block, _, number = norm.rpartition(".")
        if norm == name or not number.startswith("norm_"):
            continue
        decodes = f"{block}.norm_3.gain" in params
        parts = {
            "norm_1": ATTENTION,
            "norm_2": CROSS_ATTENTION if decodes else FEED_FORWARD,
            "norm_3": FEED_FORWARD,
        }[number]
        found[norm] = [f"{block}.{part}" for part in parts if f"{block}.{part}" in params]
    return found


def fold_into_norms(model: Any, params: Params, names: Iterable[str] | None = None) -> Params:
    """Scales that stand before weights, moved into norms: params -> params, equal outputs.

    names: of weights Product(Diagonal(1/s), Q), which must all be folded; None: those that can be,
    the others stay as they are.
    ValueError with the reason: not after a norm, a norm that something else reads (`norm_before`),
    weights that share a norm and have different scales, or a rotation, which is no scale of single
    channels (see rotate()). TypeError for a weight of another form.
    """
    named = list(params) if names is None else list(names)
    folded = dict(params)
    if names is not None:
        for name in named:
            norm_before(model, params, name)
            _scales(name, params[name])
    elif getattr(model, "norm", None) != "pre":
        norm_before(model, params, an_example(params))
    for norm, readers in norm_readers(params).items():
        if not set(readers) & set(named):
            continue
        try:
            inverse = _common_scales(norm, readers, params)
        except (TypeError, ValueError):
            if names is not None:
                raise
            continue
        check_alone(params, readers, "fold_into_norms")
        _divide(folded, norm, inverse)
        folded |= {reader: params[reader].b for reader in readers}
    return folded


def scale_norms(
    model: Any,
    params: Params,
    calibration: dict[str, Seen],
    transform: str = "awq",
    bits: int = 8,
    **how: Any,
) -> Params:
    """AWQ's or SmoothQuant's scales for what the norms make, chosen and folded before rounding.

    The weights that read one norm get one s, chosen as if they were one matrix [w_gate | w_up];
    quantize(…, bits, **how) afterwards. params: plain arrays, the result too; equal outputs.
    calibration: of calibrate(), with an entry for each weight that reads a norm. transform: a row
    of TRANSFORMS that scales; bits, how: what quantize will be called with.
    ValueError where there is no pre-norm block, an entry is missing, or the row does not scale, and
    for weights that have companions, whose clips and steps would not be theirs any more.
    """
    readers_of = norm_readers(params)
    function = TRANSFORMS.get(transform)
    if function is None:
        raise ValueError("transform must scale channels, as 'awq' and 'smooth' do, "
                         f"got {transform!r}")
    if not readers_of:
        norm_before(model, params, an_example(params))
    how = {"axis": -1, **how}
    folded = dict(params)
    for norm, readers in readers_of.items():
        norm_before(model, params, readers[0])
        check_alone(params, readers, "scale_norms")
        weights = [plain_array(reader, params[reader]) for reader in readers]
        if readers[0] not in calibration:
            raise ValueError(f"calibration must hold {readers[0]}, got {sorted(calibration)}")
        name = " and ".join(readers)
        left, _, _ = function(
            name, np.concatenate(weights, axis=1), calibration[readers[0]], _rounding(bits, how)
        )
        if left is None:
            continue
        if not isinstance(left, Diagonal):
            raise ValueError(f"transform must scale channels, to be folded into {norm}; "
                             f"{transform!r} makes a {type(left).__name__}: see rotate()")
        _divide(folded, norm, left.values)
        for reader, w in zip(readers, weights, strict=True):
            folded[reader] = w / left.values[:, None].astype(w.dtype)
    return folded


def an_example(params: Params) -> str:
    """The first matrix that is no table, for an error to give the reason of."""
    return next((name for name in matrices(params) if not is_table(name)), "no weight")


def _rounding(bits: int, how: dict[str, Any]) -> Callable[[Array], Array]:
    return lambda w: fake_quantize(w, bits, **how)


def _divide(params: Params, norm: str, inverse: Array) -> None:
    """norm(x) becomes norm(x) ⊙ inverse: its gain, and its bias if it has one."""
    for part in (f"{norm}.gain", f"{norm}.bias"):
        if part in params:
            params[part] = params[part] * inverse.astype(params[part].dtype)


def _common_scales(norm: str, readers: list[str], params: Params) -> Array:
    scales = [_scales(reader, params[reader]) for reader in readers]
    if any((other != scales[0]).any() for other in scales[1:]):
        raise ValueError(f"{' and '.join(readers)} share {norm} and must have the same scales to "
                         "be folded into it: scale_norms() finds such")
    return scales[0]


def _scales(name: str, weight: Any) -> Array:
    left = weight.a if isinstance(weight, Product) else weight
    if isinstance(left, Hadamard):
        raise ValueError(f"{name} is rotated, which no norm can do for it: a gain scales channels "
                         "one by one, and LayerNorm's mean does not commute with a rotation. "
                         "rotate() turns the whole residual stream of a model with RMSNorm instead")
    if not isinstance(left, Diagonal):
        raise TypeError(f"{name} must be Product(Diagonal(1/s), Q) to be folded into a norm, "
                        f"got a {type(weight).__name__}")
    return left.values
