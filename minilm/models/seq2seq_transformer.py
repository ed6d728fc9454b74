"""The encoder–decoder Transformer: read one sequence whole, write another token by token.

    memory = encoder(source)                             (B, S, D): every position sees all others
    logits = decoder(target_inputs, memory)              (B, T, V): each sees what came before it,
                                                         and all of the memory
    p(target_t | source, target_1 … target_{t−1}) = softmax(logits_t)

Both begin as x = √D · table[ids] + positions and are stacks of blocks; the encoder's are those of
block.py, the decoder's those of decoder_block.py. Sources of different lengths stand in one array,
filled up with a padding id that no position may look at, in the encoder and from the decoder.
Padding of the target comes after all that counts, so the causal mask hides it already.

Vaswani et al. 2017 (norm="post"); norm="pre" as in transformer.py.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.block import NORM, block, block_backward, named, new_block, new_norm, parts
from minilm.models.decoder_block import decoder_block, decoder_block_backward, new_decoder_block
from minilm.models.embed import embed, embed_backward
from minilm.models.language_model import check_dropout, check_positive, check_tokens, normal
from minilm.nn import (
    attention,
    causal_mask,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    padding_mask,
)
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class Seq2SeqTransformer:
    """An encoder and a decoder of as many blocks each.

    vocab_size: V, of the target; source_vocab_size: V_s, or None: source and target are written in
    one vocabulary and share one table; width: D; layers: L blocks on either side; heads: H (must
    divide D); context: the longest source and the longest target; feed_forward: F (default: 4D);
    norm: "pre" or "post"; tied: the head is the target's table transposed; dropout: rate at both
    embeddings and each residual step, on exactly when an `rng` is passed; padding_id: what fills up
    a source.

    Parameters: token_embedding (V, D); source_embedding (V_s, D) if not shared; encoder.l.* as in
    `minilm.models.block`, decoder.l.* as in `minilm.models.decoder_block`; encoder.norm.* and
    decoder.norm.* (D,) for pre-norm; head.w (D, V) if untied.
    Raises ValueError for a size below 1, heads that do not divide the width, another norm, a
    dropout rate outside [0, 1), or a padding id outside the source's vocabulary.
    """

    vocab_size: int
    source_vocab_size: int | None = None
    width: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 64
    feed_forward: int | None = None
    norm: str = "pre"
    tied: bool = True
    dropout: float = 0.0
    padding_id: int = 0

    def __post_init__(self) -> None:
        if self.feed_forward is None:
            object.__setattr__(self, "feed_forward", 4 * self.width)
        source_size = self.vocab_size if self.source_vocab_size is None else self.source_vocab_size
        check_positive(
            vocab_size=self.vocab_size,
            source_vocab_size=source_size,
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
        if not (isinstance(self.padding_id, int) and 0 <= self.padding_id < source_size):
            raise ValueError(f"padding_id must be in [0, {source_size}), got {self.padding_id!r}")
        check_dropout(self.dropout)

    @property
    def head_dim(self) -> int:
        """d: the width of one head, which the shapes cannot tell."""
        return self.width // self.heads

    @property
    def source_table(self) -> str:
        """The name of the table that the source is looked up in."""
        return "token_embedding" if self.source_vocab_size is None else "source_embedding"

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters, as in TransformerLanguageModel.init.

        What a block adds is scaled by 1/√(steps): a stack of L adds 2L times to the encoder's x,
        and 3L times to the decoder's.
        """
        rng = np.random.default_rng(seed)
        width, wide = self.width, self.feed_forward
        assert wide is not None
        inner = 1 / math.sqrt(width)
        params = {"token_embedding": normal(rng, (self.vocab_size, width), inner / 2)}
        if self.source_vocab_size is not None:
            shape = (self.source_vocab_size, width)
            params["source_embedding"] = normal(rng, shape, inner / 2)
        stacks = (("encoder", new_block, 2), ("decoder", new_decoder_block, 3))
        for stack, new, steps in stacks:
            outer = 1 / math.sqrt(steps * self.layers)
            for layer in range(self.layers):
                params |= new(rng, f"{stack}.{layer}", width, wide, outer)
            if self.norm == "pre":
                params |= new_norm(f"{stack}.norm", width)
        if not self.tied:
            params["head.w"] = normal(rng, (width, self.vocab_size), inner)
        return params

    def forward(
        self,
        params: Params,
        source: Array,
        target_inputs: Array,
        *,
        rng: np.random.Generator | None = None,
        attend: Callable[..., tuple[Array, Cache]] = attention,
    ) -> tuple[Array, Cache]:
        """Logits of the target's next token after each of its tokens.

        source: (B, S) and target_inputs: (B, T) integer ids  ->  logits: (B, T, V), cache
        target_inputs begin with a token that means "begin", as the first logits need one to look
        from. cache["hidden"]: (B, T, D), what the head reads; cache["memory"]: (B, S, D).
        attend: called in the place of `attention` everywhere, (q, k, v, mask) -> y, cache.
        Raises ValueError for sequences longer than `context`, other numbers of sources and
        targets, a source that is nothing but padding, or ids outside their table.
        """
        memory, memory_mask, encoder_cache = self.encode(params, source, rng=rng, attend=attend)
        logits, cache = self.decode(
            params, target_inputs, memory, memory_mask, rng=rng, attend=attend
        )
        return logits, {**cache, "memory": memory, "encoder": encoder_cache}

    def encode(
        self,
        params: Params,
        source: Array,
        *,
        rng: np.random.Generator | None = None,
        attend: Callable[..., tuple[Array, Cache]] = attention,
    ) -> tuple[Array, Array, Cache]:
        """What the decoder reads: memory (B, S, D), who may be looked at (B, 1, 1, S), cache."""
        source = check_tokens(source)
        mask = padding_mask(source, self.padding_id)
        if not mask.any(axis=-1).all():
            row = int(np.argmin(mask.any(axis=-1)))
            raise ValueError(f"source must have a token in each row, got only padding in row {row}")
        x, embed_cache = embed(
            source, params[self.source_table], positions="sinusoidal",
            context=self.context, rate=self.dropout, rng=rng,
        )  # fmt: skip
        block_caches = []
        for layer in range(self.layers):
            x, block_cache = block(
                x, params, f"encoder.{layer}", head_dim=self.head_dim, norm=self.norm,
                mask=mask, attend=attend, rate=self.dropout, rng=rng,
            )  # fmt: skip
            block_caches.append(block_cache)
        x, norm_cache = self.last_norm(x, params, "encoder.norm")
        return x, mask, (embed_cache, block_caches, norm_cache)

    def decode(
        self,
        params: Params,
        target_inputs: Array,
        memory: Array,
        memory_mask: Array,
        *,
        rng: np.random.Generator | None = None,
        attend: Callable[..., tuple[Array, Cache]] = attention,
    ) -> tuple[Array, Cache]:
        """The logits (B, T, V) of forward, from what encode answered; cache."""
        target_inputs = check_tokens(target_inputs)
        if len(target_inputs) != len(memory):
            raise ValueError(
                f"target_inputs must have a row for each source, got {len(target_inputs)} rows "
                f"for {len(memory)} sources"
            )
        table = params["token_embedding"]
        x, embed_cache = embed(
            target_inputs, table, positions="sinusoidal",
            context=self.context, rate=self.dropout, rng=rng,
        )  # fmt: skip
        mask = causal_mask(x.shape[1])
        block_caches = []
        for layer in range(self.layers):
            x, block_cache = decoder_block(
                x, memory, params, f"decoder.{layer}", head_dim=self.head_dim, norm=self.norm,
                mask=mask, memory_mask=memory_mask, attend=attend, rate=self.dropout, rng=rng,
            )  # fmt: skip
            block_caches.append(block_cache)
        x, norm_cache = self.last_norm(x, params, "decoder.norm")
        logits, head_cache = linear(x, table.T if self.tied else params["head.w"])
        decoder_cache = embed_cache, block_caches, norm_cache
        return logits, {"hidden": x, "decoder": decoder_cache, "head": head_cache}

    def last_norm(self, x: Array, params: Params, prefix: str) -> tuple[Array, Cache]:
        """The norm that ends a stack of pre-norm blocks; post-norm ones end in a norm already."""
        if self.norm == "post":
            return x, None
        return layer_norm(x, *parts(params, prefix, NORM))

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, T, V); dhidden: (B, T, D) or None, a gradient that reaches cache["hidden"]
        by another way and is added there.
        """
        dx, dhead, _ = linear_backward(dlogits, cache["head"])
        if dhidden is not None:
            dx = dx + dhidden
        embed_cache, block_caches, norm_cache = cache["decoder"]
        dx, grads = last_norm_backward(dx, norm_cache, "decoder.norm")
        dmemory = np.zeros_like(cache["memory"])  # every block of the decoder reads it
        for block_cache in reversed(block_caches):
            dx, dread, block_grads = decoder_block_backward(dx, block_cache)
            dmemory += dread
            grads |= block_grads
        grads["token_embedding"], _ = embed_backward(dx, embed_cache)

        embed_cache, block_caches, norm_cache = cache["encoder"]
        dx, norm_grads = last_norm_backward(dmemory, norm_cache, "encoder.norm")
        grads |= norm_grads
        for block_cache in reversed(block_caches):
            dx, block_grads = block_backward(dx, block_cache)
            grads |= block_grads
        dsource, _ = embed_backward(dx, embed_cache)
        if self.source_vocab_size is None:  # one table, used on both sides
            grads["token_embedding"] += dsource
        else:
            grads["source_embedding"] = dsource
        if self.tied:  # and once more in the head
            grads["token_embedding"] += dhead.T
        else:
            grads["head.w"] = dhead
        return grads


def last_norm_backward(dx: Array, norm_cache: Cache, prefix: str) -> tuple[Array, Params]:
    """Gradients of last_norm: dx, and those of the norm's weights, if there is one, by name."""
    if norm_cache is None:
        return dx, {}
    dx, dgain, dbias = layer_norm_backward(dx, norm_cache)
    return dx, named(prefix, NORM, (dgain, dbias))
