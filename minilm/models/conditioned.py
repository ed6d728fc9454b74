"""An encoder–decoder that has its source is a language model.

    p(target_t | target_1 … target_{t−1}),  with the source given once and for all

So whatever writes with a language model writes with a `Conditioned` one: greedy, sampled, streamed,
or by beam search. Only a window cannot slide: the beginning of the target stays in the state.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilm.models.seq2seq_model import Seq2SeqModel
from minilm.types import Array, Cache, Params


class Unread(NamedTuple):
    """The state before the source has been read, for that needs parameters."""

    source: Array  # (B, S)


@dataclass(frozen=True, eq=False)
class Conditioned:
    """`model`, writing to `source`: (B, S) integer ids, one for each text side by side."""

    model: Seq2SeqModel
    source: Array

    def init(self, seed: int) -> Params:
        """The model's fresh parameters."""
        return self.model.init(seed)

    def config(self) -> dict[str, Any]:
        """The model's configuration; the source is data and does not belong to it."""
        return self.model.config()

    def fresh_state(self) -> Unread:
        """The state before the first token; the first forward reads the source."""
        return Unread(np.asarray(self.source))

    def chosen(self, state: Any, rows: Array) -> Any:
        """The state of the texts `rows` of the batch, each with its own source."""
        if isinstance(state, Unread):
            return Unread(state.source[rows])
        return self.model.chosen(state, rows)

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        state: Any = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Cache]:
        """tokens: (B, T), a text for each source -> logits (B, T, V), cache.

        state: None = these tokens are the whole text, as in the model's own forward, and only then
        can an `rng` turn its dropout on.
        """
        if state is None:
            return self.model.forward(params, self.source, tokens, rng=rng)
        if rng is not None:
            raise ValueError("rng turns dropout on, which needs the whole text, with state=None")
        if isinstance(state, Unread):
            state = self.model.read(params, state.source)
        return self.model.write(params, tokens, state)

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """The model's gradients, after a forward pass over whole texts."""
        return self.model.backward(dlogits, cache, dhidden)
