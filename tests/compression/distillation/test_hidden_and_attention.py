"""The two terms by themselves: by hand, against finite differences, against torch."""

import math

import numpy as np
import pytest

from minilm.compression.distillation import (
    add_hint,
    distil,
    drop_hint,
    hidden_state_loss,
    relation_loss,
)
from minilm.compression.distillation.attention import LastLook
from minilm.inspection import attention_maps
from minilm.models import (
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)
from minilm.nn import attention_weights, causal_mask


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def slope(loss, x, direction, step=1e-6):
    return (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)


def test_hidden_states_by_hand():
    # mapped (1·2, 1·0) against (0, 1): ((2)² + (−1)²) / 2, the second token counts nothing
    student, teacher = np.array([[1.0], [9.0]]), np.array([[0.0, 1], [0, 0]])
    w, weight = np.array([[2.0, 0]]), np.array([3.0, 0])
    loss, dstudent, dw = hidden_state_loss(student, teacher, w, weight)
    assert loss == pytest.approx(3 * 2.5)
    np.testing.assert_allclose(dstudent, [[3 * 2 * 2], [0]])  # Σ_j 2/2 · difference_j w_j, times 3
    np.testing.assert_allclose(dw, [[3 * 2, 3 * -1]])


def test_hidden_states_by_finite_differences():
    student, teacher, w, weight = normal(2, 3, 4), normal(2, 3, 5), normal(4, 5), normal(2, 3) ** 2
    _, dstudent, dw = hidden_state_loss(student, teacher, w, weight)
    d = normal(2, 3, 4, seed=1)
    expected = slope(lambda x: hidden_state_loss(x, teacher, w, weight)[0], student, d)
    assert np.vdot(dstudent, d) == pytest.approx(expected, rel=1e-7)
    d = normal(4, 5, seed=1)
    expected = slope(lambda x: hidden_state_loss(student, teacher, x, weight)[0], w, d)
    assert np.vdot(dw, d) == pytest.approx(expected, rel=1e-7)
    same = normal(2, 3, 4, seed=3)
    without = hidden_state_loss(student, same, None, weight)
    identity = hidden_state_loss(student, same, np.eye(4), weight)
    assert without[0] == pytest.approx(identity[0])
    np.testing.assert_allclose(without[1], identity[1])
    assert without[2] is None


def test_shapes_that_do_not_meet_and_teachers_of_another_dtype():
    student, teacher, w, weight = (
        normal(*shape).astype(np.float32) for shape in ((2, 3, 4), (2, 3, 5), (4, 5), (2, 3))
    )
    for of, message in (
        ((student, teacher, w[:, :4], weight), r"hint:w must have shape \(4, 5\).* got \(4, 4\)"),
        ((student, teacher, None, weight), r"hint:w must have shape \(4, 5\).* got none"),
        ((student, teacher[:1], w, weight), r"teacher must have .* \(2, 3, 5\), got \(1, 3, 5\)"),
        ((student, teacher, w, weight[:1]), r"weight must have shape \(2, 3\), got \(1, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            hidden_state_loss(*of)
    p = np.full((2, 3, 3), 1 / 3, np.float32)
    with pytest.raises(ValueError, match=r"p must have shape \(2, 3, 3\), got \(2, 3, 2\)"):
        relation_loss(student, student, None, p[..., :2], weight)
    with pytest.raises(ValueError, match=r"weight must have shape \(2, 3\), got \(2, 1\)"):
        relation_loss(student, student, None, p, weight[:, :1])
    _, *gradients = hidden_state_loss(student, teacher.astype(np.float64), w, weight)
    gradients += relation_loss(student, student, None, p.astype(np.float64), weight)[1:]
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}


def test_a_hint_is_made_and_dropped():
    params = {"w": np.ones((2, 2), np.float32)}
    hinted = add_hint(params, (300, 200), seed=4)
    assert hinted["hint:w"].shape == (300, 200)
    assert hinted["hint:w"].dtype == np.float32
    assert hinted["hint:w"].std() == pytest.approx(1 / math.sqrt(300), rel=0.02)
    np.testing.assert_array_equal(hinted["hint:w"], add_hint(params, (300, 200), seed=4)["hint:w"])
    assert drop_hint(hinted).keys() == params.keys() == drop_hint(params).keys()
    with pytest.raises(ValueError, match=r"widths .*\(0, 2\)"):
        add_hint(params, (0, 2), seed=0)


def test_relations_by_hand():
    # one query, two keys; scores log 3 and 0: q = (¾, ¼), p = (½, ½), d = 1
    a, b = np.array([[1.0]]), np.array([[math.log(3)], [0.0]])
    loss, da, db = relation_loss(a, b, None, np.array([[0.5, 0.5]]), np.array([2.0]))
    assert loss == pytest.approx(2 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)))
    np.testing.assert_allclose(da, [[2 * 0.25 * math.log(3)]])  # dscores = 2 (¼, −¼)
    np.testing.assert_allclose(db, [[0.5], [-0.5]])


