"""The integer Transformer: its walk, its state, and its context."""

import numpy as np
import pytest

from minilm.compression.quantization.integers.models import IntegerTransformer, integer_only
from minilm.compression.quantization.integers.models.codes import Ranges
from minilm.compression.quantization.integers.models.transformer_constants import walk
from minilm.models import TransformerLanguageModel


def test_the_walk_is_the_models_forward(transformer, example):
    params, tokens = example(transformer)
    ranges = Ranges()
    y, _ = transformer.forward(params, tokens)
    np.testing.assert_allclose(walk(transformer, params, tokens, ranges), y, atol=1e-6)
    assert ranges.ends["logits"] == (min(y.min(), 0), max(y.max(), 0))


@pytest.mark.parametrize("activation", ["exact_gelu", "relu"])
def test_activation_and_eps_are_the_models(activation, example):
    model = TransformerLanguageModel(
        13, width=16, layers=2, heads=4, context=10, activation=activation, norm_eps=2.0
    )
    params, tokens = example(model)
    y, _ = model.forward(params, tokens)
    np.testing.assert_allclose(walk(model, params, tokens, Ranges()), y, atol=1e-6)
    integers, integer_params = integer_only(model, params, [tokens])
    error = np.abs(integers.forward(integer_params, tokens)[0] - y).mean()
    assert error < 0.05 * y.std()


def test_a_state_keeps_codes_and_chosen_rows(transformer, example):
    params, tokens = example(transformer)
    integers, params = integer_only(transformer, params, [tokens])
    state = integers.forward(params, tokens, state=integers.fresh_state())[1]["state"]
    assert state.caches[0].keys.dtype == np.int8
    assert integers.chosen(state, np.array([1])).caches[0].keys.shape[0] == 1


def test_no_text_is_longer_than_the_context(transformer, example):
    params, tokens = example(transformer)
    integers, params = integer_only(transformer, params, [tokens])
    assert isinstance(integers, IntegerTransformer) and integers.context == 10
    with pytest.raises(ValueError, match="at most context=10 long, got 11"):
        integers.forward(params, np.zeros((1, 11), int))
