"""Networks of one bit, of three levels, and of random weights, trained so from the first step.

Each is a view with a grid and an objective; none has code of its own.
"""

import math
from functools import cache

import numpy as np
import pytest

from minilm.compression import quantize, straight_through
from minilm.compression.views import add_steps, learned_steps, quantize_with_steps
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import as_is, cross_entropy_loss, fit, warmup_cosine

SLOW = pytest.mark.slow
MODELS = {
    "lstm": LSTMLanguageModel(vocab_size=5, width=24),
    "transformer": TransformerLanguageModel(vocab_size=5, width=24, layers=1, heads=2, context=10),
}
by_model = pytest.mark.parametrize("kind", ["lstm", pytest.param("transformer", marks=SLOW)])
STEPS = 200
SCHEDULE = warmup_cosine(1e-2, warmup=20, steps=STEPS)
WAYS = {
    # Courbariaux et al. 2015, Rastegari et al. 2016: two signs times mean|w| of a channel
    "binary": (1, {}),
    # Li et al. 2016: −1, 0, 1 with the threshold and the scale nearest in squares
    "ternary": (2, {"objective": "twn"}),
    # Ma et al. 2024 (BitNet b1.58): −1, 0, 1 times mean|w| of the tensor
    "b1.58": (2, {"objective": "absmean", "axis": "tensor"}),
}


def batch(step):
    """Each number is the sum of the two before it, modulo 5; the first two are drawn."""
    tokens = np.random.default_rng(step).integers(0, 5, (16, 11)).astype(np.int32)
    for t in range(2, 11):
        tokens[:, t] = (tokens[:, t - 1] + tokens[:, t - 2]) % 5
    return tokens[:, :-1], tokens[:, 1:]


KNOWN_OPTIMUM = math.log(5) / 10  # of ten numbers the first cannot be known


def trained(kind, view=as_is, start=lambda params: params):
    model = MODELS[kind]
    params = start(model.init(0))
    return fit(model, params, batch, steps=STEPS, schedule=SCHEDULE, view=view)[0]


@cache
def trained_in_floats(kind):
    return trained(kind)


def loss_of(kind, params):
    total, _, count = cross_entropy_loss(MODELS[kind], params, batch(9999), None)
    return total / count


@by_model
@pytest.mark.parametrize("way", WAYS)
def test_trained_so_from_the_start_it_beats_rounding_at_the_end(kind, way):
    bits, how = WAYS[way]
    floats = trained_in_floats(kind)
    packed = quantize(trained(kind, straight_through(bits, **how)), bits, **how)
    levels = {1: {-1, 1}, 2: {-1, 0, 1}}[bits]
    for w in packed.values():
        if w.ndim == 2:
            assert set(np.unique(w.codes)) == levels
    afterwards = loss_of(kind, quantize(floats, bits, **how))
    assert KNOWN_OPTIMUM < loss_of(kind, floats) < 0.3
    assert loss_of(kind, packed) < 0.9 * afterwards
    assert loss_of(kind, packed) < 1.1  # log 5 = 1.61


@by_model
@pytest.mark.parametrize("bits", [1, 2])
def test_and_so_does_a_learned_step(kind, bits):
    params = trained(kind, learned_steps(bits), lambda params: add_steps(params, bits))
    packed = quantize_with_steps(params, bits)
    afterwards = quantize(trained_in_floats(kind), bits)
    assert loss_of(kind, packed) < 0.8 * loss_of(kind, afterwards)