@pytest.mark.parametrize("mask", [None, causal_mask(4)])
def test_relations_by_finite_differences(mask):
    a, b = normal(2, 3, 4, 5), normal(2, 3, 4, 5, seed=1)
    p = attention_weights(normal(2, 3, 4, 6, seed=2), normal(2, 3, 4, 6, seed=3), mask)
    weight = normal(2, 3, 4, seed=4) ** 2
    _, da, db = relation_loss(a, b, mask, p, weight)
    d = normal(2, 3, 4, 5, seed=5)
    for i, grad in enumerate((da, db)):
        def at(x, i=i):
            return relation_loss(*((x, b) if i == 0 else (a, x)), mask, p, weight)[0]

        assert np.vdot(grad, d) == pytest.approx(slope(at, (a, b)[i], d), rel=1e-6)
    at = slope(lambda x: relation_loss(x, x, mask, p, weight)[0], a, d)  # of values: both
    assert np.vdot(sum(relation_loss(a, a, mask, p, weight)[1:]), d) == pytest.approx(at, rel=1e-6)


def test_the_same_relations_cost_nothing():
    a, b = normal(2, 4, 5), normal(2, 4, 5, seed=1)
    p = attention_weights(a, b, causal_mask(4))
    loss, da, db = relation_loss(a, b, causal_mask(4), p, np.ones((2, 4)))
    assert loss == pytest.approx(0, abs=1e-12)
    assert max(abs(da).max(), abs(db).max()) < 1e-12


def test_probabilities_that_vanish_stay_finite():
    a, b = np.array([[100.0]], np.float32), np.array([[9.0], [-9.0]], np.float32)
    loss, da, db = relation_loss(a, b, None, np.array([[0, 1]], np.float32), np.ones(1, np.float32))
    assert 80 < loss < 100  # −log of the smallest float32; 1800 in truth
    assert np.isfinite(da).all()
    assert np.isfinite(db).all()
    assert {da.dtype, db.dtype} == {np.dtype(np.float32)}


