import math

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.inspection import (
    activation_change,
    activation_statistics,
    activations,
    statistics,
)
from minilm.weights import Recorder


def test_statistics_by_hand():
    x = np.array([[1, -4], [1, 0], [1, 0], [1, 0]], np.float32)
    s = statistics(x)
    assert (s["mean"], s["min"], s["max"], s["absmax"], s["zeros"]) == (0, -4, 1, 4, 3 / 8)
    assert s["std"] == pytest.approx(math.sqrt((4 + 16) / 8))
    assert s["kurtosis"] == pytest.approx((4 + 256) / 8 / 2.5**2)
    assert s["outlier"] == 4 / 2.5  # the median of the channels' 1 and 4
    assert all(type(value) is float for value in s.values())


def test_statistics_of_a_gaussian_and_of_nothing():
    s = statistics(np.random.default_rng(0).normal(2, 3, size=(20000, 5)))
    assert s["kurtosis"] == pytest.approx(3, abs=0.1)
    assert (s["mean"], s["std"]) == (pytest.approx(2, abs=0.05), pytest.approx(3, abs=0.05))
    s = statistics(np.full((3, 2), 5.0))
    assert s["std"] == 0 and math.isnan(s["kurtosis"]) and s["outlier"] == 1
    s = statistics(np.array([[0, 0, 1.0]]))
    assert s["outlier"] == math.inf
    assert math.isnan(statistics(np.zeros((2, 2)))["outlier"])
    with pytest.raises(ValueError, match="neither empty"):
        statistics(np.zeros((0, 3)))


def test_what_is_heard_is_what_a_recorder_sums_up(any_model):
    model, params, inputs = any_model
    recorders = {n: Recorder(w) if w.ndim == 2 else w for n, w in params.items()}
    model.forward(recorders, *inputs)
    heard = activations(model, params, *inputs)
    met = {n: r.inputs for n, r in recorders.items() if isinstance(r, Recorder)}
    met |= {f"{n}.T": r.outputs for n, r in recorders.items() if isinstance(r, Recorder)}
    assert {n for n, seen in met.items() if seen.count} == {n for n in heard if "[" not in n}
    for name, x in heard.items():
        if "[" not in name:
            assert len(x) == met[name].count
            np.testing.assert_array_equal(abs(x).max(axis=0), met[name].absmax)
            np.testing.assert_allclose(x.T @ x, met[name].gram, rtol=1e-4, atol=1e-4)


def test_tables_and_loops(lstm):
    model, params, (ids,) = lstm
    heard = activations(model, params, ids)
    assert list(heard) == [
        "token_embedding[ids]", "lstm.0.w_x", "lstm.0.w_h", "lstm.1.w_x", "lstm.1.w_h",
        "head.w_project", "token_embedding.T",
    ]  # fmt: skip
    rows = heard["token_embedding[ids]"]
    np.testing.assert_array_equal(rows, params["token_embedding"][ids].reshape(18, 4))
    steps = heard["lstm.1.w_h"].reshape(6, 3, 6)  # h_0 … h_5 of the three texts
    assert not steps[0].any()
    hidden = model.forward(params, ids)[1]["hidden"]
    np.testing.assert_allclose(steps[1:], hidden[:, :-1].transpose(1, 0, 2), rtol=1e-6)


def test_statistics_are_those_of_the_numbers_heard(any_model):
    model, params, inputs = any_model
    heard = activations(model, params, *inputs)
    for name, s in activation_statistics(model, params, *inputs).items():
        x = heard[name].astype(np.float64)
        channels = abs(x).max(axis=0)
        expected = [
            x.mean(), x.std(), x.min(), x.max(), abs(x).max(), (x == 0).mean(),
            ((x - x.mean()) ** 4).mean() / x.var() ** 2, channels.max() / np.median(channels),
        ]  # fmt: skip
        np.testing.assert_allclose(list(s.values()), expected, rtol=1e-9)


def test_nothing_moves_where_nothing_changes_and_more_with_fewer_bits(any_model):
    model, params, inputs = any_model
    same = activation_change(model, params, params, *inputs)
    assert all(c == {"error": 0.0, "cosine": 1.0} for c in same.values())
    last = list(same)[-1]  # what the head reads has passed all other weights
    errors, cosines = [], []
    for bits in (8, 4, 2):
        moved = activation_change(model, params, quantize(params, bits=bits), *inputs)
        errors.append(moved[last]["error"])
        cosines.append(moved[last]["cosine"])
    assert 0 < errors[0] < errors[1] < errors[2]
    assert 1 > cosines[0] > cosines[1] > cosines[2]


def test_a_weight_s_own_error_shows_behind_it(transformer):
    model, params, (ids,) = transformer
    name = "block.0.feed_forward.w_down"
    moved = activation_change(model, params, params | {name: 2 * params[name]}, ids)
    names = list(moved)
    errors = np.array([moved[n]["error"] for n in names])
    behind = names.index(name) + 1
    assert not errors[:behind].any()
    assert (errors[behind:] > 0).all()


def test_change_by_hand_and_in_float64(transformer):
    model, params, (ids,) = transformer
    exact = {name: p.astype(np.float64) for name, p in params.items()}
    table = exact["token_embedding"].copy()
    table[:, 0] = 0
    moved = activation_change(model, exact, exact | {"token_embedding": table}, ids)
    rows = exact["token_embedding"][ids]
    share = np.linalg.norm(rows[..., 0]) / np.linalg.norm(rows)
    expected = {"error": share, "cosine": math.sqrt(1 - share**2)}
    assert moved["token_embedding[ids]"] == pytest.approx(expected, rel=1e-12)
    rounded = activation_change(model, exact, params, ids)
    assert all(c["error"] < 1e-6 and c["cosine"] > 1 - 1e-12 for c in rounded.values())


def test_other_widths_are_refused(transformer):
    model, params, (ids,) = transformer
    narrow = {
        "block.1.feed_forward.w_up": params["block.1.feed_forward.w_up"][:, :8],
        "block.1.feed_forward.b_up": params["block.1.feed_forward.b_up"][:8],
        "block.1.feed_forward.w_down": params["block.1.feed_forward.w_down"][:8],
    }
    with pytest.raises(ValueError, match=r"block.1.feed_forward.w_down must meet x .*\(18, 32\)"):
        activation_change(model, params, params | narrow, ids)
