"""How well a language model predicts a text: the mean loss over all its tokens.

    loss = 1/(N − 1) · Σ_{t=1}^{N−1} −log p(token_t | what the model knows of token_0 … token_{t−1})

in nats per token; e to its power is the perplexity. Every token but the first is scored once.

What the model knows of the past depends on the model. One with a state reads the text in
`batch_size` contiguous streams and carries the state along each. One with a `context` reads windows
that overlap by half, and is scored on their later half only (the first window: on all of it), so
that a token has at least half a context before it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilm.models import LanguageModel
from minilm.nn import IGNORED, cross_entropy
from minilm.types import Array, Params

PIECE = 64  # tokens that a model with a state reads per call


def evaluate(
    model: LanguageModel,
    params: Params,
    tokens: Array,
    *,
    batch_size: int = 32,
    limit: int | None = None,
) -> float:
    """Mean loss in nats per token over tokens[1:], each scored once.

    tokens: (N,) integer ids, N >= 2; limit: score only the first `limit` of them.
    batch_size: windows per call, or streams (each starts from an empty state, so that a model with
    a state loses a little at batch_size − 1 places: 1 is exact and slow).
    Raises ValueError for fewer than two tokens or sizes below 1, TypeError for ids that are not
    integers.
    """
    tokens = np.asarray(tokens)
    if not np.issubdtype(tokens.dtype, np.integer):
        raise TypeError(f"tokens must be integer ids, got dtype {tokens.dtype}")
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"tokens must be (N,) with N >= 2: one to read, one to predict, "
                         f"got shape {tokens.shape}")  # fmt: skip
    for name, size in (("batch_size", batch_size), ("limit", limit)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    tokens = tokens if limit is None else tokens[: limit + 1]
    context = getattr(model, "context", None)
    if context is None:
        losses = stream_losses(model, params, tokens, batch_size)
    else:
        losses = window_losses(model, params, tokens, batch_size, context)
    return sum(losses) / (len(tokens) - 1)


def stream_losses(
    model: LanguageModel, params: Params, tokens: Array, streams: int
) -> Iterator[float]:
    """Summed losses of a model that carries a state along contiguous streams."""
    scored = len(tokens) - 1
    length = -(-scored // streams)  # rounded up: the end of the last streams is padding
    streams = -(-scored // length)
    inputs = np.zeros(streams * length, dtype=tokens.dtype)
    targets = np.full(streams * length, IGNORED, dtype=np.int64)
    inputs[:scored], targets[:scored] = tokens[:-1], tokens[1:]
    read, scores = inputs.reshape(streams, length), targets.reshape(streams, length)
    state: Any = None
    for start in range(0, length, PIECE):
        piece = slice(start, start + PIECE)
        logits, cache = model.forward(params, read[:, piece], state=state)
        state = cache["state"]
        yield summed_loss(logits, scores[:, piece])


def window_losses(
    model: LanguageModel, params: Params, tokens: Array, batch_size: int, context: int
) -> Iterator[float]:
    """Summed losses of a model that sees `context` tokens, over windows overlapping by half."""
    scored = len(tokens) - 1
    stride = max(1, context // 2)
    windows = 1 + max(0, -(-(scored - context) // stride))
    # The last window may reach beyond the end: what pads it comes after all that is scored
    inputs = np.zeros((windows - 1) * stride + context, dtype=tokens.dtype)
    targets = np.full(inputs.shape, IGNORED, dtype=np.int64)
    inputs[:scored], targets[:scored] = tokens[:-1], tokens[1:]
    for first in range(0, windows, batch_size):
        starts = stride * np.arange(first, min(first + batch_size, windows))
        places = starts[:, None] + np.arange(context)
        scores = targets[places]
        scores[starts > 0, : context - stride] = IGNORED  # scored in the window before
        logits, _ = model.forward(params, inputs[places])
        yield summed_loss(logits, scores)


def summed_loss(logits: Array, targets: Array) -> float:
    """Σ −log softmax(logits)[target] over the targets that count."""
    mean, _ = cross_entropy(logits, targets)
    return float(mean) * int(np.count_nonzero(targets != IGNORED))
