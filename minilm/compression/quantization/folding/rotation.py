"""The residual stream of a whole model, rotated: equal logits, and nothing to do at inference.

    x → x R:     what writes to x is multiplied by R,     E R,  w_out R,  b_out R,  w_down R, …
                 what reads it, through a norm, by Rᵀ,    Rᵀ w_qkv,  Rᵀ w_up,  Rᵀ w_gate,  Rᵀ W

    rms_norm(x R) = rms_norm(x) R       for R leaves the length of x as it is

R is a random rotation (minilm/weights/hadamard.py), which spreads outlying channels over all, so
that a grid suits each of them. The norm's gain g stands between x and what reads it and does not
commute with R, so it is first multiplied into the readers, (normed ⊙ g) W = normed (diag(g) W), and
becomes 1.

LayerNorm does not allow it: (x − mean(x)) R is not x R − mean(x R), for R mixes the channels that
the mean is over. Nor does a post-norm block, whose residual is what a norm made, gain and all; nor
a tied table, which is both written with (E) and read by (Eᵀ), with a gain on one side only.

Ashkboos et al. 2024 (QuaRot), section 4; Ashkboos et al. 2024 (SliceGPT) for the identity.
"""

import re
from typing import Any

import numpy as np

from minilm.compression.parameters import check_alone, plain_array
from minilm.compression.quantization.folding.norms import norm_readers
from minilm.types import Array, Params
from minilm.weights import Hadamard

WRITERS = ("embedding", "attention.w_out", "feed_forward.w_down", ".b_out", ".b_down")


def rotate(model: Any, params: Params, seed: int = 0) -> Params:
    """params -> params of the same shapes and, up to rounding of floats, the same logits.

    model: a TransformerLanguageModel of pre-norm blocks with RMSNorm and an untied head, positions
    "learned" or "rotary"; params: plain arrays. Every gain becomes 1. seed: of R's signs.
    ValueError with the reason for another model, or where a weight has companions; TypeError for
    one that is compressed already.
    """
    check_rotatable(model, params)
    check_alone(params, params, "rotate")
    turn = Hadamard.random(params["token_embedding"].shape[1], np.random.default_rng(seed))
    readers_of = norm_readers(params) | {"norm": ["head.w"]}
    rotated = {name: plain_array(name, w) for name, w in params.items()}
    for norm, readers in readers_of.items():
        gain = rotated[f"{norm}.gain"]
        for reader in readers:
            rotated[reader] = _rows_turned(gain[:, None] * rotated[reader], turn)
        rotated[f"{norm}.gain"] = np.ones_like(gain)
    for name, w in rotated.items():
        if name.endswith(WRITERS):
            rotated[name] = w @ turn
    return rotated


def check_rotatable(model: Any, params: Params) -> None:
    """ValueError with the reason where the residual stream cannot be rotated."""
    norm_bias = next((name for name in params if re.search(r"\bnorm(_\d)?\.bias$", name)), None)
    if not norm_readers(params):
        reason = (
            "it has no Transformer blocks and so no residual stream; an LSTM's gates and tanh take "
            "numbers one by one, and do not commute with a rotation"
        )
    elif norm_bias:
        reason = (
            f"{norm_bias} shows a LayerNorm, which subtracts the mean over the channels: that does "
            "not commute with a rotation, as RMSNorm does"
        )
    elif model.norm != "pre":
        reason = (
            "in a post-norm block the residual is what a norm made: its gain does not commute with "
            "a rotation, and the sum reads it too"
        )
    elif model.tied:
        reason = (
            "its table is tied, looked up as well as read by, and the last norm's gain stands "
            "before the head only"
        )
    elif model.positions == "sinusoidal":
        reason = "sinusoidal positions are added to x and are no parameter that could be rotated"
    else:
        return
    raise ValueError(f"model cannot be rotated: {reason}")


def _rows_turned(w: Array, turn: Hadamard) -> Array:
    """Rᵀ w."""
    return np.ascontiguousarray((w.T @ turn).T)
