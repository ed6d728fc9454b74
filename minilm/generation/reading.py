"""What a model reads while it writes: each token once, through a window with so many places.

    logits, state = model(new tokens, state)

What the model remembers of a token is in its state, so only what has been written since is read.
A model with a `context` reads from a window with that many places, which holds the end of the
prompt first. When all places are taken the window cannot slide, as each token is remembered with
its place in it: a new one begins with the last context // 2 tokens, which are read again in one
pass.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilm.models import LanguageModel
from minilm.types import Array, Params


class Reader:
    """A model, and its state in B texts of equal length that grow side by side."""

    def __init__(self, model: LanguageModel, params: Params, prompt_length: int) -> None:
        self.model, self.params = model, params
        self.context: int | None = getattr(model, "context", None)
        # the window's first token, and the first that has not been read
        self.window = self.read = max(0, prompt_length - (self.context or prompt_length))
        self.rows = 0  # texts in the last reading
        self.state: Any = model.fresh_state()

    def next_logits(self, texts: Array) -> Array:
        """Read what is new in the texts: (B, N) ids  ->  the logits of what comes next, (B, V).

        Raises FloatingPointError if they are not finite.
        """
        end = texts.shape[1]
        if self.context is not None and end - self.window > self.context:
            self.window = self.read = end - max(1, self.context // 2)
            self.state = self.model.fresh_state()
        new, self.rows = texts[:, self.read :], len(texts)
        logits, cache = self.model.forward(self.params, new, state=self.state)
        self.read, self.state = end, cache["state"]
        if not np.isfinite(logits[:, -1]).all():
            raise FloatingPointError("the model's logits are not finite: its parameters may not be")
        return logits[:, -1]

    def choose(self, rows: Array) -> None:
        """Go on with the texts `rows` of those read so far, in this order, some perhaps twice."""
        if not np.array_equal(rows, np.arange(self.rows)):  # it may be costly: states are copied
            self.state = self.model.chosen(self.state, rows)


def check_prompt(
    prompt_ids: Array | Sequence[int], vocab_size: int, name: str = "prompt_ids"
) -> Array:
    """The prompt as int32 (N,), refused if it is empty or has ids that the model does not know."""
    prompt = np.asarray(prompt_ids)
    if prompt.ndim != 1 or len(prompt) == 0:
        raise ValueError(f"{name} must hold at least one id, (N,), got shape {prompt.shape}")
    if not np.issubdtype(prompt.dtype, np.integer):
        raise TypeError(f"{name} must be integers, got dtype {prompt.dtype}")
    unknown = prompt[(prompt < 0) | (prompt >= vocab_size)]
    if len(unknown):
        raise ValueError(f"{name} must be in 0 … {vocab_size - 1}, got {unknown[0]}")
    return prompt.astype(np.int32)


def check_length(length: int) -> None:
    """Refuse to write fewer than no tokens."""
    if length < 0:
        raise ValueError(f"length must be 0 or more, got {length}")


def check_end(end: int | None, vocab_size: int, name: str = "end") -> None:
    """Refuse an end token that the model does not know."""
    if end is not None and not 0 <= end < vocab_size:
        raise ValueError(f"{name} must be an id in 0 … {vocab_size - 1}, got {end}")