@pytest.mark.oracle
def test_parity_with_torch():
    import torch

    q, k = (torch.tensor(normal(2, 3, 4, 5, seed=s), requires_grad=True) for s in (0, 1))
    mask = causal_mask(4)
    p = attention_weights(normal(2, 3, 4, 6, seed=2), normal(2, 3, 4, 6, seed=3), mask)
    scores = (q @ k.transpose(-1, -2) / math.sqrt(5)).masked_fill(~torch.tensor(mask), -1e9)
    theirs = torch.nn.functional.kl_div(
        torch.log_softmax(scores, -1), torch.tensor(p), reduction="sum"
    )
    theirs.backward()
    loss, dq, dk = relation_loss(
        q.detach().numpy(), k.detach().numpy(), mask, p, np.ones((2, 3, 4))
    )
    assert loss == pytest.approx(theirs.item(), rel=1e-9)
    np.testing.assert_allclose(dq, q.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(dk, k.grad.numpy(), atol=1e-12)


TOKENS = np.random.default_rng(0).integers(1, 7, (3, 6))
SMALL = {"vocab_size": 7, "width": 8, "layers": 2, "heads": 2, "context": 6}


def part_of(model, params, teacher_params, batch, **how):
    parts = [
        distil(model, teacher_params, alpha=0, **extra)(model, params, batch, None)
        for extra in ({}, how)
    ]
    return parts[1][0] - parts[0][0], parts[1][2]


def test_it_is_the_mean_over_heads_of_the_last_layer():
    """Against the maps that one sees from outside."""
    model = TransformerLanguageModel(**SMALL)
    params, teacher = ({n: 2 * w for n, w in model.init(seed).items()} for seed in (0, 1))
    q, p = (attention_maps(model, w, TOKENS)["block.1.attention"] for w in (params, teacher))
    seen = p > 0
    divergence = (p[seen] * np.log(p[seen] / q[seen])).sum() / 2  # two heads
    targets = TOKENS.copy()
    part, count = part_of(model, params, teacher, (TOKENS, targets), attention=1.5)
    assert part == pytest.approx(1.5 * divergence, rel=1e-4)
    assert count == TOKENS.size
    targets[:] = -100  # tokens that do not count: nothing is asked of where they look
    part, count = part_of(model, params, teacher, (TOKENS, targets), attention=1.5)
    assert (part, count) == (0, 0)


@pytest.mark.parametrize("groups", [4, 2])
def test_values_are_compared_group_by_group_of_keys(groups):
    """Against the values that one sees from outside: no query enters, so of a group there is one
    relation, whatever the number of its heads; nobody looks ahead."""
    sizes = {**SMALL, "heads": 4, "key_value_heads": groups}
    model = TransformerLanguageModel(**sizes)
    params, teacher = (
        {n: 2 * w.astype(np.float64) for n, w in model.init(seed).items()} for seed in (0, 1)
    )
    relations = []
    for w in (params, teacher):
        look = LastLook()
        model.forward(w, TOKENS, attend=look)
        v = look.heads[2]                                                   # (B, G, T, d)
        scores = np.where(np.tri(6, dtype=bool), v @ v.swapaxes(-1, -2) / math.sqrt(2), -np.inf)
        exponentials = np.exp(scores)
        relations.append(exponentials / exponentials.sum(axis=-1, keepdims=True))
    q, p = relations
    assert p.shape[1] == groups
    seen = p > 0
    divergence = (p[seen] * np.log(p[seen] / q[seen])).sum() / groups
    part, _ = part_of(model, params, teacher, (TOKENS, TOKENS), values=1.5)
    assert part == pytest.approx(1.5 * divergence, rel=1e-4)
    both, _ = part_of(model, params, teacher, (TOKENS, TOKENS), values=1.5, attention=0.7)
    looks, _ = part_of(model, params, teacher, (TOKENS, TOKENS), attention=0.7)
    assert both == pytest.approx(part + looks, rel=1e-4)


def test_hidden_states_of_tokens_that_count():
    """Against what one sees from outside; tokens that do not count are not compared."""
    model = TransformerLanguageModel(**SMALL)
    params, teacher = (model.init(seed) for seed in (0, 1))
    own, theirs = (model.forward(w, TOKENS)[1]["hidden"] for w in (params, teacher))
    squares = np.square(own - theirs).mean(axis=-1)
    targets = TOKENS.copy()
    targets[1, 2:] = -100
    part, count = part_of(model, params, teacher, (TOKENS, targets), hidden=0.5)
    assert part == pytest.approx(0.5 * squares[targets != -100].sum(), rel=1e-4)
    assert count == 3 * 6 - 4


def test_of_a_text_with_a_label_padding_has_no_part():
    model = TransformerClassifier(**SMALL, classes=3)
    params, teacher = ({n: 2 * w for n, w in model.init(seed).items()} for seed in (0, 1))
    labels = np.array([0, 1, 2])
    filled = np.concatenate([TOKENS[:, :4], np.zeros((3, 2), int)], axis=1)
    for how in ({"attention": 1}, {"values": 1}):
        short, _ = part_of(model, params, teacher, (TOKENS[:, :4], labels), **how)
        long, count = part_of(model, params, teacher, (filled, labels), **how)
        assert count == 3
        assert short > 1e-2
        assert long == pytest.approx(short, rel=1e-4)


def test_an_encoder_decoder_has_no_value_relations():
    model = Seq2SeqTransformer(**SMALL)
    params = model.init(0)
    loss = distil(model, params, alpha=1, values=1)
    with pytest.raises(ValueError, match=r"values: .* source"):
        loss(model, params, (TOKENS, TOKENS, TOKENS), None)


def test_what_is_not_asked_for_changes_nothing():
    """A forward and backward pass through `attend` alone gives attention's gradients."""
    model = TransformerLanguageModel(**SMALL)
    params = model.init(0)
    plain, plain_cache = model.forward(params, TOKENS)
    logits, cache = model.forward(params, TOKENS, attend=LastLook())
    np.testing.assert_array_equal(logits, plain)
    grads, expected = (model.backward(logits, c) for c in (cache, plain_cache))
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, expected[name])
