"""Leaves that round x: what they multiply, their gradients, and the models that have them."""

import numpy as np
import pytest

from minilm import load, quantize, save
from minilm.compression.quantization.activations.rounded_input import (
    RoundedInput,
    quantize_activations,
)
from minilm.compression.quantization.calibration.statistics import calibrate
from minilm.compression.quantization.integers.weight import IntegerWeight, integer_weight
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.nn import linear, linear_backward
from minilm.weights import Diagonal, Product, Seen, as_dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 32)).astype(np.float32)
X[0, 0] = 0
W = RNG.normal(size=(32, 6)).astype(np.float32)
T = np.array(1.5, np.float32)
STATIC = {"scale": np.array(0.02, np.float32), "zero_point": np.array(0, np.int16)}
HOWS = {
    "dynamic, by token": {},
    "dynamic, by tensor": {"by": "tensor"},
    "dynamic, asymmetric": {"symmetric": False},
    "dynamic, hard": {"clip": T},
    "dynamic, soft": {"clip": T, "threshold": "soft"},
    "static": STATIC,
    "static, asymmetric": {
        "scale": STATIC["scale"], "zero_point": np.array(99, np.int16), "symmetric": False,
    },
    "static, hard": {**STATIC, "clip": T},
    "static, soft": {**STATIC, "clip": T, "threshold": "soft"},
    "4 bits": {"bits": 4},
}  # fmt: skip
each_how = pytest.mark.parametrize("how", HOWS.values(), ids=HOWS)


def by_formula(x, how):
    """Codes and x̂, number by number, in float64."""
    bits, t = how.get("bits", 8), how.get("clip")
    symmetric = how.get("symmetric", True)
    x = x.astype(np.float64)
    if t is not None:
        soft = how.get("threshold") == "soft"
        x = t * np.tanh(x / t) if soft else np.clip(x, -t, t)
    most = 2 ** (bits - 1) - 1
    first, last = (-most, most) if symmetric else (0, 2**bits - 1)
    if "scale" in how:
        s, z = float(how["scale"]), float(how["zero_point"])
    else:
        axis = None if how.get("by") == "tensor" else -1
        low = np.minimum(x.min(axis=axis, keepdims=True), 0)
        high = np.maximum(x.max(axis=axis, keepdims=True), 0)
        s = np.maximum(-low, high) / most if symmetric else (high - low) / last
        s = np.where(s == 0, 1, s)
        z = 0 if symmetric else np.rint(-low / s)
    q = np.clip(np.rint(x / s) + z, first, last)
    return q, s * (q - z)


@each_how
def test_rounds_by_the_formula(how):
    leaf = RoundedInput(W, **how)
    q, x_hat = by_formula(X, how)
    codes, scale, _ = leaf.codes(X)
    assert codes.dtype in (np.int8, np.uint8) and scale.dtype == np.float32
    assert np.mean(codes != q) < 0.01  # float32 and float64 differ next to a half
    np.testing.assert_allclose(leaf.rounded(X), x_hat, atol=np.max(scale) * 1.01)
    assert np.abs(leaf.rounded(X) - x_hat).mean() < 0.01 * np.max(scale)
    np.testing.assert_allclose(X @ leaf, leaf.rounded(X) @ W, atol=1e-6)
    np.testing.assert_array_equal(leaf.rounded(X)[0, 0], 0)


WEIGHTS = {
    "by channel": quantize(W, 8, axis=-1),
    "by tensor": quantize(W, 8),
    "asymmetric": quantize(W, 8, axis=-1, symmetric=False),
    "3 bits": quantize(W, 3, axis=-1),
    "a table's transpose": quantize(np.ascontiguousarray(W.T), 8, axis=0).T,
}


@each_how
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_products_in_integers(weight, how):
    """y = s_x s_w Σ (q_x − z_x)(q_w − z_w), the sum in int64 bit for bit."""
    leaf = RoundedInput(weight, **how)
    q, s, z = leaf.codes(X)
    z_w = 0 if weight.zero_point is None else weight.zero_point.astype(np.int64)
    acc = (q.astype(np.int64) - z) @ (weight.codes.astype(np.int64) - z_w)
    expected = acc.astype(np.float32) * weight.scale * s
    np.testing.assert_array_equal(X @ leaf, expected)
    np.testing.assert_array_equal(X @ leaf.unpacked(), expected)
    np.testing.assert_array_equal(X[1, 2] @ leaf.unpacked(), (X[1:, 2:3] @ leaf)[0, 0])
    assert isinstance(leaf.unpacked().weight, IntegerWeight)
    np.testing.assert_allclose(X @ leaf, leaf.rounded(X) @ weight.dense(), atol=1e-4)
    assert (X.astype(np.float64) @ leaf).dtype == np.float64


