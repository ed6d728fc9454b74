"""The bag of words: what a text's words say one by one, whatever their order.

    hidden = mean over the text's tokens of E[token]         (B, D)
    logits = hidden W + b                                    (B, classes)

E W is one matrix (V, classes), a weight for each word and class: so this is a linear classifier on
the shares of the words, their counts divided by the text's length. It is the baseline that a model
which reads in order has to beat: "not good" and "good, not" are the same bag.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.language_model import check_dropout, check_positive, normal
from minilm.models.pooling import mean_of_tokens, mean_of_tokens_backward
from minilm.models.seq2seq_model import check_padding_id, check_source
from minilm.nn import (
    dropout,
    dropout_backward,
    embedding,
    embedding_backward,
    linear,
    linear_backward,
)
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class BagOfWordsClassifier:
    """A table of word vectors, their mean, and a linear map to the classes.

    vocab_size: V; classes: C; width: D; with D < C, not every linear classifier can be said.
    dropout: rate at the head's input, on exactly when an `rng` is passed. padding_id: an id that is
    not counted, wherever it stands.

    Parameters: token_embedding (V, D), head.w (D, C), head.b (C,).
    Raises ValueError for a size below 1, a dropout rate outside [0, 1), or a padding id outside
    the vocabulary.
    """

    vocab_size: int
    classes: int
    width: int = 32
    dropout: float = 0.0
    padding_id: int = 0

    def __post_init__(self) -> None:
        check_positive(vocab_size=self.vocab_size, classes=self.classes, width=self.width)
        check_padding_id(self.padding_id, self.vocab_size)
        check_dropout(self.dropout)

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: word vectors of variance 1, the head's std 1/√D, bias 0."""
        rng = np.random.default_rng(seed)
        return {
            "token_embedding": normal(rng, (self.vocab_size, self.width), 1),
            "head.w": normal(rng, (self.width, self.classes), 1 / math.sqrt(self.width)),
            "head.b": np.zeros(self.classes, dtype=np.float32),
        }

    def forward(
        self, params: Params, tokens: Array, *, rng: np.random.Generator | None = None
    ) -> tuple[Array, Cache]:
        """The logits of each text's class.

        tokens: (B, T) integer ids  ->  logits: (B, C), cache; cache["hidden"]: (B, D), what the
        head reads. Raises ValueError for a text that is nothing but padding, or ids outside the
        table.
        """
        tokens = check_source(tokens, self.padding_id)
        mask = tokens != self.padding_id
        x, embedding_cache = embedding(tokens, params["token_embedding"])
        hidden, mean_cache = mean_of_tokens(x, mask)
        hidden, dropout_cache = dropout(hidden, self.dropout, rng)
        logits, head_cache = linear(hidden, params["head.w"], params["head.b"])
        return logits, {
            "hidden": hidden,
            "caches": (embedding_cache, mean_cache, dropout_cache, head_cache),
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, C); dhidden: (B, D) or None, a gradient that reaches cache["hidden"] by
        another way and is added there.
        """
        embedding_cache, mean_cache, dropout_cache, head_cache = cache["caches"]
        dh, dw, db = linear_backward(dlogits, head_cache)
        if dhidden is not None:
            dh = dh + dhidden
        dx = mean_of_tokens_backward(dropout_backward(dh, dropout_cache), mean_cache)
        dtable = embedding_backward(dx, embedding_cache)
        return {"token_embedding": dtable, "head.w": dw, "head.b": db}
