"""Distillation as printed and right: gradients, who is asked, and who learns."""

import numpy as np
import pytest

from minilm import check_gradient
from minilm.course.published import distillation
from minilm.nn import softmax


def test_halving_the_weights_of_a_linear_layer_is_a_temperature_of_two():
    logits = np.array([[1.0, 2.0, 5.0]])
    assert np.allclose(softmax(logits / 2)[0], softmax(logits @ (np.eye(3) / 2))[0])


def test_the_network_s_gradient():
    x, _ = distillation.examples()

    def network(w_1, w_2):
        return distillation.network({"w_1": w_1, "w_2": w_2}, x[:6])

    def backward(dlogits, cache):
        grads = distillation.network_backward(dlogits, cache)
        return grads["w_1"], grads["w_2"]

    teacher = distillation.teacher()
    check_gradient(network, backward, teacher["w_1"], teacher["w_2"])


def test_the_student_s_loss_alone_is_that_of_no_teacher():
    x, targets = distillation.examples()
    student = distillation.network(distillation.random_network(8, seed=2), x)[0]
    gradient = distillation.students_loss(student, None, targets)
    wanted = softmax(student)[0] - np.eye(distillation.V)[targets]
    assert np.allclose(gradient, wanted)


def test_a_sum_over_the_batch_grows_with_it():
    x, targets = distillation.examples()
    logits, _ = distillation.network(distillation.teacher(), x)
    for loss in (distillation.teachers_loss, distillation.summed_cross_entropy):
        twice = loss(np.tile(logits, (2, 1)), np.tile(targets, 2))
        assert twice == pytest.approx(2 * loss(logits, targets))


def test_the_right_student_learns_what_the_halved_one_does_not_know():
    (size, divergence), (other_size, other) = (
        distillation.size_and_divergence(student)
        for student in (distillation.weights_halved, distillation.half_as_wide_and_taught)
    )
    assert size == 1 and other_size == 0.5
    assert other < divergence / 5


def test_updating_does_not_touch_what_was_given():
    large, small = distillation.teacher(), distillation.random_network(8, seed=2)
    before = [w.copy() for params in (large, small) for w in params.values()]
    for update in (distillation.teacher_updated, distillation.student_updated):
        update(large, small, *distillation.examples())
    after = [w for params in (large, small) for w in params.values()]
    assert all(map(np.array_equal, before, after))