def test_other_weights_multiply_as_floats():
    half = quantize(W, 8, axis=-1)
    for weight in (
        W, quantize(W, 4, axis=-1, group_size=8), quantize(W, 4, axis=-1, grid="lloyd_max"),
        quantize(W, 8, axis=0), Product(W, np.eye(6, dtype=np.float32)),
        quantize(W, 8, axis=-1, grid="int_real_zero", symmetric=False),
    ):  # fmt: skip
        leaf = RoundedInput(weight)
        assert integer_weight(weight) is None
        np.testing.assert_array_equal(X @ leaf, leaf.rounded(X) @ weight)
        np.testing.assert_allclose(X @ leaf.unpacked(), X @ leaf, atol=1e-5)
    assert integer_weight(half) is not None


@each_how
def test_gradients_pass_straight_through(how):
    """dx = dy wᵀ times the slope of the threshold, 0 where saturated; dw = x̂ᵀ dy."""
    leaf = RoundedInput(W, **how)
    dy = RNG.normal(size=(2, 5, 6)).astype(np.float32)
    _, cache = linear(X, leaf, None)
    dx, dw, _ = linear_backward(dy, cache)
    slope = np.ones_like(X)
    if "clip" in how:
        soft = how.get("threshold") == "soft"
        slope = 1 - np.tanh(X / T) ** 2 if soft else (np.abs(X) <= T).astype(np.float32)
    if "scale" in how and "clip" not in how:
        place = X / how["scale"] + how["zero_point"]
        first, last = (0, 255) if how.get("symmetric") is False else (-127, 127)
        slope = ((first <= place) & (place <= last)).astype(np.float32)
        assert 0 < slope.mean() < 1
    np.testing.assert_allclose(dx, dy @ W.T * slope, atol=1e-5)
    rows = leaf.rounded(X).reshape(-1, 32)
    np.testing.assert_allclose(dw, rows.T @ dy.reshape(-1, 6), atol=1e-4)
    assert dx.dtype == dw.dtype == np.float32
    packed = RoundedInput(quantize(W, 8, axis=-1), **how)
    for one in (packed, packed.unpacked()):
        np.testing.assert_allclose(
            one.input_gradient(dy, X), dy @ packed.weight.dense().T * slope, atol=1e-4
        )


def test_the_boundary_is_inside():
    leaf = RoundedInput(np.eye(3, dtype=np.float32), scale=np.array(0.5, np.float32),
                        zero_point=np.array(0, np.int16), clip=np.array(63.5, np.float32))
    x = np.array([[63.5, -63.5, 63.51]], np.float32)
    np.testing.assert_array_equal(leaf.input_gradient(np.ones((1, 3), np.float32), x), [[1, 1, 0]])


def test_the_transpose_is_linear_and_comes_back():
    leaf = RoundedInput(WEIGHTS["by channel"])
    y = RNG.normal(size=(4, 6)).astype(np.float32)
    dense = leaf.weight.dense()
    assert leaf.T.shape == (6, 32) and leaf.T.T.shape == leaf.shape
    np.testing.assert_array_equal(y @ leaf.T, y @ dense.T)
    np.testing.assert_array_equal(X @ leaf.T.T, X @ leaf)
    np.testing.assert_array_equal(leaf.T[np.array([1, 1])], dense.T[[1, 1]])
    np.testing.assert_array_equal(leaf[np.array([3])], dense[[3]])
    np.testing.assert_array_equal(as_dense(leaf.T), dense.T)
    dy = X[0, :4]
    np.testing.assert_allclose(leaf.T.input_gradient(dy, y), dy @ dense, atol=1e-5)
    np.testing.assert_allclose(leaf.T.weight_gradient(dy, y), y.T @ dy, atol=1e-5)
    assert leaf.nbytes == leaf.weight.nbytes


LSTM = LSTMLanguageModel(13, width=8, embedding_width=6)
TRANSFORMER = TransformerLanguageModel(13, width=16, layers=2, heads=2, context=12)
MODELS = pytest.mark.parametrize("model", [LSTM, TRANSFORMER], ids=["LSTM", "Transformer"])
TOKENS = RNG.integers(13, size=(3, 12))


