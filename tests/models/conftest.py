"""What the tests of the models share: other openings of a model, to check as a whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minilm.nn import IGNORED, attention, attention_weights


class ReadsHidden:
    """A model whose output is its hidden state, so that `dhidden` can be checked as a gradient."""

    def __init__(self, model):
        self.model = model

    def forward(self, params, tokens, **options):
        logits, cache = self.model.forward(params, tokens, **options)
        return cache["hidden"], (np.zeros_like(logits), cache)

    def backward(self, dhidden, cache):
        return self.model.backward(*cache, dhidden=dhidden)


class OfPairs:
    """A model whose `tokens` are (source, target_inputs), as check_model_gradient gives one."""

    def __init__(self, model):
        self.model = model
        self.backward = model.backward

    def forward(self, params, tokens, **options):
        return self.model.forward(params, *tokens, **options)


@pytest.fixture
def reads_hidden() -> Callable[[Any], ReadsHidden]:
    return ReadsHidden


@pytest.fixture
def of_pairs() -> Callable[[Any], OfPairs]:
    return OfPairs


@pytest.fixture
def maps_of() -> Callable[..., list[np.ndarray]]:
    """maps_of(model, *inputs): every attention's weights, in order; to look changes no logit."""

    def look(model, *inputs):
        maps = []

        def attend(q, k, v, mask):
            maps.append(attention_weights(q, k, mask))
            return attention(q, k, v, mask)

        params = model.init(0)
        logits, _ = model.forward(params, *inputs, attend=attend)
        np.testing.assert_array_equal(logits, model.forward(params, *inputs)[0])
        return maps

    return look


@pytest.fixture
def reversals() -> Callable[..., Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """reversals(longest, rows): batches of strings of 2 to `longest` digits 1 … 8, to be written
    backwards; 0 fills up a source, 9 begins a target and ends it."""

    def of(longest, rows):
        def batch(step, rows=rows):
            rng = np.random.default_rng([1, step])
            source = np.zeros((rows, longest), int)
            target_inputs = np.full((rows, longest + 1), 9)
            targets = np.full((rows, longest + 1), IGNORED)
            for row, length in enumerate(rng.integers(2, longest + 1, size=rows)):
                source[row, :length] = digits = rng.integers(1, 9, size=length)
                target_inputs[row, 1 : length + 1] = digits[::-1]
                targets[row, :length], targets[row, length] = digits[::-1], 9
            return source, target_inputs, targets

        return batch

    return of
