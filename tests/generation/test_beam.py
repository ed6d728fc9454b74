"""Beam search against greedy search, exhaustive search, and the whole text read at once."""

import math
from itertools import product

import numpy as np
import pytest

from minilm.generation import beam_search, generate, length_penalty
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.weights import Diagonal, Product

V = 5
MODELS = {
    "lstm": LSTMLanguageModel(V, width=8, layers=2),
    "transformer": TransformerLanguageModel(V, width=8, layers=2, heads=2, context=12),
    "short context": TransformerLanguageModel(V, width=8, layers=2, heads=2, context=4),
}
by_model = pytest.mark.parametrize("name", MODELS)


def sharp(model, seed=0):
    """Parameters of a model with opinions: fresh ones find everything about equally likely."""
    return {name: 3 * p for name, p in model.init(seed).items()}


def log_probability(model, params, prompt, ids):
    """log p(ids | prompt), each token from all that the model sees before it, read at once."""
    text, total, start = [*prompt, *ids], 0.0, 0
    context = getattr(model, "context", len(text))
    for end in range(len(prompt), len(text)):
        if end - start > context:
            start = end - context // 2
        logits, _ = model.forward(params, np.array([text[start:end]]))
        z = logits[0, -1].astype(np.float64)
        total += z[text[end]] - np.log(np.exp(z).sum())
    return total


class Bigrams:
    """A language model that is its table: p(next | last)."""

    def fresh_state(self):
        return None

    def chosen(self, state, rows):
        return None

    def forward(self, params, tokens, *, state=None, rng=None):
        return np.log(params["token_embedding"])[tokens], {"state": None}


def bigrams(rows):
    return Bigrams(), {"token_embedding": np.maximum(np.array(rows), 1e-9)}


def found(*arguments, **how):
    return [hypothesis.ids.tolist() for hypothesis in beam_search(*arguments, **how)]


# ---- by hand


def test_two_beams_find_what_one_does_not():
    rows = [[0, 0.6, 0.4, 0], [0, 0.3, 0.3, 0.4], [0, 0.1, 0, 0.9], [0.25] * 4]
    model, params = bigrams(rows)
    assert found(model, params, [0], 2, beams=1) == [[1, 3]]
    best, second = beam_search(model, params, [0], 2, beams=2, alpha=0)
    assert best.ids.tolist() == [2, 3] and best.ids.dtype == np.int32
    assert best.log_probability == best.score == pytest.approx(math.log(0.36))
    assert second.ids.tolist() == [1, 3]
    assert second.log_probability == pytest.approx(math.log(0.24))


def test_the_length_penalty_by_hand():
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(7, 1) == pytest.approx(2)
    assert length_penalty(19, 0.5) == pytest.approx(2)
    assert length_penalty(19, 0) == 1
    model, params = bigrams([[0.5, 0.5], [0.9, 0.1]])  # 0 ends: [0] has ½, [1, 0] has 0.45
    assert found(model, params, [0], 2, beams=2, end=0, alpha=0) == [[0], [1, 0]]
    longest, short = beam_search(model, params, [0], 2, beams=2, end=0, alpha=1)
    assert longest.ids.tolist() == [1, 0] and short.ids.tolist() == [0]
    assert longest.log_probability == pytest.approx(math.log(0.45))
    assert longest.score == pytest.approx(math.log(0.45) / (7 / 6))


def test_an_ended_text_keeps_its_place():
    """Of two places [0] takes one at once, so of [1, …] one goes on and [2, …] is never read."""
    model, params = bigrams([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [1, 0, 0]])
    assert found(model, params, [0], 3, beams=2, end=0, alpha=0) == [[0], [1, 1, 1]]
    assert found(model, params, [0], 3, beams=1, end=0) == [[0]]


def test_fewer_texts_than_beams_and_none_longer_than_asked_for():
    model, params = bigrams([[1.0]])
    assert found(model, params, [0], 3, beams=4) == [[0, 0, 0]]
    assert found(model, params, [0], 3, beams=4, end=0) == [[0]]
    (nothing,) = beam_search(model, params, [0], 0)
    assert nothing.ids.shape == (0,) and nothing.log_probability == nothing.score == 0


def test_of_equally_likely_texts_the_lower_id_comes_first():
    model, params = bigrams(np.full((3, 3), 1 / 3))
    assert found(model, params, [0], 1, beams=2) == [[0], [1]]
    assert found(model, params, [0], 2, beams=4) == [[0, 0], [0, 1], [0, 2], [1, 0]]


# ---- against other ways to the same answer


@by_model
@pytest.mark.parametrize("end", [None, 3])
@pytest.mark.parametrize("seed", range(4))
def test_one_beam_is_greedy(name, end, seed):
    model = MODELS[name]
    params = sharp(model, seed)
    greedy = generate(model, params, [1, 2], 10, temperature=0).tolist()
    if end in greedy:
        greedy = greedy[: greedy.index(end) + 1]
    assert found(model, params, [1, 2], 10, beams=1, end=end) == [greedy]