@MODELS
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_models_of_8_bits_are_near_their_float_selves(model, static, tmp_path):
    params = quantize(model.init(0), 8)
    calibration = calibrate(model, params, [TOKENS]) if static else None
    rounded = quantize_activations(params, calibration=calibration)
    y, _ = model.forward(params, TOKENS)
    z, cache = model.forward(rounded, TOKENS)
    error = np.sqrt(np.mean((y - z) ** 2) / y.var())
    assert 0 < error < 0.03
    grads = model.backward(np.ones_like(z), cache)
    assert all(np.isfinite(grad).all() for grad in grads.values())
    # every product is one of integers
    for name, w in rounded.items():
        if w.ndim == 2:
            leaf = w.T if name.endswith("embedding") else w
            assert integer_weight(leaf.weight) is not None and not leaf.transposed
    save(tmp_path / "rounded.npz", rounded)
    np.testing.assert_array_equal(model.forward(load(tmp_path / "rounded.npz"), TOKENS)[0], z)


def test_what_is_embedded_is_not_rounded_what_is_read_out_is():
    params = TRANSFORMER.init(0)
    rounded = quantize_activations(params, 2)
    table = rounded["token_embedding"]
    np.testing.assert_array_equal(table[np.array([[3, 1]])], params["token_embedding"][[[3, 1]]])
    h = RNG.normal(size=(2, 16)).astype(np.float32)
    np.testing.assert_array_equal(
        h @ table.T, RoundedInput(params["token_embedding"].T, 2).rounded(h)
        @ params["token_embedding"].T,
    )
    assert rounded["norm.gain"] is params["norm.gain"]


def test_static_scales_are_of_what_was_seen():
    params = {"w": W, "unseen": W, "b": np.ones(3, np.float32)}
    seen = Seen(32, histogram=True)
    seen.add(X)
    seen.end_batch()
    high, low = float(X.max()), float(X.min())
    largest = max(high, -low)

    def leaf(**how):
        made = quantize_activations(params, calibration={"w": seen}, **how)
        assert made["unseen"] is W and made["b"] is params["b"]
        assert made["w"].by == "tensor"
        return made["w"]

    assert leaf().scale == np.float32(largest / 127) and leaf().clip is None
    asymmetric = leaf(symmetric=False)
    assert asymmetric.scale == np.float32((high - low) / 255)
    assert asymmetric.zero_point == round(-low * 255 / (high - low))
    assert leaf(clip=1.0).scale == np.float32(1 / 127) and leaf(clip=1.0).clip == 1
    assert leaf(clip=99.0).scale == np.float32(largest / 127)
    soft = leaf(threshold="soft")
    assert soft.clip == np.float32(largest) and soft.scale == np.float32(largest / 127)
    assert leaf(threshold="soft", clip={"w": 2.0}).clip == 2
    assert leaf(objective="mse", bits=3).scale < np.float32(largest / 3)


def test_a_transforms_codes_round_what_is_transformed():
    """Product(Diagonal(1/s), Q): x / s is rounded, not x; and a table's the other way round."""
    s = RNG.uniform(0.1, 9, 32).astype(np.float32)
    codes = quantize(s[:, None] * W, 8, axis=-1)
    params = {"w": Product(Diagonal(1 / s), codes)}
    made = quantize_activations(params)["w"]
    np.testing.assert_array_equal(X @ made, X * (1 / s) @ RoundedInput(codes))
    seen = Seen(32)
    seen.add(X)
    seen.end_batch()
    static = quantize_activations(params, calibration={"w": seen})["w"]
    np.testing.assert_allclose(static.b.scale, np.abs(X * (1 / s)).max() / 127, rtol=1e-6)
    table = quantize_activations({"embedding": params["w"].T})["embedding"]
    np.testing.assert_array_equal(X @ table.T, X @ made)
    with pytest.raises(ValueError, match="not known from what multiplies the first"):
        quantize_activations({"w": Product(np.eye(32, dtype=np.float32), codes)},
                             calibration={"w": seen})


def test_one_bit_says_on_which_side_of_the_middle_a_number_lies():
    """After a ReLU, say: x ≥ 0, the codes 0 and 1, and a scale for each token."""
    x = np.array([[0, 1, 3, 4], [0, 0, 0.2, 0.9]], np.float32)
    leaf = quantize_activations({"w": np.eye(4, dtype=np.float32)}, 1, symmetric=False)["w"]
    np.testing.assert_array_equal(x @ leaf, np.float32([[0, 0, 4, 4], [0, 0, 0, 0.9]]))


