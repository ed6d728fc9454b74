"""The Viterbi search against all paths, and the gain of a trellis on a Gaussian."""

import itertools

import numpy as np
import pytest

from minilm import quantize
from minilm.compression.quantization import METHODS, lloyd_max
from minilm.compression.quantization.rounding import trellis
from minilm.compression.quantization.rounding.trellis import edges, fit_levels, trellis_codes
from minilm.metrics import sqnr_db
from minilm.weights.trellis import level_indices


def all_paths(bits, n):
    return np.array(list(itertools.product(range(2**bits), repeat=n)), np.uint8)


def test_edges_by_hand():
    source, subset = edges(4)  # s = b[t-1] + 2 b[t-2];  z1 = b[t] ^ b[t-2], z0 = b[t-1]
    assert source.tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert subset.tolist() == [[0, 2, 1, 3], [2, 0, 3, 1]]


@pytest.mark.parametrize("states", [4, 8])
@pytest.mark.parametrize("bits, n", [(1, 3), (1, 9), (2, 3), (2, 6)])
def test_the_search_finds_the_best_of_all_paths(states, bits, n):
    rng = np.random.default_rng([states, bits, n])
    v = rng.standard_normal((200, n)).astype(np.float32)
    weights = rng.uniform(0.2, 5, v.shape).astype(np.float32)
    levels = lloyd_max(rng.standard_normal(4096), bits + 1)
    reached = levels[level_indices(all_paths(bits, n), states)]
    least = (weights[:, None] * (v[:, None] - reached) ** 2).sum(-1).min(axis=1)
    codes = trellis_codes(v, levels, states, weights)
    error = (weights * (v - levels[level_indices(codes, states)]) ** 2).sum(axis=1)
    np.testing.assert_allclose(error, least, rtol=1e-4, atol=1e-6)


def test_in_long_rows_the_seam_s_state_is_found_too(monkeypatch):
    v = np.random.default_rng(0).standard_normal((200, 80)).astype(np.float32)
    levels = lloyd_max(v, 3)

    def errors():
        return np.square(v - levels[level_indices(trellis_codes(v, levels), 8)]).sum(axis=1)

    quick = errors()
    monkeypatch.setattr(trellis, "AROUND", 80)  # all are tried
    least = errors()
    assert (quick >= least * (1 - 1e-5)).all()
    assert (quick <= least * (1 + 1e-5)).mean() > 0.7
    assert quick.sum() < 1.01 * least.sum()


def test_a_row_that_a_path_takes_is_found_exactly():
    rng = np.random.default_rng(0)
    levels = lloyd_max(rng.standard_normal(4096), 3)
    v = levels[level_indices(rng.integers(0, 4, (50, 128)).astype(np.uint8), 8)]
    np.testing.assert_array_equal(levels[level_indices(trellis_codes(v, levels), 8)], v)


# at 2 and 3 bits beyond 10.6 and 16.2 dB; Lloyd–Max has 4.40, 9.30, 14.62, 20.22
@pytest.mark.parametrize("bits, least", [(1, 5.15), (2, 10.64), (3, 16.29), (4, 22.0)])
def test_the_gain_on_a_gaussian(bits, least):
    rng = np.random.default_rng(bits)
    seen, fresh = rng.standard_normal((2, 600, 256)).astype(np.float32)
    levels = fit_levels(seen, 0.9 * lloyd_max(seen, bits + 1))
    codes = trellis_codes(fresh, levels)
    assert sqnr_db(fresh, levels[level_indices(codes, 8)]) > least


def test_four_states_gain_less_than_eight():
    v = np.random.default_rng(0).standard_normal((300, 256)).astype(np.float32)
    error = {}
    for states in (4, 8):
        levels = fit_levels(v, 0.9 * lloyd_max(v, 3), states)
        error[states] = np.square(v - levels[level_indices(trellis_codes(v, levels, states),
                                                           states)]).mean()
    assert error[8] < error[4] < np.square(v - lloyd_max(v, 2)[
        np.abs(v[..., None] - lloyd_max(v, 2)).argmin(-1)]).mean()


def test_rows_are_searched_by_themselves(monkeypatch):
    v = np.random.default_rng(0).standard_normal((20, 64)).astype(np.float32)
    levels = lloyd_max(v, 3)
    whole = trellis_codes(v, levels)
    monkeypatch.setattr(trellis, "CHUNK", 3 * 64)
    np.testing.assert_array_equal(trellis_codes(v, levels), whole)


def test_short_rows_are_refused():
    with pytest.raises(ValueError, match="rows of at least 3 numbers"):
        trellis_codes(np.zeros((4, 2), np.float32), np.arange(8, dtype=np.float32))


TRELLIS = {"grid": "lloyd_max", "objective": "mse", "rounding": "trellis"}


