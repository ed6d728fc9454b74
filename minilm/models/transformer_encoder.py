"""The Transformer encoder by itself, as BERT is: what each token means in its text.

    x = norm(E[ids] + P[t] + S[type])           (B, T, D): tables of tokens, places and segments
    hidden = encoder(x)                         post-norm blocks, as in encoder.py

Every token sees all others on both sides, so a token's vector depends on the whole text. What is
made of it is another's: a mean over a text (sentence embeddings), the first vector (a class), or
the logits of what a hidden token was (masked_language_model.py). The segments tell the first from
the second of two texts that are read together.

Devlin et al. 2018.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.block import (
    ACTIVATIONS,
    NORM,
    named,
    new_norm,
    normalize,
    normalize_backward,
    parts,
)
from minilm.models.embed import embed, embed_backward
from minilm.models.encoder import encoder, encoder_backward, new_encoder
from minilm.models.key_value_cache import Attend
from minilm.models.language_model import (
    check_choice,
    check_dropout,
    check_heads,
    check_norm_eps,
    check_positive,
    normal,
)
from minilm.models.seq2seq_model import check_padding_id, check_source
from minilm.nn import (
    attention,
    dropout,
    dropout_backward,
    embedding,
    embedding_backward,
    padding_mask,
)
from minilm.nn.checks import require_below, require_integers, require_shape
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class TransformerEncoder:
    """BERT's body: three tables, a norm, and a stack of post-norm blocks.

    vocab_size: V; width: D; layers: L; heads: H (must divide D); context: the longest text;
    feed_forward: F (default: 4D); activation: "exact_gelu", "gelu" (its tanh form) or "relu";
    token_types: how many segments there are; norm_eps: what the norms add to a variance; dropout:
    rate after the first norm and at each residual step, on exactly when an `rng` is passed;
    padding_id: what fills up a text on the right.

    BERT base and all-MiniLM-L6-v2 are

        TransformerEncoder(30522, width=768, layers=12, heads=12, context=512)
        TransformerEncoder(30522, width=384, layers=6, heads=12, context=512)

    Parameters: token_embedding (V, D), position_embedding (context, D), type_embedding
    (token_types, D), embedding_norm.gain and .bias (D,), encoder.l.* as in `minilm.models.block`.
    Raises ValueError for a size below 1, heads that do not divide the width, another activation, a
    norm_eps that is not positive and finite, a dropout rate outside [0, 1), or a padding id outside
    the vocabulary.
    """

    vocab_size: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 64
    feed_forward: int | None = None
    activation: str = "exact_gelu"
    token_types: int = 2
    norm_eps: float = 1e-12
    dropout: float = 0.0
    padding_id: int = 0

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
            token_types=self.token_types,
        )
        check_heads(self.width, self.heads)
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_norm_eps(self.norm_eps)
        check_dropout(self.dropout)
        check_padding_id(self.padding_id, self.vocab_size)

    @property
    def head_dim(self) -> int:
        """d: the width of one head, which the shapes cannot tell."""
        return self.width // self.heads

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters, as in TransformerLanguageModel.init."""
        rng = np.random.default_rng(seed)
        width, wide = self.width, self.feed_forward
        assert wide is not None
        std = 1 / math.sqrt(width)
        tables = {"token": self.vocab_size, "position": self.context, "type": self.token_types}
        params: Params = {
            f"{name}_embedding": normal(rng, (rows, width), std / 2)
            for name, rows in tables.items()
        }
        params |= new_norm("embedding_norm", width)
        return params | new_encoder(
            rng, "encoder", layers=self.layers, width=width, wide=wide, norm="post"
        )

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        token_types: Array | None = None,
        rng: np.random.Generator | None = None,
        attend: Attend = attention,
        for_backward: bool = True,
    ) -> tuple[Array, Cache]:
        """The vector of each token in its text.

        tokens: (B, T) integer ids; token_types: (B, T) integers, or None: all 0
        ->  hidden: (B, T, D), cache; what hidden holds at padding means nothing
        cache["hidden_states"]: L + 1 arrays (B, T, D), what each block reads, and hidden.
        attend: called in the place of `attention`, (q, k, v, mask) -> y, cache.
        for_backward=False: nothing but these is kept, and `backward` refuses. It takes the memory
        of one block in the place of L, and a tenth to a quarter less time, as memory that has just
        been in use is used again.
        Raises ValueError for a text longer than `context` or that is nothing but padding, ids
        outside 0 … V−1, and token_types of another shape or outside 0 … token_types−1.
        """
        tokens = check_source(tokens, self.padding_id)
        x, input_cache = self._read(params, tokens, self._types(token_types, tokens.shape), rng)
        hidden, encoder_cache = encoder(
            x, params, "encoder", layers=self.layers, head_dim=self.head_dim, norm="post",
            mask=padding_mask(tokens, self.padding_id), attend=attend,
            activation=self.activation, eps=self.norm_eps, rate=self.dropout, rng=rng,
            for_backward=for_backward,
        )  # fmt: skip
        return hidden, {
            "hidden_states": [x, *encoder_cache[-1]],
            "for_backward": (input_cache, encoder_cache) if for_backward else None,
        }

    def backward(self, dhidden: Array, cache: Cache) -> Params:
        """Gradients of every parameter, by name.        dhidden: (B, T, D)

        Raises ValueError if the forward pass was told to keep nothing for this one.
        """
        if cache["for_backward"] is None:
            raise ValueError("backward needs a forward pass with for_backward=True")
        input_cache, encoder_cache = cache["for_backward"]
        dx, grads = encoder_backward(dhidden, encoder_cache)
        return self._read_backward(dx, input_cache) | grads

    def _types(self, token_types: Array | None, shape: tuple[int, ...]) -> Array:
        """token_types, checked; where there are none one 0 for all, (1, 1)."""
        if token_types is None:
            return np.zeros((1, 1), np.intp)
        token_types = np.asarray(token_types)
        require_integers("token_types", token_types)
        require_shape(shape, token_types=token_types)
        require_below(self.token_types, "token_types", token_types)
        return token_types

    def _read(
        self, params: Params, tokens: Array, types: Array, rng: np.random.Generator | None
    ) -> tuple[Array, Cache]:
        """x = dropout(norm(E[ids] + P[t] + S[type])).   (B, T)  ->  x: (B, T, D), cache"""
        x, embed_cache = embed(
            tokens, params["token_embedding"], positions="learned", context=self.context,
            position_table=params["position_embedding"],
        )  # fmt: skip
        rows, type_cache = embedding(types, params["type_embedding"])
        x += rows
        x, norm_cache = normalize(x, *parts(params, "embedding_norm", NORM), eps=self.norm_eps)
        x, dropout_cache = dropout(x, self.dropout, rng)
        return x, (embed_cache, type_cache, types.shape, norm_cache, dropout_cache)

    def _read_backward(self, dx: Array, cache: Cache) -> Params:
        """Gradients of the three tables and of the first norm."""
        embed_cache, type_cache, types_shape, norm_cache, dropout_cache = cache
        dx, *dnorm = normalize_backward(dropout_backward(dx, dropout_cache), norm_cache)
        dtable, dpositions = embed_backward(dx, embed_cache)
        if types_shape != dx.shape[:2]:  # one row was added to all
            dx = dx.sum(axis=(0, 1), keepdims=True)
        grads = {
            "token_embedding": dtable,
            "position_embedding": dpositions,
            "type_embedding": embedding_backward(dx, type_cache),
        }
        return grads | named("embedding_norm", NORM, tuple(dnorm))
