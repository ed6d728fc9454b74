"""Hierarchical softmax: a word as a path of yes-or-no questions instead of one choice among V.

The words are the leaves of a binary tree, and each inner node n has a vector u_n. Going down from
the root, v turns left (code 0) at n with chance σ(v·u_n) and right (code 1) with σ(−v·u_n); with
s = 1 − 2·code = ±1 the turn's chance is σ(s v·u_n). A word's probability is its path's product, so

    −log p(word | v) = −Σ_{n on the path} log σ(s_n v·u_n)          Mikolov et al. 2013b, eq. 3

and the probabilities of all words sum to 1 by the tree's making. The tree is Huffman's: the two
rarest words or subtrees are joined, again and again, so frequent words have short paths, and the
mean length is within one question of the counts' entropy.

As in the published program, the words of the window are what is put in (their v, or in CBOW their
mean), and the centre is the word whose path is asked for. A run's M centres have M paths, here of
equal length L: what is beyond a path's end has sign 0 and counts for nothing.
"""

import heapq
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilm.embeddings.negative_sampling import minus_log_sigmoid
from minilm.embeddings.windows import sum_of_windows, windows_of
from minilm.nn.activations import sigmoid_in_place
from minilm.types import Array


@dataclass(frozen=True, eq=False)
class HuffmanTree:
    """Every word's path: points (V, L) inner nodes 0 … V − 2 from the root (V − 2) down;
    signs (V, L) int8, +1 for code 0 and −1 for code 1, 0 beyond the end; lengths (V,).
    """

    points: Array
    signs: Array
    lengths: Array

    def path(self, word: int) -> tuple[Array, Array]:
        """The codes (0 left, 1 right) and the inner nodes of one word's path."""
        length = int(self.lengths[word])
        return (1 - self.signs[word, :length]) // 2, self.points[word, :length]

    def paths(self, ids: Array) -> tuple[Array, Array]:
        """points and signs of these words, (M, L) each, L the longest of their paths."""
        longest = int(self.lengths[ids].max(initial=0))
        return self.points[ids, :longest], self.signs[ids, :longest]


class Subtree(NamedTuple):
    """A leaf (node: its word) or two subtrees joined (node: V + number); ordered by total alone."""

    total: int
    node: int
    left: Any = None
    right: Any = None

    def __lt__(self, other: Any) -> bool:
        return self.total < other.total


def huffman_tree(counts: Array) -> HuffmanTree:
    """The tree of these counts (V,). Inner nodes are numbered as they are made."""
    size = len(counts)
    heap = [Subtree(count, word) for word, count in enumerate(counts.tolist())]
    heapq.heapify(heap)
    for node in range(size, 2 * size - 1):
        left, right = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, Subtree(left.total + right.total, node, left, right))

    paths: list[tuple[list[int], list[int]]] = [([], [])] * size
    below: list[tuple[Subtree, list[int], list[int]]] = [(heap[0], [], [])]
    while below:
        subtree, points, signs = below.pop()
        if subtree.left is None:
            paths[subtree.node] = points, signs
        else:
            points = [*points, subtree.node - size]
            below.append((subtree.left, points, [*signs, 1]))
            below.append((subtree.right, points, [*signs, -1]))

    lengths = np.array([len(points) for points, _ in paths], np.int32)
    inside = np.arange(lengths.max()) < lengths[:, None]                    # (V, L)
    tree = HuffmanTree(inside.astype(np.int32), inside.astype(np.int8), lengths)
    tree.points[inside] = [point for points, _ in paths for point in points]
    tree.signs[inside] = [sign for _, signs in paths for sign in signs]
    return tree


def skip_gram_path_loss(context: Array, nodes: Array, signs: Array, pair_weights: Array) -> float:
    """Σ_ij −pair_weights_ij log p(centre i | v_j).

    context: (M + 2w, D) input rows of the tokens in sight; nodes: (M, L, D) rows of the nodes on
    the centres' paths; signs: (M, L) ±1, 0 beyond the end; pair_weights: (M, 1, 2w + 1)
    """
    v = windows_of(context, 1, pair_weights.shape[2])                       # (M, 2w + 1, D)
    scores = signs[:, :, None] * (nodes @ v.transpose(0, 2, 1))             # (M, L, 2w + 1)
    return float((pair_weights * abs(signs)[:, :, None] * minus_log_sigmoid(scores)).sum())


def skip_gram_path_gradients(
    context: Array, nodes: Array, signs: Array, pair_weights: Array
) -> tuple[Array, Array]:
    """The gradients of skip_gram_path_loss: dcontext (M + 2w, D), dnodes (M, L, D)."""
    v = windows_of(context, 1, pair_weights.shape[2])
    scores = nodes @ v.transpose(0, 2, 1)
    error = path_error(scores, signs[:, :, None])
    error *= pair_weights
    return sum_of_windows(error.transpose(0, 2, 1) @ nodes, 1), error @ v


def cbow_path_loss(h: Array, nodes: Array, signs: Array) -> float:
    """Σ_i −log p(centre i | h_i).

    h: (M, D) means of the centres' windows (`window_means`); nodes, signs: as in
    skip_gram_path_loss. Signs of 0 leave out a centre with an empty window.
    """
    scores = signs * (nodes @ h[:, :, None])[:, :, 0]                       # (M, L)
    return float((abs(signs) * minus_log_sigmoid(scores)).sum())


def cbow_path_gradients(h: Array, nodes: Array, signs: Array) -> tuple[Array, Array]:
    """The gradients of cbow_path_loss: dh (M, D), dnodes (M, L, D)."""
    error = path_error((nodes @ h[:, :, None])[:, :, 0], signs)             # (M, L)
    return (error[:, None, :] @ nodes)[:, 0], error[:, :, None] * h[:, None, :]


def path_error(scores: Array, signs: Array) -> Array:
    """dL/dscore = s (σ(s·score) − 1), which is σ(score) − (1 − code); it overwrites scores."""
    scores *= signs
    error = sigmoid_in_place(scores)
    error -= 1
    error *= signs
    return error
