"""Every named method, with what it needs gathered from a model."""

import numpy as np
import pytest

from minilm.compression import PRUNING, calibrate, gather_gradients, measured_effect, prune
from minilm.compression.allocation import Gradients
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import cross_entropy_loss, fit

MODELS = [
    LSTMLanguageModel(vocab_size=8, width=16),
    TransformerLanguageModel(vocab_size=8, width=16, layers=1, heads=2, context=8),
]


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 8, (8, 1))
    tokens = ((start + np.arange(9)) % 8).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model, params):
    total, _, count = cross_entropy_loss(model, params, batch(999), None)
    return total / count


@pytest.fixture(scope="module", params=MODELS, ids=lambda m: type(m).__name__)
def trained(request):
    model = request.param
    params, _ = fit(model, model.init(0), batch, steps=100)
    batches = [batch(step) for step in range(1000, 1008)]
    have = {"calibration": calibrate(model, params, batches),
            "gradients": gather_gradients(model, params, batches)}  # fmt: skip
    return model, params, have


@pytest.mark.parametrize("name", PRUNING)
def test_every_method_prunes_half(name, trained):
    model, params, have = trained
    method = PRUNING[name]
    pruned = prune(params, 0.5, **method.arguments, **{part: have[part] for part in method.needs})
    matrices = [name for name, w in params.items() if w.ndim == 2]
    sizes = [(pruned[name].size, pruned[name].values.size) for name in matrices]
    total, kept = map(sum, zip(*sizes, strict=True))
    assert kept == pytest.approx(total / 2, abs=len(sizes))
    assert np.isfinite(loss_of(model, pruned))
    assert method.source
    for part in method.needs:
        others = {other: have[other] for other in method.needs if other != part}
        with pytest.raises(ValueError, match=f"{part}="):
            prune(params, 0.5, **method.arguments, **others)


def test_gradients_by_hand():
    def halved_squares(model, params, batch, rng):
        x, y = batch
        error = x @ params["w"] - y
        return np.square(error).sum() / 2, {"w": x.T @ error, "b": error.sum(axis=0)}, len(x)

    params = {"w": np.array([[1.0], [0.0]])}
    batches = [(np.array([[1.0, 2], [1, 0]]), np.array([[0.0], [2]])),  # errors 1 and −1
               (np.array([[0.0, 3]]), np.array([[-1.0]]))]  # 1
    # gradients of the sums: (1 − 1, 2) and (0, 3), of three terms
    found = gather_gradients(None, params, iter(batches), loss=halved_squares)
    assert found.keys() == {"w"}
    np.testing.assert_allclose(found["w"].mean, [[0], [5 / 3]])
    np.testing.assert_allclose(found["w"].mean_square, [[0], [13 / 3]])


def test_taylor_is_the_slope_of_the_loss(trained):
    model, params, _ = trained
    name = next(name for name, w in params.items() if w.ndim == 2)
    found = gather_gradients(model, params, [batch(999)])[name]
    assert isinstance(found, Gradients)
    step = 1e-3 * params[name]
    rise = loss_of(model, {**params, name: params[name] + step}) - loss_of(
        model, {**params, name: params[name] - step})  # fmt: skip
    assert rise == pytest.approx(2e-3 * (params[name] * found.mean).sum(), rel=0.05, abs=2e-6)


def test_measured_effect_by_hand():
    params = {"w": np.array([[1.0, 2], [3, 4], [0, 0], [5, -5]]), "b": np.ones(2)}

    def loss(p):
        return float(np.abs(p["w"].sum(axis=0) - [9, 1]).sum())

    rows = measured_effect(params, loss)
    assert rows["w"].tolist() == [[3], [7], [0], [10]]
    assert rows.keys() == {"w"}
    assert measured_effect(params, loss, structure="column")["w"].tolist() == [[9, 1]]
    elements = measured_effect(params, loss, structure="element")["w"]
    assert elements.tolist() == [[1, 2], [3, 4], [0, 0], [5, 5]]
    pairs = measured_effect(params, loss, width=2)["w"]
    assert pairs.tolist() == [[10], [10], [10], [10]]
    pruned = prune(params, 0.5, score=rows, structure="row")["w"].dense()
    assert pruned.tolist() == [[0, 0], [3, 4], [0, 0], [5, -5]]


def test_removing_a_head_is_what_is_measured():
    model, params = MODELS[1], MODELS[1].init(0)
    name = "block.0.attention.w_out"
    found = measured_effect(params, lambda p: loss_of(model, p), width=8, names=[name])[name]
    assert found.shape == (16, 1)
    without = params[name].copy()
    without[8:] = 0
    change = loss_of(model, {**params, name: without}) - loss_of(model, params)
    np.testing.assert_array_equal(found[8:], np.full((8, 1), change))
    pruned = prune({name: params[name]}, 0.5, structure="row", score={name: found})[name]
    half = pruned.dense().any(axis=1)
    assert half.sum() == 8 and half[:8].all() != half[8:].all()  # one head, whole


def test_estimates_agree_with_what_is_measured(trained):
    """Which quarter of the rows goes: by measured effect it costs least, by OBD less than at
    random."""
    model, params, have = trained
    loss = lambda p: loss_of(model, p)  # noqa: E731
    name = "lstm.0.w_h" if "lstm.0.w_h" in params else "block.0.feed_forward.w_down"
    part = {name: params[name]}

    def after(**how):
        return loss({**params, **prune(part, 0.25, structure="row", **how)})

    measured = after(score=measured_effect(params, loss, names=[name]))
    obd = after(score="obd", gradients={name: have["gradients"][name]})
    drawn = np.mean([after(score="random", seed=seed) for seed in range(10)])
    assert measured < drawn
    assert obd < drawn


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"structure": "head"}, "structure must be one of element, row, column, got 'head'"),
        ({"width": 0}, "width must be a positive integer"),
        ({"width": 2, "structure": "element"}, "1 for structure 'element', got 2"),
        ({"width": 3}, "width must divide what w has of them, 4, got 3"),
        ({"names": ["w", "v"]}, "names must be of weights, w, got v"),
        ({"loss": lambda p: np.nan}, "loss must be finite"),
    ],
)
def test_measured_effect_refuses_by_name(how, message):
    arguments = {"loss": lambda p: 0.0, **how}
    with pytest.raises(ValueError, match=message):
        measured_effect({"w": np.ones((4, 2))}, **arguments)
