"""The Transformer classifier: every token looks at all others, then the text is judged as a whole.

    y_1 … y_n = encoder(embed(tokens))          (B, T, D), as in encoder.py
    hidden = mean of y_1 … y_n                  pooling="mean", padding not counted
           = y_1                                pooling="first"
    logits = hidden W + b                       (B, classes)

    p(class | text) = softmax(logits)

With pooling="first" the first token has to gather what the text says: put one in front of every
text that stands for nothing else, as BERT does with its [CLS] (Devlin et al. 2018).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.embed import embed, embed_backward
from minilm.models.encoder import encoder, encoder_backward, new_encoder
from minilm.models.key_value_cache import Attend
from minilm.models.language_model import (
    check_choice,
    check_dropout,
    check_heads,
    check_positive,
    normal,
)
from minilm.models.pooling import mean_of_tokens, mean_of_tokens_backward
from minilm.models.seq2seq_model import check_padding_id, check_source
from minilm.nn import attention, dropout, dropout_backward, linear, linear_backward, padding_mask
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class TransformerClassifier:
    """A Transformer encoder, a vector for the whole text, and a linear map to the classes.

    vocab_size: V; classes: C; width: D; layers: L; heads: H (must divide D); context: the longest
    text; feed_forward: F (default: 4D); norm: "pre" or "post"; positions: "sinusoidal" or
    "learned"; pooling: "mean" or "first", see above; dropout: rate at the embedding, at each
    residual step and before the head, on exactly when an `rng` is passed; padding_id: what fills
    up a text on the right.

    Parameters: token_embedding (V, D); position_embedding (context, D) if learned; encoder.l.* as
    in `minilm.models.block`; encoder.norm.* (D,) for pre-norm; head.w (D, C), head.b (C,).
    Raises ValueError for a size below 1, heads that do not divide the width, another norm, kind of
    positions or pooling, a dropout rate outside [0, 1), or a padding id outside the vocabulary.
    """

    vocab_size: int
    classes: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 64
    feed_forward: int | None = None
    norm: str = "pre"
    positions: str = "sinusoidal"
    pooling: str = "mean"
    dropout: float = 0.0
    padding_id: int = 0

    def __post_init__(self) -> None:
        if self.feed_forward is None:
            object.__setattr__(self, "feed_forward", 4 * self.width)
        check_positive(
            vocab_size=self.vocab_size,
            classes=self.classes,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            context=self.context,
            feed_forward=self.feed_forward,  # type: ignore[arg-type]
        )
        check_heads(self.width, self.heads)
        check_choice("norm", self.norm, ("pre", "post"))
        check_choice("positions", self.positions, ("sinusoidal", "learned"))
        check_choice("pooling", self.pooling, ("mean", "first"))
        check_padding_id(self.padding_id, self.vocab_size)
        check_dropout(self.dropout)

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
        params = {"token_embedding": normal(rng, (self.vocab_size, width), std / 2)}
        if self.positions == "learned":
            params["position_embedding"] = normal(rng, (self.context, width), std / 2)
        params |= new_encoder(
            rng, "encoder", layers=self.layers, width=width, wide=wide, norm=self.norm
        )
        params["head.w"] = normal(rng, (width, self.classes), std)
        params["head.b"] = np.zeros(self.classes, np.float32)
        return params

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        rng: np.random.Generator | None = None,
        attend: Attend = attention,
    ) -> tuple[Array, Cache]:
        """The logits of each text's class.

        tokens: (B, T) integer ids  ->  logits: (B, C), cache
        cache["hidden"]: (B, D), what the head reads.
        attend: called in the place of `attention`, (q, k, v, mask) -> y, cache.
        Raises ValueError for a text longer than `context` or that is nothing but padding, ids
        outside 0 … V−1, and for pooling="first" a text that begins with padding.
        """
        tokens = check_source(tokens, self.padding_id)
        is_token = tokens != self.padding_id
        if self.pooling == "first" and not is_token[:, 0].all():
            row = int(np.argmin(is_token[:, 0]))
            raise ValueError(f'pooling="first" needs a token in first place, not so in row {row}')
        x, embed_cache = embed(
            tokens, params["token_embedding"], positions=self.positions, context=self.context,
            position_table=params["position_embedding"] if self.positions == "learned" else None,
            rate=self.dropout, rng=rng,
        )  # fmt: skip
        y, encoder_cache = encoder(
            x, params, "encoder", layers=self.layers, head_dim=self.head_dim, norm=self.norm,
            mask=padding_mask(tokens, self.padding_id), attend=attend, rate=self.dropout, rng=rng,
        )  # fmt: skip
        if self.pooling == "mean":
            hidden, mean_cache = mean_of_tokens(y, is_token)
        else:
            hidden, mean_cache = y[:, 0].copy(), None
        hidden, dropout_cache = dropout(hidden, self.dropout, rng)
        logits, head_cache = linear(hidden, params["head.w"], params["head.b"])
        return logits, {
            "hidden": hidden,
            "encoder": (embed_cache, encoder_cache),
            "pooling": (y.shape, mean_cache, dropout_cache),
            "head": head_cache,
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, C); dhidden: (B, D) or None, a gradient that reaches cache["hidden"] by
        another way and is added there.
        """
        dpooled, dw, db = linear_backward(dlogits, cache["head"])
        if dhidden is not None:
            dpooled = dpooled + dhidden
        shape, mean_cache, dropout_cache = cache["pooling"]
        dpooled = dropout_backward(dpooled, dropout_cache)
        if self.pooling == "mean":
            dy = mean_of_tokens_backward(dpooled, mean_cache)
        else:
            dy = np.zeros(shape, dpooled.dtype)
            dy[:, 0] = dpooled
        embed_cache, encoder_cache = cache["encoder"]
        dx, grads = encoder_backward(dy, encoder_cache)
        grads["token_embedding"], dpositions = embed_backward(dx, embed_cache)
        if dpositions is not None:
            grads["position_embedding"] = dpositions
        return grads | {"head.w": dw, "head.b": db}
