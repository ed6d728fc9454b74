"""The notebook on recurrent networks: wrong answers are told which mistake they made."""

import ast
from pathlib import Path

import numpy as np
import pytest

from minilm import check_gradient
from minilm.course import verdict
from minilm.course.exercises import EXERCISES, from_rnn_to_lstm
from minilm.nn import lstm, lstm_step_backward
from minilm.training import clip_in_place

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "03_from_rnn_to_lstm.py"
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def from_notebook(*names):
    """Functions as the notebook defines them."""
    wanted = [node for node in TREE.body if getattr(node, "name", None) in names]
    space = {"np": np}
    exec(compile(ast.Module(wanted, []), str(SOURCE), "exec"), space)
    return [space[name] for name in names]


def cell_backward(
    through_h=True, next_cell=True, keep=True, slopes=True, order="ifgo", tanh_of_g=True,
    tanh_slope=True, old=True, tanh_of_c=True,
):  # fmt: skip
    """The right backward pass, or one with the mistake that is switched on."""

    def backward(dstate, cache):
        dh, dc = dstate
        i, f, g, o, c, c_next = cache
        t = np.tanh(c_next)
        total = dc * next_cell + through_h * dh * o * ((1 - t**2) if tanh_slope else 1)
        do = dh * (t if tanh_of_c else c_next)
        da = {"i": total * g, "f": total * (c if old else c_next), "g": total * i, "o": do}
        if slopes:
            of_g = 1 - g**2 if tanh_of_g else g * (1 - g)
            for gate, slope in zip("ifgo", (i * (1 - i), f * (1 - f), of_g, o * (1 - o)),
                                   strict=True):  # fmt: skip
                da[gate] = da[gate] * slope
        return np.concatenate([da[gate] for gate in order], axis=1), total * (f if keep else 1)

    return backward


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        ({"through_h": False}, "through h' as well"),
        ({"next_cell": False}, "gets lost"),
        ({"keep": False}, "what is the old c"),
        ({"slopes": False}, "slope of its gate"),
        ({"order": "ifog"}, "the order is"),
        ({"tanh_of_g": False}, "slope is 1 − g²"),
        ({"tanh_slope": False}, "slope of tanh"),
        ({"old": False}, "old cell c"),
        ({"tanh_of_c": False}, "tanh(c'), not c'"),
    ],
)
def test_a_wrong_cell_is_told_its_mistake(mistake, hint, seed):
    told = verdict(EXERCISES["lstm_cell_backward"], cell_backward(**mistake), seed)
    assert told.state == "wrong" and hint in told.hint


def test_the_gates_need_the_whole_gradient_of_the_cell():
    def halved(dstate, cache):  # dc takes both ways, da only one
        return cell_backward(through_h=False)(dstate, cache)[0], cell_backward()(dstate, cache)[1]

    told = verdict(EXERCISES["lstm_cell_backward"], halved)
    assert told.state == "wrong" and "whole gradient" in told.hint


def test_the_cell_of_the_notebook_is_that_of_the_check_and_of_minilm():
    sigmoid, lstm_cell = from_notebook("sigmoid", "lstm_cell")
    lstm_cell.__globals__["sigmoid"] = sigmoid
    rng = np.random.default_rng(0)
    a, c, dh, dc = (rng.standard_normal(shape) for shape in ((2, 12), (2, 3), (2, 3), (2, 3)))
    (h, c_next), cache = lstm_cell(a, c)
    (h_of_check, _), cache_of_check = from_rnn_to_lstm._cell(a, c)
    assert np.allclose(h, h_of_check)
    assert all(np.allclose(*pair) for pair in zip(cache, cache_of_check, strict=True))
    assert check_gradient(lstm_cell, cell_backward(), a, c) < 1e-5
    eye, none = np.eye(12), np.zeros((2, 3))  # with x = a, W_x = 1 and W_h = 0 the step is the cell
    steps = (a, none, c, eye, np.zeros((3, 12)), cache[:4], np.tanh(c_next))
    da, _, dc_before, *_ = lstm_step_backward((dh, dc), steps)
    ours = cell_backward()((dh, dc), cache)
    assert np.allclose(da, ours[0]) and np.allclose(dc_before, ours[1])


def norm_of(grads):
    return np.sqrt(sum(np.sum(g**2) for g in grads.values()))


def each_by_itself(grads, limit):
    return {n: g * min(1, limit / np.linalg.norm(g)) for n, g in grads.items()}


