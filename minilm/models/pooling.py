"""One vector for a whole text: the mean of its tokens' vectors, padding not counted."""

from minilm.types import Array, Cache


def mean_of_tokens(y: Array, mask: Array) -> tuple[Array, Cache]:
    """mean = Σ_t y_t / n, over the n tokens of each text.

    y: (B, T, D), mask: (B, T) bool, True at a token, at least one in each row  ->  (B, D), cache
    """
    shares = mask.astype(y.dtype)
    shares /= shares.sum(axis=1, keepdims=True)  # 1/n at each of n tokens, 0 at padding
    return (shares[:, None] @ y)[:, 0], shares


def mean_of_tokens_backward(dmean: Array, cache: Cache) -> Array:
    """The gradient of mean_of_tokens: dy, 0 at padding."""
    shares = cache
    return shares[..., None] * dmean[:, None]
