"""What the similarities of sentences say, and whether a compressed encoder still says it.

    S = V Vᵀ, V: unit rows              what search, clustering and deduplication are made of

    spearman     correlation of the ranks of all pairs' similarities, before and after
    nearest      share of sentences whose nearest other sentence is the same one
    top_10       mean share of the ten nearest that are kept
    same_topic   share of sentences whose nearest other sentence is of their topic
    topic        share of sentences nearest to the mean of their own topic, without themselves

The first three ask whether anything has moved, the last two whether that matters.
"""

from collections.abc import Sequence

import numpy as np

from minilm.embeddings.table_rows import unit_rows
from minilm.embeddings.word_pairs import average_ranks, correlation
from minilm.types import Array

NEAREST = 10


def similarities(vectors: Array) -> Array:
    """Cosines of unit rows with each other, (N, N), and −∞ of each with itself."""
    found = vectors @ vectors.T
    np.fill_diagonal(found, -np.inf)
    return found


def nearest(similar: Array, k: int = 1) -> Array:
    """The k nearest others of each sentence, (N, k), the nearest first; of equals the first."""
    return np.argsort(-similar, axis=1, kind="stable")[:, :k]


def rank_agreement(before: Array, after: Array) -> dict[str, float]:
    """{"spearman", "nearest", "top_10"} of two sets of unit rows (N, D) of the same sentences."""
    similar = similarities(before), similarities(after)
    pairs = np.triu_indices(len(before), 1)
    ranks = [average_ranks(each[pairs]) for each in similar]
    k = min(NEAREST, len(before) - 1)
    first, second = (nearest(each, k) for each in similar)
    kept = (first[:, :, None] == second[:, None]).any(axis=2)                        # (N, k)
    return {
        "spearman": correlation(*ranks),
        "nearest": float(np.mean(first[:, 0] == second[:, 0])),
        "top_10": float(np.mean(kept)),
    }


def topic_agreement(vectors: Array, topics: Sequence[str]) -> dict[str, float]:
    """{"same_topic", "topic"} of unit rows (N, D). ValueError for a topic with one sentence only.
    """
    names, which, counts = np.unique(topics, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        alone = str(names[counts.argmin()])
        raise ValueError(f"each topic must have two sentences or more, {alone!r} has one")
    neighbours = which[nearest(similarities(vectors))[:, 0]]
    member = which[:, None] == np.arange(len(names))                             # (N, topics)
    sums = member.T.astype(vectors.dtype) @ vectors
    closeness = vectors @ unit_rows(sums).T
    own = unit_rows(sums[which] - vectors)  # of its topic, without itself
    closeness[member] = np.sum(vectors * own, axis=1)
    return {
        "same_topic": float(np.mean(neighbours == which)),
        "topic": float(np.mean(closeness.argmax(axis=1) == which)),
    }
