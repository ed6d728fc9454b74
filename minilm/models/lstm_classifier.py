"""The LSTM classifier: read a text both ways, then judge what was read.

    y_1 … y_n = lstm_encoder(√E · table[tokens])         (B, T, D), both ways
    hidden = mean of y_1 … y_n                           pooling="mean"
           = [h forwards at y_n; h backwards at y_1]     pooling="last": what each way ends with
    logits = hidden W + b                                (B, classes)

    p(class | text) = softmax(logits)
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.language_model import check_choice, check_dropout, check_positive, normal
from minilm.models.lstm_encoder import (
    check_even,
    lstm_encoder,
    lstm_encoder_backward,
    new_lstm_encoder,
    token_vectors,
    token_vectors_backward,
)
from minilm.models.pooling import mean_of_tokens, mean_of_tokens_backward
from minilm.models.seq2seq_model import check_padding_id, check_source
from minilm.nn import dropout, dropout_backward, linear, linear_backward
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class LSTMClassifier:
    """A bidirectional LSTM, a vector for the whole text, and a linear map to the classes.

    vocab_size: V; classes: C; width: D, even, half for each way; embedding_width: E (default:
    width); layers: L. pooling: "mean" or "last", see above. dropout: rate at the input of each
    level and of the head, on exactly when an `rng` is passed. padding_id: fills up on the right.

    Parameters: token_embedding (V, E); encoder.l.forwards.* and encoder.l.backwards.*, each an
    LSTM's w_x, w_h, b of width D/2; head.w (D, C); head.b (C,).
    Raises ValueError for a size below 1, an odd width, another pooling, a dropout rate outside
    [0, 1), or a padding id outside the vocabulary.
    """

    vocab_size: int
    classes: int
    width: int = 128
    embedding_width: int | None = None
    layers: int = 1
    pooling: str = "mean"
    dropout: float = 0.0
    padding_id: int = 0

    def __post_init__(self) -> None:
        if self.embedding_width is None:
            object.__setattr__(self, "embedding_width", self.width)
        check_positive(
            vocab_size=self.vocab_size,
            classes=self.classes,
            width=self.width,
            embedding_width=self.embedding_width,  # type: ignore[arg-type]
            layers=self.layers,
        )
        check_even(self.width)
        check_choice("pooling", self.pooling, ("mean", "last"))
        check_padding_id(self.padding_id, self.vocab_size)
        check_dropout(self.dropout)

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: std 1/√fan_in, biases 0, forget bias 1, the table 1/√E."""
        rng = np.random.default_rng(seed)
        width, inputs = self.width, self.embedding_width
        assert inputs is not None
        params = {"token_embedding": normal(rng, (self.vocab_size, inputs), 1 / math.sqrt(inputs))}
        params |= new_lstm_encoder(rng, "encoder", inputs, width, self.layers)
        params["head.w"] = normal(rng, (width, self.classes), 1 / math.sqrt(width))
        params["head.b"] = np.zeros(self.classes, dtype=np.float32)
        return params

    def forward(
        self, params: Params, tokens: Array, *, rng: np.random.Generator | None = None
    ) -> tuple[Array, Cache]:
        """The logits of each text's class.

        tokens: (B, T) integer ids  ->  logits: (B, C), cache; cache["hidden"]: (B, D), what the
        head reads. Raises ValueError for a text that is nothing but padding or has padding before
        a token, or ids outside 0 … V−1.
        """
        tokens = check_source(tokens, self.padding_id)
        mask = tokens != self.padding_id
        x, vectors_cache = token_vectors(tokens, params["token_embedding"])
        (y, states), encoder_cache = lstm_encoder(
            x, mask, params, "encoder", layers=self.layers, rate=self.dropout, rng=rng
        )
        if self.pooling == "mean":
            hidden, mean_cache = mean_of_tokens(y, mask)
        else:
            hidden, mean_cache = states[-1][0], None
        hidden, dropout_cache = dropout(hidden, self.dropout, rng)
        logits, head_cache = linear(hidden, params["head.w"], params["head.b"])
        pooling_cache = y.shape, mean_cache, dropout_cache
        return logits, {
            "hidden": hidden,
            "encoder": (vectors_cache, encoder_cache),
            "head": (pooling_cache, head_cache),
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, C); dhidden: (B, D) or None, a gradient that reaches cache["hidden"] by
        another way and is added there.
        """
        (shape, mean_cache, dropout_cache), head_cache = cache["head"]
        dh, dw, db = linear_backward(dlogits, head_cache)
        if dhidden is not None:
            dh = dh + dhidden
        dh = dropout_backward(dh, dropout_cache)
        if self.pooling == "mean":
            dy, dstates = mean_of_tokens_backward(dh, mean_cache), None
        else:
            dy, nothing = np.zeros(shape, dh.dtype), np.zeros_like(dh)
            dstates = [(nothing, nothing)] * (self.layers - 1) + [(dh, nothing)]
        vectors_cache, encoder_cache = cache["encoder"]
        dx, grads = lstm_encoder_backward(dy, dstates, encoder_cache)
        dtable = token_vectors_backward(dx, vectors_cache)
        return {"token_embedding": dtable} | grads | {"head.w": dw, "head.b": db}
