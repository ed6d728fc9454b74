"""Pruning, as printed and right.

    score of a weight: |w|;   of a node, a column of w (in, out): √(mean of w²)
    the lowest scores become 0, and everything keeps its place
"""

import numpy as np

from minilm.compression import prune
from minilm.compression.pruning import keep_highest, root_mean_square
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, raised
from minilm.types import Array


def layer() -> Array:
    """(64, 64) Gaussian weights, the columns of different size: σ = 0.01 … 0.1."""
    sizes = np.linspace(0.01, 0.1, 64)
    return (np.random.default_rng(0).standard_normal((64, 64)) * sizes).astype(np.float32)


def nodes_by_a_weight(w: Array, threshold: float) -> Array:
    """remove a node if |w| < threshold for a weight of it"""
    return w * (np.abs(w) >= threshold).all(axis=0)


def weights_by_a_weight(w: Array, threshold: float) -> Array:
    """w = 0 where |w| < threshold"""
    return prune(w, threshold=threshold).dense()


def share_pruned(rule: Rule) -> Value:
    """The share of weights that become 0 at a threshold of 0.005."""
    return float(np.mean(rule(layer(), 0.005) == 0))


NODES_BY_A_WEIGHT = Printed(
    article="B",
    name="nodes by the size of a weight",
    formula="remove the nodes whose weight |w| < threshold",
    verdict="wrong",
    why="A node has many weights, and some of them are always small: taken at its word, the rule "
    "removes nearly every node. A threshold on weights prunes weights; for nodes the score has to "
    "be one number a node (prune(…, structure=\"column\")).",
    as_printed=nodes_by_a_weight,
    right=weights_by_a_weight,
    what="share pruned at a threshold of 0.005",
    measure=share_pruned,
)


def largest_nodes_removed(w: Array, sparsity: float) -> Array:
    """prune the nodes with larger weights"""
    return w * keep_highest(-root_mean_square(w, (0,)), sparsity)


def smallest_nodes_removed(w: Array, sparsity: float) -> Array:
    """prune the nodes whose √(mean of w²) is least"""
    return prune(w, sparsity, structure="column").dense()


def share_of_squares(rule: Rule) -> Value:
    """The share of Σ w² that is left when half of the nodes are removed."""
    w = layer()
    return float(np.square(rule(w, 0.5)).sum() / np.square(w).sum())


LARGEST_NODES_REMOVED = Printed(
    article="C",
    name="the larger nodes are pruned",
    formula="prune the nodes with larger weights",
    verdict="wrong",
    why="The opposite of magnitude pruning: what matters most goes first.",
    as_printed=largest_nodes_removed,
    right=smallest_nodes_removed,
    what="share of Σ w² left with half of the nodes",
    measure=share_of_squares,
)


def flattened(w: Array) -> Array:
    """param[param.abs() > 1e-5]"""
    return w[np.abs(w) > 1e-5]


def zeros_in_place(w: Array) -> Array:
    """w where |w| ≥ 1e-5, else 0: all keep their places"""
    return prune(w, threshold=1e-5).dense()


def axes_and_product(rule: Rule) -> Value:
    """How many axes the weight still has, and what x @ w raises."""
    w = rule(layer())
    return w.ndim, raised(lambda: np.ones((1, 64), np.float32) @ w)


FLATTENED = Printed(
    article="D",
    name="pruned weights without places",
    formula="param = param[param.abs() > 1e-5]",
    verdict="wrong",
    why="Indexing by a mask gives a list of the numbers kept. Which inputs and outputs they "
    "connected is lost, and nothing can be multiplied by them. (Nor does the assignment reach the "
    "model, as for \"a loop variable rebound\".)",
    as_printed=flattened,
    right=zeros_in_place,
    what="axes left, and what x @ w raises",
    measure=axes_and_product,
)


def sum_of_a_tensor(w: Array) -> Array:
    """importance = Σ |w| over the tensor"""
    return np.abs(w).sum(keepdims=True)


def size_of_a_weight(w: Array) -> Array:
    """importance of each weight: |w|"""
    return np.abs(w)


def first_to_go(score: Rule) -> Value:
    """Which tensor is less important: 16 × 16 weights with σ = 0.1, or 64 × 64 with σ = 0.01."""
    rng = np.random.default_rng(0)
    few_large, many_small = rng.normal(0, 0.1, (16, 16)), rng.normal(0, 0.01, (64, 64))
    few_score, many_score = score(few_large), score(many_small)
    first = "the few large" if few_score.mean() < many_score.mean() else "the many small"
    return first, few_score.size


SUM_OF_A_TENSOR = Printed(
    article="D",
    name="importance of a whole tensor",
    formula="importance = Σ |param| over the tensor",
    verdict="wrong",
    why="A sum grows with the number of weights, so large tensors are important and small ones "
    "are pruned, however large their weights. And one number for a tensor cannot say which of its "
    "weights to prune.",
    as_printed=sum_of_a_tensor,
    right=size_of_a_weight,
    what="which is pruned first; scores for 256 weights",
    measure=first_to_go,
)

ENTRIES = (
    NODES_BY_A_WEIGHT,
    LARGEST_NODES_REMOVED,
    FLATTENED,
    SUM_OF_A_TENSOR,
)
