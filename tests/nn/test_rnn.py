"""The plain recurrent network."""

import math

import numpy as np
import pytest

from minilm.nn import check_gradient, rnn, rnn_backward, rnn_step, rnn_step_backward


def parameters(normal, D=3, H=4):
    return normal(D, H), normal(H, H), normal(H)


def with_state(x, w_x, w_h, b, h0=None):
    hs, cache = rnn(x, w_x, w_h, b, h0)
    return (hs, cache["state"]), cache


def with_state_backward(dys, cache):
    return rnn_backward(dys[0], cache, dys[1])


def test_by_hand():
    one = np.ones((1, 1))
    h, _ = rnn_step(one, one, np.array([[2.0]]), np.array([[3.0]]), np.array([-4.5]))
    np.testing.assert_allclose(h, [[math.tanh(0.5)]])
    hs, cache = rnn(np.ones((1, 2, 1)), np.array([[2.0]]), np.array([[3.0]]), np.array([-1.0]))
    h1 = math.tanh(1.0)
    np.testing.assert_allclose(hs, [[[h1], [math.tanh(1 + 3 * h1)]]])
    np.testing.assert_array_equal(cache["state"], hs[:, -1])


def test_over_time_is_step_after_step(normal):
    x, h, (w_x, w_h, b) = normal(2, 5, 3), normal(2, 4), parameters(normal)
    hs, cache = rnn(x, w_x, w_h, b, h)
    for t in range(5):
        h, _ = rnn_step(x[:, t], h, w_x, w_h, b)
        np.testing.assert_allclose(hs[:, t], h, atol=1e-12)
    np.testing.assert_allclose(cache["state"], h, atol=1e-12)


def test_carried_state_joins_two_halves(normal):
    x, (w_x, w_h, b) = normal(2, 6, 3), parameters(normal)
    hs, cache = rnn(x, w_x, w_h, b)
    first, first_cache = rnn(x[:, :2], w_x, w_h, b)
    second, second_cache = rnn(x[:, 2:], w_x, w_h, b, first_cache["state"])
    np.testing.assert_allclose(np.concatenate([first, second], 1), hs, atol=1e-12)
    dhs = normal(2, 6, 4)
    later = rnn_backward(dhs[:, 2:], second_cache)
    earlier = rnn_backward(dhs[:, :2], first_cache, dstate=later[-1])
    whole = rnn_backward(dhs, cache)
    np.testing.assert_allclose(np.concatenate([earlier[0], later[0]], 1), whole[0], atol=1e-12)
    for i in (1, 2, 3):
        np.testing.assert_allclose(earlier[i] + later[i], whole[i], atol=1e-12)


def test_gradient(normal):
    w = parameters(normal)
    check_gradient(rnn_step, rnn_step_backward, normal(2, 3), normal(2, 4), *w)
    check_gradient(rnn, rnn_backward, normal(2, 5, 3), *w)
    check_gradient(rnn, rnn_backward, normal(2, 5, 3), *w, normal(2, 4))
    check_gradient(with_state, with_state_backward, normal(2, 5, 3), *w, normal(2, 4))
    check_gradient(with_state, with_state_backward, normal(3, 5, 2).T, *w)


def test_no_time_and_no_sequences(normal):
    w, h0 = parameters(normal), normal(2, 4)
    hs, cache = rnn(normal(2, 0, 3), *w, h0)
    assert hs.shape == (2, 0, 4)
    np.testing.assert_array_equal(cache["state"], h0)
    dx, dw_x, dw_h, db, dh0 = rnn_backward(hs, cache, dstate=h0)
    assert dx.shape == (2, 0, 3) and not (dw_x.any() or dw_h.any() or db.any())
    np.testing.assert_array_equal(dh0, h0)
    assert rnn(normal(0, 3, 3), *w)[0].shape == (0, 3, 4)


def test_errors(normal):
    w_x, w_h, b = parameters(normal)
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, D\)"):
        rnn(normal(5, 3), w_x, w_h, b)
    with pytest.raises(ValueError, match=r"h0 must have shape \(2, 4\), got \(1, 4\)"):
        rnn(normal(2, 5, 3), w_x, w_h, b, normal(1, 4))
    with pytest.raises(ValueError, match=r"w_h must have shape \(4, 4\), got \(4, 5\)"):
        rnn(normal(2, 5, 3), w_x, normal(4, 5), b)
    with pytest.raises(ValueError, match=r"w_x must have shape \(3, 4\), got \(3, 5\)"):
        rnn(normal(2, 5, 3), normal(3, 5), w_h, normal(5))
    with pytest.raises(ValueError, match=r"h must have shape \(2, 4\)"):
        rnn_step(normal(2, 3), normal(1, 4), w_x, w_h, b)


@pytest.mark.oracle
def test_against_torch(normal):
    import torch

    x, h0, dhs, dstate = normal(2, 5, 3), normal(2, 4), normal(2, 5, 4), normal(2, 4)
    w_x, w_h, b = parameters(normal)
    theirs = torch.nn.RNN(3, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(w_x.T))
        theirs.weight_hh_l0.copy_(torch.tensor(w_h.T))
        theirs.bias_ih_l0.copy_(torch.tensor(b))
        theirs.bias_hh_l0.zero_()
    tx, th0 = (torch.tensor(a, requires_grad=True) for a in (x, h0))
    ths, th = theirs(tx, th0[None])
    torch.autograd.backward((ths, th), (torch.tensor(dhs), torch.tensor(dstate[None])))
    hs, cache = rnn(x, w_x, w_h, b, h0)
    np.testing.assert_allclose(hs, ths.detach(), atol=1e-10)
    dx, dw_x, dw_h, db, dh0 = rnn_backward(dhs, cache, dstate)
    np.testing.assert_allclose(dx, tx.grad, atol=1e-10)
    np.testing.assert_allclose(dw_x, theirs.weight_ih_l0.grad.T, atol=1e-10)
    np.testing.assert_allclose(dw_h, theirs.weight_hh_l0.grad.T, atol=1e-10)
    np.testing.assert_allclose(db, theirs.bias_ih_l0.grad, atol=1e-10)
    np.testing.assert_allclose(dh0, th0.grad, atol=1e-10)
