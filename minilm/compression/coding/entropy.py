"""How many bits a symbol needs: the floor under every coder that takes symbols one by one.

    H = −Σ p·log2 p            p: the share of the symbols that are this one (Shannon 1948)
    −Σ p·log2 f  ≥  H          when they are written by other shares f: Σ p·log2(p / f) more

    counts 2 1 1:   p = ½ ¼ ¼,   H = ½·1 + ¼·2 + ¼·2 = 1.5 bits
"""

import numpy as np

from minilm.types import Array


def entropy_of(counts: Array) -> Array:
    """H in bits over the last axis, p = counts / their sum: (..., K) -> (...), 0 for no counts."""
    total = counts.sum(axis=-1, keepdims=True)
    share = counts / np.where(total > 0, total, 1)
    return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=-1)


def bits_with(counts: Array, shares: Array) -> float:
    """Σ −counts·log2 f in bits, f = shares / their sum: what all symbols take when written by f.

    counts, shares: (K,). Infinite where a symbol occurs that has no share.
    """
    used = counts > 0
    with np.errstate(divide="ignore"):
        each = np.log2(float(shares.sum())) - np.log2(shares[used])
    return float((counts[used] * each).sum())
