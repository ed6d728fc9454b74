"""Heads that share keys, and heads that are turned. (Plain heads: test_attention.py.)"""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import (
    attention,
    causal_mask,
    check_gradient,
    grouped_query_attention,
    multi_head_attention,
    multi_head_attention_backward,
    padding_mask,
    rotary,
)

PAIR = multi_head_attention, multi_head_attention_backward
IDS = np.array([[1, 1, 1, 0], [0, 1, 0, 0]])
MASKS = {
    "no mask": None,
    "causal": causal_mask(4),
    "padding": padding_mask(IDS, 0),
    "both": causal_mask(4) & padding_mask(IDS, 0),
}
TURNS = {"as they are": None, "turned": partial(rotary, first=2)}


def arguments(normal, H=4, G=2, head_dim=2, D=5):
    columns = (H + 2 * G) * head_dim
    shapes = [(2, 4, D), (D, columns), (columns,), (H * head_dim, D), (D,)]
    return [normal(*shape) for shape in shapes]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("G", [1, 2, 4])
def test_gradients(normal, G, turn, mask):
    x, w_qkv, b_qkv, w_out, b_out = arguments(normal, G=G)
    options = {"head_dim": 2, "mask": MASKS[mask], "turn": TURNS[turn]}
    check_gradient(*PAIR, x, w_qkv, b_qkv, w_out, b_out, **options)
    check_gradient(*PAIR, x, w_qkv, None, w_out, None, **options)


@settings(max_examples=40)
@given(
    G=st.integers(1, 3), per_group=st.integers(1, 3), first=st.integers(0, 9),
    mask=st.sampled_from(sorted(MASKS)), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_its_parts_one_after_the_other(G, per_group, first, mask, seed):
    rng, H, d = np.random.default_rng(seed), G * per_group, 4
    x, w_qkv, b_qkv, w_out, b_out = arguments(lambda *s: rng.standard_normal(s), H, G, d)
    y, _ = multi_head_attention(
        x, w_qkv, b_qkv, w_out, b_out,
        head_dim=d, mask=MASKS[mask], turn=partial(rotary, first=first),
    )  # fmt: skip
    columns = np.split(x @ w_qkv + b_qkv, [H * d, (H + G) * d], axis=-1)
    q, k, v = (a.reshape(2, 4, -1, d).swapaxes(1, 2) for a in columns)
    heads, _ = grouped_query_attention(rotary(q, first)[0], rotary(k, first)[0], v, MASKS[mask])
    expected = heads.swapaxes(1, 2).reshape(2, 4, H * d) @ w_out + b_out
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_each_head_of_a_group_has_its_own_mask(normal):
    x, w_qkv, b_qkv, w_out, b_out = arguments(normal, H=4, G=2)
    mask = np.random.default_rng(3).random((2, 4, 4, 4)) < 0.6
    y, _ = multi_head_attention(x, w_qkv, b_qkv, w_out, b_out, head_dim=2, mask=mask)
    columns = np.split(x @ w_qkv + b_qkv, [8, 12], axis=-1)
    q, k, v = (a.reshape(2, 4, -1, 2).swapaxes(1, 2) for a in columns)
    heads = [attention(q[:, h], k[:, h // 2], v[:, h // 2], mask[:, h])[0] for h in range(4)]
    np.testing.assert_allclose(y, np.concatenate(heads, axis=-1) @ w_out + b_out, atol=1e-12)


@pytest.mark.parametrize("G", [2, 4])
def test_masks_are_refused_in_the_same_words_whether_keys_are_shared_or_not(normal, G):
    inputs = arguments(normal, G=G)

    def look(mask):
        return multi_head_attention(*inputs, head_dim=2, mask=mask)

    with pytest.raises(TypeError, match="mask must be a bool array"):
        look([[True] * 4] * 4)
    with pytest.raises(TypeError, match="mask must be a bool array"):
        look(np.ones((4, 4)))
    for shape in ((3, 4), (2, 3, 4, 4), (1, 1, 1, 4, 4), (4, 5)):
        with pytest.raises(ValueError, match="mask must broadcast to"):
            look(np.ones(shape, bool))
    np.testing.assert_array_equal(look(np.array(True))[0], look(None)[0])


def test_its_inputs_and_its_gradient_are_left_alone(normal):
    inputs, dy = arguments(normal), normal(2, 4, 5)
    kept = [a.copy() for a in (*inputs, dy)]
    _, cache = multi_head_attention(*inputs, head_dim=2, turn=rotary, mask=causal_mask(4))
    first, second = (multi_head_attention_backward(dy, cache) for _ in range(2))
    for now, before in zip((*inputs, dy), kept, strict=True):
        np.testing.assert_array_equal(now, before)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("columns", "rows"), [(14, 8), (8, 8), (20, 8), (16, 7), (17, 8), (0, 0), (4, 8)]
)
def test_shapes_that_are_no_heads_are_refused(normal, columns, rows):
    with pytest.raises(ValueError, match=rf"got {columns} columns and {rows} rows for head_dim 2"):
        multi_head_attention(
            normal(2, 4, 5), normal(5, columns), None, normal(rows, 5), None, head_dim=2
        )
    with pytest.raises(ValueError, match="for head_dim 0"):
        multi_head_attention(normal(2, 4, 5), normal(5, 6), None, normal(2, 5), None, head_dim=0)
