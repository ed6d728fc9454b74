"""Trained models in integers predict as well as in floats: that is what all of it is for."""

import numpy as np
import pytest

from minilm import fit, quantize
from minilm.compression.quantization.integers.models import integer_only
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.text import windows
from minilm.training import evaluate

V = 16
MODELS = [
    LSTMLanguageModel(V, width=48, embedding_width=16),
    TransformerLanguageModel(V, width=32, layers=2, heads=2, context=24),
]


def text(length, seed):
    """A Markov chain: after a token come three others, at 60, 30 and 10 %."""
    rng = np.random.default_rng(seed)
    follows = np.random.default_rng(0).integers(V, size=(V, V, 3))
    tokens = [0, 1]
    for choice in rng.choice(3, size=length, p=[0.6, 0.3, 0.1]):
        tokens.append(int(follows[tokens[-2], tokens[-1], choice]))
    return np.array(tokens)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=["LSTM", "Transformer"])
def test_the_loss_of_a_trained_model_within_a_hundredth(model):
    train, held_out = text(20_000, seed=1), text(4_000, seed=2)
    batches = windows(train, 16, 24, seed=0)
    params, _ = fit(model, model.init(0), batches, steps=400)
    before = evaluate(model, model.init(0), held_out)
    loss = evaluate(model, params, held_out)
    assert loss < before - 0.5  # it has learned something that could be lost
    integers, whole = integer_only(model, params, [batches(step) for step in range(4)])
    assert abs(evaluate(integers, whole, held_out) - loss) < 0.01
    integers, whole = integer_only(model, quantize(params, 3), [batches(0)])
    assert evaluate(integers, whole, held_out) > loss + 0.01  # the measure tells a bad one
