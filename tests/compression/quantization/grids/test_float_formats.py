import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import dequantize, fake_quantize, quantize
from minilm.compression.quantization.grids.float_formats import (
    BF16,
    E2M1,
    E4M3,
    E5M2,
    FP16,
    FloatFormat,
    power_of_two,
)
from minilm.weights import HalfTensor

FORMATS = {"e2m1": E2M1, "e4m3": E4M3, "e5m2": E5M2, "fp16": FP16, "bf16": BF16}
SMALL = {"e2m1": (E2M1, 4), "e4m3": (E4M3, 8), "e5m2": (E5M2, 8)}


def rounded(grid, v):
    return grid.value(grid.code(np.rint(grid.position(np.asarray(v, np.float32)))))


def test_e2m1_by_hand():
    assert E2M1.levels.tolist() == [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]
    assert (E2M1.bits, E2M1.low, E2M1.high, E2M1.reach) == (4, 0, 15, 6)
    v = np.array([0, 0.5, 0.75, 2.5, 5, 7, -3.5, -0.1])
    # half-way between two levels is half-way in position, also where the step changes
    assert E2M1.position(v).tolist() == [0, 1, 1.5, 4.5, 6.5, 7, -5.5, -0.2]
    # to even: 0.75 to pattern 2, 2.5 to 4, 5 to 6, −3.5 to −6; beyond the end it saturates
    assert rounded(E2M1, v).tolist() == [0, 0.5, 1, 2, 4, 6, -4, 0]


def test_published_extremes():
    """OCP 8-bit Floating Point 1.0, table 1; IEEE 754 for the halves."""
    largest = {"e2m1": 6, "e4m3": 448, "e5m2": 57344, "fp16": 65504, "bf16": 255 * 2.0**120}
    smallest = {"e2m1": 0.5, "e4m3": 2.0**-9, "e5m2": 2.0**-16, "fp16": 2.0**-24,
                "bf16": 2.0**-133}
    for name, grid in FORMATS.items():
        assert grid.reach == largest[name]
        assert grid.levels[1] == smallest[name]
        finite = grid.levels[: grid.last + 1]
        assert (np.diff(finite) > 0).all() and len(grid.levels) == 2**grid.bits
        np.testing.assert_array_equal(grid.levels[2 ** (grid.bits - 1) :][: grid.last + 1], -finite)
        assert np.isnan(grid.levels).sum() == 2 * grid.reserved


@pytest.mark.parametrize("grid", FORMATS.values(), ids=FORMATS)
def test_every_level_is_its_own_code(grid):
    patterns = np.arange(1, grid.last + 1)
    for sign, codes in ((1, patterns), (-1, patterns + 2 ** (grid.bits - 1))):
        v = sign * grid.levels[1 : grid.last + 1]
        np.testing.assert_array_equal(grid.position(v), sign * patterns)
        np.testing.assert_array_equal(grid.code(grid.position(v)), codes)
        np.testing.assert_array_equal(grid.value(codes), v)
    assert grid.code(grid.position(np.float32([0, -0.0]))).tolist() == [0, 0]  # one zero


@given(st.sampled_from(sorted(FORMATS)), st.floats(-1e5, 1e5, width=32))
@settings(max_examples=300)
def test_rounding_is_to_the_nearest_level(name, x):
    grid = FORMATS[name]
    levels = grid.levels[: grid.last + 1].astype(float)
    found = float(rounded(grid, [x])[0])
    least = np.abs(levels - min(abs(x), grid.reach)).min()
    assert abs(abs(found) - min(abs(x), grid.reach)) == least
    assert found == 0 or (found < 0) == (x < 0)


def test_positions_rise():
    x = np.sort(np.random.default_rng(0).normal(size=2000).astype(np.float32) * 100)
    for grid in FORMATS.values():
        assert (np.diff(grid.position(x)) >= 0).all()


def test_what_is_inside():
    v = np.float32([-6.1, -6, 0, 6, 6.1])
    assert E2M1.inside(v).tolist() == [False, True, True, True, False]


