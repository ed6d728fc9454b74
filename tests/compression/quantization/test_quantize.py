import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minilm.compression as compression
from minilm.compression import affine_codes, affine_values, dequantize, fake_quantize, quantize
from minilm.compression.quantization import product_quantize
from minilm.weights import QuantizedTensor, SparseTensor, load, save

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
WIDE = (*BITS[1:], 16)
LARGEST = float(np.finfo(np.float32).max)
# Everything that float32 holds, and often what tends to go wrong.
anything = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 1.0, -1.0, 2.0**-149, 2.0**-126, LARGEST, -LARGEST]),
    st.floats(-8, 8, width=32),
)
moderate = st.one_of(st.floats(-(2.0**100), 2.0**100, width=32), st.floats(-8, 8, width=32))
tensors = arrays(np.float32, array_shapes(max_dims=3, max_side=9), elements=anything)
moderate_tensors = arrays(np.float32, array_shapes(max_dims=3, max_side=9), elements=moderate)
quick = settings(max_examples=60)

SCHEMES = [
    {},
    {"axis": -1},
    {"axis": 0, "symmetric": False},
    {"symmetric": False},
    {"group_size": 8},
    {"group_size": 8, "axis": 0, "symmetric": False},
    {"axis": -1, "objective": "mse"},
    {"group_size": 8, "objective": "mse", "symmetric": False},
    {"objective": "percentile", "percentile": 95},
    {"grid": "lloyd_max"},
    {"grid": "lloyd_max", "axis": -1, "objective": "mse"},
    {"grid": "lloyd_max", "group_size": 4},
    {"rounding": "stochastic", "axis": 0, "seed": 5},
    {"rounding": "stochastic", "grid": "lloyd_max"},
    {"group_size": 8, "scale_format": "e4m3", "symmetric": False},
    {"symmetric": False, "grid": "int_real_zero", "axis": 0},
    {"symmetric": False, "grid": "int_real_zero", "group_size": 8, "rounding": "stochastic"},
    {"symmetric": False, "grid": "int_real_zero", "objective": "hqq", "axis": -1},
    {"objective": "entropy"},
]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def slack(bits):
    """x itself has 24 bits: a code of 16 leaves 2^−8 of its step for the rounding of floats."""
    return 1e-4 if bits <= 8 else 0.02


def sqnr_db(x, rounded):
    x = x.astype(float)
    return 10 * np.log10((x**2).sum() / ((x - rounded) ** 2).sum())


# --- by hand


def test_symmetric_by_hand():
    q = quantize(np.array([-7, -3.4, 0, 0.5, 1.5, 3.5], np.float32), 4)
    # absmax 7 on ±7: scale 1; halves go to even
    assert q.scale == 1
    assert q.zero_point is None
    assert q.codes.tolist() == [-7, -3, 0, 0, 2, 4]
    assert dequantize(q).tolist() == [-7, -3, 0, 0, 2, 4]
    assert q.max_error == 0.5
    assert (q.bits, q.shape) == (4, (6,))


def test_asymmetric_by_hand():
    q = quantize(np.array([-1, 0, 0.6, 2], np.float32), 2, symmetric=False)
    # (2 − −1) / 3: scale 1, zero point 1, codes 0 … 3
    assert (q.scale, q.zero_point) == (1, 1)
    assert q.codes.tolist() == [0, 1, 2, 3]
    assert dequantize(q).tolist() == [-1, 0, 1, 2]


def test_one_bit_is_the_sign_times_the_mean_magnitude():
    q = quantize(np.array([[1, -2], [3, -6]], np.float32), 1)
    assert q.codes.tolist() == [[1, -1], [1, -1]]
    assert dequantize(q).tolist() == [[3, -3], [3, -3]]
    for objective in ("absmax", "percentile", "mse"):  # only one scale is right
        assert quantize(np.array([1, -3.0]), 1, objective=objective).scale == 2


