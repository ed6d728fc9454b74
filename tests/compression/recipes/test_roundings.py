import numpy as np
import pytest

from minilm.compression import calibrate, quantize
from minilm.compression.recipes.roundings import ROUNDINGS, levels, steps, straight
from minilm.models import TransformerLanguageModel
from minilm.weights import as_dense

BITS = {"w": 3}


def weights():
    return {"w": np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)}


def test_training_rounds_to_nearest_whatever_rounds_at_the_end():
    params, how = weights(), {"rounding": "stochastic", "seed": 1, "axis": "tensor"}
    same, rounding = straight(params, BITS, how)
    assert same is params
    seen, packed = rounding.view(params, 5)[0], rounding.pack(params)
    nearest = quantize(params, BITS, axis="tensor")["w"].dense()
    np.testing.assert_allclose(seen["w"], nearest, rtol=1e-6)
    np.testing.assert_array_equal(packed["w"].dense(), quantize(params, BITS, **how)["w"].dense())
    assert not np.array_equal(packed["w"].dense(), nearest)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (8, 1)),
        ({"axis": "tensor"}, (1, 1)),
        ({"group_size": 4}, (8, 4)),
        ({"objective": "mse", "grid": "mid_rise"}, (8, 1)),
    ],
)
def test_steps_have_the_options_of_add_steps(options, shape):
    params, rounding = steps(weights(), BITS, options)
    assert params["w:step"].shape == shape
    packed = rounding.pack(params)
    assert packed.keys() == {"w"} and packed["w"].scales.shape == shape
    seen = rounding.view(params, 0)[0]["w"]
    np.testing.assert_allclose(packed["w"].dense(), seen, rtol=1e-6)
    as_they_begin = steps(weights(), BITS, {})[0]["w:step"]
    assert not options or not np.array_equal(params["w:step"], as_they_begin)


def test_levels_that_were_trained_are_packed():
    for options in ({}, {"grid": "lloyd_max"}):
        params, rounding = levels(weights(), BITS, options)
        untrained = rounding.pack(params)["w"].dense()
        params["w:level"] = 2 * params["w:level"]
        packed = rounding.pack(params)
        assert packed.keys() == {"w"}
        seen = rounding.view(params, 0)[0]["w"]
        np.testing.assert_allclose(packed["w"].dense(), as_dense(seen), rtol=1e-6)
        np.testing.assert_array_equal(packed["w"].dense(), 2 * untrained)


@pytest.mark.parametrize(
    ("train", "how", "message"),
    [
        ("steps", dict.fromkeys("hgfedcba"), "has no a, b, c, d, e, f, g, h; it has grid, obj"),
        ("steps", {"symmetric": False}, "'steps' has no symmetric"),
        ("steps", {"calibration": None}, "'steps' has no calibration"),
        ("levels", {"objective": "mse"}, "'levels' has no objective; it has grid"),
        ("levels", {"grid": "int"}, "'levels' has grid 'lloyd_max', got 'int'"),
    ],
)
def test_what_a_training_does_not_have_is_refused(train, how, message):
    with pytest.raises(ValueError, match=message):
        ROUNDINGS[train](weights(), BITS, how)


def test_training_needs_no_calibration_and_packing_has_it():
    model = TransformerLanguageModel(11, width=8, layers=1, heads=2, context=8)
    ids, name = np.random.default_rng(0).integers(0, 11, (4, 8)), "block.0.attention.w_out"
    params = model.init(0)
    calibration = calibrate(model, params, [(ids, ids)])
    how = {"grid": "lloyd_max", "rounding": "gptq", "calibration": calibration}
    rounding = straight(params, {name: 3}, how)[1]
    seen, packed = rounding.view(params, 0)[0], rounding.pack(params)
    nearest = quantize(params, {name: 3}, grid="lloyd_max")[name].dense()
    np.testing.assert_allclose(seen[name], nearest, rtol=1e-6)
    assert not np.array_equal(packed[name].dense(), nearest)