def test_powers_of_two():
    assert power_of_two(2, True).levels.tolist() == [0, 1, 0, -1]
    four = power_of_two(4, True)
    assert four.levels[:8].tolist() == [0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
    assert four.reach == 1
    # the nearest in value: 0.74 and 0.76 lie on both sides of 3/4
    assert rounded(four, [0.74, 0.76, -0.3, 0.007, 5]).tolist() == [0.5, 1, -0.25, 0, 1]
    eight = power_of_two(8, True)
    assert (np.diff(eight.levels[:128]) > 0).all() and eight.levels[1] == 2.0**-126
    x = np.random.default_rng(0).normal(size=500).astype(np.float32)
    q = quantize(x, 5, grid="power_of_two", objective="mse")
    exponent = np.log2(np.abs(dequantize(q)[q.codes % 16 > 0]) / q.scale)
    np.testing.assert_array_equal(exponent, np.round(exponent))


@pytest.mark.parametrize("name", SMALL)
def test_codes_are_the_bits_of_the_format(name):
    grid, bits = SMALL[name]
    x = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    q = quantize(x, bits, grid=name, axis=0)
    assert q.scale == pytest.approx(np.abs(x).max(axis=1, keepdims=True) / grid.reach)
    np.testing.assert_array_equal(dequantize(q), grid.levels[q.codes] * q.scale)
    np.testing.assert_array_equal(dequantize(q), fake_quantize(x, bits, grid=name, axis=0))
    assert (np.abs(x - dequantize(q)).argmax(axis=1) >= 0).all()
    relative = np.abs(dequantize(q) / x - 1)[np.abs(x) > 0.5]
    assert relative.max() <= 2.0 ** -(grid.mantissa_bits + 1) * 1.001


@pytest.mark.parametrize(("grid", "bits"), [("e2m1", 8), ("e4m3", 4), ("e5m2", 7), ("fp16", 8),
                                            ("bf16", 8), ("power_of_two", 1)])
def test_bits_that_a_format_does_not_have(grid, bits):
    with pytest.raises(ValueError, match=rf"bits must be .* got {bits}"):
        quantize(np.ones(4), bits, grid=grid)


@pytest.mark.parametrize("grid", ["e2m1", "power_of_two"])
def test_no_zero_point(grid):
    with pytest.raises(ValueError, match="symmetric=False"):
        quantize(np.ones(4), 4, grid=grid, symmetric=False)


def test_one_table_for_all():
    levels = FloatFormat(2, 1, bias=1).levels
    assert levels is E2M1.levels
    with pytest.raises(ValueError, match="read-only"):
        levels[0] = 1


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["e4m3", "e5m2", "fp16", "bf16"])
def test_torch_rounds_alike(name):
    import torch

    kinds = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2, "fp16": torch.float16,
             "bf16": torch.bfloat16}
    grid = FORMATS[name]
    finite = grid.levels[: grid.last + 1]
    ties = finite[:-1] / 2 + finite[1:] / 2
    rng = np.random.default_rng(0)
    sizes = np.exp2(rng.uniform(-14, 7, 20_000))
    x = np.concatenate([finite, ties, rng.normal(size=20_000) * sizes]).astype(np.float32)
    x = np.concatenate([x, -x, np.nextafter(ties, np.float32(0))])
    x = x[np.abs(x) <= grid.reach]
    expected = torch.from_numpy(x).to(kinds[name])
    np.testing.assert_array_equal(rounded(grid, x), expected.float().numpy())
    bits = expected.view(torch.uint8 if grid.bits == 8 else torch.uint16).numpy()
    codes = grid.code(np.rint(grid.position(x)))
    nonzero = rounded(grid, x) != 0
    np.testing.assert_array_equal(codes[nonzero], bits[nonzero])


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_half_precision_through_quantize(name):
    x = np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    q = quantize(x, 16, grid=name)
    assert isinstance(q, HalfTensor) and (q.kind, q.bits_per_weight) == (name, 16)
    np.testing.assert_array_equal(q.dense(), rounded(FORMATS[name], x))
    np.testing.assert_array_equal(dequantize(q), fake_quantize(x, 16, grid=name))
    assert q.max_error == np.abs(q.dense() - x).max() > 0
    params = {"token_embedding": x, "head.w": x.T.copy(), "head.b": x[0]}
    small = quantize(params, 16, grid=name)
    np.testing.assert_array_equal(small["head.w"].dense(), q.dense().T)
    assert small["head.b"] is params["head.b"]
    assert isinstance(dequantize(small)["token_embedding"], np.ndarray)
    step = 2.0 ** -FORMATS[name].mantissa_bits
    quarter = np.full(20_000, 1 + step / 4, np.float32)
    drawn = quantize(quarter, 16, grid=name, rounding="stochastic").dense()
    assert set(drawn) == {1, 1 + step}
    assert drawn.mean(dtype=float) - 1 == pytest.approx(step / 4, rel=0.1)


def test_half_precision_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match=r"x must not exceed 6\.55e\+04 in magnitude"):
        quantize(np.array([1, 65505.0]), 16, grid="fp16")
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN"):
        quantize(np.array([1, np.nan]), 16, grid="bf16")
    with pytest.raises(ValueError, match="w must not exceed 3"):
        quantize({"w": np.full((2, 2), 3.4e38, np.float32)}, 16, grid="bf16")
    assert quantize(np.array([65504.0]), 16, grid="fp16").dense() == 65504
