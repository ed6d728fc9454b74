"""Single steps of integer-only inference, each against Python's whole numbers or the real one."""

import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minilm.compression.quantization import quantize
from minilm.compression.quantization.integers.models.codes import (
    Ranges,
    Site,
    linear_constants,
    table_constants,
    weight_codes,
)
from minilm.compression.quantization.integers.models.steps import (
    divided,
    gated,
    integer_root,
    linear,
    looked_up,
    normed,
    softmaxed,
)
from minilm.compression.quantization.integers.models.transformer_constants import norm_constants
from minilm.nn import layer_norm, rms_norm


@given(st.lists(st.integers(0, 2**62 - 1), min_size=1))
def test_integer_root(numbers):
    squares = [root * root for root in (math.isqrt(v) for v in numbers)]
    around = [max(v + step, 0) for v in squares for step in (-1, 0, 1)]
    v = np.array(numbers + around, np.int64)
    np.testing.assert_array_equal(integer_root(v), [math.isqrt(int(x)) for x in v])


@given(st.integers(-(2**60), 2**60), st.integers(1, 2**40))
def test_divided_rounds_half_way_up(a, b):
    exact = math.floor(Fraction(a, b) + Fraction(1, 2))
    assert divided(np.array([a]), np.array([b])) == exact


def test_a_table_is_its_function_at_every_code():
    entering, leaving = Site(0.05, 7), Site(1 / 127, -3)
    params = table_constants("x", np.tanh, entering, leaving, np.int8)
    q = np.arange(-128, 128, dtype=np.int8)
    y = np.tanh(0.05 * (q.astype(float) - 7))
    expected = np.clip(np.rint(127 * y) - 3, -128, 127)
    np.testing.assert_array_equal(looked_up(q, params, "x"), expected)
    np.testing.assert_array_equal(looked_up(q[::-2], params, "x"), expected[::-2])


@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_the_real_map_within_half_a_code(bias):
    """Codes of x and w are what they are: only the result is rounded."""
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    w[:, 2] = 0  # its scale is 0
    b = b if bias else None
    entering, leaving = Site(0.03, 11), Site(0.2, -5)
    params = linear_constants("w", w, b, entering, leaving)
    q = rng.integers(-128, 128, (3, 9, 40)).astype(np.int8)
    codes, scales = weight_codes("w", w)
    exact = 0.03 * (q.astype(float) - 11) @ (codes * scales) + (0 if b is None else b)
    y = linear(q, params, "w")
    assert y.dtype == np.int8 and y.shape == (3, 9, 6)
    inside = (y > -128) & (y < 127)
    assert inside.mean() > 0.9
    # half a code, and half a unit of the products for the bias
    np.testing.assert_allclose((0.2 * (y + 5.0))[inside], exact[inside], atol=0.1 + 0.03 * 0.02)
    np.testing.assert_array_equal(y[~inside], np.where(exact > 0, 127, -128)[~inside])


def test_a_product_of_codes_with_zero_points():
    params = {
        "x:zeros": np.array([5, -128], np.int8), "x:zero_point": np.array(-7, np.int8),
        "x:M0": np.array(2**30, np.int32), "x:shift": np.array(38, np.int8),
    }  # fmt: skip
    q, gate = np.array([5, 6, -128, 127], np.int8), np.array([100, 127, 127, -128], np.int8)
    exact = [0, 1 * 255, -133 * 255, 0]
    expected = np.clip([math.floor(x / 256 + 0.5) - 7 for x in exact], -128, 127)
    np.testing.assert_array_equal(gated(q, gate, params, "x"), expected)


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("D", [7, 128, 2000])
def test_norms_are_the_real_ones_within_a_code(D, has_bias):
    rng = np.random.default_rng(D)
    params = {"n.gain": rng.normal(size=D).astype(np.float32)}
    if has_bias:
        params["n.bias"] = rng.normal(size=D).astype(np.float32)
    stream = Site(1e-3)
    x = (2000 * rng.normal(size=(5, D)) + 300).clip(-32768, 32767).astype(np.int16)
    x[1] = 17  # no variance
    x[2] = 32767
    x[3] = -32768
    x[3, 0] = 32767
    real = x.astype(np.float64) * 1e-3
    norm = layer_norm if has_bias else rms_norm
    y = norm(real, *params.values())[0]
    leaving = Site(float(np.abs(y).max()) / 120, 3)
    constants = norm_constants("n", params, stream, leaving, 1e-5)
    q = normed(x, constants, "n")
    assert q.dtype == np.int8
    np.testing.assert_allclose(leaving.scale * (q - 3.0), y, atol=0.75 * leaving.scale)
    fine = norm_constants("n", params, stream, Site(leaving.scale / 200), 1e-5, wide=True)
    q = normed(x, fine, "n")
    assert q.dtype == np.int16
    np.testing.assert_allclose(leaving.scale / 200 * q, y, atol=0.1 * leaving.scale)


def test_a_norm_of_a_long_row_with_one_number_fits():
    D = 1 << 16  # n = √D·2^10 there, and gains of 15 bits would make it 2^33
    x = np.zeros((1, D), np.int16)
    x[0, 5] = 32767
    gain = np.ones(D, np.float32)
    y = rms_norm(x.astype(np.float64), gain)[0]
    leaving = Site(float(y.max()) / 120)
    q = normed(x, norm_constants("n", {"n.gain": gain}, Site(1.0), leaving, 1e-5), "n")
    np.testing.assert_allclose(leaving.scale * q, y, atol=0.75 * leaving.scale)


