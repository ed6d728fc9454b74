"""The peak memory of a training step, held against what the step cannot do without.

**Activations** are the bytes of all distinct arrays that the backward pass can reach: those of the
forward's cache, the logits, and the loss's cache, without the parameters. **Parameters** are their
own bytes P, of which training with AdamW holds five: the parameters, their gradients, the two means
of each, and the gradients as the backward pass returns them, before they are put in their places.

    peak of a step  <=  a · activations + b · parameters

a is what a pass backwards makes on its way, b is 5 and a little. Both are tried where activations
are nearly everything (many tokens, a narrow model) and where parameters are (few tokens, a wide
one), so that one more copy of either fails. How many numbers the activations themselves are is told
by the widths of the network, so that a cache that keeps more than it did fails too.

tracemalloc sees every array of NumPy. What the caller holds is not counted: the parameters given to
`fit` and the batch.
"""

import tracemalloc

import numpy as np
import pytest

from minilm import LSTMLanguageModel, TransformerLanguageModel, fit
from minilm.nn import cross_entropy

V, H = 65, 4  # vocabulary, heads
MANY, FEW = (32, 64), (2, 4)  # B, T

# a model whose activations count, one whose parameters count; a and b
LIMITS = {
    "Transformer": (
        TransformerLanguageModel(V, width=64, layers=4, heads=H, context=64),
        TransformerLanguageModel(V, width=256, layers=4, heads=H, context=64),
        1.2, 5.1,
    ),
    "LSTM": (
        LSTMLanguageModel(V, width=64, layers=2),
        LSTMLanguageModel(V, width=256, layers=2),
        1.5, 5.3,  # the loop backwards makes the transpose of one w_h
    ),
}  # fmt: skip
each = pytest.mark.parametrize("name", LIMITS)


def ids(shape):
    B, T = shape
    both = np.random.default_rng(0).integers(V, size=(B, T + 1), dtype=np.int32)
    return both[:, :-1], both[:, 1:]


def buffer(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def activations(model, params, batch, arrays_in):
    """Bytes, each buffer once, of what stands between the forward pass and the backward pass."""
    logits, cache = model.forward(params, batch[0])
    _, loss_cache = cross_entropy(logits, batch[1])
    kept = map(buffer, arrays_in([logits, cache, loss_cache]))
    weights = {id(weight) for weight in params.values()}
    return sum({id(a): a.nbytes for a in kept if id(a) not in weights}.values())


def peak_of_a_step(model, params, batch, workers=1):
    """The most bytes held during the third step of a run: the optimizer's state is there."""
    peaks = []

    def batches(step):
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
        return batch

    tracemalloc.start()
    try:
        fit(model, params, batches, steps=4, clip_norm=0.01, workers=workers)
    finally:
        tracemalloc.stop()
    return peaks[3]


@each
@pytest.mark.parametrize("shape", [MANY, FEW])
def test_peak(name, shape, arrays_in):
    narrow, wide, a, b = LIMITS[name]
    model, batch = (narrow if shape == MANY else wide), ids(shape)
    params = model.init(0)
    held = activations(model, params, batch, arrays_in)
    own = sum(weight.nbytes for weight in params.values())
    assert (held > 10 * own) if shape == MANY else (held < own / 10)
    assert peak_of_a_step(model, params, batch) <= a * held + b * own


@each
def test_peak_with_two_workers(name):
    """Each half of the batch has gradients, and so has their sum: two P more."""
    _, model, _, b = LIMITS[name]
    params = model.init(0)
    own = sum(weight.nbytes for weight in params.values())
    assert peak_of_a_step(model, params, ids(FEW), workers=2) <= (b + 2.1) * own


@each
def test_activations(name, arrays_in):
    """At most these numbers are kept for each token; D is the width, F that of feed-forward."""
    model, _, _, _ = LIMITS[name]
    batch, D, F, T = ids(MANY), 64, 256, MANY[1]
    if name == "Transformer":
        look = 2 * D + 3 * D + H * T + 2 * D  # norm and its output; q, k, v; e^scores; the means
        #                                       of v, by head and side by side
        think = 2 * D + 3 * F  # norm and its output; before GELU, its gate, after it
        numbers = model.layers * (look + think) + 2 * D
    else:
        numbers = D + model.layers * (4 * D + 3 * D)  # x; gates; h, c and tanh(c) of each layer
    numbers += 2 * V  # logits, and their exponentials
    expected = 4 * numbers * batch[0].size
    held = activations(model, model.init(0), batch, arrays_in)
    assert held < 1.02 * expected
