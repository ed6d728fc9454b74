import numpy as np
import pytest

from minilm.compression import compose, fake_quantize, masked, prune, quantize, straight_through
from minilm.compression.quantization.methods import METHODS
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import as_is, cross_entropy_loss, fit


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def parameters():
    return {
        "token_embedding": normal(9, 8),
        "head.w": normal(8, 9, seed=1),
        "head.b": normal(9, seed=2),
        "head.w:step": normal(1, 9, seed=3),
    }


def ones_like(params):
    return {name: np.ones_like(w) for name, w in params.items()}


SCHEMES = [
    {},
    {"axis": "tensor", "symmetric": False},
    {"objective": "mse", "group_size": 4},
    {"grid": "lloyd_max"},
]


@pytest.mark.parametrize("how", SCHEMES, ids=str)
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_what_is_seen_is_what_will_be_packed(bits, how):
    params = {name: w for name, w in parameters().items() if name != "head.w"} | {
        "head.w": normal(8, 9, seed=1)
    }
    seen, _ = straight_through(bits, **how)(params, 0)
    assert list(seen) == list(params)
    packed = quantize(params, bits, **how)
    for name in ("token_embedding", "head.w"):
        np.testing.assert_array_equal(seen[name], packed[name].dense())
    for name in ("head.b", "head.w:step"):
        assert seen[name] is params[name]


TRAINABLE = [
    name for name, method in METHODS.items()
    if not method.needs and method.transform == "none" and method.rounding != "stochastic"
]  # fmt: skip


