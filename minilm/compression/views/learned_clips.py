"""Learned clips (PACT): how far activations reach before they are cut off is trained.

    the model sees  x @ w  as  Q(x) @ w
    y = threshold(x) within ±`w:clip`,   Q(x) = s·round(y / s),   s = clip / (2^(b−1) − 1)
    dx    = dQ ⊙ ∂y/∂x                     straight through the rounding
    dclip = Σ dQ ⊙ ∂y/∂clip                Choi et al. 2018, eq. 1–3: of the x outside, their signs

The paper's inputs come from a ReLU: signed=False, 2^b − 1 steps from 0 to clip.

A larger clip cuts off less and rounds more coarsely. The view hands the model a leaf in place of
each weight; the model's backward pass asks that leaf for dx (`input_gradient`), and the gradient of
the clip appears there as well. The leaf writes it down, and the pullback adds up what was written:
with `math.fsum`, whose sum does not depend on the order in which several threads wrote.

    params = add_clips(params, calibrate(model, params, batches))       # a list of them
    params, _ = fit(model, params, batches, view=compose(straight_through(4), learned_clips(8)))
    packed = clip_inputs(quantize(params, 4), bits=8)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minilm.compression.parameters import is_table, matrices
from minilm.compression.quantization.activations.rounded_input import RoundedInput, check_options
from minilm.compression.quantization.activations.thresholds import THRESHOLDS
from minilm.nn import input_gradient
from minilm.training.openings import Loss, Pullback, View, as_is
from minilm.types import Array, Batch, Params
from minilm.weights import Seen

SMALLEST = 2.0**-20  # no clip is used below this


@dataclass(frozen=True, eq=False, repr=False)
class ListeningInput(RoundedInput):
    """A leaf that writes down the gradients of its clip; for one step of training, not to keep."""

    heard: list[float] = field(default_factory=list)

    def input_gradient(self, dy: Array, x: Array) -> Array:
        if self.transposed:
            return super().input_gradient(dy, x)
        assert self.clip is not None
        positive = x if self.symmetric else np.maximum(x, 0)
        forward, backward = THRESHOLDS[self.threshold]
        _, cache = forward(positive, float(self.clip))
        dx, dclip = backward(input_gradient(dy, x, self.weight), cache)
        self.heard.append(dclip)
        return dx if self.symmetric else dx * (x > 0)


def add_clips(params: Params, clips: float | dict[str, float | Seen]) -> Params:
    """The parameters with a companion `w:clip`, () float32, for each weight named.

    clips: where they begin: one number for all weights of two or more axes, or by name; what
    `calibrate` answers will do, the largest magnitude seen is then the clip.
    ValueError for a name that is no weight, or a clip that is not a positive number.
    """
    weights = matrices(params)
    by_name = clips if isinstance(clips, dict) else dict.fromkeys(weights, clips)
    added = {}
    for name, clip in by_name.items():
        if name not in weights:
            raise ValueError(f"clips must name weights of two or more axes, got {name}; "
                             f"there are {', '.join(weights)}")
        start = float(clip.absmax.max()) if isinstance(clip, Seen) else float(clip)
        if not 0 < start < math.inf:
            raise ValueError(f"the clip of {name} must be a positive number, got {start!r}")
        added[f"{name}:clip"] = np.array(start, np.float32)
    return {**params, **added}


def learned_clips(bits: int, *, threshold: str = "hard", signed: bool = True) -> View:
    """The model sees weights that clip and round their inputs; weights and clips are trained.

    Weights without a `w:clip` are seen as they are. bits: 2 … 8, or 1 if not signed. threshold:
    "hard" or "soft", see quantization/activations/thresholds.py. signed: False if no x is ever
    negative.
    Compose it last: other views look at arrays. Like LSQ's steps, clips are used no smaller than
    SMALLEST and there only move up.
    ValueError for params in which nothing has a clip.
    """
    check_settings(bits, threshold, signed)

    def view(params: Params, step: int) -> tuple[Params, Pullback]:
        leaves = {
            name: ListeningInput(w, **fields(clip, bits, threshold, signed))
            for name, w, clip in clipped(params)
        }
        seen = {**params, **{name: facing(name, leaf) for name, leaf in leaves.items()}}

        def pullback(grads: Params) -> Params:
            pulled = as_is(params, step)[1](grads)
            for name, leaf in leaves.items():
                clip = params[f"{name}:clip"]
                dclip = math.fsum(leaf.heard) + float(grads.get(f"{name}:clip", 0))
                moves = float(clip) > SMALLEST or dclip < 0
                pulled[f"{name}:clip"] = np.array(dclip if moves else 0, clip.dtype)
            return pulled

        return seen, pullback

    return view


def clip_inputs(
    params: Params, bits: int, *, threshold: str = "hard", signed: bool = True
) -> Params:
    """Each weight that has a `w:clip` as a `RoundedInput` with that clip: what `learned_clips` saw.

    The weights may be packed before. The companions are gone; all else is as it was.
    """
    check_settings(bits, threshold, signed)
    leaves = {
        name: facing(name, RoundedInput(w, **fields(clip, bits, threshold, signed)))
        for name, w, clip in clipped(params)
    }
    return {**{n: w for n, w in params.items() if not n.endswith(":clip")}, **leaves}


def clip_penalty(loss: Loss, strength: float) -> Loss:
    """loss + strength · Σ clip² a term: it keeps clips small, where the loss alone has no reason to
    (Choi et al. 2018, section 3.1). For `fit(..., loss=clip_penalty(cross_entropy_loss, 1e-3))`."""

    def penalized(
        model: Any, seen: Params, batch: Batch, rng: np.random.Generator | None
    ) -> tuple[float, Params, int]:
        total, grads, count = loss(model, seen, batch, rng)
        grads = dict(grads)
        for name in [name for name in seen if name.endswith(":clip")]:
            total += count * strength * float(seen[name]) ** 2
            grads[name] = count * 2 * strength * seen[name]
        return total, grads, count

    return penalized


def clipped(params: Params) -> Iterator[tuple[str, Any, Array]]:
    """(name, weight as it multiplies, clip as it is used) of each weight that has a clip."""
    names = [name for name in params if f"{name}:clip" in params]
    if not names:
        raise ValueError("params must have a companion w:clip: add_clips makes them")
    for name in names:
        w, clip = params[name], params[f"{name}:clip"]
        used = np.maximum(clip, np.asarray(SMALLEST, clip.dtype))
        yield name, (w.T if is_table(name) else w), np.asarray(used)


def fields(clip: Array, bits: int, threshold: str, signed: bool) -> dict[str, Any]:
    """Of a RoundedInput whose largest code stands for the clip."""
    steps = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return {
        "bits": bits, "by": "tensor", "threshold": threshold, "symmetric": signed, "clip": clip,
        "scale": np.asarray(clip / np.float32(steps), np.float32),
        "zero_point": np.array(0, np.int16),
    }  # fmt: skip


def check_settings(bits: int, threshold: str, signed: bool) -> None:
    """Refuse bits and a threshold that `quantize_activations` refuses."""
    check_options(bits, None, None, threshold, None, "absmax", 100.0, signed)


def facing(name: str, leaf: RoundedInput) -> Any:
    """The leaf as the model uses it: a table multiplies as its transpose, h @ E.T."""
    return leaf.T if is_table(name) else leaf
