"""A pruned weight, quantized: sparse x quantized in one leaf."""

import numpy as np
import pytest

from minilm.compression import dequantize, fake_quantize, prune, quantize, true_bits
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.weights import (
    Diagonal,
    HalfTensor,
    Product,
    QuantizedTensor,
    SparseTensor,
    TrellisTensor,
    load,
    save,
    thaw,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_by_hand():
    w = np.array([[0.5, 0.01, -1.5], [0.02, 1.0, 0.03]], np.float32)
    q = quantize(prune(w, 0.5), 4)
    assert isinstance(q, SparseTensor)
    assert isinstance(q.values, QuantizedTensor)
    assert q.values.codes.tolist() == [2, -7, 5]  # in units of 1.5/7
    assert q.dense()[0].tolist() == pytest.approx([2 * 1.5 / 7, 0, -1.5])
    assert true_bits(q) == 8 * (2 + 2 + 4)  # two bytes of mask, three codes, a scale


HOW = [
    {"bits": 4},
    {"bits": 3, "symmetric": False},
    {"bits": 1},
    {"bits": 2, "objective": "absmean"},
    {"bits": 4, "objective": "mse"},
    {"bits": 4, "objective": "percentile"},
    {"bits": 4, "grid": "mid_rise"},  # has no zero of its own
    {"bits": 4, "grid": "nf"},
    {"bits": 4, "grid": "power_of_two"},
    {"bits": 3, "grid": "lloyd_max"},
    {"bits": 4, "grid": "entropy_coded"},
    {"bits": 8, "grid": "e4m3"},
    {"bits": 16, "grid": "fp16"},
    {"bits": 4, "rounding": "stochastic"},
    {"bits": 2, "rounding": "trellis"},
]


@pytest.mark.parametrize("axis", [None, -1, 0])
@pytest.mark.parametrize("how", HOW, ids=str)
def test_zeros_stay_zero_whatever_the_grid(how, axis):
    s = prune(normal(40, 24), 0.7)
    q = quantize(s, axis=axis, **how)
    assert not q.dense()[~s.kept].any()
    assert np.square(q.dense() - s.dense()).mean() < 0.6 * np.square(s.dense()).mean()
    np.testing.assert_array_equal(fake_quantize(s, axis=axis, **how), q.dense())
    np.testing.assert_array_equal(dequantize(q), q.dense())
    with pytest.raises(TypeError, match="compressed already"):
        quantize(q, 4)


def test_one_scale_is_that_of_the_kept_values_as_an_array():
    s = prune(normal(40, 24), 0.7)
    for how in HOW:
        q, values = quantize(s, **how), quantize(s.values, **how)
        np.testing.assert_array_equal(q.values.dense(), values.dense())
        assert type(q.values) is type(values)
        assert true_bits(q) == 8 * (s.nbytes - s.values.nbytes) + true_bits(values)
        for coder in ("packed", "entropy"):
            assert true_bits(q, coder) == true_bits(s) - 8 * s.values.nbytes + true_bits(
                values, coder
            )
    assert isinstance(quantize(s, 16, grid="fp16").values, HalfTensor)
    assert isinstance(quantize(s, 2, rounding="trellis").values, TrellisTensor)


def test_zeros_do_not_sway_a_fitted_grid():
    w = normal(64, 64)
    s = prune(w, 0.8)
    for how in ({"grid": "lloyd_max"}, {"objective": "absmean"}):
        ours = quantize(s, 2, **how).dense()
        theirs = quantize(s.dense(), 2, **how).dense() * s.kept
        error, other = (np.square(x - s.dense()).sum() for x in (ours, theirs))
        assert error < 0.8 * other


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
def test_by_channel_absmax_has_the_codes_of_the_array(axis):
    spread = np.logspace(-3, 3, 24, dtype=np.float32)
    w = normal(40, 24) * (spread if axis % 2 else spread[:1])
    s = prune(w, 0.7, structure="element")
    q = quantize(s, 4, axis=axis)
    assert isinstance(q, Product)
    whole = quantize(s.dense(), 4, axis=axis)
    np.testing.assert_allclose(q.dense(), whole.dense(), rtol=1e-5, atol=1e-12)
    rows = np.array([3, 39, 0])
    np.testing.assert_allclose(q[rows], whole[rows], rtol=1e-5, atol=1e-12)
    x = normal(5, 40)
    np.testing.assert_allclose(x @ q, x @ q.dense(), rtol=1e-3, atol=1e-3)
    channels = w.shape[axis]
    assert true_bits(q) == 8 * (q.nbytes) == 8 * (
        s.nbytes - s.values.nbytes + -(-s.values.size // 2) + 4 + 4 * channels
    )


def test_channels_of_nothing_but_zeros():
    w = normal(12, 8)
    s = prune(w, 0.5, structure="column")
    q = quantize(s, 8, axis=-1)
    np.testing.assert_allclose(q.dense(), s.dense(), atol=0.02)
    nothing = prune(w, 1.0)
    assert quantize(nothing, 4) is nothing
    assert quantize(nothing, 4, axis=-1) is nothing
    assert fake_quantize(nothing, 4).tolist() == np.zeros_like(w).tolist()


@pytest.mark.parametrize("axis", [None, -1, 0])
def test_a_kept_value_that_is_zero_is_still_kept(axis):
    w = normal(6, 5)
    w[2, 3] = 0
    s = SparseTensor.from_dense(w, np.arange(30).reshape(6, 5) % 2 == 1)
    assert s.kept[2, 3]
    q = quantize(s, 4, axis=axis, grid="mid_rise")
    np.testing.assert_array_equal(q.dense() != 0, s.kept)  # this grid has no zero


def test_groups_are_of_kept_values():
    s = prune(normal(32, 16), 0.5)  # 256 are kept
    q = quantize(s, 4, group_size=32)
    assert q.values.scales.shape == (1, 8)
    assert q.values.scales.dtype == np.float16
    with pytest.raises(ValueError, match=r"group_size must divide the 256 numbers"):
        quantize(s, 4, group_size=48)
    with pytest.raises(ValueError, match="group_size of a SparseTensor counts kept values"):
        quantize(s, 4, group_size=32, axis=-1)


def test_other_shapes_and_orders():
    s = prune(normal(4, 6, 5), 0.5)
    assert quantize(s, 4).shape == (4, 6, 5)
    with pytest.raises(ValueError, match="an axis of a matrix for a SparseTensor, got -1"):
        quantize(s, 4, axis=-1)
    with pytest.raises(ValueError, match="got 2"):
        quantize(prune(normal(4, 6), 0.5), 4, axis=2)
    s = prune(normal(6, 9), 0.9)
    turned = quantize(s.T, 8, axis=-1)
    np.testing.assert_allclose(turned.dense(), s.dense().T, atol=0.02)
    wide = prune(normal(6, 9).astype(np.float64), 0.5)
    assert fake_quantize(wide, 8).dtype == np.float64
    assert fake_quantize(wide, 8, axis=-1).dtype == np.float64
    for axis in (-1, 0):  # 27 codes of a byte for 27 float64; scale and magnitudes are float32
        bytes_less = 7 * 27 - 4 - 4 * wide.shape[axis]
        assert quantize(wide, 8, axis=axis).nbytes == wide.nbytes - bytes_less


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"transform": "hadamard"}, "transform 'hadamard' is for arrays, w is a SparseTensor"),
        ({"transform": "awq"}, "transform 'awq' is for arrays"),
        ({"rounding": "gptq"}, "rounding 'gptq' is for arrays, w is a SparseTensor"),
        ({"rounding": "adaround"}, "rounding 'adaround' is for arrays"),
        ({"grid": "no such"}, "grid must be one of"),
    ],
)
def test_what_needs_the_whole_channel_is_refused(how, message):
    params = {"w": prune(normal(8, 8), 0.5)}
    with pytest.raises(ValueError, match=message):
        quantize(params, 4, calibration={"w": normal(20, 8)}, **how)


