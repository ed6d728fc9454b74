import numpy as np
import pytest

from minilm.compression import quantize, straight_through
from minilm.compression.quantization.grids import Integers, Signs
from minilm.compression.views import add_steps, compose, learned_steps, masked, quantize_with_steps
from minilm.compression.views.learned_steps import (
    SMALLEST,
    learned_step,
    learned_step_backward,
)
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.nn import check_gradient
from minilm.training import cross_entropy_loss, fit, warmup_cosine
from minilm.weights import load, save

THREE_BITS = Integers(-3, 3)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def parameters():
    return {
        "token_embedding": normal(10, 8),
        "head.w": normal(8, 10, seed=1),
        "head.b": normal(10, seed=2),
    }


def backward(x, s, dx_hat, grid=THREE_BITS):
    _, cache = learned_step(np.array([x]), np.array([[s]]), grid)
    dx, ds = learned_step_backward(np.array([dx_hat]), cache)
    return dx[0].tolist(), ds[0, 0] * np.sqrt(len(x) * grid.reach)


def test_the_gradients_by_hand():
    # s = 1/2: v = −8, −6, 1/2, 1.2, 6, 6.02, with the grid's ends at −3 and 3 (x = ∓1.5)
    x = [-4.0, -1.5, 0.2, 0.6, 1.5, 1.51]
    only = np.eye(6)
    expected = [-3, 0, 0 - 0.4, 1 - 1.2, 0, 3]  # q − v inside, the ends are inside; else ∓3
    for i in range(6):
        dx, ds = backward(x, 0.5, only[i])
        assert dx == (only[i] * [0, 1, 1, 1, 1, 0]).tolist()
        assert ds == pytest.approx(expected[i], abs=1e-12)


def test_a_step_shared_by_n_numbers_gets_their_sum_over_the_root_of_n_q():
    x, dx_hat = normal(5, 40), normal(5, 40, seed=1)
    s = np.full((5, 1), 0.7, np.float32)
    _, cache = learned_step(x, s, THREE_BITS)
    _, ds = learned_step_backward(dx_hat, cache)
    v = x / 0.7
    slope = np.where(np.abs(v) <= 3, np.rint(v) - v, 3 * np.sign(v))
    expected = (dx_hat * slope).sum(axis=1) / np.sqrt(40 * 3)
    np.testing.assert_allclose(ds[:, 0], expected, rtol=1e-4)


@pytest.mark.parametrize("which", ["x", "s"])
def test_finite_differences_disagree_as_they_must(which):
    # they see that round() is flat: ∂x̂/∂x = 0 and ∂x̂/∂s = q, where LSQ says 1 and q − v
    x, s = np.clip(normal(3, 8), -2, 2), np.full((3, 1), 0.73)

    def forward(moving):
        return learned_step(*((moving, s) if which == "x" else (x, moving)), THREE_BITS)

    def gradient(dx_hat, cache):
        dx, ds = learned_step_backward(dx_hat, cache)
        return dx if which == "x" else ds * np.sqrt(8 * 3)  # without 1/√(N·Q_P): it is not that

    with pytest.raises(AssertionError, match="finite differences say"):
        check_gradient(forward, gradient, x if which == "x" else s)


def test_at_one_bit_the_steps_gradient_is_a_derivative():
    x, s = normal(3, 8).astype(np.float64), np.full((3, 1), 0.73)

    def backward(dx_hat, cache):
        return learned_step_backward(dx_hat, cache)[1] * np.sqrt(8)

    check_gradient(lambda s: learned_step(x, s, Signs()), backward, s)


def test_steps_begin_as_the_paper_says():
    params = add_steps(parameters(), 3)
    w, step = params["head.w"], params["head.w:step"]
    assert step.shape == (10, 1)
    assert step.dtype == np.float32
    np.testing.assert_allclose(step[:, 0], 2 * np.abs(w).mean(axis=0) / np.sqrt(3), rtol=1e-5)
    table = params["token_embedding"]
    np.testing.assert_allclose(
        params["token_embedding:step"][:, 0], 2 * np.abs(table).mean(axis=1) / np.sqrt(3), rtol=1e-5
    )
    assert "head.b:step" not in params
    one = add_steps(parameters(), 1, axis="tensor")["head.w:step"]
    np.testing.assert_allclose(one, [[np.abs(w).mean()]], rtol=1e-5)


