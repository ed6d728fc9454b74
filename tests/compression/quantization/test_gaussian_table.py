"""SQNR of N(0, 1), by bits: theory, and what our own quantizers reach, both within 0.05 dB."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from minilm.compression import dequantize, quantize
from minilm.compression.quantization.coders import true_bits
from minilm.compression.quantization.gguf import from_gguf, to_gguf
from minilm.compression.quantization.grids import GRIDS
from minilm.compression.quantization.grids.float_formats import E2M1, E4M3
from minilm.study.limits import (
    absmax,
    best_scale,
    best_scale_sqnr,
    block_sqnr,
    cells,
    ecsq_sqnr,
    lloyd_max_sqnr,
    power_of_two,
    shannon_sqnr,
    small_float,
    ternary_sqnr,
)

WITHIN = 0.05
BITS = (1, 2, 3, 4, 5, 6, 8)
TABLE = {
    "shannon": (6.02, 12.04, 18.06, 24.08, 30.10, 36.12, 48.16),
    "ecsq": (4.58, 10.51, 16.53, 22.55, 28.57, 34.59, 46.63),
    "lloyd_max": (4.40, 9.30, 14.62, 20.22, 26.01, 31.91, 43.85),
    "mid_rise": (4.40, 9.25, 14.27, 19.38, 24.57, 29.83, 40.57),
    "int": (None, 7.21, 13.29, 18.90, 24.33, 29.71, 40.54),
    "block 64": (None, 2.88, 12.00, 19.36, 25.98, 32.28, 44.54),
    "nf": (None, 8.35, 14.32, 20.04, 25.89, 31.84, 43.83),
}
ONE = {"e2m1": 18.97, "MXFP4": 18.80, "NVFP4": 20.44, "sign": 4.40, "absmean": 5.79, "twn": 7.18,
       "Q4_0": -10 * math.log10(0.00743)}
MEAN = math.sqrt(2 / math.pi)  # E|x|

rows = [(name, bits, sqnr) for name, row in TABLE.items()
        for bits, sqnr in zip(BITS, row, strict=True) if sqnr is not None]


def whole(bits):
    """±(2^(b−1) − 1)."""
    return np.arange(1 - 2 ** (bits - 1), 2 ** (bits - 1))


def twn_level():
    """The mean of what lies beyond 0.7·E|x|."""
    mass, moment = cells(np.array([0.7 * MEAN, np.inf]))
    return float(moment[0] / mass[0])


THEORY = {
    "shannon": shannon_sqnr,
    "ecsq": ecsq_sqnr,
    "lloyd_max": lloyd_max_sqnr,
    "mid_rise": lambda bits: best_scale_sqnr(GRIDS["mid_rise"].start(bits, True).levels),
    "int": lambda bits: best_scale_sqnr(whole(bits)),
    "block 64": lambda bits: block_sqnr(whole(bits), 64, absmax(whole(bits)[-1])),
    "nf": lambda bits: best_scale_sqnr(GRIDS["nf"].start(bits, True).levels),
}
THEORY_OF_ONE = {
    "e2m1": lambda: best_scale_sqnr(E2M1.levels),
    "MXFP4": lambda: block_sqnr(E2M1.levels, 32, power_of_two(6.0)),
    # a tensor of 2^20 numbers has a largest one of about 4.9
    "NVFP4": lambda: block_sqnr(E2M1.levels, 16, small_float(6.0, 4.9, E4M3.levels[:127])),
    "sign": lambda: best_scale_sqnr([-1, 1]),
    "absmean": lambda: ternary_sqnr(MEAN / 2, MEAN),
    "twn": lambda: ternary_sqnr(0.7 * MEAN, twn_level()),
    "Q4_0": lambda: block_sqnr(range(-7, 9), 32, absmax(8)),
}


@pytest.mark.parametrize(("name", "bits", "sqnr"), rows)
def test_theory(name, bits, sqnr):
    assert abs(float(THEORY[name](bits)) - sqnr) < WITHIN


@pytest.mark.parametrize("name", ONE)
def test_theory_of_one_width(name):
    assert abs(THEORY_OF_ONE[name]() - ONE[name]) < WITHIN


def quantiles(n):
    """n numbers at the quantiles of N(0, 1), shuffled: a sample without sampling noise."""
    normal = NormalDist()
    half = np.array([normal.inv_cdf(p) for p in (np.arange(n // 2) + 0.5) / n])
    return np.random.default_rng(0).permutation(np.append(half, -half)).astype(np.float32)


@pytest.fixture(scope="module")
def gaussian():
    return quantiles(1 << 18)


@pytest.fixture(scope="module")
def fewer():
    return quantiles(1 << 17)


@pytest.fixture(scope="module")
def large():
    return quantiles(1 << 20)


def sqnr_db(x, rounded):
    x = x.astype(float)
    return float(10 * np.log10((x**2).sum() / ((x - rounded) ** 2).sum()))


HOW = {
    "lloyd_max": {"grid": "lloyd_max"},
    "mid_rise": {"grid": "mid_rise", "objective": "mse"},
    "int": {"objective": "mse"},
    "block 64": {"group_size": 64},
    "nf": {"grid": "nf", "objective": "mse"},
}
HOW_OF_ONE = {
    "e2m1": (4, {"grid": "e2m1", "objective": "mse"}, 4),
    "MXFP4": (4, {"grid": "e2m1", "group_size": 32, "scale_format": "e8m0"}, 4.25),
    "NVFP4": (4, {"grid": "e2m1", "group_size": 16, "scale_format": "e4m3"}, 4.5),
    "sign": (1, {}, 1),
    "absmean": (2, {"objective": "mean_magnitude"}, 2),
    "twn": (2, {"objective": "twn"}, 2),
}


@pytest.mark.parametrize(("name", "bits", "sqnr"), [row for row in rows if row[0] in HOW])
def test_our_quantizers(fewer, gaussian, large, name, bits, sqnr):
    # what 8 even bits clip lies so far out that a quarter of a million numbers have too little
    x = fewer if bits < 8 else large if name in ("int", "mid_rise") else gaussian
    q = quantize(x, bits, **HOW[name])
    reached = sqnr_db(x, dequantize(q))
    assert abs(reached - sqnr) < WITHIN
    assert reached < shannon_sqnr(q.bits_per_weight)
    # a scale or a codebook for all of them is nothing; a float16 for 64 is a quarter of a bit
    assert bits <= q.bits_per_weight < bits + (0.2501 if name == "block 64" else 0.04)


@pytest.mark.parametrize("name", HOW_OF_ONE)
def test_our_quantizers_of_one_width(large, name):
    bits, how, true_bits = HOW_OF_ONE[name]
    q = quantize(large, bits, **how)
    assert abs(sqnr_db(large, dequantize(q)) - ONE[name]) < WITHIN
    assert q.bits_per_weight == pytest.approx(true_bits, abs=0.001)


def test_formats(large):
    blocks, errors = large.reshape(-1, 32), {}
    for kind in ("Q4_0", "Q8_0", "MXFP4"):
        error = from_gguf(to_gguf(blocks, kind), kind) - blocks
        errors[kind] = float(np.square(error, dtype=float).mean())
    assert -10 * math.log10(errors["Q4_0"]) == pytest.approx(ONE["Q4_0"], abs=WITHIN)
    assert -10 * math.log10(errors["MXFP4"]) == pytest.approx(ONE["MXFP4"], abs=WITHIN)
    assert round(errors["Q8_0"], 6) == 2.9e-5
    theory = block_sqnr(whole(8), 32, absmax(127))
    assert -10 * math.log10(errors["Q8_0"]) == pytest.approx(theory, abs=WITHIN)


@pytest.mark.parametrize(("bits", "sqnr"), list(zip(BITS, TABLE["ecsq"], strict=True)))
def test_entropy_coded(gaussian, bits, sqnr):
    """Evenly spaced levels, each code as long as it is rare: a quarter of a bit from Shannon."""
    q = quantize(gaussian, bits, grid="entropy_coded")
    reached = sqnr_db(gaussian, dequantize(q))
    counts = np.unique(q.codes, return_counts=True)[1]
    p = counts / counts.sum()
    rate = -float((p * np.log2(p)).sum())
    assert abs(reached - sqnr) < WITHIN
    assert rate == pytest.approx(bits, abs=1e-3)
    # what the coder must be told, 16 bits for each code in use, is little for so many numbers
    assert rate < true_bits(q, "entropy") / q.size < rate + 0.04
    if bits >= 2:
        assert shannon_sqnr(rate) - reached < shannon_sqnr(0.26)


def test_the_best_scale_is_found():
    """objective="mse" finds the scale that theory has, on every grid that has one."""
    x = quantiles(1 << 15)
    for grid, bits in (("int", 3), ("mid_rise", 3), ("nf", 4), ("e2m1", 4), ("logarithmic", 4),
                       ("power_of_two", 3)):
        start = GRIDS[grid].start(bits, True)
        levels = whole(bits) if start.levels is None else start.levels
        q = quantize(x, bits, grid=grid, objective="mse")
        assert sqnr_db(x, dequantize(q)) == pytest.approx(best_scale_sqnr(levels), abs=WITHIN)
        assert float(q.scale) == pytest.approx(best_scale(levels), rel=0.03)
