"""The Transformer language model: every token looks back at all tokens before it.

    x = embed(tokens)                                   (B, T, D): table and positions
    x = block(x)                                        once per layer
    logits = norm(x) tableᵀ                             tied head; untied: norm(x) W

A causal mask keeps position t from seeing what comes after it, so that one pass over a window of
T tokens trains T predictions. A window has at most `context` tokens, for each place in it has a
position of its own. It can be read in pieces: what is remembered of the earlier ones is their keys
and values (key_value_cache.py).

Vaswani et al. 2017 (decoder only); Radford et al. 2019 for pre-norm and the last norm; Touvron et
al. 2023 for what makes it a Llama: RMSNorm, SwiGLU, rotary positions, no biases.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from minilm.models.block import (
    FEED_FORWARDS,
    block,
    block_backward,
    last_norm,
    last_norm_backward,
    new_block,
    new_last_norm,
)
from minilm.models.embed import POSITIONS, embed, embed_backward
from minilm.models.key_value_cache import KeyValueCache, TransformerState, remembered
from minilm.models.language_model import (
    check_choice,
    check_dropout,
    check_heads,
    check_norm_eps,
    check_positive,
    check_tokens,
    normal,
)
from minilm.nn import attention, causal_mask, linear, linear_backward, rotary
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class TransformerLanguageModel:
    """A stack of Transformer blocks between an embedding and a softmax.

    vocab_size: V; width: D; layers: L; heads: H (must divide D); context: the longest window;
    feed_forward: F (default: 4D; 8D/3 for "swiglu", which has three weights for two);
    norm: "pre" or "post"; tied: the head is the table transposed;
    dropout: rate at the embedding and at each residual step, on exactly when an `rng` is passed;
    positions: "sinusoidal", "learned" or "rotary", as in `minilm.models.embed`;
    normalization: "layer" or "rms"; activation: "gelu" (its tanh form), "exact_gelu", "relu" or
    "swiglu", of the feed-forward layers; key_value_heads: G (must divide H; default: H); biases:
    whether the maps have them (SwiGLU's and the head have none, a LayerNorm always has);
    rotary_base: of the angles' speeds; norm_eps: what the norms add to a variance.

    GPT-2 and a small Llama (TinyLlama 1.1B) are

        TransformerLanguageModel(50257, width=768, layers=12, heads=12, context=1024,
                                 positions="learned")
        TransformerLanguageModel(32000, width=2048, layers=22, heads=32, key_value_heads=4,
                                 context=2048, feed_forward=5632, tied=False, positions="rotary",
                                 normalization="rms", activation="swiglu", biases=False)

    Parameters: token_embedding (V, D); position_embedding (context, D) if learned; block.l.* as in
    `minilm.models.block`; norm.gain and norm.bias (D,) for pre-norm (post-norm ends in a norm
    already; "rms" has no bias); head.w (D, V) if untied.
    Raises ValueError for a size below 1, heads that do not divide the width or key_value_heads that
    do not divide the heads, an odd head for rotary positions, a choice that is none of those above,
    a rotary_base or norm_eps that is not positive and finite, or a dropout rate outside [0, 1).
    """

    vocab_size: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    context: int = 64
    feed_forward: int | None = None
    norm: str = "pre"
    tied: bool = True
    dropout: float = 0.0
    positions: str = "sinusoidal"
    normalization: str = "layer"
    activation: str = "gelu"
    key_value_heads: int | None = None
    biases: bool = True
    rotary_base: float = 10000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.feed_forward is None:
            wide = 8 * self.width // 3 if self.activation == "swiglu" else 4 * self.width
            object.__setattr__(self, "feed_forward", wide)
        check_positive(
            vocab_size=self.vocab_size,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            context=self.context,
            feed_forward=self.feed_forward,  # type: ignore[arg-type]
            key_value_heads=self.heads if self.key_value_heads is None else self.key_value_heads,
        )
        check_heads(self.width, self.heads)
        if self.key_value_heads is not None and self.heads % self.key_value_heads:
            raise ValueError(
                f"key_value_heads must divide heads={self.heads}, got {self.key_value_heads}"
            )
        check_choice("norm", self.norm, ("pre", "post"))
        check_choice("positions", self.positions, POSITIONS)
        check_choice("normalization", self.normalization, ("layer", "rms"))
        check_choice("activation", self.activation, tuple(FEED_FORWARDS))
        if self.positions == "rotary" and self.head_dim % 2:
            raise ValueError(
                f"rotary positions need heads of even width, got width {self.width} / "
                f"{self.heads} heads = {self.head_dim}"
            )
        if not 0 < self.rotary_base < math.inf:
            raise ValueError(f"rotary_base must be positive and finite, got {self.rotary_base!r}")
        if not isinstance(self.biases, bool):
            raise ValueError(f"biases must be True or False, got {self.biases!r}")
        check_norm_eps(self.norm_eps)
        check_dropout(self.dropout)

    @property
    def head_dim(self) -> int:
        """d: the width of one head, which the shapes cannot tell."""
        return self.width // self.heads

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: std 1/√fan_in, biases 0, gains 1.

        What a block adds is scaled by 1/√(2L), so that x keeps its size through L blocks. The
        table's std is 1/(2√D): twice that, and a tied head begins by predicting the very token
        that it has just read, which costs a new model 2 nats more than knowing nothing.
        """
        rng = np.random.default_rng(seed)
        width, wide = self.width, self.feed_forward
        assert wide is not None
        inner, outer = 1 / math.sqrt(width), 1 / math.sqrt(2 * self.layers)
        params = {"token_embedding": normal(rng, (self.vocab_size, width), inner / 2)}
        for layer in range(self.layers):
            params |= new_block(
                rng, f"block.{layer}", width, wide, outer,
                key_value_width=(self.key_value_heads or self.heads) * self.head_dim,
                normalization=self.normalization, activation=self.activation, biases=self.biases,
            )  # fmt: skip
        params |= new_last_norm("norm", width, self.norm, self.normalization)
        if not self.tied:
            params["head.w"] = normal(rng, (width, self.vocab_size), inner)
        if self.positions == "learned":
            params["position_embedding"] = normal(rng, (self.context, width), inner / 2)
        return params

    def fresh_state(
        self, new_cache: Callable[[int], Any] = KeyValueCache
    ) -> TransformerState:
        """The state before the first token of a window: an empty cache for each layer.

        new_cache(context) makes one, which must answer what a KeyValueCache answers.
        """
        return TransformerState(tuple(new_cache(self.context) for _ in range(self.layers)), 0)

    def chosen(self, state: TransformerState, rows: Array) -> TransformerState:
        """The state of the texts `rows` of the batch, in new caches; see `LanguageModel`."""
        return state.chosen(rows)

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        state: TransformerState | None = None,
        rng: np.random.Generator | None = None,
        attend: Callable[..., tuple[Array, Cache]] = attention,
    ) -> tuple[Array, Cache]:
        """Logits of the next token after each token.

        tokens: (B, T) integer ids  ->  logits: (B, T, V), cache
        state: None = these tokens are the window. To read one in pieces pass `fresh_state()`, then
        each call's cache["state"], once: the caches in it are written in place. backward needs the
        whole window, so it refuses what was read with a state, and nothing is kept for it then.
        cache["hidden"]: (B, T, D), what the head reads.
        attend: called in the place of `attention`, (q, k, v, mask) -> y, cache.
        Raises ValueError for a window longer than `context`, a state that has been read on from or
        is of other sizes, or ids outside 0 … V−1.
        """
        tokens = check_tokens(tokens)
        start, caches = remembered(state, self.layers)
        end, table = start + tokens.shape[1], params["token_embedding"]
        x, embed_cache = embed(
            tokens, table, positions=self.positions, context=self.context,
            position_table=params["position_embedding"] if self.positions == "learned" else None,
            start=start, rate=self.dropout, rng=rng,
        )  # fmt: skip
        mask = causal_mask(end - start, end) if end - start > 1 else None  # the last sees all
        turn = None
        if self.positions == "rotary":
            turn = partial(rotary, first=start, base=self.rotary_base)
        block_caches = []
        for layer, key_values in enumerate(caches):
            attend_here = attend if key_values is None else key_values.looking_back(attend)
            x, block_cache = block(
                x, params, f"block.{layer}", head_dim=self.head_dim, norm=self.norm,
                mask=mask, attend=attend_here, turn=turn, activation=self.activation,
                eps=self.norm_eps, rate=self.dropout, rng=rng,
            )  # fmt: skip
            if state is None:
                block_caches.append(block_cache)
            del block_cache  # if it is not kept, the next block works in the memory that it took
        x, norm_cache = last_norm(x, params, "norm", self.norm, self.norm_eps)
        logits, head_cache = linear(x, table.T if self.tied else params["head.w"])
        return logits, {
            "hidden": x,
            "state": None if state is None else TransformerState(caches, end),
            "embedding": embed_cache,
            "blocks": block_caches,
            "norm": norm_cache,
            "head": head_cache,
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, T, V); dhidden: (B, T, D) or None, a gradient that reaches cache["hidden"]
        by another way (a teacher's hidden states) and is added there.
        Raises ValueError if the forward pass was given a state.
        """
        if cache["state"] is not None:
            raise ValueError("backward needs a forward pass over the whole window, with state=None")
        dx, dhead, _ = linear_backward(dlogits, cache["head"])
        if dhidden is not None:
            dx = dx + dhidden
        dx, grads = last_norm_backward(dx, cache["norm"])
        for block_cache in reversed(cache["blocks"]):
            dx, block_grads = block_backward(dx, block_cache)
            grads = block_grads | grads
        dtable, dpositions = embed_backward(dx, cache["embedding"])
        grads = {"token_embedding": dtable, **grads}
        if dpositions is not None:
            grads["position_embedding"] = dpositions
        if self.tied:  # the table was used twice
            dtable += dhead.T
        else:
            grads["head.w"] = dhead
        return grads
