"""Grouped-query attention: what sharing keys means, and its gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import (
    attention,
    attention_backward,
    causal_mask,
    check_gradient,
    grouped_query_attention,
    grouped_query_attention_backward,
    padding_mask,
    rotary,
)

PAIR = grouped_query_attention, grouped_query_attention_backward


def heads(normal, H=4, G=2, T_q=3, T_k=5):
    return normal(2, H, T_q, 6), normal(2, G, T_k, 6), normal(2, G, T_k, 3)


def test_by_hand():
    # Heads 0, 1 share the first keys, heads 2, 3 the second; scores / √4 = (0, log 3): ¼ and ¾.
    q = np.array([0, 2 * math.log(3), 2 * math.log(3), 0]).reshape(1, 4, 1, 1) * np.eye(4)[0]
    k = np.zeros((1, 2, 2, 4))
    k[:, :, 1, 0] = 1
    v = np.array([[4.0, 8.0], [40.0, 80.0]]).reshape(1, 2, 2, 1)
    y, _ = grouped_query_attention(q, k, v)
    np.testing.assert_allclose(y.ravel(), [6, 7, 70, 60])


@settings(max_examples=60)
@given(
    G=st.integers(1, 3), per_group=st.integers(1, 3), T_q=st.integers(1, 4), T_k=st.integers(1, 5),
    mask_shape=st.sampled_from([None, "k", "qk", "1qk", "hqk", "h1k", "b11k", "bhqk", "b1q1"]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_attention_to_repeated_keys(G, per_group, T_q, T_k, mask_shape, seed):
    """... whose gradients are the sums of those of the repeated keys; under every kind of mask."""
    rng, H = np.random.default_rng(seed), G * per_group
    q, k, v = (rng.standard_normal((2, *s)) for s in ((H, T_q, 3), (G, T_k, 3), (G, T_k, 2)))
    sizes = {"b": 2, "h": H, "q": T_q, "k": T_k, "1": 1}
    mask = None if mask_shape is None else rng.random([sizes[c] for c in mask_shape]) < 0.6
    y, cache = grouped_query_attention(q, k, v, mask)
    repeated = [np.repeat(a, per_group, axis=1) for a in (k, v)]
    expected, repeated_cache = attention(q, *repeated, mask)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    dy = rng.standard_normal(y.shape)
    dq, dk, dv = grouped_query_attention_backward(dy, cache)
    dq_repeated, *summands = attention_backward(dy, repeated_cache)
    np.testing.assert_allclose(dq, dq_repeated, atol=1e-12)
    for ours, theirs in zip((dk, dv), summands, strict=True):
        summed = theirs.reshape(2, G, per_group, *theirs.shape[2:]).sum(2)
        np.testing.assert_allclose(ours, summed, atol=1e-12)


def test_with_a_group_for_each_head_it_is_attention(normal):
    q, k, v = heads(normal, H=4, G=4)
    mask = causal_mask(3, 5)
    y, cache = grouped_query_attention(q, k, v, mask)
    expected, expected_cache = attention(q, k, v, mask)
    np.testing.assert_array_equal(y, expected)
    gradients = grouped_query_attention_backward(y, cache), attention_backward(y, expected_cache)
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("H, G", [(1, 1), (4, 1), (4, 2), (6, 2)])
def test_gradient(normal, H, G):
    q, k, v = heads(normal, H, G)
    check_gradient(*PAIR, q, k, v)
    check_gradient(*PAIR, q[:, :, :1], k, v)
    ids = np.array([[1, 1, 1, 1, 0], [0, 1, 1, 0, 0]])
    check_gradient(*PAIR, q, k, v, causal_mask(3, 5) & padding_mask(ids, 0))
    mask = np.random.default_rng(0).random((2, H, 3, 5)) < 0.5
    mask[:, 0, 1] = False  # a query that may look nowhere
    check_gradient(*PAIR, q, k, v, mask=mask)
    views = [a.swapaxes(1, 2).copy().swapaxes(1, 2) for a in (q, k, v)]  # as they leave a product
    check_gradient(*PAIR, *views, mask=mask)


def test_keys_and_values_are_not_copied_for_their_heads(normal):
    q, k, v = heads(normal, H=6, G=2)
    _, cache = grouped_query_attention(q, k, v, causal_mask(3, 5))
    assert cache[1] is k and cache[2] is v
    _, dk, dv = grouped_query_attention_backward(normal(2, 6, 3, 3), cache)
    assert dk.shape == k.shape and dv.shape == v.shape


def test_the_past_of_turned_keys_can_be_kept(normal):
    """Token by token, with rotary positions: what all tokens at once give."""
    q, k, v = heads(normal, H=4, G=2, T_q=5, T_k=5)
    together, _ = grouped_query_attention(rotary(q)[0], rotary(k)[0], v, causal_mask(5))
    turned = np.zeros((2, 2, 0, 6))
    for t in range(5):
        now = slice(t, t + 1)
        turned = np.concatenate([turned, rotary(k[:, :, now], t)[0]], axis=2)
        y, _ = grouped_query_attention(rotary(q[:, :, now], t)[0], turned, v[:, :, : t + 1])
        np.testing.assert_allclose(y, together[:, :, now], atol=1e-12)


def test_nothing_to_look_at_and_nobody_who_looks(normal):
    q, k, v = heads(normal, T_k=0)
    assert not grouped_query_attention(q, k, v)[0].any()
    q, k, v = heads(normal, T_q=0)
    y, cache = grouped_query_attention(q, k, v, causal_mask(0, 5))
    assert y.shape == (2, 4, 0, 3)
    assert not any(g.any() for g in grouped_query_attention_backward(y, cache))


def test_errors(normal):
    q, k, v = heads(normal)
    with pytest.raises(TypeError, match="q must be a float array, got int64"):
        grouped_query_attention(np.ones(q.shape, np.int64), k, v)
    with pytest.raises(TypeError, match="k must be a float array, got list"):
        grouped_query_attention(q, [1.0], v)
    with pytest.raises(ValueError, match=r"q must have shape \(B, H, T_q, d\), got \(4, 3, 6\)"):
        grouped_query_attention(q[0], k, v)
    for wrong in ((2, 3, 5, 6), (2, 8, 5, 6), (2, 0, 5, 6), (1, 2, 5, 6), (2, 2, 5, 4), (2, 5, 6)):
        with pytest.raises(ValueError, match=r"k must have shape \(2, G, T_k, 6\) with G a divis"):
            grouped_query_attention(q, normal(*wrong), v)
    with pytest.raises(ValueError, match="v must have a row for each key"):
        grouped_query_attention(q, k, v[:, :, :4])
    with pytest.raises(TypeError, match=r"mask must be a bool array .*got float64"):
        grouped_query_attention(q, k, v, np.ones((3, 5)))
    for wrong in ((5, 3), (2, 3, 5), (1, 2, 4, 3, 5), (3, 0)):  # a mask is by head, not by group
        with pytest.raises(ValueError, match=r"mask must broadcast to \(2, 4, 3, 5\), got"):
            grouped_query_attention(q, k, v, np.ones(wrong, bool))


@pytest.mark.oracle
@pytest.mark.parametrize("G", [1, 2, 4])
def test_against_torch(normal, G):
    import torch

    q, k, v = heads(normal, H=4, G=G)
    mask, dy = causal_mask(3, 5), normal(2, 4, 3, 3)
    tq, tk, tv = (torch.tensor(a, requires_grad=True) for a in (q, k, v))
    repeated = (t.repeat_interleave(4 // G, dim=1) for t in (tk, tv))
    ty = torch.nn.functional.scaled_dot_product_attention(tq, *repeated, torch.tensor(mask))
    ty.backward(torch.tensor(dy))
    y, cache = grouped_query_attention(q, k, v, mask)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    gradients = grouped_query_attention_backward(dy, cache)
    for ours, theirs in zip(gradients, (tq, tk, tv), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-10)
