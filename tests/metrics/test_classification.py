"""Accuracy and macro F1: by hand, at the edges, and as their definitions say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.metrics import accuracy, macro_f1


def test_accuracy_by_hand():
    logits = np.array([[[0.0, 1, 2], [5, 1, 2]], [[0, 9, 2], [1, 1, 0]]], dtype=np.float32)
    targets = np.array([[2, 1], [1, 0]])
    assert accuracy(logits, targets) == 0.75  # the tie goes to the first
    assert accuracy(logits.tolist(), targets.tolist()) == 0.75
    targets[0, 1] = -100
    assert accuracy(logits, targets) == 1.0
    assert accuracy(logits, targets, ignore_index=2) == pytest.approx(2 / 3)


def test_accuracy_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match=r"targets: shape must be .*\(2,\), got \(3,\)"):
        accuracy(np.zeros((2, 4)), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="nothing to count"):
        accuracy(np.zeros((2, 4)), np.array([-100, -100]))
    with pytest.raises(TypeError, match="targets: must be integers, got float64"):
        accuracy(np.zeros((2, 4)), np.zeros(2))
    with pytest.raises(ValueError, match="NaN"):
        accuracy(np.full((2, 4), np.nan), np.array([0, 1]))


def test_macro_f1_by_hand():
    predictions, targets = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 3])
    # class 0: 2·1/(2+1), class 1: 2·1/(1+2), classes 2 and 3: never right
    assert macro_f1(predictions, targets) == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)
    assert macro_f1(targets, targets) == 1 and macro_f1(targets + 4, targets) == 0
    targets[3] = -100
    assert macro_f1(predictions, targets) == pytest.approx(2 / 3)
    assert macro_f1(predictions, targets, ignore_index=1) == pytest.approx((1 + 0 + 0) / 3)


def test_the_most_frequent_answer_is_worth_little():
    targets = np.repeat([0, 1, 2], [90, 5, 5])
    assert macro_f1(np.zeros_like(targets), targets) == pytest.approx(2 * 90 / 190 / 3)


labels = st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), min_size=1, max_size=12)


@given(labels)
def test_macro_f1_is_the_mean_of_harmonic_means(pairs):
    predictions, targets = map(np.array, zip(*pairs, strict=True))
    each = []
    for c in set(predictions.tolist()) | set(targets.tolist()):
        right = np.sum((predictions == c) & (targets == c))
        precision = right / max(np.sum(predictions == c), 1)
        recall = right / max(np.sum(targets == c), 1)
        each.append(2 * precision * recall / (precision + recall) if right else 0)
    assert macro_f1(predictions, targets) == pytest.approx(np.mean(each))
    assert macro_f1(predictions[None], targets[None]) == macro_f1(predictions, targets)
    assert macro_f1(targets, predictions) == pytest.approx(macro_f1(predictions, targets))


def test_macro_f1_refuses_what_it_cannot_count():
    with pytest.raises(TypeError, match="predictions: must be integers, got float64"):
        macro_f1(np.zeros(2), np.zeros(2, dtype=int))
    with pytest.raises(TypeError, match="targets: must be integers"):
        macro_f1(np.zeros(2, dtype=int), np.zeros(2) > 1)
    with pytest.raises(ValueError, match=r"predictions: must have the shape of targets \(2,\)"):
        macro_f1(np.zeros((2, 3), dtype=int), np.zeros(2, dtype=int))
    for targets in ([-100, -100], []):
        with pytest.raises(ValueError, match="nothing to count"):
            macro_f1(np.zeros(len(targets), dtype=int), np.array(targets, dtype=int))
