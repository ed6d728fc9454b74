"""The LSTM, one step and over time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.nn import check_gradient, lstm, lstm_backward, lstm_step, lstm_step_backward


def parameters(normal, D=3, H=4):
    return normal(D, 4 * H), normal(H, 4 * H), normal(4 * H)


def with_state(x, w_x, w_h, b, h0=None, c0=None, **options):
    hs, cache = lstm(x, w_x, w_h, b, h0, c0, **options)
    return (hs, *cache["state"]), cache


def with_state_backward(dys, cache):
    return lstm_backward(dys[0], cache, dys[1:])


def test_by_hand():
    """i = ½, f = ¾, g = 0.6, o = ⅓: the order of the gates shows."""
    b = np.array([0, math.log(3), math.log(2), math.log(1 / 2)])
    x, h, c = np.zeros((1, 1)), np.zeros((1, 1)), np.array([[2.0]])
    (h_next, c_next), _ = lstm_step(x, h, c, np.ones((1, 4)), np.ones((1, 4)), b)
    np.testing.assert_allclose(c_next, [[0.75 * 2 + 0.5 * 0.6]])
    np.testing.assert_allclose(h_next, [[math.tanh(1.8) / 3]])


def test_by_the_equations(normal):
    x, h, c, (w_x, w_h, b) = normal(2, 3), normal(2, 4), normal(2, 4), parameters(normal)
    a_i, a_f, a_g, a_o = np.split(x @ w_x + h @ w_h + b, 4, axis=1)
    i, f, o = (1 / (1 + np.exp(-a)) for a in (a_i, a_f, a_o))
    c_expected = f * c + i * np.tanh(a_g)
    (h_next, c_next), _ = lstm_step(x, h, c, w_x, w_h, b)
    np.testing.assert_allclose(c_next, c_expected, atol=1e-12)
    np.testing.assert_allclose(h_next, o * np.tanh(c_expected), atol=1e-12)


def test_over_time_is_step_after_step(normal):
    x, h, c, w = normal(2, 5, 3), normal(2, 4), normal(2, 4), parameters(normal)
    hs, cache = lstm(x, *w, h, c)
    for t in range(5):
        (h, c), _ = lstm_step(x[:, t], h, c, *w)
        np.testing.assert_allclose(hs[:, t], h, atol=1e-12)
    np.testing.assert_allclose(cache["state"], (h, c), atol=1e-12)


@settings(max_examples=20)
@given(T=st.integers(1, 6), cut=st.integers(0, 6), seed=st.integers(0, 99))
def test_carried_state_joins_two_pieces(T, cut, seed):
    rng = np.random.default_rng(seed)
    cut = min(cut, T)
    x, w_x, w_h, b, dhs = (
        rng.standard_normal(shape) for shape in [(2, T, 3), (3, 16), (4, 16), (16,), (2, T, 4)]
    )
    hs, cache = lstm(x, w_x, w_h, b)
    first, first_cache = lstm(x[:, :cut], w_x, w_h, b)
    second, second_cache = lstm(x[:, cut:], w_x, w_h, b, *first_cache["state"])
    np.testing.assert_allclose(np.concatenate([first, second], 1), hs, atol=1e-12)
    np.testing.assert_allclose(second_cache["state"], cache["state"], atol=1e-12)
    later = lstm_backward(dhs[:, cut:], second_cache)
    earlier = lstm_backward(dhs[:, :cut], first_cache, dstate=later[4:])
    whole = lstm_backward(dhs, cache)
    np.testing.assert_allclose(np.concatenate([earlier[0], later[0]], 1), whole[0], atol=1e-10)
    for i in (1, 2, 3):
        np.testing.assert_allclose(earlier[i] + later[i], whole[i], atol=1e-10)
    np.testing.assert_allclose(earlier[4:], whole[4:], atol=1e-10)


def test_gradient(normal):
    w, state = parameters(normal), (normal(2, 4), normal(2, 4))
    check_gradient(lstm_step, lstm_step_backward, normal(2, 3), *state, *w)
    check_gradient(lstm, lstm_backward, normal(2, 5, 3), *w)
    check_gradient(lstm, lstm_backward, normal(2, 5, 3), *w, *state)
    check_gradient(lstm, lstm_backward, normal(2, 5, 3), *w, None, state[1])
    check_gradient(with_state, with_state_backward, normal(2, 5, 3), *w, *state)


def test_ids_read_rows_of_x(normal):
    """lstm(x, …, ids) is lstm(x[ids], …), and a row's gradient is the sum over its uses."""
    ids = np.array([[0, 2, 2, 1, 0], [5, 5, 5, 2, 0]])
    x, w, state = normal(6, 3), parameters(normal), (normal(2, 4), normal(2, 4))
    hs, cache = lstm(x, *w, *state, ids)
    expected, expected_cache = lstm(x[ids], *w, *state)
    np.testing.assert_allclose(hs, expected, atol=1e-12)
    np.testing.assert_allclose(cache["state"], expected_cache["state"], atol=1e-12)
    dhs = normal(2, 5, 4)
    dx, *rest = lstm_backward(dhs, cache, state)
    dx_each, *rest_expected = lstm_backward(dhs, expected_cache, state)
    dx_expected = np.zeros((6, 3))
    np.add.at(dx_expected, ids, dx_each)
    np.testing.assert_allclose(dx, dx_expected, atol=1e-12)
    for ours, theirs in zip(rest, rest_expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    check_gradient(lstm, lstm_backward, x, *w, *state, ids)
    check_gradient(lstm, lstm_backward, x, *w, ids=ids)


def test_sizes_at_which_the_loop_uses_blocks(normal):
    """Against step after step, both ways."""
    x, h, c = normal(20, 5, 8), normal(20, 64), normal(20, 64)
    w = parameters(lambda *shape: 0.1 * normal(*shape), D=8, H=64)
    hs, cache = lstm(x, *w, h, c)
    step_caches, dw_h, dh = [], 0, np.zeros_like(h)
    for t in range(5):
        (h, c), step_cache = lstm_step(x[:, t], h, c, *w)
        step_caches.append(step_cache)
        np.testing.assert_allclose(hs[:, t], h, atol=1e-12)
    dhs, dc = normal(20, 5, 64), np.zeros_like(c)
    for t in reversed(range(5)):
        _, dh, dc, _, dw_h_t, _ = lstm_step_backward((dh + dhs[:, t], dc), step_caches[t])
        dw_h += dw_h_t
    _, _, dw_h_ours, _, dh0, dc0 = lstm_backward(dhs, cache)
    np.testing.assert_allclose(dw_h_ours, dw_h, atol=1e-10)
    np.testing.assert_allclose((dh0, dc0), (dh, dc), atol=1e-10)


def test_backward_twice_gives_the_same(normal):
    hs, cache = lstm(normal(2, 5, 3), *parameters(normal))
    first, second = lstm_backward(hs, cache), lstm_backward(hs, cache)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_extreme_inputs_saturate_without_warning(normal):
    w_x, w_h, b = (p.astype(np.float32) for p in parameters(normal))
    x = np.array([[[1e6, -1e6, 1e6]] * 3], np.float32)
    hs, cache = lstm(x, w_x, w_h, b)
    assert np.isfinite(hs).all() and (np.abs(hs) <= 1).all()
    assert all(np.isfinite(g).all() for g in lstm_backward(hs, cache))


def test_no_time_and_no_sequences(normal):
    w, h0, c0 = parameters(normal), normal(2, 4), normal(2, 4)
    hs, cache = lstm(normal(2, 0, 3), *w, h0, c0)
    assert hs.shape == (2, 0, 4)
    np.testing.assert_array_equal(cache["state"], (h0, c0))
    dx, dw_x, dw_h, db, dh0, dc0 = lstm_backward(hs, cache, (h0, c0))
    assert dx.shape == (2, 0, 3) and not (dw_x.any() or dw_h.any() or db.any())
    np.testing.assert_array_equal((dh0, dc0), (h0, c0))
    assert lstm(normal(0, 3, 3), *w)[0].shape == (0, 3, 4)


def test_errors(normal):
    w_x, w_h, b = parameters(normal)
    x = normal(2, 5, 3)
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, D\), got \(5, 3\)"):
        lstm(x[0], w_x, w_h, b)
    with pytest.raises(ValueError, match=r"w_h must have shape \(4, 16\), got \(4, 12\)"):
        lstm(x, w_x, normal(4, 12), b)
    with pytest.raises(ValueError, match=r"w_x must have shape \(3, 16\), got \(3, 20\)"):
        lstm(x, normal(3, 20), w_h, b)
    with pytest.raises(ValueError, match=r"w must have shape \(2, out\)"):
        lstm(normal(2, 5, 2), w_x, w_h, b)
    with pytest.raises(ValueError, match=r"c0 must have shape \(2, 4\), got \(2, 5\)"):
        lstm(x, w_x, w_h, b, normal(2, 4), normal(2, 5))
    with pytest.raises(ValueError, match=r"with ids \(B, T\), x must have shape \(V, D\), got"):
        lstm(x, w_x, w_h, b, ids=np.zeros((2, 5), int))
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 2\), got 2"):
        lstm(x[:, 0], w_x, w_h, b, ids=np.full((2, 5), 2))
    with pytest.raises(ValueError, match=r"h must have shape \(2, 4\), got \(1, 4\)"):
        lstm_step(x[:, 0], normal(1, 4), normal(2, 4), w_x, w_h, b)


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    x, h0, c0, w = normal(2, 5, 3), normal(2, 4), normal(2, 4), parameters(normal)
    dhs, dh, dc = normal(2, 5, 4), normal(2, 4), normal(2, 4)
    theirs = torch.nn.LSTM(3, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(w[0].T))
        theirs.weight_hh_l0.copy_(torch.tensor(w[1].T))
        theirs.bias_ih_l0.copy_(torch.tensor(w[2]))
        theirs.bias_hh_l0.zero_()
    tx, th0, tc0 = (torch.tensor(a, requires_grad=True) for a in (x, h0, c0))
    ths, (th, tc) = theirs(tx, (th0[None], tc0[None]))
    cotangents = tuple(torch.tensor(a) for a in (dhs, dh[None], dc[None]))
    torch.autograd.backward((ths, th, tc), cotangents)
    hs, cache = lstm(x, *w, h0, c0)
    np.testing.assert_allclose(hs, ths.detach(), atol=1e-10)
    dx, dw_x, dw_h, db, dh0, dc0 = lstm_backward(dhs, cache, (dh, dc))
    np.testing.assert_allclose(dx, tx.grad, atol=1e-10)
    np.testing.assert_allclose(dw_x, theirs.weight_ih_l0.grad.T, atol=1e-10)
    np.testing.assert_allclose(dw_h, theirs.weight_hh_l0.grad.T, atol=1e-10)
    np.testing.assert_allclose(db, theirs.bias_ih_l0.grad, atol=1e-10)
    np.testing.assert_allclose(dh0, th0.grad, atol=1e-10)
    np.testing.assert_allclose(dc0, tc0.grad, atol=1e-10)


