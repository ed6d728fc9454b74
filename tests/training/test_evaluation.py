from itertools import pairwise

import numpy as np
import pytest

from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.nn import IGNORED, cross_entropy
from minilm.training import evaluate

V = 7
TOKENS = np.random.default_rng(0).integers(V, size=150)
LSTM = LSTMLanguageModel(V, width=5, layers=2)
TRANSFORMER = TransformerLanguageModel(V, width=8, layers=1, heads=2, context=6)


def one_token_at_a_time(params, tokens):
    """Summed loss of the LSTM, the naive way."""
    total, state = 0.0, None
    for now, after in pairwise(tokens):
        logits, cache = LSTM.forward(params, np.array([[now]]), state=state)
        state = cache["state"]
        total += cross_entropy(logits[0, 0], np.array(after))[0]
    return total


@pytest.mark.parametrize("count", [2, 3, 64, 65, 66, 150])
def test_the_lstm_is_scored_as_by_reading_one_token_at_a_time(count):
    params, tokens = LSTM.init(0), TOKENS[:count]
    expected = one_token_at_a_time(params, tokens) / (count - 1)
    assert evaluate(LSTM, params, tokens, batch_size=1) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("streams", [2, 4, 7, 200])
def test_streams_are_contiguous_and_cover_every_token(streams):
    params = LSTM.init(0)
    length = -(-149 // streams)
    starts = range(0, 149, length)
    expected = sum(one_token_at_a_time(params, TOKENS[s : s + length + 1]) for s in starts) / 149
    assert evaluate(LSTM, params, TOKENS, batch_size=streams) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("context", [1, 2, 3, 5, 6, 64])
@pytest.mark.parametrize("count", [2, 3, 6, 7, 8, 9, 13, 150])
def test_the_transformer_is_scored_once_a_token_with_half_a_context_before_it(
    context, count, monkeypatch
):
    seen_before = {}

    class Positions:
        """A model of tokens that are positions: its logits show them to the loss below."""

        def forward(self, params, tokens, *, state=None, rng=None):
            return np.broadcast_to(tokens[..., None], (*tokens.shape, 2)), {"state": None}

    def recorded(logits, targets):
        for window, scored in zip(logits[..., 0], targets, strict=True):
            for place in np.flatnonzero(scored != IGNORED):
                assert scored[place] == window[place] + 1  # the next token is the target
                assert scored[place] not in seen_before  # only once
                seen_before[scored[place]] = place + 1
        return 0.0, None

    monkeypatch.setattr("minilm.training.evaluation.cross_entropy", recorded)
    model = Positions()
    model.context = context
    evaluate(model, {}, np.arange(count), batch_size=4)
    assert sorted(seen_before) == list(range(1, count))
    for position, before in seen_before.items():
        assert before >= min(position, context // 2 + context % 2)


def test_the_transformer_within_one_window_is_its_cross_entropy():
    params, tokens = TRANSFORMER.init(0), TOKENS[:7]
    logits, _ = TRANSFORMER.forward(params, tokens[None, :-1])
    expected = cross_entropy(logits, tokens[None, 1:])[0]
    assert evaluate(TRANSFORMER, params, tokens) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("model", [LSTM, TRANSFORMER])
def test_limit_scores_the_first_tokens_only(model):
    params = model.init(0)
    limited = evaluate(model, params, TOKENS, limit=20)
    assert limited == evaluate(model, params, TOKENS[:21])
    assert evaluate(model, params, TOKENS, limit=10**6) == evaluate(model, params, TOKENS)


def test_bad_input_is_refused_by_name():
    params = LSTM.init(0)
    for tokens in ([], [1], [[1, 2]]):
        with pytest.raises(ValueError, match="tokens"):
            evaluate(LSTM, params, np.array(tokens, dtype=int))
    with pytest.raises(TypeError, match="tokens"):
        evaluate(LSTM, params, np.array([0.0, 1.0]))
    for setting in ("batch_size", "limit"):
        with pytest.raises(ValueError, match=setting):
            evaluate(LSTM, params, TOKENS, **{setting: 0})
