import numpy as np
import pytest

from minilm.models.lstm_encoder import lstm_encoder, lstm_encoder_backward, new_lstm_encoder
from minilm.nn import check_gradient

LENGTHS = np.array([3, 1, 5])
MASK = np.arange(5) < LENGTHS[:, None]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parameters(layers):
    params = new_lstm_encoder(np.random.default_rng(0), "encoder", 3, 4, layers)
    return {name: p.astype(np.float64) for name, p in params.items()}


@pytest.mark.parametrize("layers", [1, 2])
def test_a_row_is_read_as_if_it_stood_alone(layers):
    x, params = numbers(3, 5, 3), parameters(layers)
    (y, states), _ = lstm_encoder(x, MASK, params, "encoder", layers=layers)
    for row, length in enumerate(LENGTHS):
        one = x[row : row + 1, :length]
        (alone, ends), _ = lstm_encoder(
            one, np.ones((1, length), bool), params, "encoder", layers=layers
        )
        np.testing.assert_allclose(y[row : row + 1, :length], alone, atol=1e-12)
        assert not y[row, length:].any()
        for level in range(layers):
            for ours, theirs in zip(states[level], ends[level], strict=True):
                np.testing.assert_allclose(ours[row : row + 1], theirs, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients(layers):
    params = parameters(layers)
    names = list(params)

    def op(x, *weights):
        named = dict(zip(names, weights, strict=True))
        (y, states), cache = lstm_encoder(x, MASK, named, "encoder", layers=layers)
        return (y, *(array for state in states for array in state)), cache

    def op_backward(dys, cache):
        dstates = [(dys[i], dys[i + 1]) for i in range(1, len(dys), 2)]
        dx, grads = lstm_encoder_backward(dys[0], dstates, cache)
        return (dx, *(grads[name] for name in names))

    check_gradient(op, op_backward, numbers(3, 5, 3), *params.values())


def test_a_token_behind_padding_is_refused():
    with pytest.raises(ValueError, match="padding must stand after"):
        lstm_encoder(numbers(3, 5, 3), MASK[:, ::-1], parameters(1), "encoder", layers=1)


@pytest.mark.oracle
@pytest.mark.parametrize("layers", [1, 2])
def test_outputs_states_and_gradients_equal_torch(layers):
    """torch.nn.LSTM over packed sequences, in float64."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    x, params = numbers(3, 5, 3), parameters(layers)
    (y, states), cache = lstm_encoder(x, MASK, params, "encoder", layers=layers)
    dy, dstates = numbers(3, 5, 4, seed=1), numbers(layers, 2, 3, 4, seed=2)
    dx, grads = lstm_encoder_backward(dy, [tuple(pair) for pair in dstates], cache)

    peer = torch.nn.LSTM(3, 2, layers, batch_first=True, bidirectional=True).double()
    ways = {"forwards": "", "backwards": "_reverse"}
    theirs = {}
    for level in range(layers):
        for way, suffix in ways.items():
            ours = f"encoder.{level}.{way}"
            theirs[f"{ours}.w_x"] = getattr(peer, f"weight_ih_l{level}{suffix}")
            theirs[f"{ours}.w_h"] = getattr(peer, f"weight_hh_l{level}{suffix}")
            theirs[f"{ours}.b"] = getattr(peer, f"bias_ih_l{level}{suffix}")
            torch.nn.init.zeros_(getattr(peer, f"bias_hh_l{level}{suffix}"))
    with torch.no_grad():
        for name, weight in theirs.items():
            weight.copy_(torch.tensor(params[name].T))
    their_x = torch.tensor(x, requires_grad=True)
    packed = pack_padded_sequence(
        their_x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    out, ends = peer(packed)
    their_y, _ = pad_packed_sequence(out, batch_first=True)
    total = (their_y * torch.tensor(dy)).sum()
    for part, end in enumerate(ends):  # (2 L, B, D/2): forwards and backwards of each level
        end = end.reshape(layers, 2, 3, 2).permute(0, 2, 1, 3).reshape(layers, 3, 4)
        ours = np.stack([state[part] for state in states])
        np.testing.assert_allclose(ours, end.detach().numpy(), atol=1e-12)
        total = total + (end * torch.tensor(dstates[:, part])).sum()
    total.backward()
    np.testing.assert_allclose(y, their_y.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(dx, their_x.grad.numpy(), atol=1e-10)
    for name, weight in theirs.items():
        np.testing.assert_allclose(grads[name], weight.grad.numpy().T, atol=1e-10, err_msg=name)
