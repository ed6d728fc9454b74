"""What every tokenizer refuses, and the special tokens that every tokenizer can reserve.

A special token is a number that no text encodes to: a mark for the model, not a piece of text. What
is called "<pad>" here is safe from a text that happens to contain the characters <pad>.

    tokenizer = CharTokenizer.train(text, specials=(PADDING, BEGIN, END))
    tokenizer.special_ids                               {'<pad>': 0, '<bos>': 1, '<eos>': 2}
"""

from collections.abc import Collection, Sequence

import numpy as np

from minilm.types import Array

PADDING = "<pad>"  # fills up a batch of unequal lengths
BEGIN = "<bos>"  # what a decoder is given before its first word
END = "<eos>"  # what it says after its last one
UNKNOWN = "<unk>"  # stands for a word that is not in the vocabulary


def check_specials(specials: Sequence[str], pieces: Collection[str] = ()) -> tuple[str, ...]:
    """The names as a tuple. TypeError for a lone string; ValueError for empty or repeated names,
    and for one of the pieces that a text can encode to.
    """
    if isinstance(specials, str) or not all(isinstance(name, str) for name in specials):
        raise TypeError(f"specials: must be a sequence of names, got {specials!r}")
    if len(set(specials)) != len(specials) or not all(specials):
        raise ValueError(f"specials: must be distinct and not empty, got {tuple(specials)!r}")
    common = set(specials).intersection(pieces)
    if common:
        raise ValueError(f"specials: must be no pieces of text, got {min(common)!r}, which is one")
    return tuple(specials)


def check_text(text: str, empty_allowed: bool = True) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text: must be a str, got {type(text).__name__}")
    if not text and not empty_allowed:
        raise ValueError("text: is empty; there is no vocabulary to be found in it")


def check_sizes(vocab_size: int, fewest: int, why: str, min_count: int) -> None:
    """vocab_size must hold what is there before anything is learned; min_count be 1 or more."""
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
