"""What every tokenizer refuses: texts, sizes and ids that cannot be meant."""

from collections.abc import Sequence

import numpy as np

from minilm.types import Array


def check_text(text: str, empty_allowed: bool = True) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text: must be a str, got {type(text).__name__}")
    if not text and not empty_allowed:
        raise ValueError("text: is empty; there is no vocabulary to be found in it")


def check_sizes(vocab_size: int, fewest: int, why: str, min_count: int) -> None:
    """vocab_size must hold what is there before anything is learned; min_count be 1 or more."""
    if isinstance(vocab_size, bool) or not isinstance(vocab_size, int | np.integer):
        raise TypeError(f"vocab_size: must be an int, got {vocab_size!r}")
    if vocab_size < fewest:
        raise ValueError(f"vocab_size: must be at least {fewest} ({why}), got {vocab_size!r}")
    if min_count < 1:
        raise ValueError(f"min_count: must be at least 1, got {min_count!r}")


def checked_ids(ids: Array | Sequence[int], vocab_size: int) -> list[int]:
    """ids as a list, after refusing what would wrap around, be rounded or be out of range."""
    array = np.asarray(ids)
    if array.size == 0:
        return []
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"ids: must be integers (n,), got {array.dtype} {array.shape}")
    if array.min() < 0 or array.max() >= vocab_size:
        outside = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"ids: must lie in 0..{vocab_size - 1}, got {outside}")
    return array.tolist()


def utf8(text: str) -> bytes:
    """The text's bytes. ValueError for the one kind of text that has none: lone surrogates."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text: {text[error.start]!r} is half of a surrogate pair, not a character; "
            "it has no UTF-8 bytes"
        ) from error