@pytest.mark.parametrize("bits, known", [(1, 5.20), (2, 10.69), (3, 16.34), (4, 22.10)])
def test_the_method_of_that_name_reaches_what_is_known_of_a_gaussian(bits, known):
    w = np.random.default_rng(0).standard_normal((1024, 256)).astype(np.float32)
    q = quantize(w, bits, axis=-1, **METHODS["trellis"].arguments)
    assert sqnr_db(w, q.dense()) == pytest.approx(known, abs=0.07)  # scales are measured too


def test_the_row_of_four_states_is_one_of_four_states():
    w = np.random.default_rng(0).standard_normal((512, 128)).astype(np.float32)
    four, eight = (
        quantize(w, 2, axis=-1, **METHODS[name].arguments)
        for name in ("trellis, 4 states", "trellis")
    )
    assert (four.states, eight.states) == (4, 8)
    assert 10.3 < sqnr_db(w, four.dense()) < sqnr_db(w, eight.dense())


@pytest.mark.parametrize("grid", ["int", "lloyd_max"])
@pytest.mark.parametrize("bits", [1, 2, 3])
def test_any_levels_can_be_doubled_and_searched(grid, bits):
    w = np.random.default_rng(0).standard_normal((256, 128)).astype(np.float32)
    q = quantize(w, bits, axis=-1, **{**TRELLIS, "grid": grid})
    least = {1: 5.0, 2: 10.55, 3: 16.1}[bits]
    assert sqnr_db(w, q.dense()) > least
    assert q.max_error == pytest.approx(np.abs(w - q.dense()).max(), rel=1e-6)
    assert q.bits_per_weight < bits + 0.2  # scales and levels included


def test_channels_of_other_sizes_groups_and_tables():
    rng = np.random.default_rng(0)
    w = (rng.standard_normal((128, 64)) * np.logspace(-3, 3, 64)).astype(np.float32)
    size = w.std(axis=0)
    assert sqnr_db(w / size, quantize(w, 2, axis=-1, **TRELLIS).dense() / size) > 9
    grouped = quantize({"token_embedding": w.T}, 2, group_size=32, **TRELLIS)["token_embedding"]
    assert grouped.scales.shape == (64, 4) and grouped.scales.dtype == np.float16
    assert sqnr_db(w.T, grouped.dense()) > 9


def test_zeros_stay_and_a_zero_point_is_refused():
    w = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    w[:, 3] = 0
    assert (quantize(w, 2, axis=-1, **TRELLIS).dense()[:, 3] == 0).all()
    with pytest.raises(ValueError, match="symmetric=True"):
        quantize(w, 2, rounding="trellis", symmetric=False)


def test_a_tiny_channel_beside_a_huge_one_is_rounded_as_well():
    w = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    w[:, 2] *= np.float32(2.0**-100)
    w[:, 5] *= np.float32(2.0**60)
    found = quantize(w, 2, axis=-1, **TRELLIS).dense()
    for column in (2, 5):
        assert sqnr_db(w[:, column], found[:, column]) > 8


@pytest.mark.parametrize("seed", range(20))
def test_levels_of_few_numbers_rise_too(seed):
    v = np.random.default_rng(seed).standard_normal((2, 20)).astype(np.float32)
    assert (np.diff(fit_levels(v, np.linspace(-2, 2, 8, dtype=np.float32))) >= 0).all()


def test_levels_suit_the_channels_with_the_large_scales():
    rng = np.random.default_rng(0)
    large = rng.standard_normal((128, 8)).astype(np.float32)
    small = np.sign(rng.standard_normal((128, 8))).astype(np.float32) * np.float32(2.0**-20)
    alone = quantize(large, 2, axis=-1, **TRELLIS)
    both = quantize(np.hstack([large, small]), 2, axis=-1, **TRELLIS)
    np.testing.assert_allclose(both.levels, alone.levels, atol=0.01 * np.ptp(alone.levels))


def test_within_a_row_the_search_favours_the_groups_with_the_large_scales():
    w = np.random.default_rng(0).standard_normal((64, 3, 8)).astype(np.float32)
    w = (w * np.array([1, 2.0**-6, 2.0**-6], np.float32)[:, None]).reshape(64, 24)
    found = quantize(w, 1, axis=0, group_size=8, **TRELLIS)
    scales = np.repeat(found.scales.astype(np.float32), 8, axis=1)
    alike = found.levels[level_indices(trellis_codes(w / scales, found.levels), 8)] * scales
    assert np.square(w - found.dense()).sum() < 0.98 * np.square(w - alike).sum()


@pytest.mark.parametrize("how, said", [
    ({"bits": 16}, "1 … 8 bits, got 16"),
    ({"bits": 16, "grid": "fp16"}, "1 … 8 bits, got 16"),
    ({"bits": 2, "group_size": 8, "scale_format": "e8m0"}, "scale_format must be None"),
    ({"bits": 2, "group_size": 8, "scale_format": "e4m3"}, "got 'e4m3'"),
])  # fmt: skip
def test_what_a_trellis_tensor_cannot_keep_is_refused(how, said):
    with pytest.raises(ValueError, match=said):
        quantize(np.ones((8, 4), np.float32), axis=-1, rounding="trellis", **how)
