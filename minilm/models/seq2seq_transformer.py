"""The encoder–decoder Transformer: read one sequence whole, write another token by token.

    memory = encoder(source)                             (B, S, D): every position sees all others
    logits = decoder(target_inputs, memory)              (B, T, V): each sees what came before it,
                                                         and all of the memory
    p(target_t | source, target_1 … target_{t−1}) = softmax(logits_t)

Both begin as in embed.py and are stacks of blocks, as in encoder.py and decoder.py. Sources of
different lengths stand in one array, filled up with a padding id that no position may look at, in
the encoder and from the decoder. Padding of the target comes after all that counts, so the causal
mask hides it already.

To write a target piece by piece, the memory's keys and values for each block of the decoder are
made once (`read`), and those of what is written are kept (`write`): a token costs O(S + T).

Vaswani et al. 2017 (norm="post"); norm="pre" as in transformer.py.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.decoder import (
    DecoderState,
    decoder,
    decoder_backward,
    decoder_memory,
    decoder_memory_backward,
    new_decoder,
)
from minilm.models.embed import embed, embed_backward
from minilm.models.encoder import encoder, encoder_backward, new_encoder
from minilm.models.key_value_cache import Attend, KeyValueCache, TransformerState, remembered
from minilm.models.language_model import (
    check_choice,
    check_dropout,
    check_heads,
    check_positive,
    normal,
)
from minilm.models.seq2seq_model import check_padding_id, check_source, check_target_inputs
from minilm.nn import attention, causal_mask, linear, linear_backward, padding_mask
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class Seq2SeqTransformer:
    """An encoder and a decoder of as many blocks each; a `Seq2SeqModel`.

    vocab_size: V, of the target; source_vocab_size: V_s, or None: source and target are written in
    one vocabulary and share one table; width: D; layers: L blocks on either side; heads: H (must
    divide D); context: the longest source and the longest target; feed_forward: F (default: 4D);
    norm: "pre" or "post"; tied: the head is the target's table transposed; dropout: rate at both
    embeddings and each residual step, on exactly when an `rng` is passed; padding_id: what fills up
    a source; positions: "sinusoidal" or "learned", a table for either side.

    Parameters: token_embedding (V, D); source_embedding (V_s, D) if not shared; position_embedding
    and source_position_embedding (context, D) if learned; encoder.l.* as in `minilm.models.block`,
    decoder.l.* as in `minilm.models.decoder_block`; encoder.norm.* and decoder.norm.* (D,) for
    pre-norm; head.w (D, V) if untied.
    Raises ValueError for a size below 1, heads that do not divide the width, another norm or kind
    of positions, a dropout rate outside [0, 1), or a padding id outside the source's vocabulary.
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
    positions: str = "sinusoidal"

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
        check_heads(self.width, self.heads)
        check_choice("norm", self.norm, ("pre", "post"))
        check_choice("positions", self.positions, ("sinusoidal", "learned"))
        check_padding_id(self.padding_id, source_size)
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
        if self.positions == "learned":
            for name in ("position_embedding", "source_position_embedding"):
                params[name] = normal(rng, (self.context, width), inner / 2)
        for side, new in (("encoder", new_encoder), ("decoder", new_decoder)):
            params |= new(rng, side, layers=self.layers, width=width, wide=wide, norm=self.norm)
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
        attend: Attend = attention,
    ) -> tuple[Array, Cache]:
        """Logits of the target's next token after each of its tokens.

        source: (B, S) and target_inputs: (B, T) integer ids  ->  logits: (B, T, V), cache
        target_inputs begin with a token that means "begin", as the first logits need one to look
        from. cache["hidden"]: (B, T, D), what the head reads; cache["memory"]: (B, S, D).
        attend: called in the place of `attention` everywhere, (q, k, v, mask) -> y, cache.
        Raises ValueError for sequences longer than `context`, other numbers of sources and
        targets, a source that is nothing but padding, or ids outside their table.
        """
        memory, memory_mask, encoder_cache = self._encode(params, source, rng, attend)
        kvs, kv_cache = self._memory(params, memory)
        state = DecoderState(kvs, memory_mask, None)
        logits, cache = self._decode(params, target_inputs, state, rng, attend)
        return logits, {**cache, "memory": memory, "kvs": kv_cache, "encoder": encoder_cache}

    def read(
        self,
        params: Params,
        source: Array,
        *,
        attend: Attend = attention,
        new_cache: Callable[[int], Any] = KeyValueCache,
    ) -> DecoderState:
        """The state before the first target token: the source is read, and read once.

        new_cache: makes a block's memory of what is written, with room for `context` tokens.
        """
        memory, memory_mask, _ = self._encode(params, source, None, attend)
        kvs, _ = self._memory(params, memory)
        caches = tuple(new_cache(self.context) for _ in range(self.layers))
        return DecoderState(kvs, memory_mask, TransformerState(caches, 0))

    def write(
        self,
        params: Params,
        target_inputs: Array,
        state: DecoderState,
        *,
        attend: Attend = attention,
    ) -> tuple[Array, Cache]:
        """Logits after each of these tokens, which go on from the state.

        target_inputs: (B, T)  ->  logits: (B, T, V), cache; cache["state"] goes on from there.
        Raises ValueError for more tokens than `context` in all, for another number of texts, or for
        a state that has been written on from; TypeError for something else than a state.
        """
        if not isinstance(state, DecoderState):
            raise TypeError(
                f'state must come from read() or cache["state"], got {type(state).__name__}'
            )
        return self._decode(params, target_inputs, state, None, attend)

    def chosen(self, state: DecoderState, rows: Array) -> DecoderState:
        """The state of the sources `rows` of the batch, and what is written to them."""
        return state.chosen(rows)

    def _encode(
        self, params: Params, source: Array, rng: np.random.Generator | None, attend: Attend
    ) -> tuple[Array, Array, Cache]:
        """memory (B, S, D), who may be looked at (B, 1, 1, S), cache."""
        source = check_source(source, self.padding_id)
        mask = padding_mask(source, self.padding_id)
        table, positions = params[self.source_table], "source_position_embedding"
        x, embed_cache = self._embed(source, table, params, positions, 0, rng)
        memory, encoder_cache = encoder(
            x, params, "encoder", layers=self.layers, head_dim=self.head_dim, norm=self.norm,
            mask=mask, attend=attend, rate=self.dropout, rng=rng,
        )  # fmt: skip
        return memory, mask, (embed_cache, encoder_cache)

    def _embed(
        self,
        ids: Array,
        table: Any,
        params: Params,
        positions: str,
        start: int,
        rng: np.random.Generator | None,
    ) -> tuple[Array, Cache]:
        """embed.py's, with the table of positions of that name if they are learned."""
        return embed(
            ids, table, positions=self.positions, context=self.context, start=start,
            position_table=params[positions] if self.positions == "learned" else None,
            rate=self.dropout, rng=rng,
        )  # fmt: skip

    def _memory(self, params: Params, memory: Array) -> tuple[tuple[Array, ...], Cache]:
        """What each block of the decoder reads of the memory; cache."""
        return decoder_memory(
            memory, params, "decoder", layers=self.layers, head_dim=self.head_dim
        )

    def _decode(
        self,
        params: Params,
        target_inputs: Array,
        state: DecoderState,
        rng: np.random.Generator | None,
        attend: Attend,
    ) -> tuple[Array, Cache]:
        """The logits (B, T, V) of forward and of write; cache."""
        target_inputs = check_target_inputs(target_inputs, len(state.memory_mask))
        start, caches = remembered(state.written, self.layers)
        end = start + target_inputs.shape[1]
        table = params["token_embedding"]
        x, embed_cache = self._embed(
            target_inputs, table, params, "position_embedding", start, rng
        )
        mask = causal_mask(end - start, end) if end - start > 1 else None  # the last sees all
        x, decoder_cache = decoder(
            x, state.memory, params, "decoder", head_dim=self.head_dim, norm=self.norm, mask=mask,
            memory_mask=state.memory_mask, attend=attend, caches=caches, rate=self.dropout, rng=rng,
        )  # fmt: skip
        logits, head_cache = linear(x, table.T if self.tied else params["head.w"])
        after = None if state.written is None else TransformerState(caches, end)
        return logits, {
            "hidden": x,
            "state": None if after is None else state._replace(written=after),
            "decoder": (embed_cache, decoder_cache),
            "head": head_cache,
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, T, V); dhidden: (B, T, D) or None, a gradient that reaches cache["hidden"]
        by another way and is added there.
        Raises ValueError for the cache of `write`.
        """
        if cache["state"] is not None:
            raise ValueError("backward needs forward's cache, not that of write")
        dx, dhead, _ = linear_backward(dlogits, cache["head"])
        if dhidden is not None:
            dx = dx + dhidden
        embed_cache, decoder_cache = cache["decoder"]
        dx, dkvs, grads = decoder_backward(dx, decoder_cache)
        dtable, dpositions = embed_backward(dx, embed_cache)

        embed_cache, encoder_cache = cache["encoder"]
        dmemory, memory_grads = decoder_memory_backward(dkvs, cache["kvs"])
        dx, encoder_grads = encoder_backward(dmemory, encoder_cache)
        dsource_table, dsource_positions = embed_backward(dx, embed_cache)
        grads |= memory_grads | encoder_grads
        if self.source_vocab_size is None:  # one table, used on both sides
            dtable += dsource_table
        else:
            grads["source_embedding"] = dsource_table
        if self.tied:  # and once more in the head
            dtable += dhead.T
        else:
            grads["head.w"] = dhead
        if dpositions is not None:
            grads["position_embedding"] = dpositions
            grads["source_position_embedding"] = dsource_positions
        return grads | {"token_embedding": dtable}
