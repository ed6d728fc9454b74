"""Activations: what is large in them, and what rounding them costs, before and after a cure.

    outlier = max|x| of the largest channel / that of the median channel
    kurtosis = E[(x − mean)⁴] / std⁴                    3 for a Gaussian

x: what multiplies a weight, (tokens, channels). A scale that serves all channels is as large as the
largest needs it, and the others lose log₂(outlier) bits. Two cures, exact before anything is
rounded: SmoothQuant divides the large channels and multiplies the weight's rows (a diagonal); a
rotation spreads each of them over all.

After a post-norm block a norm's output is read by the next weight and by the residual step, so
neither cure can be folded into the norm: each stays a factor before its weight (transforms.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from minilm.compression.quantization import (
    METHODS,
    Method,
    integer_attention,
    quantize_activations,
)
from minilm.compression.quantization.activations.ranges import RANGES
from minilm.inspection import activations, statistics
from minilm.nn import attention
from minilm.study.pretrained.bench import Bench
from minilm.study.pretrained.methods import BEST, SAME_GRID
from minilm.types import Array, Params

FLOAT_BITS = 16
# weights as good as float, with a cure beside them
NEARLY_FLOAT = {
    "plain": METHODS["fp16"],
    "SmoothQuant": Method("Xiao et al. 2022", grid="fp16", transform="smooth",
                          needs="calibration"),
    "rotation": Method("Ashkboos et al. 2024 (QuaRot)", grid="fp16", transform="hadamard"),
}  # fmt: skip


@dataclass(frozen=True)
class Bent:
    """One way to round activations. weights: how they are rounded; widths: (bits of the weights,
    bits of the activations); how: arguments of quantize_activations; static: its scales are fixed
    by calibration."""

    weights: str | Method
    widths: tuple[tuple[int, int], ...]
    how: Mapping[str, Any] = field(default_factory=dict)
    static: bool = False
    attend: Any = attention

    def make(self, bench: Bench, packed: Params, bits: int) -> Params:
        """packed: weights that are rounded already; bits: of the activations."""
        calibration = bench.seen if self.static else None
        return quantize_activations(packed, bits, calibration=calibration, **self.how)


W8, SMOOTH, ROTATED = "round to nearest", "SmoothQuant", "rotation"
ONE: Mapping[str, Any] = {"by": "tensor"}
ALONE = ((16, 8), (16, 6), (16, 5), (16, 4))
HARD = ((8, 8), (8, 4))
FOUR = ((4, 8), (4, 4))
BENT: Mapping[str, Bent] = MappingProxyType({
    # the activations by themselves
    "one scale": Bent(NEARLY_FLOAT["plain"], ALONE, ONE),
    "one scale, SmoothQuant": Bent(NEARLY_FLOAT[SMOOTH], ALONE, ONE),
    "one scale, rotation": Bent(NEARLY_FLOAT[ROTATED], ALONE, ONE),
    "by token": Bent(NEARLY_FLOAT["plain"], ALONE),
    "by token, SmoothQuant": Bent(NEARLY_FLOAT[SMOOTH], ALONE),
    "by token, rotation": Bent(NEARLY_FLOAT[ROTATED], ALONE),
    # weights of 8 bits, activations of 8 or 4
    **{f"static, {objective.replace('_', ' ')}": Bent(
        W8, ((8, 8),), {"objective": objective}, static=True) for objective in RANGES},
    "static, asymmetric": Bent(W8, ((8, 8),), {"symmetric": False}, static=True),
    "static, SmoothQuant": Bent(SMOOTH, ((8, 8),), static=True),
    "one scale, weights by channel": Bent(W8, HARD, ONE),
    "one scale, SmoothQuant's weights": Bent(SMOOTH, HARD, ONE),
    "one scale, rotated weights": Bent(ROTATED, HARD, ONE),
    "by token, weights by channel": Bent(W8, HARD),
    "by token, weights by channel, attention too": Bent(W8, ((8, 8),), attend=integer_attention),
    "by token, SmoothQuant's weights": Bent(SMOOTH, HARD),
    "by token, rotated weights": Bent(ROTATED, HARD),
    # weights of 4 bits, activations of 8 or 4
    "by token, weights in groups": Bent(SAME_GRID, FOUR),
    "by token, GPTQ": Bent(BEST, FOUR),
    "by token, rotation, then GPTQ": Bent("rotation, then GPTQ", FOUR),
})  # fmt: skip


def what_multiplies(bench: Bench) -> dict[str, Array]:
    """All rows that each weight meets while the float model reads the calibrating sentences."""
    heard: dict[str, list[Array]] = {}
    for tokens in bench.batches:
        for name, rows in activations(bench.model, bench.params, tokens).items():
            if not name.endswith("[ids]"):
                heard.setdefault(name, []).append(rows)
    return {name: np.concatenate(rows) for name, rows in heard.items()}


def outliers(bench: Bench) -> list[dict[str, Any]]:
    """A row for each weight that is multiplied: how its x is distributed, and what cures make of
    it.

    absmax, rms, kurtosis, outlier: of x; channel: the number of the largest one, and token: the
    piece at which it is so large; smooth_…, rotated_…: kurtosis and outlier after each cure.
    """
    pieces = bench.pretrained.tokenizer.vocabulary
    ids = np.concatenate([tokens.reshape(-1) for tokens in bench.batches])
    cured = {"smooth": bench.rounded(FLOAT_BITS, NEARLY_FLOAT["SmoothQuant"]),
             "rotated": bench.rounded(FLOAT_BITS, NEARLY_FLOAT["rotation"])}  # fmt: skip
    rows = []
    for name, x in what_multiplies(bench).items():
        token, channel = np.unravel_index(np.abs(x).argmax(), x.shape)
        row = {"where": name, **told(x), "rms": float(np.sqrt(np.mean(np.square(x)))),
               "channel": int(channel), "token": pieces[ids[token]]}  # fmt: skip
        for cure, params in cured.items():
            left = getattr(params[name], "a", None)  # of a Product; none where x is left as it is
            row |= {f"{cure}_{what}": value
                    for what, value in told(x if left is None else x @ left).items()}
        rows.append(row)
    return rows


def told(x: Array) -> dict[str, float]:
    """absmax, kurtosis and outlier of x (tokens, channels)."""
    found = statistics(x)
    return {what: found[what] for what in ("absmax", "kurtosis", "outlier")}
