import math

import numpy as np
import pytest

from minilm.models import LSTMLanguageModel
from minilm.nn import check_model_gradient

TOKENS = np.random.default_rng(0).integers(11, size=(3, 5))

MODELS = {
    "one layer": LSTMLanguageModel(11, width=6),
    "two layers": LSTMLanguageModel(11, width=6, layers=2),
    "untied": LSTMLanguageModel(11, width=6, embedding_width=4, layers=2, tied=False),
    "dropout": LSTMLanguageModel(11, width=6, embedding_width=4, layers=2, dropout=0.4),
}


def test_gradients_with_a_state_carried_in():
    model = MODELS["two layers"]
    rng = np.random.default_rng(2)
    state = [(rng.standard_normal((3, 6)), rng.standard_normal((3, 6))) for _ in range(2)]
    check_model_gradient(model, model.init(0), TOKENS, state=state)


class Watched:
    """A weight that is no array: it must see every token's vector, and notes how many it saw."""

    __array_ufunc__ = None

    def __init__(self, array):
        self.array, self.shape, self.ndim, self.rows = array, array.shape, array.ndim, 0

    def __rmatmul__(self, x):
        self.rows += x.size // x.shape[-1]
        return x @ self.array

    @property
    def T(self):
        return self.array.T


def test_more_tokens_than_rows_multiply_the_rows():
    """15 tokens, 11 rows: the same logits and gradients as when every token is multiplied."""
    model = MODELS["untied"]
    params = model.init(0)
    watched = params | {"lstm.0.w_x": Watched(params["lstm.0.w_x"])}
    results = []
    for p in (params, watched):
        logits, cache = model.forward(p, TOKENS)
        results.append((logits, *model.backward(logits, cache).values()))
    assert watched["lstm.0.w_x"].rows == TOKENS.size
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    _, cache = model.forward(params, TOKENS)
    assert cache["layers"][0][0]["x"].shape == (11, 4)  # the rows
    _, cache = model.forward(params, TOKENS[:2])
    assert cache["layers"][0][0]["x"].shape == (5, 2, 4)  # 10 tokens, by time
    model = MODELS["dropout"]
    _, cache = model.forward(model.init(0), TOKENS, rng=np.random.default_rng(0))
    assert cache["layers"][0][0]["x"].shape == (5, 3, 4)  # two uses of a row drop other numbers


@pytest.mark.parametrize("name", MODELS)
def test_gradients_come_in_the_parameters_order(name):
    params = MODELS[name].init(0)
    logits, cache = MODELS[name].forward(params, TOKENS)
    assert list(MODELS[name].backward(logits, cache)) == list(params)


def test_names_shapes_and_forget_bias():
    params = LSTMLanguageModel(7, width=4, embedding_width=3, layers=2).init(0)
    assert {name: p.shape for name, p in params.items()} == {
        "token_embedding": (7, 3),
        "lstm.0.w_x": (3, 16), "lstm.0.w_h": (4, 16), "lstm.0.b": (16,),
        "lstm.1.w_x": (4, 16), "lstm.1.w_h": (4, 16), "lstm.1.b": (16,),
        "head.w_project": (4, 3), "head.b": (7,),
    }  # fmt: skip
    for layer in (0, 1):
        expected = [0] * 4 + [1] * 4 + [0] * 8
        np.testing.assert_array_equal(params[f"lstm.{layer}.b"], expected)


def test_a_text_read_in_pieces_is_read_as_one():
    model = MODELS["two layers"]
    params = model.init(0)
    whole, end = model.forward(params, TOKENS)
    first, cache = model.forward(params, TOKENS[:, :2])
    second, cache = model.forward(params, TOKENS[:, 2:], state=cache["state"])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
    np.testing.assert_allclose(cache["state"][1][1], end["state"][1][1], atol=1e-6)


def test_chosen_rows_go_on_each_on_its_own():
    model = MODELS["two layers"]
    params, rows = model.init(0), np.array([2, 0, 0])
    _, cache = model.forward(params, TOKENS[:, :3])
    texts = np.concatenate([TOKENS[rows, :3], TOKENS[:, 3:]], axis=1)
    logits, _ = model.forward(params, TOKENS[:, 3:], state=model.chosen(cache["state"], rows))
    np.testing.assert_allclose(logits, model.forward(params, texts)[0][:, 3:], atol=1e-6)
    assert model.chosen(model.fresh_state(), rows) == model.fresh_state()


def test_a_model_made_narrower_runs_through_the_same_forward():
    """The width of a layer is what its weights say: here the second keeps 4 of its 6 cells."""
    model = MODELS["two layers"]
    params = model.init(0)
    kept = np.concatenate([gate * 6 + np.arange(4) for gate in range(4)])
    params["lstm.1.w_x"] = params["lstm.1.w_x"][:, kept]
    params["lstm.1.w_h"] = params["lstm.1.w_h"][:4][:, kept]
    params["lstm.1.b"] = params["lstm.1.b"][kept]
    params["token_embedding"] = params["token_embedding"][:, :4]
    params["lstm.0.w_x"] = params["lstm.0.w_x"][:4]
    check_model_gradient(model, params, TOKENS)


def test_bad_tokens_and_states_are_refused():
    model = MODELS["one layer"]
    params = model.init(0)
    for tokens in ([1, 2], np.zeros((0, 3), int), np.zeros((3, 0), int), [[11]], [[-1]]):
        with pytest.raises(ValueError, match=r"tokens|ids"):
            model.forward(params, np.array(tokens))
    with pytest.raises(TypeError, match="tokens"):
        model.forward(params, np.zeros((1, 2)))
    _, cache = MODELS["two layers"].forward(MODELS["two layers"].init(0), TOKENS)
    with pytest.raises(ValueError, match="state"):
        model.forward(params, TOKENS, state=cache["state"])


@pytest.mark.oracle
def test_a_training_step_agrees_with_torch():
    import torch

    model = LSTMLanguageModel(11, width=6, embedding_width=4, layers=2)
    params = model.init(0)
    rng = np.random.default_rng(0)
    targets = rng.integers(11, size=TOKENS.shape)
    weights = {n: torch.tensor(p, requires_grad=True) for n, p in params.items()}
    cells = [torch.nn.LSTM(4, 6, batch_first=True), torch.nn.LSTM(6, 6, batch_first=True)]
    h = weights["token_embedding"][torch.tensor(TOKENS)] * math.sqrt(4)
    for layer, cell in enumerate(cells):
        named = {"weight_ih_l0": "w_x", "weight_hh_l0": "w_h", "bias_ih_l0": "b"}
        theirs = {t: weights[f"lstm.{layer}.{ours}"].T for t, ours in named.items() if ours != "b"}
        theirs["bias_ih_l0"] = weights[f"lstm.{layer}.b"]
        theirs["bias_hh_l0"] = torch.zeros(24)
        h, _ = torch.func.functional_call(cell, theirs, (h,))
    logits = h @ weights["head.w_project"] @ weights["token_embedding"].T + weights["head.b"]
    loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), torch.tensor(targets))
    loss.backward()

    from minilm.training import cross_entropy_loss

    total, grads, count = cross_entropy_loss(model, params, (TOKENS, targets), None)
    ours, _ = model.forward(params, TOKENS)
    np.testing.assert_allclose(ours, logits.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert total / count == pytest.approx(loss.item(), rel=1e-5)
    for name in params:
        theirs = weights[name].grad.numpy()
        np.testing.assert_allclose(grads[name] / count, theirs, rtol=1e-3, atol=1e-6, err_msg=name)