def test_channels_and_groups_by_hand():
    w = np.array([[1, 10], [-3, 30], [2, 0], [6, -60]], np.float32)
    assert quantize(w, 3, axis=-1).scale.tolist() == [[2, 20]]
    assert quantize(w, 3, axis=0).scale == pytest.approx(np.array([[10], [30], [2], [60]]) / 3)
    grouped = quantize(w, 3, axis=-1, group_size=2)
    assert grouped.scale.tolist() == [[1, 10], [2, 20]]
    assert grouped.scale.dtype == np.float16
    assert grouped.codes.tolist() == [[1, 1], [-3, 3], [1, 0], [3, -3]]


def test_lloyd_max_finds_the_levels():
    w = np.array([[5, 5, -1], [-1, 9, 0]], np.float32)
    for axis in (None, 0):
        q = quantize(w, 2, grid="lloyd_max", axis=axis)
        np.testing.assert_allclose(dequantize(q), w, rtol=1e-6, atol=1e-6)


def test_a_table_and_a_weight_in_a_dict():
    params = {
        "token_embedding": np.array([[1, 2], [10, 20]], np.float32),
        "head.w": np.array([[1, 2], [10, 20]], np.float32),
        "head.b": np.array([1, 2], np.float32),
        "head.w:mask": np.ones((2, 2), np.float32),
    }
    small = quantize(params, 8)
    assert list(small) == list(params)
    assert small["token_embedding"].scale.shape == (2, 1)  # a channel of a table is its row
    assert small["head.w"].scale.shape == (1, 2)
    assert small["head.b"] is params["head.b"]
    assert small["head.w:mask"] is params["head.w:mask"]
    assert quantize(params, 8, axis="tensor")["head.w"].scale.shape == ()
    mixed = quantize(params, {"head.w": 3})
    assert mixed["head.w"].bits == 3
    assert mixed["token_embedding"] is params["token_embedding"]
    back = dequantize(small)
    assert back["head.b"] is params["head.b"]
    np.testing.assert_allclose(back["head.w"], params["head.w"], atol=10 / 127)


# --- properties


@given(tensors, st.sampled_from(WIDE), st.sampled_from([None, 0, -1]))
@quick
def test_symmetric_errors_are_at_most_half_a_step(x, bits, axis):
    q = quantize(x, bits, axis=axis)
    error = np.abs(x.astype(float) - dequantize(q))
    assert (error <= q.scale.astype(float) / 2 * (1 + slack(bits))).all()
    assert q.max_error == pytest.approx(error.max(), rel=1e-6)
    assert dequantize(q).dtype == np.float32


@given(moderate_tensors, st.sampled_from((1, *WIDE)), st.sampled_from([None, 0, -1]))
@quick
def test_asymmetric_errors_are_at_most_half_a_step(x, bits, axis):
    q = quantize(x, bits, axis=axis, symmetric=False)
    error = np.abs(x.astype(float) - dequantize(q))
    assert (error <= q.scale.astype(float) / 2 * (1 + slack(bits))).all()
    assert (q.codes >= 0).all() and (q.codes < 2**bits).all()
    assert (q.zero_point >= 0).all() and (q.zero_point < 2**bits).all()


@given(tensors, st.sampled_from(WIDE), st.sampled_from(SCHEMES[:9]))
@quick
def test_zero_stays_zero(x, bits, scheme):
    x = np.minimum(np.maximum(x, -1e37), 1e37)
    x.flat[0] = 0
    scheme = {name: value for name, value in scheme.items() if name != "group_size"}
    assert fake_quantize(x, bits, **scheme).flat[0] == 0


@given(tensors, st.sampled_from(WIDE), st.sampled_from([None, 0, -1]))
@quick
def test_quantizing_twice_changes_nothing(x, bits, axis):
    # exactly, for (s·n) / n = s in floating point when n = 2^k − 1
    once = fake_quantize(x, bits, axis=axis)
    np.testing.assert_array_equal(fake_quantize(once, bits, axis=axis), once)


@pytest.mark.parametrize("bits", BITS[1:])
def test_quantizing_groups_twice_changes_nothing(bits):
    how = {"axis": -1, "group_size": 16}
    once = fake_quantize(normal(64, 32), bits, **how)
    np.testing.assert_array_equal(fake_quantize(once, bits, **how), once)


