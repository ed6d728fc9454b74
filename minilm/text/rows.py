"""Rows of unequal length as one array, and an order that puts rows of like length together.

What fills up a row is multiplied like everything else, so a batch of rows of like length costs
least. But batches of one length only are no fair sample of the data; hence pools of a few batches:

    an epoch: all examples in random order  ->  pools of 8 batches, each sorted by length
              ->  batches, in random order

Each epoch shows every example once, and what it shows is a function of (seed, epoch): any step can
be asked for alone, and a run that is resumed sees what it would have seen anyway.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from minilm.types import Array

POOL = 8  # batches
STREAM = 0x726F77  # as in batches.py: a stream of our own beside what `fit` draws


def filled(rows: Sequence[Array], value: int) -> Array:
    """(B, longest) int32: the rows, and after the end of each the value."""
    array = np.full((len(rows), max(map(len, rows))), value, dtype=np.int32)
    for line, row in zip(array, rows, strict=True):
        line[: len(row)] = row
    return array


def like_lengths(lengths: Sequence[Array], batch_size: int, seed: int) -> Callable[[int], Array]:
    """step -> (batch_size,) numbers of the examples of its batch.

    lengths: one or more (n,) arrays of the examples' lengths; the first counts most in sorting.
    If batch_size does not divide n, an epoch ends with some of its first examples once more.
    ValueError for n = 0, a batch_size below 1, or a negative seed or step.
    """
    n = len(lengths[0])
    if n == 0:
        raise ValueError("examples: there are none")
    for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name}: must be at least {least}, got {value!r}")
    batches = -(-n // batch_size)  # of an epoch

    @lru_cache(maxsize=1)
    def order(epoch: int) -> Array:
        rng = np.random.default_rng([seed, epoch, STREAM])
        shuffled = np.resize(rng.permutation(n), batches * batch_size)
        pools = np.split(shuffled, range(POOL * batch_size, len(shuffled), POOL * batch_size))
        sorted_ = [pool[np.lexsort([length[pool] for length in lengths[::-1]])] for pool in pools]
        return rng.permutation(np.concatenate(sorted_).reshape(batches, batch_size))

    def batch(step: int) -> Array:
        if step < 0:
            raise ValueError(f"step: must be at least 0, got {step!r}")
        epoch, place = divmod(step, batches)
        rows: Array = order(epoch)[place]
        return rows

    return batch


def check_not_empty(texts: Sequence[str], ids: Sequence[Array], what: str) -> None:
    """ValueError for no texts, and for the first one in which the tokenizer found nothing."""
    if len(texts) == 0:
        raise ValueError(f"{what}: there are none")
    for number, (text, row) in enumerate(zip(texts, ids, strict=True)):
        if len(row) == 0:
            raise ValueError(f"{what}: number {number} is empty: {text!r}")


def check_fits(texts: Sequence[str], lengths: Array, context: int | None, what: str) -> None:
    """ValueError naming the longest text if it needs more positions than there are (None: any)."""
    if context is None or lengths.max() <= context:
        return
    number = int(lengths.argmax())
    text = texts[number] if len(texts[number]) <= 60 else texts[number][:57] + "..."
    raise ValueError(
        f"{what}: number {number} takes {lengths.max()} positions, more than context={context}: "
        f"{text!r}"
    )
