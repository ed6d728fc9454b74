"""What the tests of the models share: other openings of a model, to check as a whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


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
