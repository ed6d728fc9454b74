import math

import numpy as np
import pytest

from minilm.compression import distil, distillation_loss
from minilm.compression.distillation import hard_label_loss
from minilm.models import LSTMLanguageModel, Seq2SeqTransformer, TransformerLanguageModel
from minilm.nn import cross_entropy, cross_entropy_backward
from minilm.training import cross_entropy_loss, fit


def logits(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 2, shape)


def targets(*shape, below=7):
    return np.random.default_rng(9).integers(0, below, shape)


def test_by_hand():
    # one token, two words; teacher at T = 2: p = (¾, ¼); student: q = (½, ½)
    student = np.zeros((1, 2))
    teacher = np.array([[2 * math.log(3), 0]])
    loss, gradient = distillation_loss(
        student, teacher, np.array([0]), temperature=2, alpha=0.25
    )
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert loss == pytest.approx(0.25 * 4 * divergence + 0.75 * math.log(2))
    # α·T·(q − p) + (1 − α)·(q − one_hot)
    assert gradient[0] == pytest.approx([0.25 * 2 * -0.25 + 0.75 * -0.5, 0.125 + 0.375])


def test_the_teacher_comes_first():
    # KL(p ‖ q) is infinite where q alone vanishes, and small where p alone does
    sure, unsure = np.array([[40.0, 0]]), np.array([[0.0, 0]])
    how = {"temperature": 1, "alpha": 1}
    assert distillation_loss(unsure, sure, np.array([0]), **how)[0] == pytest.approx(math.log(2))
    assert distillation_loss(sure, unsure, np.array([0]), **how)[0] > 19


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_gradient_by_finite_differences(temperature, alpha):
    student, teacher = logits(4, 5, 7), logits(4, 5, 7, seed=1)
    right = targets(4, 5)
    right[0, :2] = -100
    how = {"temperature": temperature, "alpha": alpha}
    _, gradient = distillation_loss(student, teacher, right, **how)
    direction = logits(4, 5, 7, seed=2)
    step = 1e-6
    up, _ = distillation_loss(student + step * direction, teacher, right, **how)
    down, _ = distillation_loss(student - step * direction, teacher, right, **how)
    assert (up - down) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=1e-6)


def test_at_high_temperature_it_is_regression_of_centred_logits():
    # Hinton et al. 2015, eq. 4: T²·∂KL/∂z -> (z − mean z − v + mean v) / V, here a mean over N
    z, v = logits(6, 7), logits(6, 7, seed=1)
    _, gradient = distillation_loss(z, v, targets(6), temperature=1e6, alpha=1)
    centred = (z - z.mean(axis=-1, keepdims=True)) - (v - v.mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(gradient, centred / 7 / 6, rtol=1e-3, atol=1e-7)


def test_the_soft_term_keeps_its_size_as_the_temperature_rises():
    z, v = logits(6, 7), logits(6, 7, seed=1)
    norms = [
        np.linalg.norm(distillation_loss(z, v, targets(6), temperature=t, alpha=1)[1])
        for t in (10, 100, 1000)
    ]
    assert norms == pytest.approx([norms[0]] * 3, rel=0.15)  # without T²: 1 : 0.01 : 0.0001


def test_alpha_0_is_cross_entropy_and_agreement_costs_nothing():
    z, right = logits(6, 7), targets(6)
    hard, cache = cross_entropy(z, right)
    loss, gradient = distillation_loss(z, logits(6, 7, seed=1), right, temperature=4, alpha=0)
    assert loss == pytest.approx(hard)
    np.testing.assert_allclose(gradient, cross_entropy_backward(1.0, cache))
    loss, gradient = distillation_loss(z, z, right, temperature=4, alpha=1)
    assert loss == pytest.approx(0, abs=1e-12)
    assert np.abs(gradient).max() < 1e-12


def test_adding_to_all_logits_of_a_token_changes_nothing():
    z, v, right = logits(6, 7), logits(6, 7, seed=1), targets(6)
    how = {"temperature": 3, "alpha": 0.7}
    loss, gradient = distillation_loss(z, v, right, **how)
    moved, same = distillation_loss(z + 1000, v - 500, right, **how)
    assert moved == pytest.approx(loss)
    np.testing.assert_allclose(same, gradient, atol=1e-9)


def test_ignored_tokens_do_not_count():
    z, v, right = logits(6, 7), logits(6, 7, seed=1), targets(6)
    how = {"temperature": 3, "alpha": 0.7}
    part, part_gradient = distillation_loss(z[:4], v[:4], right[:4], **how)
    right[4:] = -100
    whole, gradient = distillation_loss(z, v, right, **how)
    assert whole == pytest.approx(part)
    np.testing.assert_allclose(gradient[:4], part_gradient)
    assert not gradient[4:].any()
    nothing, zero = distillation_loss(z, v, np.full(6, -100), **how)
    assert nothing == 0
    assert not zero.any()


def test_float32_stays_and_inputs_are_left_alone():
    z, v = logits(6, 7).astype(np.float32), logits(6, 7, seed=1).astype(np.float32)
    kept = z.copy(), v.copy()
    loss, gradient = distillation_loss(z, v, targets(6), temperature=2.0, alpha=0.5)
    assert isinstance(loss, float)
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal((z, v), kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"teacher_logits": np.zeros((6, 8))}, r"teacher_logits .*\(6, 7\), got \(6, 8\)"),
        ({"targets": np.full(6, 7)}, "7"),
    ],
)
def test_bad_input(change, message):
    given = {
        "student_logits": logits(6, 7), "teacher_logits": logits(6, 7), "targets": targets(6),
        "temperature": 2, "alpha": 0.5,
    }
    with pytest.raises(ValueError, match=message):
        distillation_loss(**{**given, **change})


