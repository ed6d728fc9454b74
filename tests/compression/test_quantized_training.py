import math

import numpy as np
import pytest

from minilm.compression import dequantize, quantize, straight_through
from minilm.compression.quantized_training import train_quantized
from minilm.models import LSTMLanguageModel, LSTMRegressor
from minilm.training import AdamW, squared_error_loss, warmup_cosine

REGRESSOR = LSTMRegressor()  # 128 units, 10 numbers a step
DIRECTION = np.random.default_rng(9).standard_normal(10).astype(np.float32) / 10


def sequences(step):
    """(10, 10) real inputs, and how far they go in one direction, all steps together."""
    x = np.random.default_rng(step).standard_normal((32, 10, 10)).astype(np.float32)
    return x, (x @ DIRECTION).sum(axis=1, keepdims=True)


def error_of(params):
    total, _, count = squared_error_loss(REGRESSOR, params, sequences(10**6), None)
    return total / count


@pytest.fixture(scope="module")
def stages():
    return train_quantized(
        REGRESSOR, REGRESSOR.init(0), sequences, 2, steps=120, loss=squared_error_loss,
        optimizer=AdamW(weight_decay=0), schedule=warmup_cosine(5e-3, warmup=10, steps=120),
        tuning={"steps": 60, "schedule": warmup_cosine(3e-3, warmup=6, steps=60)},
    )  # fmt: skip


def test_the_sequence_train_quantize_train_dequantize_predict(stages):
    assert len(stages.history) == 180
    trained, rounded, packed = map(error_of, stages[:3])
    assert trained < 0.1 < 0.5 < error_of(REGRESSOR.init(0))
    assert rounded > 5 * trained
    assert packed < (trained + rounded) / 2
    x, _ = sequences(5)
    y, _ = REGRESSOR.forward(stages.restored, x)
    assert all(isinstance(w, np.ndarray) for w in stages.restored.values())
    np.testing.assert_array_equal(y, REGRESSOR.forward(stages.packed, x)[0])


def test_the_second_training_begins_with_what_was_quantized(stages):
    seen, _ = straight_through(2)(stages.trained, 0)
    for name in ("lstm.w_x", "lstm.w_h", "head.w"):
        np.testing.assert_array_equal(seen[name], stages.rounded[name].dense())
    total, _, count = squared_error_loss(REGRESSOR, seen, sequences(0), None)
    assert stages.history[120]["loss"] == pytest.approx(total / count, rel=1e-5)


def test_quantize_of_the_regressor_at_every_width(stages):
    error = {bits: error_of(quantize(stages.trained, bits)) for bits in (2, 3, 4, 8)}
    assert error[2] > 5 * error[3]
    assert error[3] > error[8]
    for bits, nearness in ((4, 0.2), (8, 0.02)):
        assert error[bits] == pytest.approx(error_of(stages.trained), rel=nearness)
    packed = quantize(stages.trained, 4)
    assert packed["lstm.w_h"].nbytes == 128 * 512 // 2 + 4 * 512
    restored = dequantize(packed)
    step = packed["lstm.w_h"].scale
    assert (np.abs(restored["lstm.w_h"] - stages.trained["lstm.w_h"]) <= 0.5001 * step).all()


def test_other_grids_other_models_and_checkpoints(tmp_path):
    model = LSTMLanguageModel(vocab_size=7, width=8)

    def batch(step):
        tokens = np.random.default_rng(step).integers(0, 7, (4, 6))
        return tokens[:, :-1], tokens[:, 1:]

    paths = {"checkpoint": tmp_path / "one.npz", "tuning": {"checkpoint": tmp_path / "two.npz"}}
    how = {"symmetric": False, "group_size": 4}
    bits = {"lstm.0.w_h": 3, "lstm.0.w_x": 2}
    first = train_quantized(model, model.init(0), batch, bits, steps=4, how=how, **paths)
    second = train_quantized(model, model.init(0), batch, bits, steps=4, how=how, **paths)
    assert first.packed["lstm.0.w_h"].bits == 3
    assert first.packed["lstm.0.w_h"].group_size == 4
    assert isinstance(first.packed["token_embedding"], np.ndarray)
    for name, w in first.restored.items():
        np.testing.assert_array_equal(w, second.restored[name])
    assert math.isfinite(first.history[-1]["loss"])
    with pytest.raises(ValueError, match="checkpoint of its own"):
        train_quantized(model, model.init(0), batch, 4, steps=2, checkpoint=tmp_path / "a.npz")


def test_settings_are_refused_before_any_training(monkeypatch):
    monkeypatch.setattr("minilm.compression.quantized_training.fit", fit_must_not_run)
    with pytest.raises(ValueError, match="bits"):
        train_quantized(REGRESSOR, REGRESSOR.init(0), sequences, 0, steps=5)


def fit_must_not_run(*_, **__):
    raise AssertionError("trained before the settings were checked")
