"""A Transformer language model in integers.

    x = M_id · embedding[ids] + P[t]                  the residual stream: 16 bits, one scale
    pre-norm     y = norm(x);        x = x + M Σ …    y: 8 bits
    post-norm    y = narrowed(x);    x = norm(x + M Σ …)
    q, k, v = M Σ y w_qkv                             8 bits, each part with a scale of its own
    heads = attention(q, k, v)                        steps.py: e^x from a table, 8 bits
    active = table[M Σ y w_up]                        gelu; SwiGLU: table[gate] ⊙ up
    logits                                            16 bits, in one scale

M Σ …: a sum of products of codes, times a multiplier from its scale to the next (fixed_point.py);
M_id: one for each row of the embedding; P: the positions. table[ ] looks up a function of an 8-bit
code. All sums into the stream are brought to its scale, so that adding is adding. Keys and values
are kept as codes, a quarter of the float cache. Rotary turns numbers of 16 bits by cosines of 15.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm.compression.quantization.integers.fixed_point import requantize, scaled, to_fixed_point
from minilm.compression.quantization.integers.models.codes import multiplier
from minilm.compression.quantization.integers.models.steps import (
    added,
    gated,
    linear,
    linear_sums,
    looked_up,
    normed,
    read_out,
    softmaxed,
    wide,
)
from minilm.models import TransformerLanguageModel
from minilm.models.key_value_cache import KeyValueCache, TransformerState, remembered
from minilm.models.language_model import check_tokens
from minilm.nn import causal_mask
from minilm.nn.checks import require_below
from minilm.nn.grouped_attention import below_one_another
from minilm.nn.multi_head_attention import by_head, head_counts, side_by_side
from minilm.types import Array, Cache, Params

TURN_BITS = 7  # by which rotary's numbers are finer than codes
CIRCLE_BITS = 14  # after the point, of a cosine


@dataclass(frozen=True)
class IntegerTransformer:
    """`model`, a TransformerLanguageModel, in integers; `integer_only` makes its params."""

    model: TransformerLanguageModel

    @property
    def context(self) -> int:
        """The longest window."""
        return self.model.context

    def fresh_state(self, new_cache: Callable[[int], Any] = KeyValueCache) -> TransformerState:
        """The state before the first token of a window; its caches will hold codes."""
        return self.model.fresh_state(new_cache)

    def chosen(self, state: TransformerState, rows: Array) -> TransformerState:
        """The state of the texts `rows` of the batch."""
        return self.model.chosen(state, rows)

    def forward(
        self, params: Params, tokens: Array, *, state: TransformerState | None = None
    ) -> tuple[Array, Cache]:
        """Logits of the next token after each token; see TransformerLanguageModel.forward.

        tokens: (B, T) integer ids; state: as there  ->  logits: (B, T, V) float32 =
        scale · cache["codes"], cache; cache["codes"]: (B, T, V) int16
        """
        tokens = check_tokens(tokens)
        require_below(len(params["token_embedding"]), "ids", tokens)
        start, caches = remembered(state, self.model.layers)
        end = start + tokens.shape[1]
        if end > self.context:
            raise ValueError(
                f"a text must be at most context={self.context} long, got {end} tokens"
            )
        x = self._embedded(params, tokens, start)
        mask = causal_mask(end - start, end) if end - start > 1 else None
        for layer, cache in enumerate(caches):
            x = self._block(params, f"block.{layer}", x, mask, start, cache)
        y = self._entering(params, "head", "norm", x)
        codes, logits = read_out(y, params, self.model.tied)
        state = None if state is None else TransformerState(caches, end)
        return logits, {"codes": codes, "state": state}

    def _embedded(self, params: Params, tokens: Array, start: int) -> Array:
        """The stream as it begins: (B, T) -> (B, T, D) int16."""
        M0, shift = multiplier(params, "token_embedding")
        x = scaled(params["token_embedding"][tokens], M0[tokens][..., None],
                   shift[tokens][..., None])  # fmt: skip
        if "position_embedding" in params:
            x += params["position_embedding"][start : start + tokens.shape[1]]
        return wide(x)

    def _block(
        self, params: Params, name: str, x: Array, mask: Array | None, start: int, cache: Any
    ) -> Array:
        """Both residual steps. x: (B, T, D) int16 -> the same."""
        y = self._entering(params, f"{name}.attention", f"{name}.norm_1", x)
        heads = self._attention(params, f"{name}.attention", y, mask, start, cache)
        x = self._leaving(
            params, f"{name}.norm_1", added(x, heads, params, f"{name}.attention.w_out")
        )
        y = self._entering(params, f"{name}.feed_forward", f"{name}.norm_2", x)
        active = feed_forward(y, params, f"{name}.feed_forward")
        return self._leaving(
            params, f"{name}.norm_2", added(x, active, params, f"{name}.feed_forward.w_down")
        )

    def _entering(self, params: Params, name: str, norm: str, x: Array) -> Array:
        """What a step reads of the stream, in 8 bits: its norm, or post-norm the stream itself."""
        if self.model.norm == "pre":
            return normed(x, params, norm)
        return requantize(x, *multiplier(params, name), int(params[f"{name}:zero_point"]))

    def _leaving(self, params: Params, norm: str, x: Array) -> Array:
        """The stream after a step."""
        return x if self.model.norm == "pre" else normed(x, params, norm)

    def _attention(
        self, params: Params, name: str, y: Array, mask: Array | None, start: int, cache: Any
    ) -> Array:
        """The heads side by side, before w_out. y: (B, T, D) int8 -> (B, T, H·d) int8."""
        B, T, _ = y.shape
        d = self.model.head_dim
        H, G = head_counts(
            params[f"{name}.w_qkv"].shape[1], params[f"{name}.w_out"].shape[0], d
        )
        if self.model.positions == "rotary":
            qkv = by_head(finer_qkv(y, params, name), d)
            qk = turned(qkv[:, : H + G], params, start)
            v = requantize(qkv[:, H + G :], *to_fixed_point(2.0**-TURN_BITS))
        else:
            qkv = by_head(linear(y, params, f"{name}.w_qkv"), d)
            qk, v = qkv[:, : H + G], qkv[:, H + G :]
        q, k = qk[:, :H], qk[:, H:]
        if cache is not None:
            k, v = cache.append(k, v)
        if mask is not None and G < H:
            mask = below_one_another(mask, (B, H, T, k.shape[2]), G)
        heads = softmaxed(q.reshape(B, G, H // G * T, d), k, v, mask, params, f"{name}.heads")
        return side_by_side(heads.reshape(B, H, T, d))


def finer_qkv(y: Array, params: Params, name: str) -> Array:
    """q, k and v with TURN_BITS more than codes: (B, T, …) int16."""
    sums = linear_sums(y, params, f"{name}.w_qkv")
    return wide(scaled(sums, *multiplier(params, f"{name}.w_qkv")))


def turned(x: Array, params: Params, start: int) -> Array:
    """`minilm.nn.rotary` of codes. x: (B, heads, T, d) int16  ->  int8."""
    T, half = x.shape[2], x.shape[3] // 2
    cos, sin = (params[f"rotary:{part}"][start : start + T].astype(np.int64)
                for part in ("cos", "sin"))  # fmt: skip
    a, b = x[..., :half], x[..., half:]
    y = np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return requantize(y, *to_fixed_point(2.0 ** -(TURN_BITS + CIRCLE_BITS)))


def feed_forward(y: Array, params: Params, name: str) -> Array:
    """What w_down multiplies: gelu[up], or SwiGLU's silu[gate] ⊙ up. int8 -> int8."""
    up = linear(y, params, f"{name}.w_up")
    if f"{name}.w_gate" not in params:
        return looked_up(up, params, f"{name}.active")
    gate = looked_up(linear(y, params, f"{name}.w_gate"), params, f"{name}.gate")
    return gated(up, gate, params, f"{name}.active")
