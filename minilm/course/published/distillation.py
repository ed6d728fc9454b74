"""Distillation, as printed and right.

    loss = α·T²·KL(teacher ‖ student at T) + (1 − α)·CE(student, targets)     Hinton et al. 2015
    the teacher is frozen; the student reads the same x, and only the student learns
"""

from collections.abc import Callable

import numpy as np

from minilm.compression import distillation_loss
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule
from minilm.nn import (
    cross_entropy,
    cross_entropy_backward,
    linear,
    linear_backward,
    tanh,
    tanh_backward,
)
from minilm.types import Array, Cache, Params

N, D, WIDE, V = 256, 8, 16, 5  # examples, features, the teacher's width, classes
LEARNING_RATE, STEPS = 1.0, 400


def examples() -> tuple[Array, Array]:
    """x: (N, D), targets: (N,) drawn from the teacher's distribution."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, D))
    logits, _ = network(teacher(), x)
    return x, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def random_network(width: int, seed: int) -> Params:
    """w_1: (D, width), w_2: (width, V)."""
    rng = np.random.default_rng(seed)
    return {"w_1": rng.normal(0, D**-0.5, (D, width)), "w_2": rng.normal(0, 1, (width, V))}


def teacher() -> Params:
    return random_network(WIDE, seed=1)


def network(params: Params, x: Array) -> tuple[Array, Cache]:
    """tanh(x W₁) W₂"""
    a, a_cache = linear(x, params["w_1"])
    h, h_cache = tanh(a)
    logits, out_cache = linear(h, params["w_2"])
    return logits, (a_cache, h_cache, out_cache)


def network_backward(dlogits: Array, cache: Cache) -> Params:
    """The gradients of both weights."""
    a_cache, h_cache, out_cache = cache
    dh, dw_2, _ = linear_backward(dlogits, out_cache)
    _, dw_1, _ = linear_backward(tanh_backward(dh, h_cache), a_cache)
    return {"w_1": dw_1, "w_2": dw_2}


def moved(params: Params, grads: Params) -> Params:
    """One step down the gradient."""
    return {name: w - LEARNING_RATE * grads[name] for name, w in params.items()}


def weights_halved(params: Params, x: Array, targets: Array) -> Params:
    """student = as many parameters, weights / 2"""
    return {name: w / 2 for name, w in params.items()}


def half_as_wide_and_taught(params: Params, x: Array, targets: Array) -> Params:
    """student = half the width, taught by distillation_loss, T = 2 and α = 0.9"""
    student = random_network(WIDE // 2, seed=2)
    taught_by, _ = network(params, x)
    for _ in range(STEPS):
        logits, cache = network(student, x)
        _, dlogits = distillation_loss(logits, taught_by, targets, temperature=2, alpha=0.9)
        student = moved(student, network_backward(dlogits, cache))
    return student


def size_and_divergence(make_student: Rule) -> Value:
    """Parameters, as a share of the teacher's; KL(teacher ‖ student) in nats."""
    large, (x, targets) = teacher(), examples()
    small = make_student(large, x, targets)
    share = sum(w.size for w in small.values()) / sum(w.size for w in large.values())
    logits, wanted = network(small, x)[0], network(large, x)[0]
    divergence, _ = distillation_loss(logits, wanted, targets, temperature=1, alpha=1)
    return share, round(divergence, 3)


WEIGHTS_HALVED = Printed(
    article="C",
    name="a student with its weights halved",
    formula="student: as many parameters as the teacher, each weight / 2",
    verdict="wrong",
    why="Nothing is smaller and nothing was taught. Half is the number of weights, not their size; "
    "and what the student knows it learns from the teacher's answers.",
    as_printed=weights_halved,
    right=half_as_wide_and_taught,
    what="parameters as a share of the teacher's; KL(teacher ‖ student), nats",
    measure=size_and_divergence,
)


def teachers_loss(logits: Array, targets: Array) -> float:
    """L_T = Σ L(y, ŷ^T)"""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(targets)), targets].sum())


def summed_cross_entropy(logits: Array, targets: Array) -> float:
    """N · the mean of −log p(target): minilm.nn.cross_entropy"""
    return float(cross_entropy(logits, targets)[0]) * len(targets)


def loss_of_the_teacher(loss: Rule) -> Value:
    """Of the teacher on the examples, in nats."""
    x, targets = examples()
    return round(loss(network(teacher(), x)[0], targets), 4)


