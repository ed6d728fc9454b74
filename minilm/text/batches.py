"""Random windows of a text. Each batch is a function of (seed, step): there is no state to save.

Training that resumes at step 700 draws the batches 700, 701, … that it would have drawn anyway.
"""

from collections.abc import Callable

import numpy as np

from minilm.types import Array

# NumPy pads seeds with zeros: default_rng([7, 3]) and default_rng([7, 3, 0]) are one stream. A last
# number of our own keeps the windows independent of what `fit` draws from [seed, step, 1].
STREAM = 0x77696E


def windows(
    tokens: Array, batch_size: int, context: int, seed: int
) -> Callable[[int], tuple[Array, Array]]:
    """step -> (inputs, targets), both (B, T) int32; targets[:, t] is the token after inputs[:, t].

    tokens: (n,) integers; B = batch_size windows of T = context tokens, each beginning anywhere in
    0..n-context-1 with equal probability (windows of one batch may overlap).
    TypeError for tokens that are not integers (n,); ValueError when n < context + 1, or for sizes
    below 1 or a negative seed or step.
    """
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise TypeError(f"tokens: must be integers (n,), got {tokens.dtype} {tokens.shape}")
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("context", context, 1),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: must be at least {least}, got {value!r}")
    if len(tokens) < context + 1:
        raise ValueError(
            f"tokens: a corpus of {len(tokens)} tokens is too short; "
            f"context={context} needs at least {context + 1}"
        )
    offsets = np.arange(context + 1)

    def batch(step: int) -> tuple[Array, Array]:
        if step < 0:
            raise ValueError(f"step: must be at least 0, got {step!r}")
        rng = np.random.default_rng([seed, step, STREAM])
        starts = rng.integers(len(tokens) - context, size=batch_size)
        window = tokens[starts[:, None] + offsets].astype(np.int32)  # (B, T + 1)
        return window[:, :-1], window[:, 1:]

    return batch
