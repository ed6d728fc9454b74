"""What an encoder–decoder answers: a model that reads one sequence and writes another.

    p(target_t | source, target_1 … target_{t−1}) = softmax(logits_t)

To train it, `forward` takes a source and its target together. To write with it, `read` takes the
source once, and `write` takes the target's tokens as they come: what was read and written so far
goes in and out as its `state`. As with a language model, `init` makes the parameters, `backward`
the gradients, `config` says in plain data what shapes cannot tell, and the object holds no numbers.

Sources of different lengths stand in one array, filled up at their ends with `padding_id`.
"""

from typing import Any, Protocol

import numpy as np

from minilm.models.language_model import check_tokens
from minilm.types import Array, Cache, Params


class Seq2SeqModel(Protocol):
    """The fields and methods that training, evaluation and generation rely on."""

    @property
    def vocab_size(self) -> int:
        """V, of the target."""

    @property
    def source_vocab_size(self) -> int | None:
        """V_s, or None: source and target are written in one vocabulary."""

    @property
    def padding_id(self) -> int:
        """What fills up a source."""

    def init(self, seed: int) -> Params:
        """Fresh float32 parameters; the same seed gives the same bits."""

    def config(self) -> dict[str, Any]:
        """The configuration as JSON-able data; `build(config)` makes the model again."""

    def forward(
        self,
        params: Params,
        source: Array,
        target_inputs: Array,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Cache]:
        """source (B, S), target_inputs (B, T) -> logits (B, T, V), cache, cache["hidden"].

        target_inputs begin with a token that means "begin".
        """

    def backward(self, dlogits: Array, cache: Cache, dhidden: Array | None = None) -> Params:
        """dlogits: (B, T, V) -> gradients by parameter name; `dhidden` is added at "hidden"."""

    def read(self, params: Params, source: Array) -> Any:
        """The state before the first target token of these B sources: the encoder's work, once."""

    def write(self, params: Params, target_inputs: Array, state: Any) -> tuple[Array, Cache]:
        """target_inputs: (B, T), which go on from `state` -> logits (B, T, V), cache["state"].

        Pass each call's cache["state"] as the next one's `state`, and once: it may be written into.
        """

    def chosen(self, state: Any, rows: Array) -> Any:
        """The state of the sources `rows` of the batch, (B',) integers, in this order.

        A row may be chosen several times, or not at all; `state` itself stays as it is.
        """


def check_source(source: Array, padding_id: int) -> Array:
    """The ids as an array (B, S), refused if a row holds nothing but padding."""
    source = check_tokens(source)
    filled = (source != padding_id).any(axis=1)
    if not filled.all():
        row = int(np.argmin(filled))
        raise ValueError(f"every row must hold a token, got only padding in row {row}")
    return source


def check_target_inputs(target_inputs: Array, sources: int) -> Array:
    """The ids as an array (B, T), refused unless there is a row for each source."""
    target_inputs = check_tokens(target_inputs)
    if len(target_inputs) != sources:
        raise ValueError(
            f"target_inputs must have a row for each source, got {len(target_inputs)} rows "
            f"for {sources} sources"
        )
    return target_inputs


def check_padding_id(padding_id: int, vocab_size: int) -> None:
    """Refuse a padding id outside the vocabulary that is read."""
    if isinstance(padding_id, bool) or not isinstance(padding_id, int):
        raise ValueError(f"padding_id must be an integer, got {padding_id!r}")
    if not 0 <= padding_id < vocab_size:
        raise ValueError(f"padding_id must be in [0, {vocab_size}), got {padding_id!r}")
