import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.generation import (
    Sampling,
    generate,
    likeliest,
    next_token_probabilities,
    stream,
)
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.weights import Diagonal, Product

V = 9
LSTM = LSTMLanguageModel(V, width=8, layers=2)
TRANSFORMER = TransformerLanguageModel(V, width=8, layers=1, heads=2, context=4)
MODELS = [LSTM, TRANSFORMER]
LOGITS = np.log([0.1, 0.4, 0.2, 0.3])


# ---- what is drawn from


def test_temperature_by_hand():
    np.testing.assert_allclose(next_token_probabilities(LOGITS, 1.0), [0.1, 0.4, 0.2, 0.3])
    squared = np.array([0.01, 0.16, 0.04, 0.09]) / 0.3
    np.testing.assert_allclose(next_token_probabilities(LOGITS, 0.5), squared)
    np.testing.assert_allclose(next_token_probabilities(LOGITS, 1e-9), [0, 1, 0, 0])
    np.testing.assert_allclose(next_token_probabilities(LOGITS, 1e9), [0.25] * 4)


def test_top_p_keeps_no_more_than_it_needs():
    logits = np.array([1.0, 0.0, 0.0]) * np.log(2)  # ½, ¼, ¼: the first alone has ½
    assert next_token_probabilities(logits, 1.0, top_p=0.5).tolist() == [1, 0, 0]


def test_top_k_and_top_p_by_hand():
    np.testing.assert_allclose(next_token_probabilities(LOGITS, 1.0, 2), [0, 4 / 7, 0, 3 / 7])
    np.testing.assert_allclose(next_token_probabilities(LOGITS, 1.0, None, 0.39), [0, 1, 0, 0])
    np.testing.assert_allclose(
        next_token_probabilities(LOGITS, 1.0, None, 0.6), [0, 4 / 7, 0, 3 / 7]
    )
    np.testing.assert_allclose(  # top-p of what top-k left: 4/7 alone is enough
        next_token_probabilities(LOGITS, 1.0, 2, 0.5), [0, 1, 0, 0]
    )


@given(
    logits=st.lists(st.floats(-50, 50), min_size=1, max_size=20),
    temperature=st.floats(0.05, 20),
    k=st.integers(1, 25),
    p=st.floats(0.01, 1),
)
def test_supports(logits, temperature, k, p):
    full = next_token_probabilities(np.array(logits), temperature)
    by_k = next_token_probabilities(np.array(logits), temperature, k)
    by_p = next_token_probabilities(np.array(logits), temperature, None, p)
    for probabilities in (full, by_k, by_p):
        assert probabilities.sum() == pytest.approx(1)
        assert probabilities[np.argmax(logits)] == probabilities.max()
    assert np.count_nonzero(by_k) <= k
    kept = by_p > 0
    assert full[kept].sum() >= p - 1e-9  # enough
    assert full[kept].sum() - full[kept].min() < p + 1e-9  # and not one more than needed
    assert full[kept].min() >= full[~kept].max(initial=0)


def test_of_equal_logits_the_lower_ids_are_kept_first():
    logits = np.array([0.0, 1, 0, 1, 1, 0])
    assert likeliest(logits, 4).tolist() == [1, 3, 4, 0]
    assert likeliest(logits, 2).tolist() == [1, 3]
    assert likeliest(logits, 6).tolist() == [1, 3, 4, 0, 2, 5]
    e = math.e
    p = np.array([1, e, 0, e, e, 0]) / (1 + 3 * e)
    np.testing.assert_allclose(next_token_probabilities(logits, 1.0, 4), p)
    p = [0, 1 / 2, 0, 1 / 2, 0, 0]  # the likeliest two of these four hold 0.59 of them
    np.testing.assert_allclose(next_token_probabilities(logits, 1.0, 4, 0.5), p)


def test_exactly_k_of_equal_logits():
    np.testing.assert_allclose(next_token_probabilities(np.zeros(5), 1.0, 3), [1 / 3] * 3 + [0] * 2)


