from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from minilm.compression import quantize
from minilm.compression.progressive import by_damage, in_portions, one_at_a_time, partly_frozen
from minilm.models import LSTMLanguageModel, TransformerLanguageModel
from minilm.training import cross_entropy_loss, fit
from minilm.weights import QuantizedTensor

LSTM = LSTMLanguageModel(vocab_size=7, width=12)
TRANSFORMER = TransformerLanguageModel(vocab_size=7, width=12, layers=1, heads=2, context=8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def batch(step):
    """A text with a rule: the next letter is one further on."""
    start = np.random.default_rng(step).integers(0, 7, (8, 1))
    tokens = ((start + np.arange(9)) % 7).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model, params):
    total, _, count = cross_entropy_loss(model, params, batch(999), None)
    return total / count


@cache
def trained_in_floats(model):
    return fit(model, model.init(0), batch, steps=120)[0]


def small():
    return {"v": normal(8, 6), "w": normal(6, 10, seed=1), "b": normal(10, seed=2)}


def test_one_weight_after_the_other_is_packed_and_the_rest_handed_over():
    handed = []

    def retrain(params, view, stage):
        handed.append((stage, [n for n, w in params.items() if isinstance(w, QuantizedTensor)]))
        moved = view(params, 0)[1]({name: np.ones(w.shape) for name, w in params.items()})
        return {name: w + 1 if name in moved else w for name, w in params.items()}

    params = small()
    packed = one_at_a_time(params, 4, retrain, order=["w", "v"])
    assert handed == [(0, ["w"]), (1, ["v", "w"])]
    np.testing.assert_array_equal(packed["w"].dense(), quantize(params, 4)["w"].dense())
    moved = quantize({"v": params["v"] + 1}, 4)
    np.testing.assert_array_equal(packed["v"].dense(), moved["v"].dense())
    np.testing.assert_array_equal(packed["b"], params["b"] + 1 + 1)
    assert list(packed) == list(params)


def test_orders():
    params = small()
    weights = {"v": 1.0, "w": 5.0}

    def damage(params):
        return sum(a for n, a in weights.items() if isinstance(params[n], QuantizedTensor))

    assert by_damage(params, 4, damage) == ["w", "v"]
    assert by_damage(params, {"v": 3}, damage) == ["v"]
    for order in (["v"], ["v", "w", "b"], ["v", "v"]):
        with pytest.raises(ValueError, match="order must name"):
            one_at_a_time(params, 4, lambda p, view, stage: p, order=order)


@pytest.mark.parametrize(
    "how", [{}, {"group_size": 2}, {"axis": "tensor"}, {"grid": "power_of_two"}], ids=str
)
def test_portions_grow_and_stay(how):
    frozen, held = [], []

    def retrain(params, view, stage):
        seen, pullback = view(params, 0)
        grads = pullback({name: np.ones(w.shape, np.float32) for name, w in params.items()})
        frozen.append(grads["v"] == 0)
        held.append(seen["v"])
        assert (grads["b"] == 1).all()
        # what is frozen may decay underneath, and the rest moves
        return {n: 0.9 * w if n in ("v", "w", "b") else w for n, w in params.items()}

    params = small()
    packed = in_portions(params, 3, retrain, **how)
    assert [mask.sum() for mask in frozen] == [24, 36, 42, 48]
    for before, after in pairwise(frozen):
        assert (after | ~before).all()
    # the half of the largest magnitudes came first
    assert np.abs(params["v"][frozen[0]]).min() >= np.abs(params["v"][~frozen[0]]).max()
    for mask, values in zip(frozen, held, strict=True):
        np.testing.assert_array_equal(packed["v"].dense()[mask], values[mask])
    assert set(map(type, (packed["v"], packed["w"]))) == {QuantizedTensor}
    assert packed.keys() == params.keys()


def test_without_retraining_it_is_quantize():
    params = small()
    for score in ("magnitude", "error", "random"):
        packed = in_portions(params, 3, lambda p, view, stage: p, score=score)
        at_once = quantize(params, 3)
        for name in ("v", "w"):
            np.testing.assert_array_equal(packed[name].dense(), at_once[name].dense())


def test_scores_choose():
    def first_half(score, seed=0):
        masks = []

        def retrain(params, view, stage):
            masks.append(view({"v": np.full((8, 6), 9, np.float32)}, 0)[0]["v"] != 9)
            return params

        in_portions({"v": normal(8, 6)}, 3, retrain, score=score, seed=seed)
        return masks[0]

    v = normal(8, 6)
    error = np.abs(v - quantize(v, 3, axis=-1).dense())
    nearest = first_half("error")
    assert error[nearest].max() <= error[~nearest].min()
    assert (first_half("random", 0) != first_half("random", 1)).any()


def test_a_partly_frozen_weight():
    mask = np.array([[True, False]])
    view = partly_frozen({"w": np.array([[7.0, 8.0]])}, {"w": mask})
    seen, pullback = view({"w": np.array([[1.0, 2.0]]), "b": np.ones(1)}, 0)
    assert seen["w"].tolist() == [[7, 2]]
    assert pullback({"w": np.ones((1, 2)), "b": np.ones(1)})["w"].tolist() == [[0, 1]]


@pytest.mark.parametrize("wrong", [
    {"portions": (0.5, 0.9)}, {"portions": (0.5, 0.5, 1.0)}, {"portions": (0.0, 1.0)},
    {"portions": (1.0, 0.5, 1.0)}, {"portions": ()}, {"score": "size"},
])  # fmt: skip
def test_what_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        in_portions(small(), 3, lambda p, view, stage: p, **wrong)


@pytest.mark.parametrize("model", [LSTM, TRANSFORMER], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("way", [one_at_a_time, in_portions])
def test_it_wins_back_most_of_what_rounding_at_once_costs(model, way, tmp_path):
    def retrain(params, view, stage):
        path = tmp_path / f"{stage}.npz"
        return fit(model, params, batch, steps=40, view=view, checkpoint=path)[0]

    trained = trained_in_floats(model)
    packed = way(trained, 2, retrain)
    float_loss, at_once = loss_of(model, trained), loss_of(model, quantize(trained, 2))
    assert loss_of(model, packed) < (float_loss + at_once) / 2
    # every stage has its checkpoint: a second run trains nothing and ends the same
    again = way(trained, 2, retrain)
    for name, w in packed.items():
        same = (w, again[name]) if isinstance(w, np.ndarray) else (w.dense(), again[name].dense())
        np.testing.assert_array_equal(*same)