@pytest.mark.parametrize("how, message", [
    ({"bits": 1}, "bits must lie in 2 … 8, got 1; 1 needs codes of one side"),
    ({"bits": 0, "symmetric": False}, "bits must lie in 1 … 8"),
    ({"bits": 16}, "bits must lie in 2 … 8"),
    ({"bits": True}, "bits must lie in 2 … 8"),
    ({"by": "row"}, "by must be one of"),
    ({"threshold": "firm"}, "threshold must be one of 'hard', 'soft'"),
    ({"threshold": "soft"}, "needs a t for w"),
    ({"objective": "best", "calibration": {}}, "objective must be one of"),
    ({"objective": "mse"}, "chooses a static range"),
    ({"by": "token", "calibration": {}}, "is dynamic"),
    ({"clip": 0.0}, "clip must be positive and finite"),
    ({"clip": {"w": np.nan}}, "clip must be positive and finite"),
    ({"clip": {"v": 1.0}}, "clip must name weights of two axes, got v"),
    ({"clip": "1"}, "clip must be positive and finite, got '1'"),
    ({"percentile": 0}, "percentile must lie in"),
    ({"percentile": "99"}, "percentile must lie in"),
])  # fmt: skip
def test_options_that_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        quantize_activations({"w": W}, **how)


def test_what_else_is_refused():
    with pytest.raises(TypeError, match="w rounds what multiplies it already"):
        quantize_activations(quantize_activations({"w": W}))
    leaf = RoundedInput(W)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="finite"):
            np.full((2, 32), bad, np.float32) @ leaf
    with pytest.raises(ValueError, match=r"x must have shape \(..., 32\), got \(2, 5\)"):
        np.ones((2, 5), np.float32) @ leaf
    with pytest.raises(ValueError, match="weight must be a matrix"):
        RoundedInput(np.ones(3))


@pytest.mark.parametrize("weight", [W, WEIGHTS["asymmetric"]], ids=["floats", "integers"])
def test_integers_and_half_floats_are_taken_as_float32(weight):
    leaf = RoundedInput(weight)
    for x in (np.arange(64).reshape(2, 32), (X[0] / 1000).astype(np.float16)):
        y = x @ leaf
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, x.astype(np.float32) @ leaf)
    assert (np.ones((1, 32), np.float64) @ leaf).dtype == np.float64


def test_huge_numbers():
    leaf = RoundedInput(WEIGHTS["asymmetric"])
    x = np.float32(1e36) * X[1]
    np.testing.assert_allclose(x @ leaf, np.float32(1e36) * (X[1] @ leaf), rtol=1e-5)
    with pytest.raises(ValueError, match="highest − lowest"):
        np.array([[3e38, -3e38] * 16], np.float32) @ RoundedInput(W, symmetric=False)


@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("scale", np.array(np.nan)), ("scale", np.array(-1)), ("zero_point", np.array(128)),
        ("clip", np.array(0)), ("clip", np.array(np.nan)), ("bits", 9), ("by", "channel"),
        ("threshold", "none"), ("transposed", 1),
    ],
)  # fmt: skip
def test_files_with_what_none_made_are_refused(tmp_path, field, number):
    leaf = RoundedInput(W, **{**STATIC, "clip": T, field: number})
    save(tmp_path / "w.npz", {"w": leaf})
    with pytest.raises(ValueError, match=f"w: {field} must "):
        load(tmp_path / "w.npz")


def test_inputs_stay_as_they_are_and_may_be_empty():
    before = X.copy()
    for how in HOWS.values():
        leaf = RoundedInput(WEIGHTS["asymmetric"], **how)
        assert (X[:0] @ leaf).shape == (0, 5, 6)
        X @ leaf
    np.testing.assert_array_equal(X, before)


@pytest.mark.oracle
def test_onnx_dynamic_quantize_linear():
    """Codes, scale and zero point of one asymmetric scale for all of x."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])
    kinds = {"q": TensorProto.UINT8, "s": TensorProto.FLOAT, "z": TensorProto.UINT8}
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
    )  # fmt: skip
    run = ReferenceEvaluator(helper.make_model(graph))
    leaf = RoundedInput(np.ones((32, 1), np.float32), by="tensor", symmetric=False)
    for x in (X, np.abs(X), -np.abs(X), 3 * X + 1):
        q, s, z = run.run(None, {"x": x})
        codes, scale, zero_point = leaf.codes(x)
        np.testing.assert_allclose(scale, s, rtol=1e-6)
        assert zero_point == z
        assert np.mean(codes != q) < 0.002 and np.abs(codes.astype(int) - q).max() <= 1
