"""Cross-entropy and the binary logistic loss."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import (
    binary_logistic_loss,
    binary_logistic_loss_backward,
    check_gradient,
    cross_entropy,
    cross_entropy_backward,
    squared_error,
    squared_error_backward,
)

CROSS_ENTROPY = cross_entropy, cross_entropy_backward
LOGISTIC = binary_logistic_loss, binary_logistic_loss_backward


def test_cross_entropy_by_hand():
    logits = np.log([[1.0, 2.0, 5.0], [4.0, 3.0, 1.0]])  # softmax: eighths
    loss, cache = cross_entropy(logits, np.array([1, 0]))
    assert isinstance(loss, float)
    assert math.isclose(loss, (math.log(4) + math.log(2)) / 2)
    dlogits = cross_entropy_backward(1.0, cache)
    expected = np.array([[1 / 8, 2 / 8 - 1, 5 / 8], [4 / 8 - 1, 3 / 8, 1 / 8]]) / 2
    np.testing.assert_allclose(dlogits, expected)


def test_label_smoothing_by_hand():
    logits = np.log([[1.0, 1.0, 2.0]])
    loss, _ = cross_entropy(logits, np.array([2]), label_smoothing=0.3)  # p = (0.1, 0.1, 0.8)
    assert math.isclose(loss, 0.2 * math.log(4) + 0.8 * math.log(2))


def test_uniform_logits_cost_log_V():
    loss, _ = cross_entropy(np.full((4, 3, 7), 123.0, np.float32), np.zeros((4, 3), np.int32))
    assert math.isclose(loss, math.log(7), rel_tol=1e-6)


def test_ignored_tokens_do_not_count(normal):
    logits, targets = normal(2, 3, 5), np.array([[1, -100, 4], [-100, 0, 2]])
    loss, cache = cross_entropy(logits, targets)
    counted = targets != -100
    expected, expected_cache = cross_entropy(logits[counted], targets[counted])
    assert math.isclose(loss, expected)
    dlogits = cross_entropy_backward(1.0, cache)
    assert not dlogits[~counted].any()
    np.testing.assert_allclose(dlogits[counted], cross_entropy_backward(1.0, expected_cache))
    # an id of the vocabulary (padding) may be the one that is ignored
    padded, _ = cross_entropy(logits, np.where(counted, targets, 3), ignore_index=3)
    assert math.isclose(padded, expected)


@pytest.mark.parametrize("lead", [(0,), (2, 3)])
def test_nothing_counts(normal, lead):
    loss, cache = cross_entropy(normal(*lead, 5), np.full(lead, -100))
    assert loss == 0.0
    dlogits = cross_entropy_backward(1.0, cache)
    assert dlogits.shape == (*lead, 5) and not dlogits.any()


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("ignore_index", [-100, 2])
@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_gradient_of_cross_entropy(normal, label_smoothing, ignore_index, lead):
    targets = np.random.default_rng(1).integers(0, 5, lead)
    options = {"label_smoothing": label_smoothing, "ignore_index": ignore_index}
    check_gradient(*CROSS_ENTROPY, 3 * normal(*lead, 5), targets, **options)
    check_gradient(*CROSS_ENTROPY, 3 * normal(5, *lead[::-1]).T, targets, **options)


@settings(max_examples=40)
@given(V=st.integers(1, 9), smoothing=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_gradient_sums_to_zero_and_shifts_change_nothing(V, smoothing, seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.standard_normal((6, V)), rng.integers(0, V, 6)
    loss, cache = cross_entropy(logits, targets, label_smoothing=smoothing)
    assert loss >= 0 or math.isclose(loss, 0, abs_tol=1e-12)
    np.testing.assert_allclose(cross_entropy_backward(2.5, cache).sum(-1), 0, atol=1e-12)
    shifted, _ = cross_entropy(logits + 500, targets, label_smoothing=smoothing)
    assert math.isclose(loss, shifted, abs_tol=1e-9)


def test_extreme_logits():
    logits = np.array([[1e4, -1e4, 0.0], [-np.inf, 0.0, 0.0]], np.float32)
    loss, cache = cross_entropy(logits, np.array([1, 1]))
    assert math.isclose(loss, (2e4 + math.log(2)) / 2, rel_tol=1e-6)
    dlogits = cross_entropy_backward(2.0, cache)
    np.testing.assert_allclose(dlogits, [[1, -1, 0], [0, -0.5, 0.5]])
    assert math.isnan(cross_entropy(np.full((1, 3), np.nan), np.array([0]))[0])


def test_errors_of_cross_entropy(normal):
    logits = normal(2, 3, 5)
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 5\), got 5"):
        cross_entropy(logits, np.full((2, 3), 5))
    with pytest.raises(ValueError, match=r"got -1"):
        cross_entropy(logits, np.full((2, 3), -1))
    with pytest.raises(ValueError, match=r"targets must have shape \(2, 3\), got \(2, 3, 5\)"):
        cross_entropy(logits, np.zeros((2, 3, 5), int))
    with pytest.raises(TypeError, match="targets must be an integer array, got float64"):
        cross_entropy(logits, np.zeros((2, 3)))
    with pytest.raises(TypeError, match="targets must be an integer array, got list"):
        cross_entropy(logits, [[0, 1, 2], [0, 1, 2]])
    with pytest.raises(TypeError, match="logits must be a float array"):
        cross_entropy(np.zeros((2, 3), int), np.zeros(2, int))
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\), got 1.0"):
        cross_entropy(logits, np.zeros((2, 3), int), label_smoothing=1.0)


def test_logistic_by_hand():
    scores, labels = np.log([3.0, 1 / 3]), np.array([1, 0])  # σ: ¾ and ¼
    loss, cache = binary_logistic_loss(scores, labels)
    assert math.isclose(loss, math.log(4 / 3))
    np.testing.assert_allclose(binary_logistic_loss_backward(1.0, cache), [-1 / 8, 1 / 8])


def test_gradient_of_logistic_loss(normal):
    rng = np.random.default_rng(2)
    check_gradient(*LOGISTIC, 3 * normal(4, 5), labels=rng.random((4, 5)))
    check_gradient(*LOGISTIC, 3 * normal(4, 5).T, labels=rng.random((5, 4)) < 0.5)


@settings(max_examples=30)
@given(score=st.floats(-1e4, 1e4), label=st.floats(0, 1))
def test_logistic_loss_mirrors(score, label):
    loss, _ = binary_logistic_loss(np.array([score]), np.array([label]))
    mirrored, _ = binary_logistic_loss(np.array([-score]), np.array([1 - label]))
    assert loss >= 0 and math.isclose(loss, mirrored, rel_tol=1e-9, abs_tol=1e-9)


def test_logistic_extremes_and_nothing():
    loss, cache = binary_logistic_loss(np.array([1e4, -1e4], np.float32), np.array([0, 1]))
    assert loss == 1e4
    np.testing.assert_allclose(binary_logistic_loss_backward(1.0, cache), [0.5, -0.5])
    loss, cache = binary_logistic_loss(np.zeros((0, 3)), np.zeros((0, 3)))
    assert loss == 0 and binary_logistic_loss_backward(1.0, cache).shape == (0, 3)


def test_errors_of_logistic_loss(normal):
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\], got -1.0 to 1.0"):
        binary_logistic_loss(normal(2), np.array([-1, 1]))
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\], got nan"):
        binary_logistic_loss(normal(1), np.array([np.nan]))
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\)"):
        binary_logistic_loss(normal(2), np.zeros((2, 1)))
    with pytest.raises(TypeError, match="labels must be numbers"):
        binary_logistic_loss(normal(1), np.array(["yes"]))
    with pytest.raises(TypeError, match="scores must be a float array"):
        binary_logistic_loss(np.array([1]), np.array([1]))


@pytest.mark.oracle
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_against_torch(normal, label_smoothing):
    import torch

    logits, targets = normal(2, 3, 5), np.array([[1, -100, 4], [-100, 0, 2]])
    t = torch.tensor(logits, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        t.reshape(-1, 5), torch.tensor(targets).reshape(-1), label_smoothing=label_smoothing
    )
    (3 * theirs).backward()
    loss, cache = cross_entropy(logits, targets, label_smoothing=label_smoothing)
    assert math.isclose(loss, theirs.item(), rel_tol=1e-10)
    np.testing.assert_allclose(cross_entropy_backward(3.0, cache), t.grad, atol=1e-10)

    scores, labels = 3 * normal(4, 5), np.random.default_rng(0).random((4, 5))
    t = torch.tensor(scores, requires_grad=True)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(t, torch.tensor(labels))
    theirs.backward()
    loss, cache = binary_logistic_loss(scores, labels)
    assert math.isclose(loss, theirs.item(), rel_tol=1e-10)
    np.testing.assert_allclose(binary_logistic_loss_backward(1.0, cache), t.grad, atol=1e-10)


def test_squared_error_by_hand():
    loss, cache = squared_error(np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1, 0], [2, 2]]))
    assert loss == (0 + 4 + 1 + 9) / 4
    assert squared_error_backward(2.0, cache).tolist() == [[0, 2], [1, 3]]


def test_squared_error_is_least_at_the_targets(normal):
    targets = normal(3, 4)
    loss, cache = squared_error(targets.copy(), targets)
    assert loss == 0
    assert not squared_error_backward(1.0, cache).any()


def test_squared_error_of_nothing():
    loss, cache = squared_error(np.zeros((0, 3), np.float32), np.zeros((0, 3)))
    assert loss == 0
    assert squared_error_backward(1.0, cache).shape == (0, 3)


@pytest.mark.parametrize(
    "y, targets, error, message",
    [
        (np.zeros(3, np.int64), np.zeros(3), TypeError, "y must be a float array"),
        (np.zeros(3), np.zeros((3, 1)), ValueError, "targets must have shape"),
        (np.zeros(2), np.array(["a", "b"]), TypeError, "targets must be numbers"),
        (np.zeros(2), np.array([0, np.nan]), ValueError, "targets must be finite"),
    ],
)
def test_squared_error_refuses(y, targets, error, message):
    with pytest.raises(error, match=message):
        squared_error(y, targets)
