import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.compression import fake_quantize, quantize
from minilm.compression.quantization.scales.formats import SCALE_FORMATS, e8m0_codes, up_to_half

positive = st.floats(2.0**-100, 2.0**100, width=32)
scales = arrays(np.float32, (5, 1), elements=st.one_of(st.just(0.0), positive))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sqnr_db(x, rounded):
    x = x.astype(float)
    return 10 * np.log10((x**2).sum() / ((x - rounded) ** 2).sum())


def test_half_precision_is_rounded_up_and_refused_where_it_loses_digits():
    fine = np.array([[0.1], [0.3], [0]], np.float32)
    half = up_to_half(fine)
    assert half.dtype == np.float16
    assert (half >= fine).all()
    assert (half.astype(np.float32) <= fine * (1 + 2.0**-10)).all()
    largest = np.array([65473, 65504], np.float32)  # beyond it is only infinity
    assert up_to_half(largest).tolist() == [65504, 65504]
    for outside in (1e-6, 1e6):
        assert up_to_half(np.array([[1], [outside]], np.float32)).dtype == np.float32


def test_powers_of_two_by_hand():
    # of e2m1, whose last level is 6: max|x| of 4 … 8 has the scale 1, whether it is clipped or not
    largest = np.array([[3.9], [4], [6], [7.9], [8], [0]], np.float32)
    codes, _ = e8m0_codes(largest / 6, 6.0)
    assert codes.ravel().tolist() == [126, 127, 127, 127, 128, 0]


@pytest.mark.parametrize("reach", [1.0, 6.0, 7.0, 127.0, 255.0])
@given(exponent=st.integers(-100, 100), mantissa=st.sampled_from([1, 1.25, 1.999]))
def test_the_largest_number_lies_in_the_last_binade(reach, exponent, mantissa):
    largest = np.ldexp(np.float32(mantissa), exponent)
    scale = np.full((1, 1), largest / np.float32(reach))
    rounded = SCALE_FORMATS["e8m0"].rounded(scale, reach)
    assert np.frexp(rounded)[0] == 0.5
    last = 2.0 ** np.floor(np.log2(reach))
    assert last <= largest / rounded < 2 * last


@pytest.mark.parametrize("name", SCALE_FORMATS)
@given(scale=scales)
def test_rounded_scales_stay_and_are_what_their_codes_stand_for(name, scale):
    kind = SCALE_FORMATS[name]
    once = kind.rounded(scale, 6.0)
    np.testing.assert_array_equal(kind.rounded(once.astype(np.float32), 6.0), once)
    assert (once >= 0).all() and np.isfinite(once).all()
    assert (once[scale > 0] > 0).all()


def test_two_levels_of_scales_are_near_what_they_stand_for():
    scale = np.exp(normal(1000, 1))
    rounded = SCALE_FORMATS["e4m3"].rounded(scale, 6.0)
    assert (np.abs(rounded - scale) <= scale / 16).all()  # half a step of three bits
    assert rounded.max() == pytest.approx(scale.max(), rel=1e-6)


# dB of a Gaussian, computed for it
@pytest.mark.parametrize(
    ("how", "sqnr", "bits"),
    [
        ({"grid": "e2m1", "group_size": 32, "scale_format": "e8m0"}, 18.80, 4.25),  # MXFP4
        ({"grid": "e2m1", "group_size": 16, "scale_format": "e4m3"}, 20.44, 4.5),  # NVFP4
    ],
)
def test_published_block_formats(how, sqnr, bits):
    x = normal(2048, 512)
    q = quantize(x, 4, axis=0, **how)
    assert sqnr_db(x, q.dense()) == pytest.approx(sqnr, abs=0.05)
    assert q.bits_per_weight == pytest.approx(bits, abs=0.001)
    np.testing.assert_array_equal(fake_quantize(x, 4, axis=0, **how), q.dense())


@pytest.mark.parametrize("name", SCALE_FORMATS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_every_format_with_every_layout(name, symmetric, axis):
    x = normal(32, 48)
    x[:, 5] = 0
    x[3] = 0
    for group_size in (None, 16):
        how = {"axis": axis, "group_size": group_size, "symmetric": symmetric}
        q = quantize(x, 6, scale_format=name, **how)
        q.check()
        fake = fake_quantize(x, 6, scale_format=name, **how)
        np.testing.assert_array_equal(fake, q.dense())
        assert np.abs(x - fake).max() == pytest.approx(q.max_error)
        assert (fake[x == 0] == 0).all()
        assert sqnr_db(x, fake) > sqnr_db(x, fake_quantize(x, 6, **how)) - 6


def test_a_search_tries_powers_of_two_as_they_are_stored():
    x = normal(256, 64) * np.exp(normal(256, 1, seed=1))
    how = {"grid": "e2m1", "axis": 0, "group_size": 32, "scale_format": "e8m0"}
    first, searched = (fake_quantize(x, 4, objective=o, **how) for o in ("absmax", "mse"))
    squares = [((x - y).reshape(-1, 32) ** 2).sum(axis=1) for y in (searched, first)]
    assert (squares[0] <= squares[1] * (1 + 1e-6)).all()  # of each group
    assert squares[0].sum() < 0.97 * squares[1].sum()


@pytest.mark.parametrize("name", ["e8m0", "e4m3"])
def test_a_zero_point_stays_a_code_where_the_scale_was_rounded_down(name):
    x = -np.abs(normal(64, 16))
    x[:, 0] = -np.linspace(1, 2, 64)
    how = {"axis": 0, "symmetric": False, "scale_format": name}
    q = quantize(x, 8, **how)
    q.check()
    assert (x.min(axis=1, keepdims=True) < -255.5 * q.scale).any()  # the case in question
    assert q.zero_point.max() == 255
    np.testing.assert_array_equal(q.dense(), np.minimum(fake_quantize(x, 8, **how), 0))
    assert (np.abs(x - q.dense()) <= np.maximum(-255 * q.scale - x, q.scale / 2) * 1.001).all()


def test_unknown_formats_are_refused():
    with pytest.raises(ValueError, match=r"scale_format must be one of 'float32'.*got 'e5m2'"):
        quantize(np.ones(3), scale_format="e5m2")
