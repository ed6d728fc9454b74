"""Texts written side by side are those that each row's generator writes alone."""

import numpy as np
import pytest

from minilm.generation import generate, generate_batch
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.weights import Diagonal, Product

V = 9
MODELS = {
    "lstm": LSTMLanguageModel(V, width=8, layers=2),
    "transformer": TransformerLanguageModel(V, width=8, layers=2, heads=2, context=40),
    "short context": TransformerLanguageModel(V, width=8, layers=2, heads=2, context=5),
}
by_model = pytest.mark.parametrize("name", MODELS)
PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 0, 1, 2, 3], [3, 3], [4], [0, 1, 2, 3, 4]]
SAMPLING = {
    "greedy": {"temperature": 0},
    "plain": {},
    "temperature": {"temperature": 0.7},
    "top k": {"top_k": 3},
    "top p": {"top_p": 0.8, "temperature": 1.5},
}


def sharp(model, seed=0):
    """Float64 parameters of a model with opinions."""
    return {name: 3 * p.astype(np.float64) for name, p in model.init(seed).items()}


def lists(texts):
    return [text.tolist() for text in texts]


@by_model
@pytest.mark.parametrize("how", SAMPLING)
@pytest.mark.parametrize("end", [None, 2])
def test_each_row_is_what_generate_writes_alone(name, how, end):
    model, settings = MODELS[name], SAMPLING[how]
    params = sharp(model)
    texts = generate_batch(
        model, params, PROMPTS, 17, end=end, rng=np.random.default_rng(3), **settings
    )
    children = np.random.default_rng(3).spawn(len(PROMPTS))
    alone = [
        generate(model, params, prompt, 17, end=end, rng=rng, **settings)
        for prompt, rng in zip(PROMPTS, children, strict=True)
    ]
    assert lists(texts) == lists(alone)
    assert all(text.dtype == np.int32 for text in texts)
    if how != "greedy":
        assert texts[1].tolist() != texts[4].tolist()  # one prompt, two generators
    if end is not None:
        assert len({len(text) for text in texts}) > 1


def test_no_row_sees_what_fills_up_another():
    """The first logits after each prompt, from the prompt alone; the filling is id 0."""
    model = MODELS["transformer"]
    params = sharp(model)
    for prompt, text in zip(
        PROMPTS, generate_batch(model, params, PROMPTS, 1, temperature=0), strict=True
    ):
        assert text.tolist() == [model.forward(params, np.array([prompt]))[0][0, -1].argmax()]


@by_model
def test_rows_that_are_over_are_no_longer_read(name, monkeypatch):
    model = MODELS[name]
    rows = []
    forward = type(model).forward

    def watched(self, params, tokens, **how):
        rows.append(len(tokens))
        return forward(self, params, tokens, **how)

    monkeypatch.setattr(type(model), "forward", watched)
    prompts = [[1], [1, 2, 3], [1, 2]]
    texts = generate_batch(model, sharp(model), prompts, 2, temperature=0)
    assert [len(text) for text in texts] == [2, 2, 2]
    assert rows == [3, 3, 2, 1]  # after tokens 1, 2 and 3 the rows are over, one by one


def test_compressed_weights_are_thawed_unless_asked_not_to(monkeypatch):
    model = MODELS["lstm"]
    params = model.init(0)
    one = Diagonal(np.ones(8, np.float32))
    packed = {**params, "lstm.1.w_x": Product(one, params["lstm.1.w_x"])}
    expected = lists(generate_batch(model, params, PROMPTS, 4, temperature=0))
    seen = set()
    forward = LSTMLanguageModel.forward

    def watched(self, params, tokens, **how):
        seen.add(type(params["lstm.1.w_x"]))
        return forward(self, params, tokens, **how)

    monkeypatch.setattr(LSTMLanguageModel, "forward", watched)
    for how, kind in (({}, np.ndarray), ({"packed": True}, Product)):
        seen.clear()
        assert lists(generate_batch(model, packed, PROMPTS, 4, temperature=0, **how)) == expected
        assert seen == {kind}


@by_model
def test_no_tokens_at_all(name):
    model = MODELS[name]
    texts = generate_batch(model, sharp(model), PROMPTS, 0, temperature=0)
    assert [text.shape for text in texts] == [(0,)] * len(PROMPTS)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prompts": []}, "prompts must hold at least one prompt, got none"),
        ({"prompts": [[1], []]}, r"prompts\[1\] must hold at least one id"),
        ({"prompts": [[1, V], [1]]}, rf"prompts\[0\] must be in 0 … {V - 1}, got {V}"),
        ({"prompts": [1, 2]}, r"prompts\[0\] must hold at least one id, \(N,\), got shape \(\)"),
        ({"length": -1}, "length"),
        ({"end": V}, "end must be an id"),
        ({"top_k": 0}, "top_k"),
        ({"rng": None}, "rng must be given"),
    ],
)
def test_bad_input_is_refused_by_name(settings, named):
    arguments = {"prompts": [[1], [2, 3]], "length": 3, "rng": np.random.default_rng(0)}
    model = MODELS["lstm"]
    with pytest.raises(ValueError, match=named):
        generate_batch(model, model.init(0), **{**arguments, **settings})


def test_prompts_that_are_not_integers_are_refused():
    model = MODELS["lstm"]
    with pytest.raises(TypeError, match=r"prompts\[1\] must be integers"):
        generate_batch(model, model.init(0), [[1], [1.0]], 3, temperature=0)
