"""Witten-Bell n-grams: what counting alone can predict, the line a neural model must go below.

How likely is w after the history h (the n − 1 tokens before it)? Count what followed h in training;
to the extent that h was followed by ever new things, ask a history one token shorter instead:

    p_n(w | h) = (c(h w) + T(h) · p_{n−1}(w | h')) / (c(h) + T(h)),        p_0(w) = 1 / V

c counts occurrences, T(h) is the number of *distinct* tokens seen after h (each was new once: that
is the estimate of how often something new comes), and h' is h without its oldest token.
Witten and Bell 1991, method C; interpolated as in Chen and Goodman 1998, section 2.5.
"""

import numpy as np

from minilm.types import Array


def witten_bell_losses(
    train: Array, validation: Array, vocab_size: int, max_order: int
) -> list[float]:
    """Mean nats per validation token of the n-gram models of order 1, 2, …, max_order.

    train: (n,), validation: (m,), integers in 0..vocab_size-1. A history reaches back inside the
    validation text only, so its first tokens are predicted from shorter ones.
    ValueError for empty sequences, tokens out of range, or max_order < 1.
    """
    _check(train, validation, vocab_size, max_order)
    probability = np.full(len(validation), 1 / vocab_size)
    # At each order, a position stands for the n-gram that ends there; histories have numbers.
    train_history = np.zeros(len(train), dtype=np.int64)  # order 1: the one empty history
    history = np.zeros(len(validation), dtype=np.int64)
    losses = []
    for order in range(1, max_order + 1):
        train_grams, grams, n_grams = _number_together(
            train_history * vocab_size + train[order - 1 :],
            history * vocab_size + validation[order - 1 :],
        )
        n_histories = 1 + max(train_history.max(initial=0), history.max(initial=0))
        # one position for each distinct n-gram
        _, first = np.unique(train_grams, return_index=True)
        count_gram = np.bincount(train_grams, minlength=n_grams)[grams]  # c(h w)
        count = np.bincount(train_history, minlength=n_histories)[history]  # c(h)
        distinct = np.bincount(train_history[first], minlength=n_histories)[history]  # T(h)

        shorter = probability[order - 1 :]
        longer = (count_gram + distinct * shorter) / np.maximum(count + distinct, 1)
        probability[order - 1 :] = np.where(count > 0, longer, shorter)  # h never seen: use h'
        losses.append(float(-np.log(probability).mean()))
        # the n-gram that ends at a position is the history of the next one
        train_history, history = train_grams[:-1], grams[:-1]
    return losses


def _number_together(a: Array, b: Array) -> tuple[Array, Array, int]:
    """Replace the keys of both arrays by 0, 1, 2, …, equal keys by equal numbers.

    Renumbering at every order keeps keys below (n + m) · V: no V^n that would overflow int64.
    """
    distinct, numbers = np.unique(np.concatenate([a, b]), return_inverse=True)
    return numbers[: len(a)], numbers[len(a) :], len(distinct)


def _check(train: Array, validation: Array, vocab_size: int, max_order: int) -> None:
    if max_order < 1:
        raise ValueError(f"max_order: must be at least 1, got {max_order!r}")
    for name, tokens in (("train", train), ("validation", validation)):
        if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
            raise TypeError(f"{name}: must be integers (n,), got {tokens.dtype} {tokens.shape}")
        if len(tokens) == 0:
            raise ValueError(f"{name}: is empty")
        if tokens.min() < 0 or tokens.max() >= vocab_size:
            raise ValueError(
                f"{name}: tokens must lie in 0..{vocab_size - 1}, "
                f"got {tokens.min()}..{tokens.max()}"
            )