def test_steps_may_begin_where_another_objective_puts_them():
    params = parameters()
    packed = quantize(params, 3, objective="mse")
    kept = quantize_with_steps(add_steps(params, 3, objective="mse"), 3)
    for name in ("token_embedding", "head.w"):
        np.testing.assert_array_equal(kept[name].dense(), packed[name].dense())


HOW = [
    {}, {"axis": "tensor"}, {"group_size": 4}, {"grid": "nf"}, {"grid": "power_of_two"},
    {"grid": "mid_rise", "group_size": 2}, {"grid": "int_full"},
]  # fmt: skip


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_what_is_packed_is_what_was_seen(bits, how, tmp_path):
    grid = how.get("grid", "int")
    params = add_steps(parameters(), bits, **how)
    for name in list(params):  # as training leaves them
        if name.endswith(":step"):
            params[name] = params[name] * np.float32(1.0371)
    seen, _ = learned_steps(bits, grid=grid)(params, 0)
    packed = quantize_with_steps(params, bits, grid=grid)
    assert list(packed) == list(parameters())
    save(tmp_path / "packed.npz", packed)
    for model in (packed, load(tmp_path / "packed.npz")):
        for name in ("token_embedding", "head.w"):
            np.testing.assert_array_equal(model[name].dense(), seen[name])
    half = np.float16 if "group_size" in how else np.float32
    assert packed["head.w"].scales.dtype == half  # steps of groups take two bytes, as scales do
    error = np.abs(packed["head.w"].dense() - params["head.w"]).max()
    assert packed["head.w"].max_error == pytest.approx(error)
    assert packed["head.b"] is params["head.b"]


def test_bits_by_name_and_what_is_packed_already():
    params = parameters() | {"frozen": quantize(normal(8, 4), 4)}
    bits = {"head.w": 2}
    params = add_steps(params, bits)
    assert [name for name in params if ":" in name] == ["head.w:step"]
    seen, pullback = learned_steps(bits)(params, 0)
    assert seen["token_embedding"] is params["token_embedding"]
    assert seen["frozen"] is params["frozen"]
    grads = pullback({name: np.ones(w.shape, np.float32) for name, w in params.items()})
    assert grads.keys() == {"token_embedding", "head.w", "head.b", "head.w:step"}
    assert (grads["token_embedding"] == 1).all()


def test_a_step_does_not_cross_zero():
    params = {"w": normal(8, 3)}
    params["w:step"] = np.array([[-0.5], [0.0], [0.3]], np.float32)
    seen, pullback = learned_steps(3)(params, 0)
    np.testing.assert_allclose(
        seen["w"][:, :2], 3 * SMALLEST * np.sign(params["w"][:, :2]), rtol=1e-6
    )
    up = pullback({"w": -np.sign(params["w"])})["w:step"]  # a larger step would lower the loss
    assert (up[:2] < 0).all()
    down = pullback({"w": np.sign(params["w"])})["w:step"]
    assert (down[:2] == 0).all()
    assert (params["w:step"][:, 0] == np.array([-0.5, 0, 0.3], np.float32)).all()


def test_numbers_that_are_all_zero():
    params = add_steps({"w": np.zeros((6, 2), np.float32)}, 2)
    seen, pullback = learned_steps(2)(params, 0)
    assert not seen["w"].any()
    assert all(np.isfinite(g).all() for g in pullback({"w": normal(6, 2)}).values())
    assert not quantize_with_steps(params, 2)["w"].dense().any()


def test_float64_stays():
    params = add_steps({"w": normal(8, 4).astype(np.float64)}, 3)
    seen, pullback = learned_steps(3)(params, 0)
    grads = pullback({"w": np.ones((8, 4))})
    assert {a.dtype for a in (*params.values(), *seen.values(), *grads.values())} == {
        np.dtype(np.float64)
    }


