"""Weights, activations, gradients and the optimizer's state in few bits, all in one training."""

import numpy as np
import pytest

from minilm.compression import (
    AdamW8bit,
    QuantizedGradients,
    adamw_8bit,
    add_clips,
    add_steps,
    calibrate,
    clip_inputs,
    compose,
    learned_clips,
    learned_steps,
    quantize_with_steps,
)
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import cross_entropy_loss, fit, warmup_cosine
from minilm.weights import load, save

MODELS = [
    LSTMLanguageModel(vocab_size=7, width=16),
    TransformerLanguageModel(vocab_size=7, width=16, layers=1, heads=2, context=8),
]


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


@pytest.mark.parametrize(
    "model", [MODELS[0], pytest.param(MODELS[1], marks=pytest.mark.slow)],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_a_model_learns_with_everything_in_few_bits(model, tmp_path, monkeypatch):
    monkeypatch.setattr(adamw_8bit, "SMALL", 200)
    fresh = model.init(0)
    start = add_clips(add_steps(fresh, 3), calibrate(model, fresh, [batch(0)[0]]))
    how = {
        "view": compose(learned_steps(3), learned_clips(4)),
        "optimizer": QuantizedGradients(AdamW8bit(), bits=4),
        "schedule": warmup_cosine(1e-2, warmup=10, steps=100),
    }
    whole, history = fit(model, start, batch, steps=100, **how)
    assert history[0]["loss"] > 1.8  # log 7 = 1.95
    packed = clip_inputs(quantize_with_steps(whole, 3), 4)
    save(tmp_path / "packed.npz", packed)
    packed = load(tmp_path / "packed.npz")
    total, _, count = cross_entropy_loss(model, packed, batch(999), None)
    assert total / count < 0.3
    seen, _ = how["view"](whole, 100)
    expected, _, _ = cross_entropy_loss(model, seen, batch(999), None)
    assert total == pytest.approx(expected, rel=1e-3)
    for steps in (60, 100):
        resumed, _ = fit(model, start, batch, steps=steps, checkpoint=tmp_path / "run", **how)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