TEACHERS_LOSS = Printed(
    article="D",
    name="the teacher's loss",
    formula="L_T = Σ L(y, ŷ^T)",
    verdict="right",
    why="So the teacher is trained, before any student is. As a sum it grows with the batch, and "
    "the learning rate has to be chosen anew for each size: hence means.",
    as_printed=teachers_loss,
    right=summed_cross_entropy,
    what="loss of the teacher on 256 examples, nats",
    measure=loss_of_the_teacher,
)


def students_loss(student: Array, taught_by: Array, targets: Array) -> Array:
    """L_ST = Σ L(y, ŷ^ST)   ->  its gradient for the student's logits"""
    _, cache = cross_entropy(student, targets)
    return cross_entropy_backward(len(targets), cache)


def loss_of_distillation(student: Array, taught_by: Array, targets: Array) -> Array:
    """α·T²·KL(teacher ‖ student) + (1 − α)·CE   ->  its gradient for the student's logits"""
    return distillation_loss(student, taught_by, targets, temperature=2, alpha=0.9)[1]


def heed_of_the_teacher(gradient: Rule) -> Value:
    """How far the student's gradient turns if the teacher is another, as a share of its length."""
    x, targets = examples()
    student = network(random_network(WIDE // 2, seed=2), x)[0]
    one, other = (
        gradient(student, network(random_network(WIDE, seed), x)[0], targets) for seed in (1, 3)
    )
    return float(np.linalg.norm(one - other) / np.linalg.norm(one))


STUDENTS_LOSS = Printed(
    article="D",
    name="the student's loss",
    formula="L_ST = Σ L(y, ŷ^ST)",
    verdict="incomplete",
    why="The teacher does not occur in it: the student is trained on the right answers, as it "
    "would be alone. The term that teaches compares both distributions.",
    as_printed=students_loss,
    right=loss_of_distillation,
    what="how far the student's gradient turns with another teacher",
    measure=heed_of_the_teacher,
)

Network = Callable[[Array], Array]


def fed_by_the_teacher(x: Array, f_t: Network, f_st: Network) -> Array:
    """ŷ^ST = f_ST(f_T(x))"""
    return f_st(f_t(x))


def fed_by_the_input(x: Array, f_t: Network, f_st: Network) -> Array:
    """ŷ^ST = f_ST(x)"""
    return f_st(x)


def calls_of_the_teacher(predict: Rule) -> Value:
    """How often the teacher runs for one prediction of the student."""
    calls = []

    def f_t(x: Array) -> Array:
        calls.append(x)
        return x

    predict(np.ones((1, D)), f_t, lambda x: x)
    return len(calls)


FED_BY_THE_TEACHER = Printed(
    article="D",
    name="the student reads the teacher",
    formula="ŷ^ST = f_ST(f_T(x))",
    verdict="wrong",
    why="If the student reads what the teacher says, the teacher has to run for every prediction: "
    "together they are larger than the teacher alone. Both read x; what the teacher says is what "
    "the student is compared with, in training only.",
    as_printed=fed_by_the_teacher,
    right=fed_by_the_input,
    what="runs of the teacher for each prediction",
    measure=calls_of_the_teacher,
)


def teacher_updated(
    large: Params, small: Params, x: Array, targets: Array
) -> tuple[Params, Params]:
    """W_T ← W_T − η ∂L/∂W_T"""
    logits, cache = network(large, x)
    return moved(large, network_backward(students_loss(logits, logits, targets) / N, cache)), small


def student_updated(
    large: Params, small: Params, x: Array, targets: Array
) -> tuple[Params, Params]:
    """W_S ← W_S − η ∂L/∂W_S,   W_T frozen"""
    logits, cache = network(small, x)
    dlogits = loss_of_distillation(logits, network(large, x)[0], targets)
    return large, moved(small, network_backward(dlogits, cache))


def who_moves(update: Rule) -> Value:
    """How far the teacher's weights move in one step, and the student's."""
    before = teacher(), random_network(WIDE // 2, seed=2)
    after = update(*before, *examples())
    return tuple(
        float(sum(np.abs(new[name] - old[name]).max() for name in old))
        for old, new in zip(before, after, strict=True)
    )


TEACHER_UPDATED = Printed(
    article="D",
    name="the large model is updated",
    formula="update the large model with the new loss",
    verdict="wrong",
    why="Distillation changes the small model. The large one is frozen: it is what is to be "
    "learned, and no gradient is taken of it.",
    as_printed=teacher_updated,
    right=student_updated,
    what="how far teacher and student move in one step",
    measure=who_moves,
)

ENTRIES = (
    WEIGHTS_HALVED,
    TEACHERS_LOSS,
    STUDENTS_LOSS,
    FED_BY_THE_TEACHER,
    TEACHER_UPDATED,
)