@pytest.mark.oracle
def test_parity_with_torch():
    import torch
    import torch.nn.functional as F

    z, v, right = logits(6, 7), logits(6, 7, seed=1), targets(6)
    temperature, alpha = 2.5, 0.6
    student = torch.tensor(z, requires_grad=True)
    soft = F.kl_div(
        F.log_softmax(student / temperature, -1), F.softmax(torch.tensor(v) / temperature, -1),
        reduction="batchmean",
    )
    hard = F.cross_entropy(student, torch.tensor(right))
    theirs = alpha * temperature**2 * soft + (1 - alpha) * hard
    theirs.backward()
    loss, gradient = distillation_loss(z, v, right, temperature=temperature, alpha=alpha)
    assert loss == pytest.approx(theirs.item(), rel=1e-10)
    np.testing.assert_allclose(gradient, student.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_hard_labels_by_hand():
    # logits 0 and 0: softmax (½, ½) whatever the answer; the teacher thinks 1 right, it is 0
    student, teacher = np.zeros((2, 2)), np.array([[0, 0.1], [5, 0]])
    loss, gradient = hard_label_loss(student, teacher, np.array([0, -100]), alpha=0.25)
    assert loss == pytest.approx(math.log(2))
    np.testing.assert_allclose(gradient, [[0.5 - 0.75, 0.5 - 0.25], [0, 0]])


def test_hard_labels_are_the_limit_of_a_sure_teacher():
    """A teacher of huge logits says one answer: soft labels at T = 1 are then its hard ones."""
    z, v, right = logits(6, 7), logits(6, 7, seed=1), targets(6)
    right[0] = -100
    sure = distillation_loss(z, 1e4 * v, right, temperature=1, alpha=0.7)
    hard = hard_label_loss(z, v, right, alpha=0.7)
    assert hard[0] == pytest.approx(sure[0])
    np.testing.assert_allclose(hard[1], sure[1], atol=1e-12)


def test_bad_input_to_hard_labels():
    z = logits(6, 7)
    with pytest.raises(ValueError, match="temperature must be 1 for hard labels, got 2"):
        hard_label_loss(z, z, targets(6), temperature=2, alpha=0.5)
    with pytest.raises(ValueError, match="alpha"):
        hard_label_loss(z, z, targets(6), alpha=-1)
    with pytest.raises(ValueError, match="teacher_logits"):
        hard_label_loss(z, z[:5], targets(6), alpha=0.5)


def models():
    teacher = TransformerLanguageModel(vocab_size=7, width=16, layers=1, heads=2, context=8)
    student = LSTMLanguageModel(vocab_size=7, width=8)
    return teacher, teacher.init(0), student, student.init(1)


def batch(seed=0):
    tokens = np.random.default_rng(seed).integers(0, 7, (4, 9)).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def test_distil_is_a_loss_of_sums():
    teacher, teacher_params, student, params = models()
    inputs, right = batch()
    right = right.copy()
    right[0, :3] = -100
    how = {"temperature": 2.0, "alpha": 0.5}
    total, grads, count = distil(teacher, teacher_params, **how)(
        student, params, (inputs, right), None
    )
    assert count == 4 * 8 - 3
    z, cache = student.forward(params, inputs)
    v, _ = teacher.forward(teacher_params, inputs)
    mean, dlogits = distillation_loss(z, v, right, **how)
    assert total == pytest.approx(mean * count)
    expected = student.backward(dlogits, cache)
    assert grads.keys() == expected.keys()
    for name in grads:
        np.testing.assert_allclose(grads[name] / count, expected[name], rtol=1e-4, atol=1e-6)


def test_alpha_0_is_the_cross_entropy_loss():
    teacher, teacher_params, student, params = models()
    loss = distil(teacher, teacher_params, temperature=2.0, alpha=0.0)
    total, grads, count = loss(student, params, batch(), None)
    plain_total, plain_grads, plain_count = cross_entropy_loss(student, params, batch(), None)
    assert (total, count) == (pytest.approx(plain_total), plain_count)
    for name in grads:
        np.testing.assert_allclose(grads[name], plain_grads[name], rtol=1e-4, atol=1e-5)


def test_an_encoder_decoder_is_distilled_by_the_same_loss():
    """Both read the source and the target's beginning; α = 0 is its plain loss."""
    teacher = Seq2SeqTransformer(9, width=8, layers=1, heads=2, context=4)
    student = Seq2SeqTransformer(9, width=4, layers=1, heads=1, context=4)
    params = student.init(1)
    source, inputs, wanted = targets(3, 2, 4, below=9).clip(1)
    loss = distil(teacher, teacher.init(0), temperature=2.0, alpha=0.0)
    total, grads, count = loss(student, params, (source, inputs, wanted), None)
    plain = cross_entropy_loss(student, params, (source, inputs, wanted), None)
    assert (total, count) == (pytest.approx(plain[0]), 8)
    assert grads.keys() == params.keys()
    taught = distil(teacher, teacher.init(0), temperature=2.0, alpha=1.0)
    assert taught(teacher, teacher.init(0), (source, inputs, wanted), None)[0] == pytest.approx(0)


def test_only_the_student_learns_and_it_comes_to_agree():
    teacher, teacher_params, student, params = models()
    teacher_params["token_embedding"] *= 3  # a teacher with opinions
    frozen = {name: w.copy() for name, w in teacher_params.items()}
    loss = distil(teacher, teacher_params, temperature=2.0, alpha=1.0)
    before = loss(student, params, batch(99), None)[0]
    trained, _ = fit(student, params, batch, steps=80, loss=loss, schedule=lambda step: 0.02)
    after = loss(student, trained, batch(99), None)[0]
    assert after < 0.7 * before
    assert trained.keys() == params.keys()
    for name in frozen:
        np.testing.assert_array_equal(teacher_params[name], frozen[name])


def test_the_student_drops_out_when_an_rng_is_passed_and_the_teacher_never():
    model = LSTMLanguageModel(7, width=8, dropout=0.5)
    params, batch = model.init(0), (targets(2, 3), targets(2, 3))
    teach = distil(model, params, temperature=1, alpha=1)
    alike, *_ = teach(model, params, batch, None)
    dropped, *_ = teach(model, params, batch, np.random.default_rng(0))
    assert alike == pytest.approx(0, abs=1e-5)
    assert dropped > 1e-3