@given(moderate_tensors, st.sampled_from((1, *WIDE)))
@quick
def test_quantizing_twice_changes_nothing_asymmetric(x, bits):
    first = quantize(x, bits, symmetric=False)
    if first.codes.min() > 0 or first.codes.max() < 2**bits - 1:
        return  # both ends lay half-way between levels: the range has lost a step
    once = dequantize(first)
    np.testing.assert_allclose(fake_quantize(once, bits, symmetric=False), once, rtol=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("bits", BITS)
def test_fake_equals_packed(scheme, bits):
    x = normal(24, 16)
    packed = quantize(x, bits, **scheme)
    fake = fake_quantize(x, bits, **scheme)
    np.testing.assert_array_equal(fake, dequantize(packed))
    assert fake.flags.c_contiguous
    assert np.abs(fake - x).max() == pytest.approx(packed.max_error)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", WIDE)
def test_the_printed_formula_is_what_happens(bits, symmetric):
    x = normal(24, 16)
    q = quantize(x, bits, symmetric=symmetric, axis=-1)
    low, high = (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)
    z = 0 if symmetric else q.zero_point
    np.testing.assert_array_equal(affine_codes(x, q.scale, z, low, high), q.codes)
    np.testing.assert_array_equal(affine_values(q.codes, q.scale, z), dequantize(q))


def test_inputs_of_other_kinds():
    x = normal(12, 10)
    expected = fake_quantize(x, 4, axis=-1)
    wide = np.repeat(x, 2, axis=1)[:, ::2]
    for same in (np.asfortranarray(x), wide, x.T.copy().T):
        np.testing.assert_array_equal(fake_quantize(same, 4, axis=-1), expected)
    for wider in (x.astype(np.float64), x.astype(">f8")):
        assert fake_quantize(wider, 4, axis=-1).dtype == np.float64
        np.testing.assert_array_equal(fake_quantize(wider, 4, axis=-1), expected)
    assert fake_quantize(x.astype(np.float16), 4).dtype == np.float32
    integers = np.array([[-7, 3], [2, 0]])
    assert fake_quantize(integers, 4).tolist() == integers.tolist()
    assert dequantize(quantize([1.0, -1.0], 4)).tolist() == [1, -1]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
@pytest.mark.parametrize("how", [{}, {"symmetric": False}, {"grid": "lloyd_max"}])
def test_bits_of_any_integer_type(kind, how):
    x = normal(12, 10)
    for bits in (1, 4, 8):  # 2 ** np.int8(8) would be 0
        same = quantize(x, kind(bits), **how)
        np.testing.assert_array_equal(same.codes, quantize(x, bits, **how).codes)
        assert type(same.bits) is int


def test_an_axis_of_any_integer_type_can_be_saved(tmp_path):
    save(tmp_path / "w.npz", {"w": quantize(normal(12, 10), 4, axis=np.int64(0))})
    assert load(tmp_path / "w.npz")["w"].axis == 0


def test_inputs_are_left_alone():
    x = normal(12, 10)
    kept = x.copy()
    for scheme in SCHEMES:
        quantize(x, 3, **{**scheme, **({"group_size": 2} if "group_size" in scheme else {})})
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_zeros_and_constants(scheme):
    for bits in BITS:
        assert (fake_quantize(np.zeros((8, 8), np.float32), bits, **scheme) == 0).all()
    half_zero = np.concatenate([np.zeros((8, 8), np.float32), normal(8, 8)])
    if "group_size" in scheme:
        assert (fake_quantize(half_zero, 3, **scheme)[:8] == 0).all()
    constant = np.full((8, 8), 0.7, np.float32)
    if scheme.get("rounding") != "stochastic":
        np.testing.assert_allclose(fake_quantize(constant, 4, **scheme), constant, rtol=1e-3)


def test_scales_of_groups_are_half_precision_unless_they_lose_digits():
    x = normal(8, 64)
    assert quantize(x, 4, axis=0, group_size=32).scale.dtype == np.float16
    for size in (1e-6, 1e6):
        q = quantize(x * np.float32(size), 4, axis=0, group_size=32)
        assert q.scale.dtype == np.float32
        assert sqnr_db(x * np.float32(size), dequantize(q)) > 15


def test_a_group_of_half_precision_keeps_its_ends_inside():
    x = normal(64, 64)
    for symmetric in (True, False):
        q = quantize(x, 8, axis=-1, group_size=32, symmetric=symmetric)
        scale = np.repeat(q.scale.astype(float), 32, axis=0)
        assert (np.abs(x - dequantize(q)) <= scale / 2 * (1 + 1e-4)).all()


@pytest.mark.parametrize("how", SCHEMES, ids=str)
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_tiny_and_huge_numbers_are_rounded_as_well(how, size):
    x = normal(32, 32)
    how = {**how, "rounding": "nearest"}
    small = fake_quantize(x * np.float32(size), 4, **how) / np.float32(size)
    assert sqnr_db(x, small) == pytest.approx(sqnr_db(x, fake_quantize(x, 4, **how)), abs=0.2)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("group_size", [None, 4])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_scales_are_never_subnormal(bits, group_size, symmetric):
    """Below 2^−126 a float32 loses digits, so that x / s could be far from what was meant."""
    x = np.ldexp(normal(20, 8), -np.arange(110, 150, 2)[:, None]).astype(np.float32)
    q = quantize(x, bits, axis=0, group_size=group_size, symmetric=symmetric)
    scale = q.scale.astype(float)
    assert (scale >= 2.0**-126).all()
    error = np.abs(x.astype(float) - q.dense()).reshape(20, -1, group_size or 8)
    assert (error <= scale[:, :, None] / 2 * (1 + slack(bits))).all()


def test_stochastic_rounding_is_drawn_by_the_seed_and_unbiased():
    x = np.full(100_000, 0.3, np.float32)
    x[0] = 7
    how = {"rounding": "stochastic"}
    once = fake_quantize(x, 4, seed=1, **how)
    np.testing.assert_array_equal(once, fake_quantize(x, 4, seed=1, **how))
    assert (once != fake_quantize(x, 4, seed=2, **how)).any()
    assert once[1:].mean(dtype=float) == pytest.approx(0.3, abs=0.01)


# --- the limits: of a Gaussian in test_gaussian_table.py


@pytest.mark.parametrize("bits", BITS)
def test_finer_scales_do_better(bits):
    x = normal(256, 64) * np.exp(normal(64, seed=1))  # channels of different size
    chain = ({}, {"axis": -1}, {"axis": -1, "objective": "mse"})
    sqnr = [sqnr_db(x, fake_quantize(x, bits, **how)) for how in chain]
    assert sqnr[0] < sqnr[1]
    assert sqnr[1] <= sqnr[2] + 1e-6


# --- what is refused


@pytest.mark.parametrize(
    ("x", "how", "error", "message"),
    [
        (np.ones(3), {"bits": 0}, ValueError, "bits"),
        (np.ones(3), {"bits": 9}, ValueError, "bits"),
        (np.ones(3), {"bits": 2.0}, ValueError, "bits"),
        (np.ones(3), {"bits": {"x": 3}}, TypeError, "bits"),
        (np.ones(3), {"grid": "nf4"}, ValueError, "grid must be one of 'int'.*got 'nf4'"),
        (np.ones(3), {"objective": "best"}, ValueError, "objective"),
        (np.ones(3), {"rounding": "up"}, ValueError, "rounding"),
        (np.ones(3), {"percentile": 0}, ValueError, "percentile"),
        (np.ones(3), {"axis": 1}, ValueError, "axis"),
        (np.ones(3), {"axis": "row"}, ValueError, "axis"),
        (np.ones(3), {"axis": 0.5}, ValueError, "axis"),
        (np.ones(3), {"group_size": 0}, ValueError, "group_size"),
        (np.ones(3), {"group_size": 2}, ValueError, "group_size must divide the 3"),
        (np.ones(3), {"grid": "lloyd_max", "symmetric": False}, ValueError, "symmetric"),
        (np.ones((0, 3)), {}, ValueError, r"x .*\(0, 3\)"),
        (np.float32(1), {}, ValueError, "axis"),
        (np.array([1, np.nan]), {}, ValueError, "x must be finite, got 1 NaN"),
        (np.array([1, np.inf]), {"symmetric": False}, ValueError, "finite"),
        (np.array([1e39]), {}, ValueError, "magnitude"),
        (np.array([-3e38, 3e38]), {"symmetric": False}, ValueError, "magnitude"),
        (np.array(["a"]), {}, TypeError, "real numbers"),
        (np.array([True]), {}, TypeError, "real numbers"),
        (np.array([1j]), {}, TypeError, "real numbers"),
        (np.ones(3), {"transform": "turn"}, ValueError, "transform must be one of 'none'.*'turn'"),
        (np.ones(3), {"transform": "hadamard"}, ValueError, "hadamard.*is for matrices"),
        (np.ones(3), {"scale_format": "e5m2"}, ValueError, "scale_format must be one of"),
        (np.ones(3), {"rounding": "gptq"}, ValueError, "calibration"),
        (np.ones((3, 4)), {"transform": "awq"}, ValueError, "calibration"),
        (np.ones((3, 4)), {"calibration": np.ones((5, 4))}, ValueError, "width 3, got 4"),
        (np.ones((3, 4)), {"calibration": np.ones((5, 3)), "axis": 0}, ValueError, "4, got 3"),
        (np.ones((3, 4)), {"calibration": np.ones((0, 3))}, ValueError, "at least one row"),
        (np.ones((3, 4)), {"calibration": np.full((1, 3), np.nan)}, ValueError, "finite"),
        (np.ones((3, 4)), {"calibration": {"x": np.ones((5, 3))}}, TypeError, "calibration"),
    ],
)
def test_bad_input(x, how, error, message):
    with pytest.raises(error, match=message):
        quantize(x, **how)
    with pytest.raises(error, match=message):
        fake_quantize(x, **how)


def test_bad_input_in_a_dict_is_named():
    params = {"head.w": normal(100, 8), "head.b": normal(8)}
    with pytest.raises(ValueError, match=r"group_size must divide the 100 numbers .* of head\.w"):
        quantize(params, 4, group_size=32)
    with pytest.raises(ValueError, match=r"got head\.b, tail\.w"):
        quantize(params, {"head.w": 4, "head.b": 4, "tail.w": 4})
    params["head.w"][3, 3] = np.nan
    with pytest.raises(ValueError, match=r"head\.w must be finite"):
        quantize(params, 4)


def test_what_is_compressed_already_is_refused():
    q = quantize(normal(8, 4), 4)
    with pytest.raises(TypeError, match="QuantizedTensor"):
        quantize(q, 4)
    with pytest.raises(TypeError, match=r"head\.w must be an array, got a QuantizedTensor"):
        quantize({"head.w": q}, 4)
    sparse = quantize(SparseTensor.from_dense(normal(8, 4), np.ones((8, 4), bool)), 4)
    with pytest.raises(TypeError, match="SparseTensor"):
        quantize(sparse, 4)
    with pytest.raises(TypeError, match="a quantized tensor or a params dict, got ndarray"):
        dequantize(normal(3))
    kept = quantize({"a": q, "b": normal(8, 4)}, {"b": 4})  # not asked for: passed through
    assert kept["a"] is q


def test_dequantize_passes_others_through():
    sparse = SparseTensor.from_dense(normal(8, 4), np.ones((8, 4), bool))
    params = {"w": normal(8, 4), "s": sparse, "q": quantize(normal(8, 4), 4)}
    back = dequantize(params)
    assert back["w"] is params["w"]
    assert back["s"] is sparse
    assert isinstance(back["q"], np.ndarray)
    assert isinstance(params["q"], QuantizedTensor)


def test_dequantize_a_code_of_several_numbers():
    x = normal(40, 8)
    q = product_quantize(x, width=2, bits=4)
    np.testing.assert_array_equal(dequantize(q), q.dense())
    np.testing.assert_array_equal(dequantize({"w": q})["w"], q.dense())
    assert sqnr_db(x, dequantize(q)) > 5


def test_public_names():
    for name in compression.__all__:
        assert getattr(compression, name).__doc__ or name in ("METHODS", "PRUNING")  # tables
