"""Losses: minus the log-probability of the right answer, in nats; the squared distance from it."""

import numpy as np

from minilm.nn.activations import sigmoid_in_place
from minilm.nn.checks import describe, require_below, require_float, require_integers, require_shape
from minilm.nn.sums import flat, row_mean, row_sum
from minilm.types import Array, Cache

IGNORED = -100  # the target of a token that is not counted


def cross_entropy(
    logits: Array, targets: Array, *, ignore_index: int = IGNORED, label_smoothing: float = 0.0
) -> tuple[float, Cache]:
    """loss = mean over tokens of −Σ_j p_j log softmax(logits)_j,  p = (1 − ε) one_hot + ε / V.

    logits: (..., V), targets: (...) integers in [0, V)  ->  loss in nats, cache
    ε is label_smoothing (Szegedy et al. 2016, section 7). Tokens whose target is ignore_index
    do not count; when none counts, the loss and its gradient are 0.
    TypeError or ValueError for targets that are not integers, not in range or of another shape.
    """
    require_float("logits", logits)
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing!r}")
    require_integers("targets", targets)
    require_shape(logits.shape[:-1], targets=targets)
    counted = targets.reshape(-1) != ignore_index
    count = int(np.count_nonzero(counted))
    chosen = np.where(counted, targets.reshape(-1), 0)  # an ignored token gets weight 0 below
    require_below(logits.shape[-1], "targets", chosen)

    # −Σ_j p_j log softmax(z)_j = log Σ_j e^z_j − Σ_j p_j z_j, as Σ_j p_j = 1
    z = flat(logits)
    z = z - z.max(axis=-1, keepdims=True)
    expected_z = z[np.arange(len(z)), chosen]  # Σ_j p_j z_j
    if label_smoothing:
        expected_z = (1 - label_smoothing) * expected_z + label_smoothing * row_mean(z)[:, 0]
    exponentials = np.exp(z, out=z)
    sums = row_sum(exponentials)
    losses = np.log(sums[:, 0]) - expected_z
    loss = float(losses[counted].sum()) / max(count, 1)
    return loss, (exponentials, sums, chosen, counted, count, label_smoothing, logits.shape)


def cross_entropy_backward(dloss: float, cache: Cache) -> Array:
    """The gradient of cross_entropy: dlogits = dloss (softmax(logits) − p) / count."""
    exponentials, sums, chosen, counted, count, label_smoothing, shape = cache
    weight = counted[:, None].astype(sums.dtype)  # (N, 1): 0 for an ignored token
    weight *= float(dloss) / max(count, 1)
    dlogits = exponentials * (weight / sums)
    if label_smoothing:
        dlogits -= weight * (label_smoothing / shape[-1])
    dlogits[np.arange(len(chosen)), chosen] -= (1 - label_smoothing) * weight[:, 0]
    return dlogits.reshape(shape)


def binary_logistic_loss(scores: Array, labels: Array) -> tuple[float, Cache]:
    """loss = mean of −y log σ(s) − (1 − y) log(1 − σ(s)) = mean of log(1 + e^s) − y s.

    scores: (...), labels: (...) in [0, 1], hard or soft  ->  loss in nats, cache
    No gradient is taken of the labels. An empty array has loss 0.
    """
    require_float("scores", scores)
    labels = np.asarray(labels)
    require_shape(scores.shape, labels=labels)
    if labels.dtype.kind not in "fiub":
        raise TypeError(f"labels must be numbers, got {describe(labels)}")
    labels = labels.astype(scores.dtype)
    if labels.size and not (labels.min() >= 0 and labels.max() <= 1):
        raise ValueError(f"labels must lie in [0, 1], got {labels.min()} to {labels.max()}")
    # log(1 + e^s) = max(s, 0) + log(1 + e^−|s|): no exponential overflows
    losses = np.log1p(np.exp(-np.abs(scores)))
    losses += np.maximum(scores, 0)
    losses -= labels * scores
    return float(losses.sum()) / max(scores.size, 1), (scores, labels)


def binary_logistic_loss_backward(dloss: float, cache: Cache) -> Array:
    """The gradient of binary_logistic_loss: dscores = dloss (σ(s) − y) / count."""
    scores, labels = cache
    dscores = sigmoid_in_place(scores.copy())
    dscores -= labels
    dscores *= float(dloss) / max(scores.size, 1)
    return dscores


def squared_error(y: Array, targets: Array) -> tuple[float, Cache]:
    """loss = mean of (y − target)².

    y: (...) floats, targets: (...) finite numbers of its shape  ->  loss, cache
    No gradient is taken of the targets. An empty array has loss 0.
    """
    require_float("y", y)
    targets = np.asarray(targets)
    require_shape(y.shape, targets=targets)
    if targets.dtype.kind not in "fiub":
        raise TypeError(f"targets must be numbers, got {describe(targets)}")
    if not np.isfinite(targets).all():
        raise ValueError("targets must be finite, got NaN or infinity among them")
    difference = y - targets.astype(y.dtype)
    return float(np.vdot(difference, difference)) / max(y.size, 1), difference


def squared_error_backward(dloss: float, cache: Cache) -> Array:
    """The gradient of squared_error: dy = dloss · 2 (y − target) / count."""
    difference = cache
    return difference * (2 * float(dloss) / max(difference.size, 1))
