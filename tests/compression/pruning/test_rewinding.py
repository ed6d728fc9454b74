import numpy as np
import pytest

from minilm.compression import keep_masks, lottery_ticket, masked
from minilm.models import LSTMLanguageModel
from minilm.training import cross_entropy_loss, fit, warmup_cosine
from minilm.weights import SparseTensor


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


START = {"w": normal(10, 10), "b": normal(10)}


def recorded(trace):
    def train(params, masks, stage):
        trace.append((params, masks, stage))
        return {**params, "w": params["w"] + normal(10, 10, seed=stage + 1)}

    return train


@pytest.mark.parametrize("rewind", [True, False])
def test_each_round_prunes_what_the_last_one_trained(rewind):
    trace = []
    ticket, masks = lottery_ticket(START, recorded(trace), [0.2, 0.36], rewind=rewind)
    assert [stage for _, _, stage in trace] == [0, 1, 2]
    assert trace[0][0] is START and trace[0][1] == {}
    first = START["w"] + normal(10, 10, seed=1)
    once = keep_masks({"w": first}, 0.2)
    np.testing.assert_array_equal(trace[1][1]["w"], once["w"])
    begun = START["w"] if rewind else first
    np.testing.assert_array_equal(trace[1][0]["w"], begun)
    second = begun + normal(10, 10, seed=2)
    twice = keep_masks({"w": second}, 0.36, within=once)
    np.testing.assert_array_equal(trace[2][1]["w"], twice["w"])
    assert masks["w"].sum() == 64 and not (masks["w"] & ~once["w"]).any()
    last = (START["w"] if rewind else second) + normal(10, 10, seed=3)
    assert isinstance(ticket["w"], SparseTensor)
    np.testing.assert_array_equal(ticket["w"].dense(), last * masks["w"])
    assert ticket["b"] is START["b"]


def test_settings_reach_the_masks():
    _, masks = lottery_ticket(START, recorded([]), [0.5], structure="row")
    assert set(masks["w"].sum(axis=1)) == {0, 10}


@pytest.mark.parametrize("sparsities", [[], [0.5, 0.5], [0.5, 0.3], [0.2, 1.2]])
def test_sparsities_must_rise(sparsities):
    with pytest.raises(ValueError, match="sparsities must"):
        lottery_ticket(START, recorded([]), sparsities)


def test_a_ticket_of_a_model_learns():
    model = LSTMLanguageModel(vocab_size=7, width=16)

    def batch(step):
        start = np.random.default_rng(step).integers(0, 7, (8, 1))
        tokens = ((start + np.arange(9)) % 7).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]

    def train(params, masks, stage):
        return fit(model, params, batch, steps=80, view=masked(masks),
                   schedule=warmup_cosine(1e-2, warmup=5, steps=80))[0]

    ticket, masks = lottery_ticket(model.init(0), train, [0.75], scope="global")
    total, _, count = cross_entropy_loss(model, ticket, batch(999), None)
    assert total / count < 1.0  # log 7 = 1.95
    kept, size = (sum(f(m) for m in masks.values()) for f in (np.count_nonzero, np.size))
    assert kept == size - round(0.75 * size)


@pytest.mark.parametrize("how", [{"scope": "globl"}, {"structure": "2:4"}, {"damping": -1}])
def test_settings_are_refused_before_anything_is_trained(how):
    trace = []
    with pytest.raises(ValueError, match=f"{next(iter(how))}"):
        lottery_ticket(START, recorded(trace), [0.5, 0.75], **how)
    assert not trace


def test_the_ticket_is_of_floats():
    half = {"w": START["w"].astype(np.float16)}
    ticket, _ = lottery_ticket(half, lambda params, masks, stage: params, [0.5])
    assert ticket["w"].values.dtype == np.float32
