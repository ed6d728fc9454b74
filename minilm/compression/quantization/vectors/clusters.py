"""k-means: K vectors that stand for n, each for those that lie nearest to it.

    nearest    q_i = argmin_k |x_i − c_k|²
    centroid   c_k = mean of the x_i with q_i = k          in turns (Lloyd 1982)
    error      mean_i |x_i − c_{q_i}|²

Neither step can raise the error, so it falls until nothing moves: to a local minimum, which one
depends on the start. The start is k-means++ (Arthur and Vassilvitskii 2007): some of the x, each
drawn in proportion to its squared distance to the nearest drawn before. So no two alike are drawn
while others are left, and n vectors of which at most K differ are met exactly.

A centroid that nothing is nearest to moves to where the error is largest.
"""

from typing import NamedTuple

import numpy as np

from minilm.types import Array

CHUNK = 1 << 16  # distances worked out at once: they stay in the processor's cache


class Clusters(NamedTuple):
    """centroids: (K, d) float64; codes: (n,) which is nearest to each; errors: of each round."""

    centroids: Array
    codes: Array
    errors: list[float]


def k_means(x: Array, K: int, rng: np.random.Generator, iterations: int = 25) -> Clusters:
    """K centroids of the rows of x, by at most so many rounds of Lloyd's two steps.

    x: (n, d), n >= 1, finite; worked out in float64, where a distance of a float32 number to
    itself is nothing beside its distance to the next one.
    Raises ValueError for no rows, or K or iterations below 1.
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or not len(x):
        raise ValueError(f"x must have shape (n, d), n at least 1, got {x.shape}")
    if K < 1 or iterations < 1:
        raise ValueError(f"K and iterations must be at least 1, got {K} and {iterations}")
    centroids = spread_start(x, K, rng)
    codes = nearest(x, centroids)
    errors = [mean_error(x, centroids, codes)]
    for _ in range(iterations):
        centroids = fill_empty(x, means(x, codes, centroids), codes)
        moved = nearest(x, centroids)
        errors.append(mean_error(x, centroids, moved))
        settled, codes = bool((moved == codes).all()), moved
        if settled:
            break
    return Clusters(centroids, codes, errors)


def spread_start(x: Array, K: int, rng: np.random.Generator) -> Array:
    """K of the rows of x, far from each other; one is repeated where fewer than K differ."""
    chosen = np.empty((K, x.shape[1]))
    chosen[0] = x[rng.integers(len(x))]
    distance = np.full(len(x), np.inf)
    for k in range(1, K):
        gap = x - chosen[k - 1]
        distance = np.minimum(distance, np.einsum("nd,nd->n", gap, gap))
        total = np.cumsum(distance)
        if not total[-1] > 0:  # all rows are chosen already
            chosen[k:] = chosen[0]
            break
        # a draw is below the total, so it lies in the share of a row whose distance is not 0
        chosen[k] = x[np.searchsorted(total, rng.random() * total[-1], side="right")]
    return chosen


def nearest(x: Array, centroids: Array) -> Array:
    """argmin_k |x_i − c_k|²: (n, d), (K, d) -> (n,) integers; the first of equals.

    |x − c|² = |x|² − 2 (x·c − |c|²/2), and |x|² is the same for all c. With a 1 beside each x,
    and −|c|²/2 beside each c, what is left is one matrix product.
    """
    half_squares = np.einsum("kd,kd->k", centroids, centroids, dtype=np.float64) / 2
    wide = np.column_stack([centroids, -half_squares]).T                       # (d + 1, K)
    rows = np.column_stack([x, np.ones(len(x))])                               # (n, d + 1)
    step = max(1, CHUNK // len(centroids))
    codes = np.empty(len(x), np.intp)
    for start in range(0, len(x), step):
        np.argmax(rows[start : start + step] @ wide, axis=1, out=codes[start : start + step])
    return codes


def means(x: Array, codes: Array, centroids: Array) -> Array:
    """The mean of the rows of each code; a code without rows keeps its centroid."""
    K = len(centroids)
    count = np.bincount(codes, minlength=K)
    sums = np.stack([np.bincount(codes, column, minlength=K) for column in x.T], axis=1)
    return np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], centroids)


def fill_empty(x: Array, centroids: Array, codes: Array) -> Array:
    """Put each centroid that has no rows onto one of the rows that are met worst."""
    empty = np.flatnonzero(np.bincount(codes, minlength=len(centroids)) == 0)[: len(x)]
    if len(empty):
        gap = x - centroids[codes]
        worst = np.argsort(-np.einsum("nd,nd->n", gap, gap), kind="stable")[: len(empty)]
        centroids = centroids.copy()
        centroids[empty] = x[worst]
    return centroids


def mean_error(x: Array, centroids: Array, codes: Array) -> float:
    """mean_i |x_i − c_{q_i}|²."""
    gap = x - centroids[codes]
    return float(np.vdot(gap, gap)) / len(x)