@by_model
@pytest.mark.parametrize("end", [None, 0])
@pytest.mark.parametrize("beams", [2, 6])
def test_log_probabilities_are_those_of_the_whole_text(name, end, beams):
    model = MODELS[name]
    params = sharp(model)
    prompt, alpha = [1, 2, 4], 0.8
    hypotheses = beam_search(model, params, prompt, 9, beams=beams, end=end, alpha=alpha)
    assert len(hypotheses) == len({tuple(h.ids) for h in hypotheses}) == beams
    assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)
    for h in hypotheses:
        expected = log_probability(model, params, prompt, h.ids)
        assert h.log_probability == pytest.approx(expected, abs=1e-4)
        assert h.score == h.log_probability / ((5 + len(h.ids)) / 6) ** alpha
        assert end not in h.ids[:-1] and (len(h.ids) == 9 or h.ids[-1] == end)


@by_model
@pytest.mark.parametrize("end", [None, 2])
def test_a_beam_wide_enough_is_an_exhaustive_search(name, end):
    model = MODELS[name]
    params = sharp(model)
    length, alpha = 3, 0.6
    texts = {
        text[: text.index(end) + 1] if end in text else text
        for text in product(range(V), repeat=length)
    }
    expected = {text: log_probability(model, params, [1], text) for text in texts}
    hypotheses = beam_search(model, params, [1], length, beams=V**length, end=end, alpha=alpha)
    assert {tuple(h.ids.tolist()) for h in hypotheses} == texts and len(hypotheses) == len(texts)
    best = max(texts, key=lambda text: expected[text] / length_penalty(len(text), alpha))
    assert tuple(hypotheses[0].ids) == best
    np.testing.assert_allclose(
        [h.log_probability for h in hypotheses],
        [expected[tuple(h.ids.tolist())] for h in hypotheses], atol=1e-4,
    )  # fmt: skip
    assert sum(math.exp(h.log_probability) for h in hypotheses) == pytest.approx(1, abs=1e-6)


@by_model
def test_each_beam_reads_its_new_token_alone(name, monkeypatch):
    model = MODELS[name]
    shapes = []
    forward = type(model).forward

    def watched(self, params, tokens, **how):
        shapes.append(tokens.shape)
        return forward(self, params, tokens, **how)

    monkeypatch.setattr(type(model), "forward", watched)
    beam_search(model, sharp(model), [1, 2, 3], 4, beams=2)
    last = [(2, 1), (2, 2), (2, 1)] if name == "short context" else [(2, 1)] * 3
    assert shapes == [(1, 3), *last]


def test_compressed_weights_are_thawed_unless_asked_not_to(monkeypatch):
    model = MODELS["lstm"]
    params = sharp(model)
    one = Diagonal(np.ones(8, np.float32))
    packed = {**params, "lstm.1.w_x": Product(one, params["lstm.1.w_x"])}
    expected = found(model, params, [1], 4)
    seen = set()
    forward = LSTMLanguageModel.forward

    def watched(self, params, tokens, **how):
        seen.add(type(params["lstm.1.w_x"]))
        return forward(self, params, tokens, **how)

    monkeypatch.setattr(LSTMLanguageModel, "forward", watched)
    for how, kind in (({}, np.ndarray), ({"packed": True}, Product)):
        seen.clear()
        assert found(model, packed, [1], 4, **how) == expected
        assert seen == {kind}


def test_texts_that_go_on_as_they_are_keep_their_state(monkeypatch):
    """One beam never changes rows, so no state is copied."""
    model = MODELS["transformer"]
    copied = []
    monkeypatch.setattr(type(model), "chosen", lambda self, *arguments: copied.append(arguments))
    beam_search(model, sharp(model), [1, 2], 9, beams=1)
    assert not copied


# ---- what is refused


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prompt_ids": []}, "prompt_ids"),
        ({"prompt_ids": [1, V]}, f"prompt_ids must be in 0 … {V - 1}, got {V}"),
        ({"length": -1}, "length must be 0 or more, got -1"),
        ({"beams": 0}, "beams must be an integer of at least 1, got 0"),
        ({"beams": 2.0}, "beams"),
        ({"alpha": -0.1}, "alpha"),
        ({"alpha": math.nan}, "alpha"),
        ({"alpha": math.inf}, "alpha"),
        ({"alpha": 1e5}, r"alpha must be smaller for texts of 3 tokens: .* got 100000"),
        ({"end": V}, f"end must be an id in 0 … {V - 1}, got {V}"),
        ({"end": -1}, "end"),
    ],
)
def test_bad_input_is_refused_by_name(settings, named):
    model = MODELS["lstm"]
    with pytest.raises(ValueError, match=named):
        beam_search(model, model.init(0), **{"prompt_ids": [1], "length": 3, **settings})


def test_parameters_that_are_not_finite_are_noticed():
    model = MODELS["lstm"]
    params = {**model.init(0), "head.b": np.full(V, np.nan, np.float32)}
    with pytest.raises(FloatingPointError, match="logits"):
        beam_search(model, params, [1], 3)
