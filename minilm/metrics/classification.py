"""The share of answers that are right, from 0 to 1: of all answers, or evenly of every class."""

import numpy as np

from minilm.nn import IGNORED
from minilm.types import Array


def accuracy(logits: Array, targets: Array, *, ignore_index: int = IGNORED) -> float:
    """The share of counted targets that have the largest logit (the first of them, if several do).

    logits: (..., V), targets: (...) integers; targets equal to ignore_index are not counted.
    TypeError for targets that are not integers; ValueError for shapes that do not fit, logits that
    are not numbers, or nothing to count.
    """
    logits, targets = np.asarray(logits), np.asarray(targets)
    if not np.issubdtype(targets.dtype, np.integer):
        raise TypeError(f"targets: must be integers, got {targets.dtype}")
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"targets: shape must be logits.shape[:-1] = {logits.shape[:-1]}, got {targets.shape}"
        )
    counted = targets != ignore_index
    if not counted.any():
        raise ValueError("targets: there is nothing to count")
    if np.isnan(logits).any():
        raise ValueError("logits: contain NaN, which argmax would choose")
    return float((logits.argmax(axis=-1) == targets)[counted].mean())


def macro_f1(predictions: Array, targets: Array, *, ignore_index: int = IGNORED) -> float:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN), 0 to 1 (quoted also as 0 to 100).

    predictions, targets: (...) integers of one shape, such as logits.argmax(-1) and the labels;
    where targets equals ignore_index nothing is counted. A class counts if it occurs in either.
    TP: it was predicted and true, FP: predicted only, FN: true only; 2 TP + FP + FN is how often it
    was predicted plus how often it was true. A rare class weighs as much as a frequent one: always
    answering the most frequent of k classes has at most 1/k, however high its accuracy.
    Van Rijsbergen 1979, chapter 7, with the mean over classes as in Sokolova and Lapalme 2009.
    TypeError for what is not integers; ValueError for different shapes or nothing to count.
    """
    predictions, targets = np.asarray(predictions), np.asarray(targets)
    for name, array in (("predictions", predictions), ("targets", targets)):
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"{name}: must be integers, got {array.dtype}")
    if predictions.shape != targets.shape:
        raise ValueError(
            f"predictions: must have the shape of targets {targets.shape}, got {predictions.shape}"
        )
    counted = targets != ignore_index
    if not counted.any():
        raise ValueError("targets: there is nothing to count")
    predicted, true = predictions[counted], targets[counted]
    classes, number = np.unique(np.concatenate([predicted, true]), return_inverse=True)
    right = number[: len(true)][predicted == true]
    right_of_class = np.bincount(right, minlength=len(classes))  # TP
    return float(np.mean(2 * right_of_class / np.bincount(number)))
