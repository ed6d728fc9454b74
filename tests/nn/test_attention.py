"""Attention: by hand, under masks, and its gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import (
    attention,
    attention_backward,
    attention_weights,
    causal_mask,
    check_gradient,
    multi_head_attention,
    multi_head_attention_backward,
    padding_mask,
)
from minilm.nn.attention import FEW_ROWS


def test_masks_by_hand():
    assert causal_mask(3).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal_mask(2, 4).tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]  # the last two queries
    assert causal_mask(0, 3).shape == (0, 3)
    mask = padding_mask(np.array([[5, 6, 0], [7, 0, 0]]), padding_id=0)
    assert mask.shape == (2, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[1, 1, 0], [1, 0, 0]]
    assert mask.dtype == causal_mask(2).dtype == bool


def test_by_hand():
    # scores / √4 = (0, log 3): weights ¼ and ¾
    q, k = np.array([[2 * math.log(3), 0, 0, 0]]), np.array([[0.0, 1, 1, 1], [1.0, 5, 5, 5]])
    v = np.array([[4.0, 0.0], [0.0, 8.0]])
    np.testing.assert_allclose(attention_weights(q, k), [[1 / 4, 3 / 4]])
    np.testing.assert_allclose(attention(q, k, v)[0], [[1, 6]])
    np.testing.assert_allclose(attention(q, k, v, np.array([[True, False]]))[0], [[4, 0]])


@settings(max_examples=30)
@given(T_q=st.integers(1, 4), T_k=st.integers(1, 5), seed=st.integers(0, 99))
def test_each_query_takes_a_mean_of_the_values_it_may_see(T_q, T_k, seed):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((2, T, 3)) for T in (T_q, T_k, T_k))
    mask = rng.random((2, T_q, T_k)) < 0.6
    weights = attention_weights(q, k, mask)
    assert not weights[~mask].any() and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), mask.any(-1))  # 1, or 0 where all is hidden
    np.testing.assert_allclose(attention(q, k, v, mask)[0], weights @ v, atol=1e-12)
    order = rng.permutation(T_k)  # the order of keys says nothing
    shuffled, _ = attention(q, k[:, order], v[:, order], mask[:, :, order])
    np.testing.assert_allclose(shuffled, weights @ v, atol=1e-12)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_gradient(normal, lead):
    q, k, v = normal(*lead, 4, 5), normal(*lead, 6, 5), normal(*lead, 6, 2)
    check_gradient(attention, attention_backward, q, k, v)
    check_gradient(attention, attention_backward, q, k, v, causal_mask(4, 6))
    check_gradient(attention, attention_backward, q[..., :1, :], k, v)
    mask = np.random.default_rng(0).random((*lead, 4, 6)) < 0.5
    mask[..., 1, :] = False  # a query that may look nowhere
    check_gradient(attention, attention_backward, q, k, v, mask=mask)
    views = [a.swapaxes(-1, -2).copy().swapaxes(-1, -2) for a in (q, k, v)]
    check_gradient(attention, attention_backward, *views, mask=mask)


@pytest.mark.parametrize("T_q", [FEW_ROWS, FEW_ROWS + 1])
def test_few_queries_and_many(normal, T_q):
    q, k, v = normal(2, T_q, 3), normal(2, 5, 3), normal(2, 5, 4)
    weights = np.exp(np.einsum("bqd,bkd->bqk", q, k) / math.sqrt(3))
    weights /= weights.sum(axis=-1, keepdims=True)
    y, _ = attention(q, k, v)
    np.testing.assert_allclose(y, weights @ v, atol=1e-12)
    check_gradient(attention, attention_backward, q, k, v)


def test_one_query_alone_finds_what_it_finds_among_others(normal):
    q, k, v = normal(2, 4, 5), normal(2, 6, 5), normal(2, 6, 3)
    together, _ = attention(q, k, v)
    for t in range(4):
        alone, _ = attention(q[:, t : t + 1], k, v)
        np.testing.assert_allclose(alone, together[:, t : t + 1], rtol=1e-12)


def test_hidden_queries_and_keys(normal):
    q, k, v = normal(3, 4), normal(5, 4), normal(5, 2)
    mask = np.ones((3, 5), bool)
    mask[1], mask[:, 4] = False, False
    y, cache = attention(q, k, v, mask)
    assert not y[1].any() and y[[0, 2]].all()
    dq, dk, dv = attention_backward(normal(3, 2), cache)
    assert not (dq[1].any() or dk[4].any() or dv[4].any())
    k[4], v[4] = 1e6, -1e6  # what is hidden has no influence at all
    np.testing.assert_array_equal(attention(q, k, v, mask)[0], y)
    assert not attention(q, normal(0, 4), normal(0, 2))[0].any()


def test_large_scores_do_not_overflow():
    q = np.array([[1e4, 0.0]], np.float32)
    y, _ = attention(
        q, np.array([[1e4, 0], [-1e4, 0]], np.float32), np.array([[1], [2]], np.float32)
    )
    assert y.tolist() == [[1.0]]


def mha(normal, H=2, head_dim=3, D=5):
    shapes = [(2, 4, D), (D, 3 * H * head_dim), (3 * H * head_dim,), (H * head_dim, D), (D,)]
    return [normal(*shape) for shape in shapes]


@pytest.mark.parametrize("H", [1, 2])
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_of_multi_head_attention(normal, H, masked):
    # H * head_dim differs from D, as after pruning heads
    ids = np.array([[1, 1, 1, 0], [0, 1, 0, 0]])
    mask = causal_mask(4) & padding_mask(ids, 0) if masked else None
    x, w_qkv, b_qkv, w_out, b_out = mha(normal, H)
    options = {"head_dim": 3, "mask": mask}
    pair = multi_head_attention, multi_head_attention_backward
    check_gradient(*pair, x, w_qkv, b_qkv, w_out, b_out, **options)
    check_gradient(*pair, x, w_qkv, None, w_out, None, **options)


def test_heads_are_attention_on_slices(normal):
    x, w_qkv, b_qkv, w_out, b_out = mha(normal)
    w_q, w_k, w_v = np.split(w_qkv, 3, axis=1)
    b_q, b_k, b_v = np.split(b_qkv, 3)
    heads = [
        attention(x @ w_q[:, s] + b_q[s], x @ w_k[:, s] + b_k[s], x @ w_v[:, s] + b_v[s])[0]
        for s in (slice(0, 3), slice(3, 6))
    ]
    y, _ = multi_head_attention(x, w_qkv, b_qkv, w_out, b_out, head_dim=3)
    np.testing.assert_allclose(y, np.concatenate(heads, -1) @ w_out + b_out, atol=1e-12)


def test_the_future_has_no_influence(normal):
    arguments = mha(normal)
    mask = causal_mask(4)
    y, _ = multi_head_attention(*arguments, head_dim=3, mask=mask)
    changed = arguments[0].copy()
    changed[:, 2:] += 1
    y_changed, _ = multi_head_attention(changed, *arguments[1:], head_dim=3, mask=mask)
    np.testing.assert_allclose(y_changed[:, :2], y[:, :2], atol=1e-12)
    assert not np.isclose(y_changed[:, 2:], y[:, 2:]).any()


def test_attend_opens_the_products(normal):
    maps = []

    def attend(q, k, v, mask):
        maps.append(attention_weights(q, k, mask))
        return attention(q, k, v, mask)

    arguments, options = mha(normal), {"head_dim": 3, "mask": causal_mask(4)}
    y, cache = multi_head_attention(*arguments, **options, attend=attend)
    assert maps[0].shape == (2, 2, 4, 4)
    plain, plain_cache = multi_head_attention(*arguments, **options)
    np.testing.assert_array_equal(y, plain)
    for ours, theirs in zip(
        multi_head_attention_backward(y, cache),
        multi_head_attention_backward(y, plain_cache),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_errors(normal):
    q, k, v = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 4)
    with pytest.raises(TypeError, match=r"mask must be a bool array .*got float64"):
        attention(q, k, v, np.ones((3, 5)))
    with pytest.raises(ValueError, match=r"mask must broadcast to \(2, 3, 5\), got \(5, 3\)"):
        attention(q, k, v, np.ones((5, 3), bool))
    with pytest.raises(ValueError, match=r"mask must broadcast"):
        attention(q, k, v, np.ones((2, 2, 3, 5), bool))  # would add an axis
    with pytest.raises(ValueError, match="q and k must agree"):
        attention(q, normal(2, 5, 3), v)
    with pytest.raises(ValueError, match="q and k must agree"):
        attention(normal(1, 3, 4), k, v)
    with pytest.raises(ValueError, match="v must have a row for each key"):
        attention(q, k, normal(2, 4, 4))
    with pytest.raises(TypeError, match="q must be a float array"):
        attention(np.ones((2, 3, 4), int), k, v)
    with pytest.raises(ValueError, match="got T_q = 3 and T_k = 2"):
        causal_mask(3, 2)
    with pytest.raises(ValueError, match=r"ids must have shape \(B, T\)"):
        padding_mask(np.zeros(3, int), 0)
    x, *weights = mha(normal)
    with pytest.raises(ValueError, match=r"w_qkv must have \(H \+ 2G\).*got 18 columns and 6 rows"):
        multi_head_attention(x, *weights, head_dim=4)
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, D\)"):
        multi_head_attention(x[0], *weights, head_dim=3)


@pytest.mark.oracle
def test_attention_against_torch(normal):
    import torch

    q, k, v, dy = normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 5), normal(2, 3, 4, 5)
    mask = causal_mask(4, 6)
    tq, tk, tv = (torch.tensor(a, requires_grad=True) for a in (q, k, v))
    ty = torch.nn.functional.scaled_dot_product_attention(tq, tk, tv, torch.tensor(mask))
    ty.backward(torch.tensor(dy))
    y, cache = attention(q, k, v, mask)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    for ours, theirs in zip(attention_backward(dy, cache), (tq, tk, tv), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-10)


@pytest.mark.oracle
def test_multi_head_attention_against_torch(normal):
    import torch

    x, w_qkv, b_qkv, w_out, b_out = mha(normal, H=2, head_dim=3, D=6)
    ids, dy = np.array([[1, 1, 1, 1], [1, 1, 0, 0]]), normal(2, 4, 6)
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(w_qkv.T))
        theirs.in_proj_bias.copy_(torch.tensor(b_qkv))
        theirs.out_proj.weight.copy_(torch.tensor(w_out.T))
        theirs.out_proj.bias.copy_(torch.tensor(b_out))
    tx = torch.tensor(x, requires_grad=True)
    ty, maps = theirs(
        tx, tx, tx,
        attn_mask=torch.tensor(~causal_mask(4)),
        key_padding_mask=torch.tensor(ids == 0),
        average_attn_weights=False,
    )  # fmt: skip
    ty.backward(torch.tensor(dy))

    mask = causal_mask(4) & padding_mask(ids, 0)
    y, cache = multi_head_attention(x, w_qkv, b_qkv, w_out, b_out, head_dim=3, mask=mask)
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    dx, dw_qkv, db_qkv, dw_out, db_out = multi_head_attention_backward(dy, cache)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-10)
    np.testing.assert_allclose(dw_qkv, theirs.in_proj_weight.grad.T, atol=1e-10)
    np.testing.assert_allclose(db_qkv, theirs.in_proj_bias.grad, atol=1e-10)
    np.testing.assert_allclose(dw_out, theirs.out_proj.weight.grad.T, atol=1e-10)
    np.testing.assert_allclose(db_out, theirs.out_proj.bias.grad, atol=1e-10)
    q, k, _ = (x @ w_qkv + b_qkv).reshape(2, 4, 3, 2, 3).transpose(2, 0, 3, 1, 4)
    np.testing.assert_allclose(attention_weights(q, k, mask), maps.detach(), atol=1e-10)


@pytest.mark.parametrize("huge", [1e20, -1e20, np.inf, np.nan])
def test_what_is_hidden_does_not_matter_whatever_it_is(huge):
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 4, 2), dtype=np.float32)
    y, _ = attention(q, k, v, causal_mask(4))
    k[3], q[0] = huge, 1e20
    with np.errstate(over="ignore", invalid="ignore"):
        hidden, _ = attention(q, k, v, causal_mask(4))
    np.testing.assert_array_equal(hidden[:1], v[:1])  # the first query sees the first key alone
    np.testing.assert_allclose(hidden[1:3], y[1:3], rtol=1e-5)
