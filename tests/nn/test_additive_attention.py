"""Additive attention, against the formula, finite differences and what a mask must hide."""

import math

import numpy as np
import pytest

from minilm.nn import additive_attention, additive_attention_backward, check_gradient

MASK = np.array([[[True, True, True, False]], [[True, False, False, False]], [[False] * 4]])


def arguments(normal):
    return [normal(3, 2, 5), normal(3, 4, 6), normal(5, 7), normal(6, 7), normal(7)]


def test_by_hand():
    """tanh(½ log 3) = ½, and ½ · 2 log 3 = log 3: the second is looked at three times as much."""
    one = np.ones((1, 1))
    memory = np.array([[[0.0], [math.log(3) / 2]]])
    context, cache = additive_attention(
        np.zeros((1, 1, 1)), memory, one, one, np.array([2 * math.log(3)])
    )
    np.testing.assert_allclose(cache["weights"], [[[0.25, 0.75]]])
    np.testing.assert_allclose(context, 0.75 * memory[:, 1:])


def test_by_the_formula(normal):
    q, memory, w_q, w_k, v = arguments(normal)
    context, cache = additive_attention(q, memory, w_q, w_k, v)
    for b in range(3):
        for t in range(2):
            e = np.array([v @ np.tanh(q[b, t] @ w_q + m @ w_k) for m in memory[b]])
            weights = np.exp(e) / np.exp(e).sum()
            np.testing.assert_allclose(cache["weights"][b, t], weights, atol=1e-12)
            np.testing.assert_allclose(context[b, t], weights @ memory[b], atol=1e-12)


def test_gradient(normal):
    pair = additive_attention, additive_attention_backward
    check_gradient(*pair, *arguments(normal))
    check_gradient(*pair, *arguments(normal), mask=MASK)


def test_what_is_hidden_is_not_looked_at(normal):
    args = arguments(normal)
    context, cache = additive_attention(*args, mask=MASK)
    weights = cache["weights"]
    assert not weights[~np.broadcast_to(MASK, weights.shape)].any()
    np.testing.assert_allclose(weights.sum(axis=-1), [[1, 1], [1, 1], [0, 0]])
    assert not context[2].any()
    args[1] = np.where(MASK.swapaxes(1, 2), args[1], 1e6)
    np.testing.assert_allclose(additive_attention(*args, mask=MASK)[0], context, atol=1e-12)


def test_keys_computed_before_are_taken(normal):
    args = arguments(normal)
    context, cache = additive_attention(*args, mask=MASK)
    keys = args[1] @ args[3]
    again, again_cache = additive_attention(*args, mask=MASK, keys=keys)
    np.testing.assert_allclose(again, context, atol=1e-12)
    both = zip(
        additive_attention_backward(context, cache),
        additive_attention_backward(context, again_cache),
        strict=True,
    )
    for ours, theirs in both:
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    moved, _ = additive_attention(*args, mask=MASK, keys=keys[:, ::-1])
    assert not np.allclose(moved, context)


def test_large_scores_do_not_overflow(normal):
    *args, v = arguments(normal)
    context, _ = additive_attention(*args, 1e6 * v)
    assert np.isfinite(context).all()


@pytest.mark.parametrize(
    ("changed", "error", "named"),
    [
        ({"q": np.ones((2, 2, 5))}, ValueError, "memory"),
        ({"q": np.ones((3, 5))}, ValueError, "q must"),
        ({"memory": np.ones((3, 4, 6), int)}, TypeError, "memory"),
        ({"v": np.ones(6)}, ValueError, "v must"),
        ({"mask": np.ones((3, 1, 4))}, TypeError, "mask"),
        ({"mask": np.ones((3, 1, 5), bool)}, ValueError, "mask must"),
        ({"mask": np.ones((2, 3, 2, 4), bool)}, ValueError, "mask must"),
        ({"keys": np.ones((3, 4, 6))}, ValueError, "keys"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(normal, changed, error, named):
    names = ("q", "memory", "w_q", "w_k", "v")
    with pytest.raises(error, match=named):
        additive_attention(**dict(zip(names, arguments(normal), strict=True)) | changed)