def attention_params(step=6.3 / 255, zero_point=0):
    e = np.rint(255 * np.exp(-step * np.arange(256))).astype(np.uint8)
    one = {"M0": np.array(2**30, np.int32), "shift": np.array(30, np.int8)}
    return {
        "a:table": e, "a:zero_point": np.array(zero_point, np.int8),
        "a:M0": one["M0"], "a:shift": np.array(38, np.int8),
        "a:score:M0": one["M0"], "a:score:shift": one["shift"],
    }  # fmt: skip


def test_attention_by_hand():
    """One query of 1: the scores are the keys. e from table[10] and table[0]; nothing if hidden."""
    params = attention_params()
    q, k = np.array([[1]], np.int8), np.array([[90], [100], [127]], np.int8)
    v = np.array([[100, -100], [10, 20], [77, 77]], np.int8)
    mask = np.array([[True, True, False]])
    e = [round(255 * math.exp(-0.247058824)), 255]
    expected = [
        math.floor(Fraction(e[0] * v0 + e[1] * v1, sum(e)) + Fraction(1, 2))
        for v0, v1 in zip(v[0].tolist(), v[1].tolist(), strict=True)
    ]
    np.testing.assert_array_equal(softmaxed(q, k, v, mask, params, "a"), [expected])


def test_attention_to_equal_keys_is_the_mean_and_far_keys_are_nothing():
    params = attention_params()
    q, v = np.array([[127]], np.int8), np.arange(-60, 61, dtype=np.int8)[:, None]
    assert softmaxed(q, np.full_like(v, 3), v, None, params, "a") == 0
    k = np.full_like(v, 3)
    k[7] = 9  # 762 ahead: beyond the table's end, where e is 0
    assert params["a:table"][-1] == 0
    assert softmaxed(q, k, v, None, params, "a") == v[7]


def test_hidden_keys_are_nothing_where_scores_hardly_differ():
    params = attention_params() | {"a:score:shift": np.array(62, np.int8)}  # M = 2^−32
    q, k, v = np.ones((1, 1), np.int8), np.ones((2, 1), np.int8), np.array([[5], [99]], np.int8)
    assert softmaxed(q, k, v, np.array([[True, False]]), params, "a") == 5


def test_hidden_keys_change_nothing_however_large():
    rng = np.random.default_rng(0)
    q, k, v = (rng.integers(-128, 128, (2, 3, 5, 4)).astype(np.int8) for _ in range(3))
    mask = np.tri(5, dtype=bool)
    y = softmaxed(q, k, v, mask, attention_params(), "a")
    k2, v2 = k.copy(), v.copy()
    k2[..., -1, :], v2[..., -1, :] = 127, -128
    y2 = softmaxed(q, k2, v2, mask, attention_params(), "a")
    np.testing.assert_array_equal(y[..., :-1, :], y2[..., :-1, :])
    assert (y[..., -1, :] != y2[..., -1, :]).any()


def test_sites():
    ranges = Ranges()
    for x in ([-1.0, 3.0], [0.5, 2.0]):
        assert ranges.see("x", np.array(x)) is not None
    ranges.see("positive", np.array([2.0]))
    ranges.see("zero", np.zeros(3))
    affine = ranges.affine("x")
    assert affine == Site(4 / 255, round(-128 + 255 / 4))
    # both ends and 0 are codes
    for number in (-1.0, 0.0, 3.0):
        assert -128.5 <= number / affine.scale + affine.zero_point <= 127.5
    assert ranges.affine("positive").zero_point == -128
    assert ranges.symmetric("x") == Site(3 / 127)
    assert ranges.symmetric("x", most=2.0) == Site(2 / 127)
    assert ranges.wide("x") == Site(6 / 32767)
    assert ranges.affine("zero").scale == 1 and ranges.symmetric("zero").scale == 1 / 127
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="what passes x in calibration must be finite"):
            ranges.see("x", np.array([bad]))


def test_weights_of_other_kinds_are_refused():
    w = np.random.default_rng(0).normal(size=(32, 8)).astype(np.float32)
    codes, scales = weight_codes("w", quantize(w, 4, axis=-1))
    assert codes.dtype == np.int8 and np.abs(codes).max() == 7 and scales.shape == (8,)
    np.testing.assert_array_equal(
        (codes * scales).astype(np.float32), quantize(w, 4, axis=-1).dense()
    )
    codes, scales = weight_codes("w", quantize(w, 8))  # one scale
    np.testing.assert_array_equal(scales, np.full(8, scales[0]))
    table, scales = weight_codes("embedding", w)
    np.testing.assert_array_equal((table * scales[:, None]).astype(np.float32),
                                  quantize(w, 8, axis=0).dense())
    for wrong in (
        quantize(w, 8, symmetric=False, axis=-1), quantize(w, 4, axis=-1, group_size=16),
        quantize(w, 4, axis=-1, grid="lloyd_max"), quantize(w, 8, axis=0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="w must"):
            weight_codes("w", wrong)
    with pytest.raises(ValueError, match=r"bias of w must stay below 2\^30"):
        linear_constants("w", w, np.full(8, 1e9, np.float32), Site(1e-3), Site(1.0))