LENGTHS = np.array([3, 1, 5])


def test_a_row_that_ends_is_as_if_it_stood_alone(normal):
    """Its outputs are 0 from there on, its state that of its last step; the rest is not read."""
    x, w, state = normal(3, 5, 2), parameters(normal, D=2), (normal(3, 4), normal(3, 4))
    hs, cache = lstm(x, *w, *state, lengths=LENGTHS)
    h, c = cache["state"]
    for row, length in enumerate(LENGTHS):
        one = slice(row, row + 1)
        alone, alone_cache = lstm(x[one, :length], *w, *(s[one] for s in state))
        np.testing.assert_allclose(hs[one, :length], alone, atol=1e-12)
        np.testing.assert_allclose((h[one], c[one]), alone_cache["state"], atol=1e-12)
        assert not hs[row, length:].any()
    x[0, 3:], x[1, 1:] = 1e30, -1e30
    again, again_cache = lstm(x, *w, *state, lengths=LENGTHS)
    np.testing.assert_allclose(again, hs, atol=1e-12)
    np.testing.assert_allclose(again_cache["state"], (h, c), atol=1e-12)


def test_gradient_where_rows_end(normal):
    w, state = parameters(normal), (normal(3, 4), normal(3, 4))
    x, ids = normal(3, 5, 3), np.array([[0, 2, 2, 4, 1], [3, 3, 0, 1, 2], [1, 1, 0, 4, 4]])
    check_gradient(with_state, with_state_backward, x, *w, *state, lengths=LENGTHS)
    check_gradient(lstm, lstm_backward, x, *w, lengths=LENGTHS)
    check_gradient(lstm, lstm_backward, normal(5, 3), *w, None, None, ids, lengths=LENGTHS)
    dx = lstm_backward(np.ones((3, 5, 4)), lstm(x, *w, lengths=LENGTHS)[1])[0]
    assert not dx[0, 3:].any() and not dx[1, 1:].any() and dx[2].all()


@pytest.mark.parametrize("lengths", [[0, 1, 2], [1, 2, 6], [1, 2], [1.0, 2.0, 3.0]])
def test_lengths_out_of_range_are_refused(normal, lengths):
    with pytest.raises((ValueError, TypeError), match="lengths"):
        lstm(normal(3, 5, 3), *parameters(normal), lengths=np.array(lengths))
