"""What a language model is here: a configuration, a parameter dict, and six methods.

A model object holds no numbers and no state. It is the recipe: `init` makes the parameters,
`forward` turns ids into the logits of the next id, `backward` turns the gradient of the logits
into the gradients of the parameters, and `config` says in plain data what shapes cannot tell.
A text can be read in pieces: what a model remembers of the earlier ones goes in and out of
`forward` as its `state`, and `fresh_state` is what it remembers before the first. Of several texts
read side by side, `chosen` keeps the memory of some.

    p(token_{t+1} | token_1 … token_t) = softmax(logits_t)
"""

import math
from typing import Any, Protocol

import numpy as np

from minilm.types import Array, Cache, Params


class LanguageModel(Protocol):
    """The methods that training, evaluation and generation call."""

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters; the same seed gives the same bits."""

    def fresh_state(self) -> Any:
        """The state before the first token, of any number of texts side by side.

        A Transformer's also takes `new_cache`: what makes the caches of its keys and values.
        """

    def chosen(self, state: Any, rows: Array) -> Any:
        """The state of the texts `rows` of the batch, (B',) integers, in this order.

        A text may be chosen several times, or not at all; `state` itself stays as it is.
        """

    def forward(
        self,
        params: Params,
        tokens: Array,
        *,
        state: Any = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Cache]:
        """tokens: (B, T) -> logits (B, T, V), cache; cache["hidden"], cache["state"] are public.

        Pass each call's cache["state"] as the next one's `state`, and once: it may be written into.
        """

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """dlogits: (B, T, V) -> gradients by parameter name; `dhidden` is added at "hidden"."""

    def config(self) -> dict[str, Any]:
        """The configuration as JSON-able data; `build(config)` makes the model again."""


def check_tokens(tokens: Array) -> Array:
    """The ids as an array, refused unless they are integers of shape (B, T), neither empty."""
    tokens = np.asarray(tokens)
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"tokens must be integer ids, got dtype {tokens.dtype}")
    if tokens.ndim != 2 or tokens.size == 0:
        raise ValueError(f"tokens must have shape (B, T) with B, T >= 1, got {tokens.shape}")
    return tokens


def check_positive(**sizes: int) -> None:
    """Refuse by name every size that is not an integer, Python's or NumPy's, of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {size!r}")


def check_heads(width: int, heads: int) -> None:
    """Refuse heads that cannot share the width evenly."""
    if width % heads:
        raise ValueError(f"heads must divide width {width}, got heads={heads}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_dropout(rate: float) -> None:
    """Refuse a dropout rate outside [0, 1)."""
    if not 0 <= rate < 1:
        raise ValueError(f"dropout must be in [0, 1), got {rate!r}")


def check_norm_eps(eps: float) -> None:
    """Refuse what a norm cannot add to a variance: what is not positive, or not finite."""
    number = isinstance(eps, int | float | np.floating) and not isinstance(eps, bool)
    if not (number and 0 < eps < math.inf):
        raise ValueError(f"norm_eps must be positive and finite, got {eps!r}")


def normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Array:
    """Float32 draws from N(0, std²)."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)
