"""The LSTM language model: one vector of memory, read and rewritten at every token.

    x   = √E · table[tokens]                embedding, (B, T, E)
    h_l = lstm(h_{l−1}),  h_0 = x           layer by layer, (B, T, H)
    logits = h_L W_project tableᵀ + b       tied head: the table that reads also writes
    logits = h_L W + b                      untied head

The state (h, c) of every layer is all that the model remembers of the past; pass a call's
`cache["state"]` as the next call's `state`, and a long text can be read in pieces.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.language_model import check_dropout, check_positive, check_tokens, normal
from minilm.nn import (
    dropout,
    dropout_backward,
    embedding,
    embedding_backward,
    linear,
    linear_backward,
    lstm,
    lstm_backward,
)
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class LSTMLanguageModel:
    """A stack of LSTM layers between an embedding and a softmax.

    vocab_size: V; width: H of every layer; embedding_width: E (default: width); layers: L.
    tied: the head is the embedding table transposed, behind a projection H -> E where they differ.
    dropout: rate at the embedding and at each layer's output, on exactly when an `rng` is passed
    (Zaremba et al. 2014: never on the recurrent path).

    Parameters: token_embedding (V, E); lstm.l.w_x (in, 4H), lstm.l.w_h (H, 4H), lstm.l.b (4H,),
    gates in the order i, f, g, o; head.w_project (H, E) or head.w (H, V); head.b (V,).
    Raises ValueError for a size below 1 or a dropout rate outside [0, 1).
    """

    vocab_size: int
    width: int = 256
    embedding_width: int | None = None
    layers: int = 1
    tied: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.embedding_width is None:
            object.__setattr__(self, "embedding_width", self.width)
        check_positive(
            vocab_size=self.vocab_size,
            width=self.width,
            embedding_width=self.embedding_width,  # type: ignore[arg-type]
            layers=self.layers,
        )
        check_dropout(self.dropout)

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: std 1/√fan_in, biases 0, forget bias 1 (Jozefowicz 2015).

        The table has std 1/√E, right for the tied head; √E at the input brings x to variance 1.
        """
        rng = np.random.default_rng(seed)
        vocab, width, inputs = self.vocab_size, self.width, self.embedding_width
        assert inputs is not None
        params = {"token_embedding": normal(rng, (vocab, inputs), 1 / math.sqrt(inputs))}
        for layer in range(self.layers):
            fan_in = inputs if layer == 0 else width
            params[f"lstm.{layer}.w_x"] = normal(rng, (fan_in, 4 * width), 1 / math.sqrt(fan_in))
            params[f"lstm.{layer}.w_h"] = normal(rng, (width, 4 * width), 1 / math.sqrt(width))
            bias = np.zeros(4 * width, dtype=np.float32)
            bias[width : 2 * width] = 1  # a new cell remembers
            params[f"lstm.{layer}.b"] = bias
        if not self.tied:
            params["head.w"] = normal(rng, (width, vocab), 1 / math.sqrt(width))
        elif inputs != width:
            params["head.w_project"] = normal(rng, (width, inputs), 1 / math.sqrt(width))
        params["head.b"] = np.zeros(vocab, dtype=np.float32)
        return params

    def fresh_state(self) -> list[tuple[None, None]]:
        """The state before the first token: None stands for zeros."""
        return [(None, None)] * self.layers

    def chosen(
        self, state: Sequence[tuple[Array | None, Array | None]], rows: Array
    ) -> list[tuple[Array | None, Array | None]]:
        """The state of the texts `rows` of the batch: these rows of every h and c."""
        return [
            (None if h is None else h[rows], None if c is None else c[rows]) for h, c in state
        ]

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        state: Sequence[tuple[Array | None, Array | None]] | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Cache]:
        """Logits of the next token after each token.

        tokens: (B, T) integer ids; state: L pairs (h, c) of (B, H), None = zeros
          ->  logits: (B, T, V), cache
        cache["hidden"]: (B, T, H), what the head reads; cache["state"]: L pairs (h, c) at the end.
        Raises ValueError for a state of another number of layers, or ids outside 0 … V−1.
        """
        tokens = check_tokens(tokens)
        states = list(self.fresh_state() if state is None else state)
        if len(states) != self.layers:
            raise ValueError(f"state must hold {self.layers} pairs (h, c), got {len(states)}")
        table = params["token_embedding"]
        by_vocabulary = self._projects_the_vocabulary(params, tokens, rng)
        read = np.arange(table.shape[0]) if by_vocabulary else tokens
        x, embedding_cache = embedding(read, table)
        x *= math.sqrt(table.shape[1])
        h, dropout_cache = dropout(x, self.dropout, rng)
        layer_caches, end_states = [], []
        for layer, (h0, c0) in enumerate(states):
            w_x, w_h, b = (params[f"lstm.{layer}.{part}"] for part in ("w_x", "w_h", "b"))
            ids = tokens if by_vocabulary and layer == 0 else None
            h, lstm_cache = lstm(h, w_x, w_h, b, h0, c0, ids)
            end_states.append(lstm_cache["state"])
            h, output_dropout_cache = dropout(h, self.dropout, rng)
            layer_caches.append((lstm_cache, output_dropout_cache))
        logits, head_cache = self._head(params, h)
        return logits, {
            "hidden": h,
            "state": end_states,
            "embedding": (embedding_cache, table.shape[1], dropout_cache),
            "layers": layer_caches,
            "head": head_cache,
        }

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, T, V); dhidden: (B, T, H) or None, a gradient that reaches cache["hidden"]
        by another way (a teacher's hidden states) and is added there.
        """
        dh, head_grads = self._head_backward(dlogits, cache["head"])
        if dhidden is not None:
            dh = dh + dhidden
        lstm_grads: list[Params] = []
        for lstm_cache, output_dropout_cache in reversed(cache["layers"]):
            dh = dropout_backward(dh, output_dropout_cache)
            dh, dw_x, dw_h, db, _, _ = lstm_backward(dh, lstm_cache)
            lstm_grads.insert(0, {"w_x": dw_x, "w_h": dw_h, "b": db})
        embedding_cache, width, dropout_cache = cache["embedding"]
        dx = dropout_backward(dh, dropout_cache) * math.sqrt(width)
        dtable = embedding_backward(dx, embedding_cache)
        if "token_embedding" in head_grads:  # tied: the table was used twice
            dtable += head_grads.pop("token_embedding")
        grads = {"token_embedding": dtable}
        for layer, parts in enumerate(lstm_grads):
            grads |= {f"lstm.{layer}.{part}": g for part, g in parts.items()}
        return grads | head_grads

    def _projects_the_vocabulary(
        self, params: Params, tokens: Array, rng: np.random.Generator | None
    ) -> bool:
        """Whether the first layer multiplies the V rows of the table, rather than more tokens:
        table[ids] w_x = (table w_x)[ids].

        Not with dropout, which changes every token by itself, and not through a weight that is no
        array: that may record, or round, what multiplies it.
        """
        table, w_x = params["token_embedding"], params["lstm.0.w_x"]
        arrays = isinstance(table, np.ndarray) and isinstance(w_x, np.ndarray)
        dropped = rng is not None and self.dropout > 0
        return arrays and not dropped and table.shape[0] < tokens.size

    def _head(self, params: Params, h: Array) -> tuple[Array, Cache]:
        """logits = h W + b, or with a tied table (h W_project) tableᵀ + b."""
        if not self.tied:
            logits, logits_cache = linear(h, params["head.w"], params["head.b"])
            return logits, (None, logits_cache)
        project_cache = None
        if "head.w_project" in params:
            h, project_cache = linear(h, params["head.w_project"])
        logits, logits_cache = linear(h, params["token_embedding"].T, params["head.b"])
        return logits, (project_cache, logits_cache)

    def _head_backward(self, dlogits: Array, cache: Cache) -> tuple[Array, Params]:
        """dh and the head's gradients; a tied table's share is under "token_embedding"."""
        project_cache, logits_cache = cache
        dh, dw, db = linear_backward(dlogits, logits_cache)
        if not self.tied:
            return dh, {"head.w": dw, "head.b": db}
        grads = {}
        if project_cache is not None:
            dh, grads["head.w_project"], _ = linear_backward(dh, project_cache)
        return dh, grads | {"head.b": db, "token_embedding": dw.T}
