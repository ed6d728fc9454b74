"""An LSTM language model in integers.

    x  = embedding[ids] · √E                      8 bits: a multiplier for each row of the table
    a  = M_x (x w_x + bias) + M_h (h w_h)         both sums in one scale, 8 bits finer than a gate's
    i, f, o = σ[a],   g = tanh[a]                 a rounded to 8 bits, tables of 16-bit values
    c' = f c + i g                                16 bits
    h' = o tanh[c']                               8 bits: what the next products multiply
    logits                                        16 bits, in one scale

E is the width of the embedding table. M_x, M_h: multipliers from one scale to another
(fixed_point.py). σ[ ], tanh[ ] look up a table: an exact function of an 8-bit code. A gate's codes
end where its table no longer changes, so that none are wasted. The state between calls is (h, c) in
codes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.compression.quantization.calibration.statistics import read_by
from minilm.compression.quantization.integers.fixed_point import requantize, scaled, to_fixed_point
from minilm.compression.quantization.integers.models.codes import (
    WIDE,
    Ranges,
    Site,
    linear_constants,
    multiplier,
    multiplier_constants,
    table_constants,
    weight_codes,
)
from minilm.compression.quantization.integers.models.steps import (
    linear_sums,
    looked_up,
    read_out,
    wide,
)
from minilm.compression.quantization.integers.products import laid_out
from minilm.models import LSTMLanguageModel
from minilm.models.language_model import check_tokens
from minilm.nn import embedding, lstm, sigmoid
from minilm.nn import linear as float_linear
from minilm.nn.checks import require_below
from minilm.types import Array, Batch, Cache, Params

GATES = "ifgo"
FINE_BITS = 8  # by which the sum of both products is finer than a gate's code
TO_GATES = to_fixed_point(2.0**-FINE_BITS)
GATE = Site(1 / WIDE)  # of σ and tanh, 16 bits: 1 is a code, so that a cell can keep its number
# σ comes within half an 8-bit step of 0 and 1 at ±6.2, tanh of ±1 at ±3.1
SIGMOID_END, TANH_END = 6.2, 3.1
State = Sequence[tuple[Array | None, Array | None]]


@dataclass(frozen=True)
class IntegerLSTM:
    """`model`, an LSTMLanguageModel, computed with integers; `integer_only` makes its params."""

    model: LSTMLanguageModel

    def fresh_state(self) -> list[tuple[None, None]]:
        """The state before the first token."""
        return self.model.fresh_state()

    def chosen(self, state: Any, rows: Array) -> Any:
        """The state of the texts `rows` of the batch."""
        return self.model.chosen(state, rows)

    def forward(
        self, params: Params, tokens: Array, *, state: State | None = None
    ) -> tuple[Array, Cache]:
        """Logits of the next token after each token; see LSTMLanguageModel.forward.

        tokens: (B, T) integer ids; state: L pairs of codes (h, c), int8 and int16 (B, H)
          ->  logits: (B, T, V) float32 = scale · cache["codes"], cache
        cache["codes"]: (B, T, V) int16; cache["state"]: L pairs (h, c) at the end.
        """
        tokens = check_tokens(tokens)
        require_below(len(params["token_embedding"]), "ids", tokens)
        states = list(self.fresh_state() if state is None else state)
        if len(states) != self.model.layers:
            raise ValueError(f"state must hold {self.model.layers} pairs (h, c), got {len(states)}")
        x = embedded(tokens, params)
        end_states = []
        for layer, (h, c) in enumerate(states):
            x, end_state = integer_lstm(x, params, f"lstm.{layer}", h, c)
            end_states.append(end_state)
        codes, logits = read_out(x, params, self.model.tied)
        return logits, {"state": end_states, "codes": codes}


def embedded(tokens: Array, params: Params) -> Array:
    """Rows of the table in one scale: (B, T) -> (B, T, E) int8."""
    M0, shift = multiplier(params, "token_embedding")
    rows = params["token_embedding"][tokens]
    return requantize(rows, M0[tokens][..., None], shift[tokens][..., None])


def integer_lstm(
    x: Array, params: Params, name: str, h: Array | None, c: Array | None
) -> tuple[Array, tuple[Array, Array]]:
    """One layer over time. x: (B, T, in) int8  ->  hs: (B, T, H) int8, (h_T, c_T)."""
    from_x = scaled(
        linear_sums(x.transpose(1, 0, 2), params, f"{name}.w_x"),
        *multiplier(params, f"{name}.w_x"),
    )                                                                            # (T, B, 4H)
    T, B, width = from_x.shape
    h = np.zeros((B, width // 4), np.int8) if h is None else h
    c = np.zeros(h.shape, np.int16) if c is None else c
    w_h, M_h = laid_out(params[f"{name}.w_h"]), multiplier(params, f"{name}.w_h")
    hs = np.empty((T, *h.shape), np.int8)
    for t in range(T):
        a = scaled(linear_sums(h, params, f"{name}.w_h", w_h), *M_h)
        a += from_x[t]
        h, c = cell(a, c, params, name)
        hs[t] = h
    return hs.transpose(1, 0, 2), (h, c)


def cell(a: Array, c: Array, params: Params, name: str) -> tuple[Array, Array]:
    """h', c' from the gates' sums. a: (B, 4H), FINE_BITS finer than codes; c: (B, H) int16."""
    a = requantize(a, *TO_GATES)
    by_gate = zip(GATES, np.split(a, 4, axis=-1), strict=True)
    i, f, g, o = (looked_up(q, params, f"{name}.{gate}").astype(np.int32) for gate, q in by_gate)
    c_next = scaled(f * c, *multiplier(params, f"{name}.f"))
    c_next += scaled(i * g, *multiplier(params, f"{name}.i"))
    c_next = wide(c_next)
    tanh_c = looked_up(requantize(c_next, *multiplier(params, f"{name}.c")), params, f"{name}.c")
    h_next = requantize(o * tanh_c, *multiplier(params, f"{name}.o"))
    return h_next, c_next