def test_values_that_are_not_finite_are_refused():
    x = normal(4, 4)
    x[1, 2] = np.inf
    s = SparseTensor.from_dense(x, np.ones((4, 4), bool))
    for axis in (None, -1):
        with pytest.raises(ValueError, match="x must be finite"):
            quantize(s, 4, axis=axis)


@pytest.mark.parametrize(
    "model",
    [TransformerLanguageModel(40, width=16, layers=2, context=8), LSTMLanguageModel(40, width=16)],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("how", [{}, {"axis": "tensor"}, {"grid": "lloyd_max"}], ids=str)
def test_a_model_pruned_and_quantized(model, how, tmp_path):
    params = model.init(0)
    pruned = prune(params, 0.6)
    q = quantize(pruned, 4, **how)
    for name, w in params.items():
        if w.ndim < 2:
            assert q[name] is w
            continue
        leaf = q[name]
        if not how.get("axis"):  # by channel: a table's are its rows
            assert isinstance(leaf, Product)
            first, second = type(leaf.a), type(leaf.b)
            table = name == "token_embedding"
            assert (first, second) == ((Diagonal, SparseTensor) if table
                                       else (SparseTensor, Diagonal))
            leaf = leaf.b if table else leaf.a
        assert isinstance(leaf.values, QuantizedTensor)
        assert leaf.nbytes < pruned[name].nbytes
        np.testing.assert_array_equal(leaf.kept, pruned[name].kept)
    tokens = np.arange(16).reshape(2, 8)
    logits, _ = model.forward(q, tokens)
    np.testing.assert_allclose(logits, model.forward(thaw(q), tokens)[0], atol=1e-5)
    save(tmp_path / "q.npz", q)
    again = load(tmp_path / "q.npz")
    np.testing.assert_array_equal(model.forward(again, tokens)[0], logits)
    assert true_bits(again) == true_bits(q) == 8 * sum(w.nbytes for w in q.values())