def in_place(grads, limit):
    clip_in_place(grads, limit)
    return grads


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        ("forget_bias", lambda n, k: -np.log(k ** (1 / n) / (1 - k ** (1 / n))), "sign"),
        ("forget_bias", lambda n, k: k ** (1 / n), "gate σ(b) itself"),
        ("forget_bias", lambda n, k: np.log(k) / n, "exponential alone"),
        ("forget_bias", lambda n, k: np.log(k / (1 - k)), "*one* step"),
        ("forget_bias", lambda n, k: np.log(k / n / (1 - k / n)), "a power"),
        ("clip_by_norm", each_by_itself, "by itself"),
        ("clip_by_norm", lambda g, m: {n: np.clip(x, -m, m) for n, x in g.items()}, "direction"),
        ("clip_by_norm", lambda g, m: {n: x * m / norm_of(g) for n, x in g.items()}, "longer"),
        ("clip_by_norm", lambda g, m: {n: x * min(1, m / norm_of(g) ** 2) for n, x in g.items()},
         "root"),
        ("clip_by_norm", lambda g, m: {n: x / norm_of(g) * min(m, norm_of(g))
                                       for n, x in g.items()}, "must stay 0"),
        ("clip_by_norm", in_place, "have changed"),
        ("clip_by_norm", lambda g, m: dict(g), "nothing was clipped"),
        ("clip_by_norm", lambda g, m: list(g.values()), "same names"),
        ("gradient_bound", lambda w, k: np.linalg.norm(w) ** k, "default"),
        ("gradient_bound", lambda w, k: abs(np.linalg.eigvals(w)).max() ** k, "eigenvalue"),
        ("gradient_bound", lambda w, k: np.linalg.norm(np.linalg.matrix_power(w, k), 2), "slopes"),
        ("gradient_bound", lambda w, k: np.linalg.norm(w, 2), "one step"),
        ("gradient_bound", lambda w, k: k * np.linalg.norm(w, 2), "multiplies"),
        ("gradient_bound", lambda w, k: np.linalg.eigvalsh(w @ w.T).max() ** k, "square"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_told_its_mistake(name, wrong, hint, seed):
    with np.errstate(all="ignore"):
        told = verdict(EXERCISES[name], wrong, seed)
    assert told.state == "wrong" and hint in told.hint


def test_the_bound_is_one_and_the_norm_of_the_power_is_not():
    """With slopes between the factors, a product may pass the norm of the matrix' power."""
    w = np.array([[1.0, 1.0], [-1.0, -1.0]])  # w² = 0
    slopes = np.diag([1.0, 0.0])
    assert np.linalg.norm(w @ w, 2) < 1e-9 < 1 < np.linalg.norm(w @ slopes @ w, 2)
    assert np.linalg.norm(w @ slopes @ w, 2) <= np.linalg.norm(w, 2) ** 2


def test_other_ways_to_be_right_are_right():
    for name, answer in (
        ("lstm_cell_backward", cell_backward()),
        ("lstm_cell_backward", lambda d, k: list(cell_backward()(d, k))),
        ("forget_bias", lambda n, k: -np.log(k ** (-1 / n) - 1)),
        ("gradient_bound", lambda w, k: np.float32(np.linalg.svd(w)[1][0] ** k)),
        ("gradient_bound", lambda w, k: np.linalg.eigvalsh(w @ w.T).max() ** (k / 2)),
        ("clip_by_norm", lambda g, m: in_place({n: x.copy() for n, x in g.items()}, m)),
        ("clip_by_norm", lambda g, m: {n: np.float32(x / max(1, norm_of(g) / m))
                                       for n, x in g.items()}),
    ):  # fmt: skip
        for seed in range(50):
            told = verdict(EXERCISES[name], answer, seed)
            assert told.state == "right", (name, told.hint)


@pytest.mark.oracle
def test_torch_s_lstm_and_clipping_are_as_the_notebook_says():
    import torch

    torch_lstm, torch_clip = from_notebook("torch_lstm", "torch_clip")
    theirs = torch.nn.LSTM(3, 5, batch_first=True).double()
    arrays = [p.detach().numpy() for p in theirs.parameters()]  # w_ih, w_hh, b_ih, b_hh
    x = np.random.default_rng(0).standard_normal((2, 7, 3))
    wanted = theirs(torch.tensor(x))[0].detach().numpy()
    assert np.allclose(torch_lstm(x, *arrays), wanted, atol=1e-12)
    ours, _ = lstm(x, arrays[0].T, arrays[1].T, arrays[2] + arrays[3])
    assert np.allclose(ours, wanted, atol=1e-12)
    assert max(np.abs(array).max() for array in arrays) <= 1 / np.sqrt(5)

    grads = {"w": np.array([[3.0, 0.0], [0.0, 4.0]]), "b": np.array([0.0, 12.0])}
    tensors = [torch.nn.Parameter(torch.zeros_like(torch.tensor(g))) for g in grads.values()]
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(grad)
    torch.nn.utils.clip_grad_norm_(tensors, 1.0)
    for tensor, ours in zip(tensors, torch_clip(grads, 1.0).values(), strict=True):
        assert np.allclose(tensor.grad.numpy(), ours, rtol=1e-12)


@pytest.mark.oracle
def test_onnx_s_gates_stand_in_the_order_i_o_f_c():
    import onnx
    from onnx.reference import ReferenceEvaluator

    (in_order,) = from_notebook("in_order")
    rng = np.random.default_rng(1)
    x, w_x, w_h, b = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((2, 6, 3), (3, 16), (4, 16), 16)
    )
    arrays = {
        "W": in_order(w_x, "iofg").T[None], "R": in_order(w_h, "iofg").T[None],
        "B": np.concatenate([in_order(b, "iofg"), np.zeros(16, np.float32)])[None],
    }  # fmt: skip
    tensor = onnx.TensorProto.FLOAT
    values = [onnx.helper.make_tensor_value_info(name, tensor, None) for name in ("X", *arrays)]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("LSTM", ["X", *arrays], ["Y", "Y_h", "Y_c"], hidden_size=4)],
        "lstm", values,
        [onnx.helper.make_tensor_value_info(n, tensor, None) for n in ("Y", "Y_h", "Y_c")],
    )  # fmt: skip
    by_time = np.ascontiguousarray(x.transpose(1, 0, 2))
    model = ReferenceEvaluator(onnx.helper.make_model(graph))
    last = model.run(["Y_h"], {"X": by_time} | arrays)[0]
    assert np.allclose(last[0], lstm(x, w_x, w_h, b)[0][:, -1], atol=1e-5)