@pytest.mark.parametrize("name", TRAINABLE)
def test_what_is_seen_is_what_will_be_packed_by_every_method(name):
    method = METHODS[name]
    params = {"w": normal(64, 6), "token_embedding": normal(6, 64, seed=1)}
    bits = method.bits[len(method.bits) // 2]
    seen, pullback = straight_through(bits, **method.arguments)(params, 0)
    packed = quantize(params, bits, **method.arguments)
    for weight in params:
        np.testing.assert_array_equal(seen[weight], packed[weight].dense())
    gradients = pullback(ones_like(params))
    assert all(0.5 < g.mean() <= 1 for g in gradients.values())


def test_the_straight_through_mask_by_hand():
    # 60 % of |x| inside: |x| ≤ 3, so s = 1 on ±3; 3 is on the boundary and belongs inside
    x = np.array([[-5, -3, 0.4, 1, 3, 4]], np.float32)
    view = straight_through({"w": 3}, axis="tensor", objective="percentile", percentile=60)
    seen, pullback = view({"w": x}, 0)
    assert seen["w"].tolist() == [[-3, -3, 0, 1, 3, 3]]
    gradient = np.array([[1, 2, 3, 4, 5, 6]], np.float32)
    assert pullback({"w": gradient})["w"].tolist() == [[0, 2, 3, 4, 5, 0]]


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_straight_through_mask_is_the_formula(symmetric):
    x = normal(40, 6)
    how = {"symmetric": symmetric, "objective": "mse"}
    _, pullback = straight_through(2, **how)({"w": x}, 0)
    q = quantize(x, 2, axis=-1, **how)
    # a zero point is rounded, and moves the grid by up to half a step
    low, high, z = (-1, 1, 0) if symmetric else (-0.5, 3.5, q.zero_point)
    v = x.astype(float) / q.scale + z
    mask = pullback({"w": np.ones_like(x)})["w"]
    clear = (np.abs(v - low) > 1e-5) & (np.abs(v - high) > 1e-5)
    np.testing.assert_array_equal(mask[clear], ((low <= v) & (v <= high))[clear])
    assert 0 < mask.mean() < 1


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_nothing_on_one_side_of_zero_is_clipped_by_absmax(bits, sign):
    x = sign * np.abs(normal(64, 64))  # the zero point is one end of the grid, 0 or 2^b − 1
    _, pullback = straight_through(bits, symmetric=False)({"w": x}, 0)
    assert pullback({"w": np.ones_like(x)})["w"].all()


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
@pytest.mark.parametrize("how", [{}, {"group_size": 8}, {"axis": "tensor"}], ids=str)
def test_no_gradient_is_dropped_because_the_zero_point_is_rounded(bits, how):
    # absmax clips nothing, yet the ends of the range lie up to s/2 beyond the outermost levels
    params = {f"w{i}": normal(64, 50, seed=i) + np.float32(0.1 * i) for i in range(8)}
    _, pullback = straight_through(bits, symmetric=False, **how)(params, 0)
    for gradient in pullback(ones_like(params)).values():
        assert (gradient == 1).all()


@pytest.mark.parametrize("how", [{}, {"axis": "tensor"}, {"group_size": 8}, {"grid": "lloyd_max"}])
@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_nothing_is_clipped_by_absmax(bits, how):
    params = {"w": normal(64, 50), "token_embedding": normal(50, 64)}
    _, pullback = straight_through(bits, **how)(params, 0)
    for gradient in pullback(ones_like(params)).values():
        assert (gradient == 1).all()


@pytest.mark.parametrize("grid", ["nf", "int_full", "mid_rise", "power_of_two"])
@pytest.mark.parametrize("bits", [3, 8])
def test_nothing_is_clipped_on_other_grids_either(bits, grid):
    test_nothing_is_clipped_by_absmax(bits, {"grid": grid})


def test_gradients_of_what_is_not_rounded_pass():
    params = parameters()
    _, pullback = straight_through({"head.w": 2}, objective="mse")(params, 0)
    grads = pullback(ones_like(params))
    assert grads.keys() == params.keys()
    for name in ("token_embedding", "head.b"):
        assert (grads[name] == 1).all()


def test_packed_leaves_are_seen_and_not_trained():
    params = parameters()
    params["frozen"] = quantize(normal(8, 4), 4)
    for view in (straight_through(3), masked(0.5), compose(straight_through(3), masked(0.5))):
        seen, pullback = view(params, 0)
        assert seen["frozen"] is params["frozen"]
        assert "frozen" not in pullback(ones_like(parameters()) | {"frozen": normal(8, 4)})


def test_float64_stays_and_nothing_is_changed_in_place():
    params = {"w": normal(8, 4).astype(np.float64), "v": normal(8, 4)}
    kept = {name: w.copy() for name, w in params.items()}
    for view in (straight_through(3), masked(0.5)):
        seen, pullback = view(params, 0)
        grads = ones_like(params)
        assert {name: w.dtype for name, w in pullback(grads).items()} == {
            name: w.dtype for name, w in seen.items()
        } == {"w": np.float64, "v": np.float32}
        assert all((g == 1).all() for g in grads.values())
        for name in kept:
            np.testing.assert_array_equal(params[name], kept[name])


def test_stochastic_rounding_is_drawn_from_the_step():
    params = parameters()
    view = straight_through(3, rounding="stochastic", seed=1)
    first, again, later = (view(params, step)[0]["head.w"] for step in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()


def test_masked_by_given_masks():
    params = parameters()
    mask = normal(8, 9, seed=5) > 0
    seen, pullback = masked({"head.w": mask})(params, 0)
    np.testing.assert_array_equal(seen["head.w"], params["head.w"] * mask)
    grads = pullback(ones_like(params))
    np.testing.assert_array_equal(grads["head.w"], mask)
    assert (grads["token_embedding"] == 1).all()
    assert seen["token_embedding"] is params["token_embedding"]


def test_masked_by_sparsity_sees_what_prune_keeps():
    params = parameters()
    for how in ({}, {"scope": "global"}, {"structure": "column"}):
        seen, pullback = masked(0.5, **how)(params, 0)
        pruned = prune(params, 0.5, **how)
        grads = pullback(ones_like(params))
        for name in ("token_embedding", "head.w"):
            np.testing.assert_array_equal(seen[name], pruned[name].dense())
            np.testing.assert_array_equal(grads[name], seen[name] != 0)
        assert (grads["head.w:step"] == 1).all()


@pytest.mark.parametrize("masks", [{"w": np.ones((2, 3), bool)}, {"v": np.ones((2, 2), bool)},
                                   {"w": np.ones((2, 2))}])
def test_masks_that_do_not_fit(masks):
    with pytest.raises(ValueError, match=r"mask of w must be bool|masks must be of parameters"):
        masked(masks)({"w": normal(2, 2)}, 0)


def test_a_mask_of_a_compressed_weight_is_refused_by_name():
    with pytest.raises(TypeError, match="w must be an array, got a QuantizedTensor"):
        masked({"w": np.ones((2, 2), bool)})(quantize({"w": normal(2, 2)}, 4), 0)


def test_settings_are_refused_when_the_view_is_made():
    with pytest.raises(ValueError, match="grid"):
        straight_through(3, grid="nf4")
    with pytest.raises(ValueError, match="transform"):
        straight_through(3, transform="hadamard")
    with pytest.raises(ValueError, match="bits"):
        straight_through(9)
    with pytest.raises(ValueError, match="sparsity"):
        masked(1.5)


def test_compose_looks_in_order_and_pulls_back_in_the_opposite_one():
    trace = []

    def times(factor):
        def view(params, step):
            trace.append(("look", factor, step))

            def pullback(grads):
                trace.append(("pull", factor))
                return {"w": factor * grads["w"]}

            return {"w": params["w"] + factor}, pullback

        return view

    seen, pullback = compose(times(2), times(10))({"w": np.zeros(1)}, 7)
    assert seen["w"] == 12
    assert pullback({"w": np.ones(1)})["w"] == 20
    assert trace == [("look", 2, 7), ("look", 10, 7), ("pull", 10), ("pull", 2)]


def test_masked_then_rounded():
    params = {"w": normal(16, 8)}
    mask = {"w": normal(16, 8, seed=1) > 0}
    seen, pullback = compose(masked(mask), straight_through(3))(params, 0)
    np.testing.assert_array_equal(
        seen["w"], fake_quantize(params["w"] * mask["w"], 3, axis=-1)
    )
    np.testing.assert_array_equal(pullback(ones_like(params))["w"], mask["w"])
    alone, _ = compose(as_is)(params, 0)
    assert alone is params


MODELS = [
    LSTMLanguageModel(vocab_size=7, width=12),
    TransformerLanguageModel(vocab_size=7, width=12, layers=1, heads=2, context=8),
]


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_training_through_a_view_bears_what_rounding_after_it_does_not(model):
    def loss_of(params):
        total, _, count = cross_entropy_loss(model, params, batch(999), None)
        return total / count

    trained, _ = fit(model, model.init(0), batch, steps=120)
    tuned, _ = fit(model, trained, batch, steps=120, view=straight_through(2))
    float_loss, after, aware = map(loss_of, (trained, quantize(trained, 2), quantize(tuned, 2)))
    assert after > float_loss + 0.2
    assert aware < (float_loss + after) / 2  # more than half of the loss is won back
    assert aware == pytest.approx(loss_of(straight_through(2)(tuned, 0)[0]), rel=1e-4)


def test_training_through_a_mask_leaves_the_masked_alone():
    model = MODELS[0]
    params = model.init(0)
    mask = {"lstm.0.w_h": normal(*params["lstm.0.w_h"].shape) > 0}
    trained, _ = fit(model, params, batch, steps=3, view=masked(mask))
    moved = trained["lstm.0.w_h"] != params["lstm.0.w_h"]
    assert moved[mask["lstm.0.w_h"]].all()