# ---- generation


def window_of(model, text):
    """What a model reads of a text that began with three tokens; TRANSFORMER has four places."""
    return text if model is LSTM else text[{3: 0, 4: 0, 5: 3, 6: 3, 7: 3, 8: 6}[len(text)] :]


@pytest.mark.parametrize("model", MODELS)
def test_each_token_is_read_once_until_the_window_is_full(model, monkeypatch):
    read, logits = [], []
    forward = type(model).forward

    def watched(self, params, tokens, **how):
        answer, cache = forward(self, params, tokens, **how)
        read.append(tokens[0].tolist())
        logits.append(answer[0, -1])
        return answer, cache

    monkeypatch.setattr(type(model), "forward", watched)
    params = {name: 3 * p for name, p in model.init(0).items()}
    ids = generate(model, params, [1, 2, 3], 6, rng=np.random.default_rng(0))
    text = [1, 2, 3, *ids.tolist()]
    pieces = {LSTM: [3, 1, 1, 1, 1, 1], TRANSFORMER: [3, 1, 2, 1, 1, 2]}[model]
    assert read == [text[: 3 + i][-length:] for i, length in enumerate(pieces)]
    for i, of_next in enumerate(logits):
        expected, _ = forward(model, params, np.array([window_of(model, text[: 3 + i])]))
        np.testing.assert_allclose(of_next, expected[0, -1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_greedy_takes_the_likeliest_and_needs_no_rng(model):
    params = model.init(0)
    ids = generate(model, params, [1, 2, 3], 6, temperature=0)
    assert ids.dtype == np.int32
    text = [1, 2, 3]
    for new in ids:
        logits, _ = model.forward(params, np.array([window_of(model, text)]))
        assert new == np.argmax(logits[0, -1])
        text.append(new)
    np.testing.assert_array_equal(ids, generate(model, params, [1, 2, 3], 6, temperature=0))
    np.testing.assert_array_equal(
        ids, generate(model, params, [1, 2, 3], 6, top_k=1, rng=np.random.default_rng(0))
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_same_rng_gives_the_same_text(model):
    params = model.init(0)
    texts = [
        generate(model, params, [0], 30, rng=np.random.default_rng(seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_draws_follow_the_probabilities():
    """Bigram frequencies of a long text against the model that wrote it (context of one token)."""
    model = TransformerLanguageModel(3, width=4, layers=1, heads=1, context=1)
    params = {name: 2 * p for name, p in model.init(1).items()}
    text = generate(model, params, [0], 1500, rng=np.random.default_rng(0))
    logits, _ = model.forward(params, np.array([[0], [1], [2]]))
    for token in range(3):
        after = np.bincount(text[1:][text[:-1] == token], minlength=3)
        expected = next_token_probabilities(logits[token, 0], 1.0)
        deviation = np.sqrt(expected * (1 - expected) / after.sum())
        assert (np.abs(after / after.sum() - expected) < 4 * deviation).all()


def test_length_zero_and_a_prompt_longer_than_the_context():
    params = TRANSFORMER.init(0)
    assert generate(TRANSFORMER, params, [1], 0, temperature=0).shape == (0,)
    long, short = (
        generate(TRANSFORMER, params, prompt, 3, temperature=0)
        for prompt in ([5, 5, 5, 1, 2, 3, 4], [1, 2, 3, 4])
    )
    np.testing.assert_array_equal(long, short)


def test_compressed_weights_are_thawed_unless_asked_not_to(monkeypatch):
    params = LSTM.init(0)
    one = Diagonal(np.ones(8, np.float32))
    packed = {**params, "lstm.1.w_x": Product(one, params["lstm.1.w_x"])}
    expected = generate(LSTM, params, [1], 8, temperature=0)
    seen = []
    forward = LSTMLanguageModel.forward

    def watched(self, params, tokens, **how):
        seen.append(type(params["lstm.1.w_x"]))
        return forward(self, params, tokens, **how)

    monkeypatch.setattr(LSTMLanguageModel, "forward", watched)
    for how, kind in (({}, np.ndarray), ({"packed": True}, Product)):
        seen.clear()
        ids = generate(LSTM, packed, [1], 8, temperature=0, **how)
        np.testing.assert_array_equal(ids, expected)
        assert set(seen) == {kind}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prompt_ids": []}, "prompt_ids"),
        ({"prompt_ids": [[1]]}, "prompt_ids"),
        ({"prompt_ids": [1, V]}, f"prompt_ids must be in 0 … {V - 1}, got {V}"),
        ({"prompt_ids": [-1]}, "prompt_ids"),
        ({"length": -1}, "length"),
        ({"temperature": -0.5}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"rng": None}, "rng"),
    ],
)
def test_bad_input_is_refused_by_name(settings, named):
    arguments = {"prompt_ids": [1], "length": 3, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=named):
        generate(LSTM, LSTM.init(0), **{**arguments, **settings})


def test_a_prompt_that_is_not_integers_is_refused():
    with pytest.raises(TypeError, match="prompt_ids"):
        generate(LSTM, LSTM.init(0), [1.0], 3, temperature=0)


def test_parameters_that_are_not_finite_are_noticed():
    params = {**LSTM.init(0), "head.b": np.full(V, np.nan, np.float32)}
    with pytest.raises(FloatingPointError, match="logits"):
        generate(LSTM, params, [1], 3, temperature=0)


@pytest.mark.parametrize("drawn, token", [(0.0, 1), (1 - 2**-53, 3)])
def test_the_ends_of_what_can_be_drawn(drawn, token):
    class Fixed(np.random.Generator):
        def random(self):
            return drawn

    rng = Fixed(np.random.PCG64(0))
    logits = np.array([-np.inf, 0, 1, 2, -np.inf], np.float32)
    logits[[0, 4]] = -1e30  # of no probability at all: never drawn
    assert Sampling().draw(logits, rng) == token


# ---- streaming


@pytest.mark.parametrize("model", MODELS)
def test_ids_come_one_by_one_and_no_more_is_computed_than_was_asked_for(model, monkeypatch):
    params = model.init(0)
    expected = generate(model, params, [1, 2], 6, rng=np.random.default_rng(0)).tolist()
    passes = []
    forward = type(model).forward
    monkeypatch.setattr(
        type(model), "forward", lambda *a, **how: passes.append(0) or forward(*a, **how)
    )
    ids = stream(model, params, [1, 2], 6, rng=np.random.default_rng(0))
    for i, expected_id in enumerate(expected):
        assert len(passes) == i
        new = next(ids)
        assert new == expected_id and type(new) is int
    assert next(ids, None) is None


def test_bad_input_is_refused_before_the_first_id_is_asked_for():
    for bad in ({"prompt_ids": []}, {"length": -1}, {"top_k": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            stream(LSTM, LSTM.init(0), **{"prompt_ids": [1], "length": 1, **bad}, temperature=0)


@pytest.mark.parametrize("model", MODELS)
def test_a_text_is_over_after_its_end_token(model):
    params = {name: 3 * p for name, p in model.init(0).items()}
    full = generate(model, params, [1, 2], 12, rng=np.random.default_rng(0)).tolist()
    for end in range(V):
        ids = generate(model, params, [1, 2], 12, end=end, rng=np.random.default_rng(0))
        assert ids.tolist() == full[: full.index(end) + 1 if end in full else 12]
    with pytest.raises(ValueError, match=f"end must be an id in 0 … {V - 1}, got {V}"):
        generate(model, params, [1], 3, end=V, temperature=0)


def test_a_setting_that_there_is_not_is_refused_by_name():
    with pytest.raises(TypeError, match="temprature"):
        generate(LSTM, LSTM.init(0), [1], 3, temprature=0)
