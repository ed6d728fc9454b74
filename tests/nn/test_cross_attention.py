"""Cross-attention: queries of one sequence, keys and values of another."""

import numpy as np
import pytest

from minilm.nn import (
    attention,
    attention_weights,
    check_gradient,
    cross_attention,
    cross_attention_backward,
    memory_keys_values,
    memory_keys_values_backward,
    multi_head_attention,
    padding_mask,
    read_memory,
    read_memory_backward,
)

PAIR = cross_attention, cross_attention_backward
IDS = np.array([[1, 1, 1, 1, 0], [1, 0, 0, 0, 0]])


@pytest.fixture
def arguments(normal):
    """x (2, 3, D = 5), memory (2, 5, M = 4), two heads of width 3, and weights to fit."""
    shapes = [(2, 3, 5), (2, 5, 4), (5, 6), (6,), (4, 12), (12,), (6, 5), (5,)]
    return [normal(*shape) for shape in shapes]


@pytest.mark.parametrize("masked", [False, True])
def test_gradient(arguments, masked):
    x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out = arguments
    options = {"head_dim": 3, "mask": padding_mask(IDS, 0) if masked else None}
    check_gradient(*PAIR, x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out, **options)
    check_gradient(*PAIR, x, memory, w_q, None, w_kv, None, w_out, None, **options)


@pytest.mark.parametrize("masked", [False, True])
def test_gradient_of_each_half(arguments, masked, normal):
    x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out = arguments
    halves = memory_keys_values, memory_keys_values_backward
    check_gradient(*halves, memory, w_kv, b_kv, head_dim=3)
    check_gradient(*halves, memory, w_kv, None, head_dim=3)
    halves, kv = (read_memory, read_memory_backward), normal(2, 2, 2, 5, 3)
    options = {"mask": padding_mask(IDS, 0) if masked else None}
    check_gradient(*halves, x, kv, w_q, b_q, w_out, b_out, **options)
    check_gradient(*halves, x, kv, w_q, None, w_out, None, **options)


def test_a_memory_made_once_is_read_by_one_query_after_another(arguments):
    x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out = arguments
    mask = padding_mask(IDS, 0)
    kv, _ = memory_keys_values(memory, w_kv, b_kv, head_dim=3)
    assert kv.shape == (2, 2, 2, 5, 3)
    reads = [
        read_memory(x[:, t : t + 1], kv, w_q, b_q, w_out, b_out, mask=mask)[0] for t in range(3)
    ]
    y, _ = cross_attention(*arguments, head_dim=3, mask=mask)
    np.testing.assert_allclose(np.concatenate(reads, axis=1), y, atol=1e-12)


def test_heads_are_attention_on_slices(arguments):
    x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out = arguments
    q, (k, v) = x @ w_q + b_q, np.split(memory @ w_kv + b_kv, 2, axis=-1)
    heads = [attention(q[..., s], k[..., s], v[..., s])[0] for s in (slice(0, 3), slice(3, 6))]
    y, _ = cross_attention(*arguments, head_dim=3)
    np.testing.assert_allclose(y, np.concatenate(heads, -1) @ w_out + b_out, atol=1e-12)


def test_with_itself_as_memory_it_is_multi_head_attention(arguments):
    x, _, w_q, b_q, _, b_kv, w_out, b_out = arguments
    w_kv = np.concatenate([w_q, -w_q], axis=1)
    y, _ = cross_attention(x, x, w_q, b_q, w_kv, b_kv, w_out, b_out, head_dim=3)
    w_qkv, b_qkv = np.concatenate([w_q, w_kv], axis=1), np.concatenate([b_q, b_kv])
    expected, _ = multi_head_attention(x, w_qkv, b_qkv, w_out, b_out, head_dim=3)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_hidden_memory_has_no_influence(arguments):
    mask = padding_mask(IDS, 0)
    y, _ = cross_attention(*arguments, head_dim=3, mask=mask)
    changed = arguments[1] + np.where(IDS == 0, 5.0, 0.0)[..., None]
    y_changed, _ = cross_attention(arguments[0], changed, *arguments[2:], head_dim=3, mask=mask)
    np.testing.assert_array_equal(y_changed, y)
    assert not np.isclose(cross_attention(*arguments, head_dim=3)[0], y).any()


