"""The Transformer language model: every token looks back at all tokens before it.

    x = √D · table[tokens] + positions                  (B, T, D)
    x = block(x)                                        once per layer
    logits = norm(x) tableᵀ                             tied head; untied: norm(x) W

A causal mask keeps position t from seeing what comes after it, so that one pass over a window of
T tokens trains T predictions. A window has at most `context` tokens, for each place in it has a
position of its own. It can be read in pieces: what is remembered of the earlier ones is their keys
and values (key_value_cache.py).

Vaswani et al. 2017 (decoder only); Radford et al. 2019 for pre-norm and the last norm.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.block import (
    NORM,
    block,
    block_backward,
    named,
    new_block,
    new_norm,
    parts,
)
from minilm.models.embed import embed, embed_backward
from minilm.models.key_value_cache import KeyValueCache, TransformerState, remembered
from minilm.models.language_model import check_dropout, check_positive, check_tokens, normal
from minilm.nn import (
    attention,
    causal_mask,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
)
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class TransformerLanguageModel:
    """A stack of Transformer blocks between an embedding and a softmax.

    vocab_size: V; width: D; layers: L; heads: H (must divide D); context: the longest window;
    feed_forward: F (default: 4D); norm: "pre" or "post"; tied: the head is the table transposed;
    dropout: rate at the embedding and at each residual step, on exactly when an `rng` is passed.

    Parameters: token_embedding (V, D); block.l.* as in `minilm.models.block`; norm.gain and
    norm.bias (D,) for pre-norm (post-norm ends in a norm already); head.w (D, V) if untied.
    Raises ValueError for a size below 1, heads that do not divide the width, another norm, or a
    dropout rate outside [0, 1).
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

    def __post_init__(self) -> None:
        if self.feed_forward is None:
            object.__setattr__(self, "feed_forward", 4 * self.width)
        check_positive(
            vocab_size=self.vocab_size,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            context=self.context,
            feed_forward=self.feed_forward,  # type: ignore[arg-type]
        )
        if self.width % self.heads:
            raise ValueError(f"heads must divide width {self.width}, got heads={self.heads}")
        if self.norm not in ("pre", "post"):
            raise ValueError(f'norm must be "pre" or "post", got {self.norm!r}')
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
            params |= new_block(rng, f"block.{layer}", width, wide, outer)
        if self.norm == "pre":
            params |= new_norm("norm", width)
        if not self.tied:
            params["head.w"] = normal(rng, (width, self.vocab_size), inner)
        return params

    def fresh_state(self) -> TransformerState:
        """The state before the first token of a window: empty caches."""
        return TransformerState(tuple(KeyValueCache(self.context) for _ in range(self.layers)), 0)

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
        whole window, so it refuses what was read with a state.
        cache["hidden"]: (B, T, D), what the head reads.
        attend: called in the place of `attention`, (q, k, v, mask) -> y, cache.
        Raises ValueError for a window longer than `context`, a state that has been read on from or
        is of other sizes, or ids outside 0 … V−1.
        """
        tokens = check_tokens(tokens)
        start, caches = remembered(state, self.layers)
        end, table = start + tokens.shape[1], params["token_embedding"]
        x, embed_cache = embed(
            tokens, table, positions="sinusoidal",
            context=self.context, start=start, rate=self.dropout, rng=rng,
        )  # fmt: skip
        mask = causal_mask(end - start, end) if end - start > 1 else None  # the last sees all
        block_caches = []
        for layer, key_values in enumerate(caches):
            attend_here = attend if key_values is None else key_values.looking_back(attend)
            x, block_cache = block(
                x, params, f"block.{layer}", head_dim=self.head_dim, norm=self.norm,
                mask=mask, attend=attend_here, rate=self.dropout, rng=rng,
            )  # fmt: skip
            block_caches.append(block_cache)
        norm_cache = None
        if self.norm == "pre":
            x, norm_cache = layer_norm(x, *parts(params, "norm", NORM))
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
        grads: Params = {}
        if cache["norm"] is not None:
            dx, dgain, dbias = layer_norm_backward(dx, cache["norm"])
            grads |= named("norm", NORM, (dgain, dbias))
        for block_cache in reversed(cache["blocks"]):
            dx, block_grads = block_backward(dx, block_cache)
            grads = block_grads | grads
        dtable, _ = embed_backward(dx, cache["embedding"])
        if self.tied:  # the table was used twice
            dtable += dhead.T
            return {"token_embedding": dtable, **grads}
        return {"token_embedding": dtable, **grads, "head.w": dhead}