def lstm_ranges(model: LSTMLanguageModel, params: Params, batches: Iterable[Batch]) -> Ranges:
    """The same walk in floats, writing down the range of what passes at each site."""
    ranges = Ranges()
    for batch in batches:
        (tokens,) = read_by(model, batch)
        x, _ = embedding(check_tokens(tokens), params["token_embedding"])
        h = ranges.see("embedding", x * math.sqrt(x.shape[-1]))
        for layer in range(model.layers):
            name = f"lstm.{layer}"
            w_x, w_h, b = (params[f"{name}.{part}"] for part in ("w_x", "w_h", "b"))
            x, (h, cache) = h, lstm(h, w_x, w_h, b)
            before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
            a = float_linear(x, w_x, b)[0] + before @ w_h
            for gate, part in zip(GATES, np.split(a, 4, axis=-1), strict=True):
                ranges.see(f"{name}.{gate}", part)
            ranges.see(f"{name}.c", cache["cells"])
            ranges.see(f"{name}.h", h)
        if "head.w_project" in params:
            h = ranges.see("head.project", float_linear(h, params["head.w_project"])[0])
        w = params["token_embedding"].T if model.tied else params["head.w"]
        ranges.see("logits", float_linear(h, w, params["head.b"])[0])
    return ranges


def lstm_constants(model: LSTMLanguageModel, params: Params, ranges: Ranges) -> Params:
    """The integers that IntegerLSTM computes with, by name."""
    table, scales = weight_codes("token_embedding", params["token_embedding"])
    entering = ranges.symmetric("embedding")
    M = scales * math.sqrt(table.shape[1]) / entering.scale
    constants = {"token_embedding": table, **multiplier_constants("token_embedding", M)}
    for layer in range(model.layers):
        made, entering = layer_constants(f"lstm.{layer}", params, ranges, entering)
        constants |= made
    if "head.w_project" in params:
        leaving = ranges.symmetric("head.project")
        constants |= linear_constants(
            "head.w_project", params["head.w_project"], None, entering, leaving
        )
        entering = leaving
    logits = ranges.wide("logits")
    w = params["token_embedding"] if model.tied else params["head.w"]
    return {
        **constants,
        **linear_constants("head.w", w, params["head.b"], entering, logits, model.tied),
        "logits:scale": np.array(logits.scale, np.float32),
    }


def layer_constants(
    name: str, params: Params, ranges: Ranges, entering: Site
) -> tuple[Params, Site]:
    """One layer's integers, and the site that its h leaves by."""
    sites = {
        gate: ranges.symmetric(f"{name}.{gate}", TANH_END if gate == "g" else SIGMOID_END)
        for gate in GATES
    }
    H = params[f"{name}.w_h"].shape[0]
    fine = np.repeat([sites[gate].scale for gate in GATES], H) / 2**FINE_BITS
    h, c = ranges.symmetric(f"{name}.h"), ranges.wide(f"{name}.c")
    tanh_c = ranges.symmetric(f"{name}.c", TANH_END)
    constants: Params = {}
    for part, b, site in (("w_x", params[f"{name}.b"], entering), ("w_h", None, h)):
        weight = f"{name}.{part}"
        constants |= linear_constants(weight, params[weight], b, site, Site(fine))
    functions = {gate: np.tanh if gate == "g" else real_sigmoid for gate in GATES}
    for gate, function in [*functions.items(), ("c", np.tanh)]:
        site = tanh_c if gate == "c" else sites[gate]
        constants |= table_constants(f"{name}.{gate}", function, site, GATE, np.int16)
    constants |= multiplier_constants(f"{name}.f", GATE.scale)
    constants |= multiplier_constants(f"{name}.i", GATE.scale**2 / c.scale)
    constants |= multiplier_constants(f"{name}.c", c.scale / tanh_c.scale)
    constants |= multiplier_constants(f"{name}.o", GATE.scale**2 / h.scale)
    return constants, h


def real_sigmoid(x: Array) -> Array:
    """σ(x), without a cache."""
    return sigmoid(x)[0]
