"""The LSTM encoder–decoder with attention: before each word it writes, it looks back at the source.

    memory, state = encoder(source)                  lstm_encoder.py: (B, S, D), both ways
    h_t = decoder LSTM(√D · table[target_inputs]), which begins in the encoder's last state
    context_t = Σ_s alignment_ts memory_s            by additive attention, or by h_t · memory_s
    hidden_t = tanh([h_t; context_t] W),   logits_t = hidden_t tableᵀ + b

This is Luong et al. 2015, without feeding hidden_t to the next step of the LSTM: so no step of the
LSTM waits for the attention of the one before, and a whole target is trained in one pass, a few
large products over all T. Additive attention is that of Bahdanau et al. 2015.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minilm.models.language_model import check_choice, check_dropout, check_positive, normal
from minilm.models.lstm_encoder import (
    PARTS,
    check_even,
    lstm_encoder,
    lstm_encoder_backward,
    new_lstm,
    new_lstm_encoder,
    token_vectors,
    token_vectors_backward,
)
from minilm.models.seq2seq_model import check_padding_id, check_source, check_target_inputs
from minilm.nn import (
    additive_attention,
    additive_attention_backward,
    attention,
    attention_backward,
    attention_weights,
    dropout,
    dropout_backward,
    linear,
    linear_backward,
    lstm,
    lstm_backward,
    tanh,
    tanh_backward,
)
from minilm.types import Array, Cache, Params


@dataclass(frozen=True)
class Seq2SeqLSTM:
    """An encoder and a decoder of as many levels each.

    vocab_size: V of the target; source_vocab_size: of the source, if it has a table of its own
    (None: one vocabulary and one table for both); width: D of all vectors, even; layers: L.
    attention: "additive", or "dot" (scaled as in nn.attention, no parameters).
    tied: the head is token_embedding transposed. dropout: rate at the input of each LSTM and of W,
    on exactly when an `rng` is passed. padding_id: the id that fills up a source, on the right.

    Parameters: token_embedding (V, D); source_embedding (V_s, D) if not shared;
    encoder.l.forwards.* and encoder.l.backwards.* of width D/2, decoder.l.* of width D, each an
    LSTM's w_x, w_h, b; attention.w_q and attention.w_k (D, D), attention.v (D,) if additive;
    combine.w (2D, D); head.w (D, V) if untied; head.b (V,).
    Raises ValueError for a size below 1, an odd width, another attention, a dropout rate outside
    [0, 1), or a padding id outside the source's vocabulary.
    """

    vocab_size: int
    source_vocab_size: int | None = None
    width: int = 128
    layers: int = 1
    attention: str = "additive"
    tied: bool = True
    dropout: float = 0.0
    padding_id: int = 0

    def __post_init__(self) -> None:
        source_size = self.vocab_size if self.source_vocab_size is None else self.source_vocab_size
        check_positive(
            vocab_size=self.vocab_size,
            source_vocab_size=source_size,
            width=self.width,
            layers=self.layers,
        )
        check_even(self.width)
        check_choice("attention", self.attention, ("additive", "dot"))
        check_padding_id(self.padding_id, source_size)
        check_dropout(self.dropout)

    @property
    def source_table(self) -> str:
        """The name of the table that the source is looked up in."""
        return "token_embedding" if self.source_vocab_size is None else "source_embedding"

    def config(self) -> dict[str, Any]:
        """Plain data from which `build` makes this model again."""
        return {"model": type(self).__name__, **asdict(self)}

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters: std 1/√fan_in, biases 0, forget bias 1, tables 1/√D."""
        rng = np.random.default_rng(seed)
        width, std = self.width, 1 / math.sqrt(self.width)
        params = {"token_embedding": normal(rng, (self.vocab_size, width), std)}
        if self.source_vocab_size is not None:
            params["source_embedding"] = normal(rng, (self.source_vocab_size, width), std)
        params |= new_lstm_encoder(rng, "encoder", width, width, self.layers)
        for level in range(self.layers):
            params |= new_lstm(rng, f"decoder.{level}", width, width)
        if self.attention == "additive":
            params["attention.w_q"] = normal(rng, (width, width), std)
            params["attention.w_k"] = normal(rng, (width, width), std)
            params["attention.v"] = normal(rng, (width,), std)
        params["combine.w"] = normal(rng, (2 * width, width), 1 / math.sqrt(2 * width))
        if not self.tied:
            params["head.w"] = normal(rng, (width, self.vocab_size), std)
        params["head.b"] = np.zeros(self.vocab_size, dtype=np.float32)
        return params

    def read(self, params: Params, source: Array) -> dict[str, Any]:
        """The state before the first target token: what the encoder makes of these sources.

        source: (B, S)  ->  {"memory": (B, S, D), "keys": memory W_k, or None for dot attention,
        "mask": (B, 1, S), "levels": for each level a pair (h, c) of (B, D)}
        Raises ValueError for a source that is nothing but padding, has padding before a token, or
        ids outside their table.
        """
        return self._read(params, source, None)[0]

    def write(
        self, params: Params, target_inputs: Array, state: dict[str, Any]
    ) -> tuple[Array, Cache]:
        """Logits after each of these tokens, which go on from the state.

        target_inputs: (B, T)  ->  logits: (B, T, V), cache; cache["state"] goes on from there.
        Raises ValueError for another number of texts than sources, TypeError for something else
        than a state.
        """
        if not (isinstance(state, dict) and "levels" in state):
            raise TypeError(
                f'state must come from read() or cache["state"], got {type(state).__name__}'
            )
        return self._write(params, target_inputs, state, None)

    def chosen(self, state: dict[str, Any], rows: Array) -> dict[str, Any]:
        """The state of the texts `rows` of the batch."""
        kept = {
            name: None if state[name] is None else state[name][rows]
            for name in ("memory", "keys", "mask")
        }
        return kept | {"levels": [(h[rows], c[rows]) for h, c in state["levels"]]}

    def forward(
        self,
        params: Params,
        source: Array,
        target_inputs: Array,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Cache]:
        """Logits of the target's next token after each of its tokens.

        source: (B, S) and target_inputs: (B, T) integer ids  ->  logits: (B, T, V), cache
        target_inputs begin with a token that means "begin". cache["hidden"]: (B, T, D), what the
        head reads; cache["alignment"]: (B, T, S), where each step looked; cache["memory"].
        Raises ValueError as `read` does, and for other numbers of sources and targets.
        """
        state, encoder_cache = self._read(params, source, rng)
        logits, cache = self._write(params, target_inputs, state, rng)
        return logits, {**cache, "memory": state["memory"], "encoder": encoder_cache}

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """Gradients of every parameter, by name.

        dlogits: (B, T, V); dhidden: (B, T, D) or None, a gradient that reaches cache["hidden"]
        by another way and is added there.
        Raises ValueError for the cache of `write`.
        """
        if "encoder" not in cache:
            raise ValueError("backward needs forward's cache, not that of write")
        embed_cache, level_caches, attention_cache, joined_caches, head_cache = cache["decoder"]
        dx, dhead, dbias = linear_backward(dlogits, head_cache)
        grads = {"head.b": dbias}
        if dhidden is not None:
            dx = dx + dhidden
        dropout_cache, combine_cache, tanh_cache = joined_caches
        djoined, dw, _ = linear_backward(tanh_backward(dx, tanh_cache), combine_cache)
        grads["combine.w"] = dw
        djoined = dropout_backward(djoined, dropout_cache)
        width = cache["memory"].shape[-1]
        dh, dcontext = djoined[..., :-width], djoined[..., -width:]
        if self.attention == "additive":
            dq, dmemory, *parts = additive_attention_backward(dcontext, attention_cache)
            names = (f"attention.{part}" for part in ("w_q", "w_k", "v"))
            grads |= dict(zip(names, parts, strict=True))
        else:
            dq, dkeys, dvalues = attention_backward(dcontext, attention_cache)
            dmemory = dkeys + dvalues
        dh = dh + dq
        dstates: list[tuple[Array, Array]] = []
        for level in reversed(range(self.layers)):
            dropout_cache, lstm_cache = level_caches[level]
            dh, *parts, dh0, dc0 = lstm_backward(dh, lstm_cache)
            dh = dropout_backward(dh, dropout_cache)
            dstates.insert(0, (dh0, dc0))
            grads |= {f"decoder.{level}.{n}": g for n, g in zip(PARTS, parts, strict=True)}
        grads["token_embedding"] = token_vectors_backward(dh, embed_cache)

        embed_cache, encoder_cache = cache["encoder"]
        dx, encoder_grads = lstm_encoder_backward(dmemory, dstates, encoder_cache)
        grads |= encoder_grads
        dsource = token_vectors_backward(dx, embed_cache)
        if self.source_vocab_size is None:  # one table, used on both sides
            grads["token_embedding"] += dsource
        else:
            grads["source_embedding"] = dsource
        if self.tied:  # and once more in the head
            grads["token_embedding"] += dhead.T
        else:
            grads["head.w"] = dhead
        return grads

    def _read(
        self, params: Params, source: Array, rng: np.random.Generator | None
    ) -> tuple[dict[str, Any], Cache]:
        source = check_source(source, self.padding_id)
        mask = source != self.padding_id
        x, embed_cache = token_vectors(source, params[self.source_table])
        (memory, levels), encoder_cache = lstm_encoder(
            x, mask, params, "encoder", layers=self.layers, rate=self.dropout, rng=rng
        )
        additive = self.attention == "additive"
        keys = linear(memory, params["attention.w_k"])[0] if additive else None
        state = {"memory": memory, "keys": keys, "mask": mask[:, None], "levels": levels}
        return state, (embed_cache, encoder_cache)

    def _write(
        self,
        params: Params,
        target_inputs: Array,
        state: dict[str, Any],
        rng: np.random.Generator | None,
    ) -> tuple[Array, Cache]:
        memory = state["memory"]
        target_inputs = check_target_inputs(target_inputs, len(memory))
        table = params["token_embedding"]
        h, embed_cache = token_vectors(target_inputs, table)
        level_caches, ends = [], []
        for level, (h0, c0) in enumerate(state["levels"]):
            h, dropout_cache = dropout(h, self.dropout, rng)
            w_x, w_h, b = (params[f"decoder.{level}.{part}"] for part in PARTS)
            h, lstm_cache = lstm(h, w_x, w_h, b, h0, c0)
            level_caches.append((dropout_cache, lstm_cache))
            ends.append(lstm_cache["state"])
        if self.attention == "additive":
            w_q, w_k, v = (params[f"attention.{part}"] for part in ("w_q", "w_k", "v"))
            context, attention_cache = additive_attention(
                h, memory, w_q, w_k, v, state["mask"], state["keys"]
            )
            alignment = attention_cache["weights"]
        else:
            context, attention_cache = attention(h, memory, memory, state["mask"])
            alignment = attention_weights(h, memory, state["mask"])
        joined, dropout_cache = dropout(np.concatenate([h, context], axis=-1), self.dropout, rng)
        combined, combine_cache = linear(joined, params["combine.w"])
        hidden, tanh_cache = tanh(combined)
        w = table.T if self.tied else params["head.w"]
        logits, head_cache = linear(hidden, w, params["head.b"])
        joined_caches = dropout_cache, combine_cache, tanh_cache
        return logits, {
            "hidden": hidden,
            "alignment": alignment,
            "state": {**state, "levels": ends},
            "decoder": (embed_cache, level_caches, attention_cache, joined_caches, head_cache),
        }