def test_with_other_views():
    params = add_steps({"w": normal(8, 4)}, 3)
    mask = {"w": normal(8, 4, seed=1) > 0}
    seen, pullback = compose(masked(mask), learned_steps(3))(params, 0)
    assert not seen["w"][~mask["w"]].any()
    grads = pullback({"w": np.ones((8, 4), np.float32)})
    assert not grads["w"][~mask["w"]].any()
    assert grads["w:step"].any()


def test_what_is_refused():
    params = parameters()
    with pytest.raises(ValueError, match="add_steps"):
        learned_steps(3)(params, 0)
    with pytest.raises(ValueError, match=r"token_embedding.*add_steps"):
        bits = {"head.w": 3, "token_embedding": 3}
        learned_steps(bits)(add_steps(params, {"head.w": 3}), 0)
    with pytest.raises(ValueError, match="levels of its own"):
        learned_steps(3, grid="lloyd_max")
    with pytest.raises(ValueError, match="bits"):
        learned_steps(0)
    with pytest.raises(ValueError, match="axis"):
        add_steps(params, 3, axis=0)
    with pytest.raises(ValueError, match=r"head\.w:step must be"):
        learned_steps(3)({**params, "head.w:step": np.ones((3, 1), np.float32)}, 0)


MODELS = [
    LSTMLanguageModel(vocab_size=7, width=12),
    TransformerLanguageModel(vocab_size=7, width=12, layers=1, heads=2, context=8),
]


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model, params):
    total, _, count = cross_entropy_loss(model, params, batch(999), None)
    return total / count


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_learned_steps_win_back_what_rounding_costs(model):
    trained, _ = fit(model, model.init(0), batch, steps=120)
    begun = add_steps(trained, 2)
    tuned, _ = fit(model, begun, batch, steps=120, view=learned_steps(2))
    packed = quantize_with_steps(tuned, 2)
    float_loss, after = loss_of(model, trained), loss_of(model, quantize(trained, 2))
    assert after > float_loss + 0.2
    assert loss_of(model, packed) < (float_loss + after) / 2
    seen, _ = learned_steps(2)(tuned, 0)
    assert loss_of(model, packed) == pytest.approx(loss_of(model, seen), rel=1e-5)
    assert all((tuned[n] != begun[n]).any() for n in begun if n.endswith(":step"))


def test_a_run_goes_on_from_its_checkpoint_bit_for_bit(tmp_path):
    model, path = MODELS[0], tmp_path / "run.npz"
    how = {"view": learned_steps(2), "schedule": warmup_cosine(2e-3, warmup=2, steps=10)}
    start = add_steps(model.init(0), 2)
    whole, _ = fit(model, start, batch, steps=10, **how)
    fit(model, start, batch, steps=4, checkpoint=path, **how)
    resumed, _ = fit(model, start, batch, steps=10, checkpoint=path, **how)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)


def test_two_workers_train_the_same_steps():
    model = MODELS[0]
    start = add_steps(model.init(0), 2)
    one, two = (
        fit(model, start, batch, steps=3, view=learned_steps(2), workers=n)[0] for n in (1, 2)
    )
    for name, w in one.items():
        np.testing.assert_allclose(two[name], w, rtol=2e-3, atol=2e-5)


def test_without_learning_it_is_straight_through():
    params = add_steps({"w": normal(16, 4)}, 3, objective="absmax")
    seen, pullback = learned_steps(3)(params, 0)
    plain, plain_pullback = straight_through(3)({"w": params["w"]}, 0)
    np.testing.assert_array_equal(seen["w"], plain["w"])
    gradient = {"w": normal(16, 4, seed=1)}
    np.testing.assert_array_equal(pullback(gradient)["w"], plain_pullback(gradient)["w"])


def test_gradients_come_in_the_order_of_the_parameters():
    rng = np.random.default_rng(0)
    names = [f"w{i}" for i in range(12)]
    floats = {name: rng.standard_normal((2, 2)) for name in names}
    view = learned_steps(2)
    grads = view(add_steps(floats, 2), 0)[1]({name: floats[name] for name in reversed(names)})
    assert [name for name in grads if name.endswith(":step")] == [f"{name}:step" for name in names]
