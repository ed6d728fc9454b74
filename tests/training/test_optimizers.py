import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.training import SGD, AdamW
from minilm.training.optimizers import CHUNK, chunks


def test_sgd_by_hand():
    arrays, state = {"w": np.array([1.0, 2.0])}, {}
    SGD().update(arrays, {"w": np.array([10.0, -10.0])}, state, 0.1, 0)
    np.testing.assert_allclose(arrays["w"], [0.0, 3.0])
    assert state == {}


def test_momentum_by_hand():
    arrays, state, ball = {"w": np.array([0.0])}, {}, SGD(momentum=0.5)
    for step in range(3):  # velocity 1, 1.5, 1.75
        ball.update(arrays, {"w": np.array([1.0])}, state, 0.1, step)
    np.testing.assert_allclose(arrays["w"], [-0.425])


def test_adam_by_hand():
    """At the first step m̂ = g and v̂ = g²: every parameter moves by lr, whatever its gradient."""
    arrays = {"w": np.array([1.0, 1.0, 1.0])}
    AdamW().update(arrays, {"w": np.array([1e-3, -5.0, 0.0])}, {}, 0.1, 0)
    np.testing.assert_allclose(arrays["w"], [0.9, 1.1, 1.0], rtol=1e-5)


def test_weight_decay_spares_biases_and_companions():
    shapes = {"w": (2, 2), "b": (2,), "w:mask": (2, 2)}
    arrays = {name: np.ones(shape) for name, shape in shapes.items()}
    grads = {name: np.zeros(shape) for name, shape in shapes.items()}
    AdamW(weight_decay=0.5).update(arrays, grads, {}, 0.1, 0)
    np.testing.assert_allclose(arrays["w"], 0.95)
    np.testing.assert_array_equal(arrays["b"], 1)
    np.testing.assert_array_equal(arrays["w:mask"], 1)


@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9), AdamW()])
def test_only_what_has_a_gradient_moves_and_float32_stays(optimizer):
    arrays = {name: np.ones((3, 4), np.float32) for name in ("moved", "kept")}
    grads, state = {"moved": np.full((3, 4), 0.5, np.float32)}, {}
    given_grad = grads["moved"].copy()
    optimizer.update(arrays, grads, state, 0.1, 0)
    np.testing.assert_array_equal(arrays["kept"], 1)
    assert (arrays["moved"] < 1).all()
    np.testing.assert_array_equal(grads["moved"], given_grad)
    for array in (*arrays.values(), *state.values()):
        assert array.dtype == np.float32


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), AdamW()])
def test_chunks_change_nothing(optimizer, monkeypatch):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((7, 11)).astype(np.float32)
    grad = rng.standard_normal((11, 7)).astype(np.float32).T  # not contiguous
    moved = []
    for size in (CHUNK, 10):
        monkeypatch.setattr("minilm.training.optimizers.CHUNK", size)
        arrays, state = {"w": start.copy()}, {}
        for step in range(3):
            optimizer.update(arrays, {"w": grad}, state, 0.1, step)
        moved.append(arrays["w"])
    np.testing.assert_array_equal(*moved)


@given(size=st.integers(0, 3 * CHUNK + 1))
def test_chunks_cover_everything_once(size):
    array = np.zeros(size, dtype=np.int8)
    for piece, scratch in chunks(array):
        assert scratch.shape == piece.shape
        piece += 1
    assert (array == 1).all()


@pytest.mark.parametrize(
    ("optimizer", "settings", "named"),
    [
        (SGD, {"momentum": 1.0}, "momentum"),
        (SGD, {"momentum": -0.1}, "momentum"),
        (AdamW, {"beta1": 1.0}, "beta1"),
        (AdamW, {"beta2": math.nan}, "beta2"),
        (AdamW, {"eps": 0.0}, "eps"),
        (AdamW, {"weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(optimizer, settings, named):
    with pytest.raises(ValueError, match=named):
        optimizer(**settings)


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="betas"):
        AdamW(betas=(0.9, 0.99))


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["sgd", "momentum", "adamw"])
def test_ten_steps_agree_with_torch(name):
    import torch

    rng = np.random.default_rng(0)
    arrays = {"w": rng.standard_normal((5, 4)), "b": rng.standard_normal(4)}
    theirs = {n: torch.tensor(a.copy()) for n, a in arrays.items()}
    groups = [
        {"params": [theirs["w"]], "weight_decay": 0.1},
        {"params": [theirs["b"]], "weight_decay": 0.0},
    ]
    if name == "adamw":
        ours = AdamW(beta1=0.8, beta2=0.95, weight_decay=0.1)
        other = torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.95))
    else:
        momentum = 0.9 if name == "momentum" else 0.0
        ours = SGD(momentum=momentum)
        other = torch.optim.SGD(list(theirs.values()), lr=0.1, momentum=momentum)
    state = {}
    for step in range(10):
        grads = {n: rng.standard_normal(a.shape) for n, a in arrays.items()}
        rate = 0.1 / (step + 1)
        for group in other.param_groups:
            group["lr"] = rate
        for n, tensor in theirs.items():
            tensor.grad = torch.tensor(grads[n])
        other.step()
        ours.update(arrays, grads, state, rate, step)
    for n in arrays:
        np.testing.assert_allclose(arrays[n], theirs[n].numpy(), rtol=1e-12, err_msg=n)


@pytest.mark.parametrize("optimizer", [SGD(), SGD(0.9), AdamW()])
def test_arrays_that_could_not_be_written_to_are_refused(optimizer):
    w = np.asfortranarray(np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        optimizer.update({"w": w}, {"w": np.ones((3, 2), np.float32)}, {}, 0.1, 0)


def test_a_gradient_may_lie_in_memory_as_it_likes():
    w, g = np.ones((3, 2), np.float32), np.arange(6, dtype=np.float32).reshape(3, 2)
    SGD().update({"w": w}, {"w": np.asfortranarray(g)}, {}, 1.0, 0)
    np.testing.assert_array_equal(w, 1 - g)