def test_attend_opens_the_products(arguments):
    maps = []

    def attend(q, k, v, mask):
        maps.append(attention_weights(q, k, mask))
        return attention(q, k, v, mask)

    mask = padding_mask(IDS, 0)
    y, _ = cross_attention(*arguments, head_dim=3, mask=mask, attend=attend)
    np.testing.assert_array_equal(y, cross_attention(*arguments, head_dim=3, mask=mask)[0])
    assert maps[0].shape == (2, 2, 3, 5)
    np.testing.assert_allclose(maps[0][1], np.eye(5)[np.zeros((2, 3), int)])  # one key is seen


def test_errors(arguments):
    x, memory, *weights = arguments
    for bad in ((x[0], memory), (x, memory[0]), (x[:1], memory)):
        with pytest.raises(ValueError, match=r"x must have shape \(B, T, D\) and memory"):
            cross_attention(*bad, *weights, head_dim=3)
    for head_dim in (0, 4):
        with pytest.raises(ValueError, match=r"w_q must have heads \* head_dim columns"):
            cross_attention(x, memory, *weights, head_dim=head_dim)
    weights[2] = weights[2][:, :9]
    with pytest.raises(ValueError, match="got 6 and 9 columns"):
        cross_attention(x, memory, *weights, head_dim=3)


def test_read_memory_refuses_keys_of_other_sequences_or_heads(arguments):
    x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out = arguments
    kv, _ = memory_keys_values(memory, w_kv, b_kv, head_dim=3)
    for bad in (kv[:, :1], kv[:, :, :1]):
        with pytest.raises(ValueError, match=r"kv must have shape \(2, B, H, S, d\) with B = 2"):
            read_memory(x, bad, w_q, b_q, w_out, b_out)


def test_memory_keys_values_refuses_what_has_no_heads(arguments):
    _, memory, _, _, w_kv, b_kv, *_ = arguments
    with pytest.raises(ValueError, match=r"memory must have shape \(B, S, M\), got \(5, 4\)"):
        memory_keys_values(memory[0], w_kv, b_kv, head_dim=3)
    for head_dim in (0, 4):
        with pytest.raises(ValueError, match=r"w_kv must have 2 \* heads \* head_dim columns"):
            memory_keys_values(memory, w_kv, b_kv, head_dim=head_dim)


@pytest.mark.oracle
@pytest.mark.parametrize("masked", [False, True])
def test_against_torch(arguments, normal, masked):
    import torch

    _, memory, *_ = arguments  # torch wants H head_dim = D
    shapes = [(2, 3, 6), (6, 6), (6, 6), (6,), (2, 3, 6)]
    x, w_q, w_out, b_out, dy = (normal(*shape) for shape in shapes)
    b_q, w_kv, b_kv = arguments[3], arguments[4], arguments[5]
    theirs = torch.nn.MultiheadAttention(
        6, 2, kdim=4, vdim=4, batch_first=True, dtype=torch.float64
    )
    w_k, w_v = np.split(w_kv, 2, axis=1)
    with torch.no_grad():
        theirs.q_proj_weight.copy_(torch.tensor(w_q.T))
        theirs.k_proj_weight.copy_(torch.tensor(w_k.T))
        theirs.v_proj_weight.copy_(torch.tensor(w_v.T))
        theirs.in_proj_bias.copy_(torch.tensor(np.concatenate([b_q, b_kv])))
        theirs.out_proj.weight.copy_(torch.tensor(w_out.T))
        theirs.out_proj.bias.copy_(torch.tensor(b_out))
    tx, tm = torch.tensor(x, requires_grad=True), torch.tensor(memory, requires_grad=True)
    ty, _ = theirs(tx, tm, tm, key_padding_mask=torch.tensor(IDS == 0) if masked else None)
    ty.backward(torch.tensor(dy))

    mask = padding_mask(IDS, 0) if masked else None
    y, cache = cross_attention(
        x, memory, w_q, b_q, w_kv, b_kv, w_out, b_out, head_dim=3, mask=mask
    )
    np.testing.assert_allclose(y, ty.detach(), atol=1e-10)
    dw_k, dw_v = theirs.k_proj_weight.grad, theirs.v_proj_weight.grad
    db = theirs.in_proj_bias.grad
    expected = (
        tx.grad, tm.grad, theirs.q_proj_weight.grad.T, db[:6], torch.cat([dw_k, dw_v]).T, db[6:],
        theirs.out_proj.weight.grad.T, theirs.out_proj.bias.grad,
    )  # fmt: skip
    for ours, grad in zip(cross_attention_backward(dy, cache), expected, strict=True):
        np.testing.assert_allclose(ours, grad, atol=1e-10)
