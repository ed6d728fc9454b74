"""Pruning as printed and right: by hand."""

import numpy as np

from minilm.compression import prune
from minilm.course.published import pruning

W = np.array([[0.1, 3.0, 1.0], [2.0, 4.0, 1.0]], np.float32)


def test_one_small_weight_takes_its_node_with_it():
    assert pruning.nodes_by_a_weight(W, 0.5).tolist() == [[0, 3, 1], [0, 4, 1]]
    assert pruning.weights_by_a_weight(W, 0.5).tolist() == [[0, 3, 1], [2, 4, 1]]


def test_the_largest_node_and_the_smallest():
    assert pruning.largest_nodes_removed(W, 1 / 3).tolist() == [
        [np.float32(0.1), 0, 1], [2, 0, 1],
    ]  # fmt: skip
    assert pruning.smallest_nodes_removed(W, 1 / 3).tolist() == [
        [np.float32(0.1), 3, 0], [2, 4, 0],
    ]  # fmt: skip


def test_a_mask_as_an_index_flattens():
    w = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert pruning.flattened(w).tolist() == [1, 2]
    assert pruning.zeros_in_place(w).tolist() == w.tolist()


def test_a_sum_cannot_rank_weights_and_magnitudes_can():
    assert pruning.sum_of_a_tensor(W).tolist() == [[np.abs(W).sum()]]
    scores, kept = pruning.size_of_a_weight(W), prune(W, 0.5).dense() != 0
    assert scores[kept].min() >= scores[~kept].max()
