import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.quantization.rounding.adaround import (
    indecision,
    indecision_backward,
    learned,
    output_errors,
    rectified_sigmoid,
    rectified_sigmoid_backward,
    relative_error,
    relative_error_backward,
    unrectified,
)
from minilm.nn import check_gradient

rng = np.random.default_rng(0)


def problem(n=48, out=32, seed=0):
    """w (n, out), and correlated rows X."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(3 * n, n)) @ (np.eye(n) + 0.2 * draw.normal(size=(n, n)))
    return draw.normal(size=(n, out)).astype(np.float32), x.astype(np.float32)


def channel_errors(w, q, x):
    return np.square(x @ (w - q.dense()).astype(np.float64)).sum(axis=0)


def test_every_part_s_gradient():
    v = rng.normal(size=(4, 6)) * 2  # none at the kinks, ±2.4
    check_gradient(rectified_sigmoid, rectified_sigmoid_backward, v)
    h = rng.uniform(0.05, 0.45, size=(4, 6)) + 0.5 * rng.integers(0, 2, (4, 6))
    for beta in (2.0, 5.5, 20.0):
        check_gradient(indecision, indecision_backward, h, beta=beta)
    start, step, x = rng.normal(size=(4, 6)), rng.uniform(size=(4, 6)), rng.normal(size=(9, 6))
    gram, unit = x.T @ x, rng.uniform(1, 2, 4)
    check_gradient(
        lambda h: relative_error(h, start, step, gram, unit), relative_error_backward, h
    )


def test_the_rectified_sigmoid():
    h, _ = rectified_sigmoid(np.array([-3.0, 0.0, 3.0]))
    assert h.tolist() == [0, 0.5, 1]
    h = np.linspace(0, 1, 11)
    np.testing.assert_allclose(rectified_sigmoid(unrectified(h))[0], h, atol=1e-12)
    assert rectified_sigmoid_backward(np.ones(3), rectified_sigmoid(np.array([-3.0, 0, 3]))[1])[
        [0, 2]
    ].tolist() == [0, 0]


@pytest.mark.parametrize("how", [
    {"axis": -1}, {"axis": -1, "group_size": 16}, {"axis": -1, "symmetric": False},
    {"axis": -1, "grid": "lloyd_max"}, {},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_each_channel_errs_at_most_as_nearest_and_most_err_less(how, bits):
    w, x = problem()
    found = quantize(w, bits, rounding="adaround", calibration=x, **how)
    nearest = quantize(w, bits, **how)
    np.testing.assert_array_equal(found.scale, nearest.scale)
    ours, theirs = channel_errors(w, found, x), channel_errors(w, nearest, x)
    assert (ours <= theirs * (1 + 1e-5)).all()
    assert ours.sum() < 0.9 * theirs.sum()


def test_only_the_level_below_or_above():
    w, x = problem()
    w = np.clip(w, -2, 2)
    found = quantize(w, 4, axis=-1, rounding="adaround", calibration=x)
    position = w / found.scale
    assert (abs(found.codes - position) < 1 + 1e-5).all()
    assert (abs(found.codes - position) > 0.5 + 1e-5).any()


def test_most_of_what_the_best_of_all_roundings_would_gain():
    """Ten weights a channel: all 1024 ways are tried."""
    w, x = problem(10, 64)
    found = quantize(w, 3, axis=-1, rounding="adaround", calibration=x)
    low = np.floor(w / found.scale)
    ways = np.stack(np.meshgrid(*[[0, 1]] * 10), -1).reshape(-1, 10, 1)
    tried = np.clip(low + ways, -3, 3) * found.scale                       # (1024, 10, 64)
    best = np.square(x @ (w - tried)).sum(axis=1).min(axis=0)
    before = channel_errors(w, quantize(w, 3, axis=-1), x)
    gained = before - channel_errors(w, found, x)
    assert gained.sum() > 0.7 * (before - best).sum()


def test_the_weights_decide():
    w, x = problem()
    gram = (x.T @ x / 100).astype(np.float32)
    w = np.ascontiguousarray(w.T)
    low, step = np.floor(w), np.ones_like(w)
    unit = output_errors(np.rint(w) - w, gram).astype(np.float32)
    h = learned(low - w, step, gram, unit)
    assert (np.minimum(h, 1 - h) < 0.01).mean() > 0.95


@pytest.mark.parametrize("of_w, of_x", [(2.0**-100, 1), (2.0**100, 1), (1, 2.0**70), (1, 2.0**-70)])
def test_sizes_are_immaterial(of_w, of_x):
    w, x = problem()
    x_sized = x.astype(np.float64) * of_x
    found = quantize(w * np.float32(of_w), 3, axis=-1, rounding="adaround", calibration=x_sized)
    usual = quantize(w, 3, axis=-1, rounding="adaround", calibration=x)
    assert (found.codes == usual.codes).mean() > 0.99


def test_zeros_and_uncorrelated_inputs():
    w, x = problem()
    w[:, 3] = 0
    found = quantize(w, 3, axis=-1, rounding="adaround", calibration=x)
    assert not found.dense()[:, 3].any()
    nearest = quantize(w, 3, axis=-1)
    for alone in (np.eye(len(w)), np.zeros((2, len(w)))):
        found = quantize(w, 3, axis=-1, rounding="adaround", calibration=alone)
        np.testing.assert_array_equal(found.packed, nearest.packed)
