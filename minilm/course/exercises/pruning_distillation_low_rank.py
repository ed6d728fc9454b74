"""Exercises of notebook 11: exactly k weights, a teacher's loss, two thin factors, a student."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression import distillation_loss
from minilm.course.check import Exercise, want
from minilm.types import Array

Answer = Callable[..., Any]


def some_weights(rng: np.random.Generator) -> list[Array]:
    """Matrices of few magnitudes, so that many are equal, and none is 0."""
    shapes, sizes = ((5, 7), (12,), (8, 3)), (4, 9, 2)  # the second one has larger weights
    return [
        (rng.integers(1, most + 1, shape) * rng.choice([-0.25, 0.25], shape)).astype(np.float32)
        for shape, most in zip(shapes, sizes, strict=True)
    ]


def check_prune_exactly(prune_exactly: Answer, rng: np.random.Generator) -> None:
    """Exactly k zeros, the smallest of all, everything else untouched."""
    weights = some_weights(rng)
    total = sum(w.size for w in weights)
    for k in (total // 3, total // 2, total // 2 + 1, 0, total):
        given = [w.copy() for w in weights]
        found = prune_exactly(given, k)
        want(all(np.array_equal(g, w) for g, w in zip(given, weights, strict=True)),
             "it changed the arrays that it was given: work on a copy")
        want(isinstance(found, list | tuple) and len(found) == len(weights),
             f"return a list of {len(weights)} arrays, one for each that was given")
        arrays = [np.asarray(array) for array in found]
        want([a.shape for a in arrays] == [w.shape for w in weights],
             f"the shapes should be {[w.shape for w in weights]}, "
             f"got {[a.shape for a in arrays]}")
        check_pruned(np.concatenate([a.ravel() for a in arrays]),
                     np.concatenate([w.ravel() for w in weights]), k,
                     [np.mean(a == 0) for a in arrays])


def check_pruned(found: Array, w: Array, k: int, shares: list[Any]) -> None:
    """found, w: all arrays end to end; shares: of zeros in each array."""
    gone, size = found == 0, np.abs(w)
    want((found[~gone] == w[~gone]).all(), "the weights that stay should be as they were")
    if k == 0:
        want(not gone.any(), "k = 0: nothing should go; what does argpartition do at −1?")
    if 0 < k < len(w):
        smallest = gone.sum() == k and size[gone].max() <= size[~gone].min()
        even = not smallest and max(shares) - min(shares) < 0.1  # by chance they may be, and right
    else:
        even = False
    want(not even, "each array lost the same share: let all of them compete, end to end")
    if 0 < gone.sum() < len(w):
        want(size[gone].mean() < size[~gone].mean(), "the largest went: the smallest should")
    want(gone.sum() == k, f"of {len(w)} weights {k} should be zero, {gone.sum()} are: many "
                          "magnitudes are equal, and a threshold takes all of them or none")
    if 0 < k < len(w):
        want(size[gone].max() <= size[~gone].min(),
             "a weight that went is larger than one that stayed")


def check_taught_loss(taught_loss: Answer, rng: np.random.Generator) -> None:
    """The gradient against the loss itself first, then both against minilm's."""
    n, v = 5, 4
    z, teacher = 2 * rng.standard_normal((2, n, v))
    y = rng.integers(0, v, n)
    for temperature, alpha in ((1.0, 0.0), (1.0, 1.0), (3.0, 1.0), (2.5, 0.6)):
        how = temperature, alpha
        found = taught_loss(z.copy(), teacher.copy(), y.copy(), *how)
        want(isinstance(found, tuple | list) and len(found) == 2, "return (loss, gradient)")
        loss, gradient = float(found[0]), np.asarray(found[1])
        want(gradient.shape == z.shape,
             f"the gradient should have the student's shape {z.shape}, got {gradient.shape}")
        check_loss(loss, z, teacher, y, temperature, alpha)
        slopes = np.empty_like(z)
        for place in np.ndindex(z.shape):
            up, down = z.copy(), z.copy()
            up[place] += 1e-5
            down[place] -= 1e-5
            ends = [float(taught_loss(each, teacher.copy(), y.copy(), *how)[0])
                    for each in (up, down)]
            slopes[place] = (ends[0] - ends[1]) / 2e-5
        check_slopes(gradient, slopes, temperature, n)
    loss, gradient = taught_loss(500 * z, 500 * teacher, y.copy(), 1.0, 0.5)
    want(np.isfinite(loss) and np.isfinite(gradient).all(),
         "logits of 1000 give nan or inf: subtract each row's maximum before np.exp, and take "
         "the logarithm of the sum, not of each probability")


def check_loss(loss: float, z: Array, teacher: Array, y: Array, t: float, alpha: float) -> None:
    """By which mistake it differs from minilm's, tried one by one."""
    n, v = z.shape
    right = distillation_loss(z, teacher, y, temperature=t, alpha=alpha)[0]
    kl = distillation_loss(z, teacher, y, temperature=t, alpha=1)[0]
    ce = distillation_loss(z, teacher, y, temperature=1, alpha=0)[0]
    turned = distillation_loss(teacher, z, y, temperature=t, alpha=1)[0]
    softened = distillation_loss(z / t, teacher, y, temperature=1, alpha=0)[0]
    mistakes = {
        n * right: "the loss is a mean over the N positions, not their sum",
        right / v: "divide by the N positions, not by all N·V numbers",
        alpha * kl / t**2 + (1 - alpha) * ce: "the factor T² is missing",
        alpha * kl / t + (1 - alpha) * ce: "the factor is T², not T",
        alpha * turned + (1 - alpha) * ce: "KL(p ‖ q) has the teacher's p first: Σ p·log(p / q)",
        (1 - alpha) * kl + alpha * ce: "α is the teacher's share, 1 − α the text's",
        alpha * kl + (1 - alpha) * softened: "the cross-entropy with the true targets has T = 1",
    }
    for value, hint in mistakes.items():
        if not np.isclose(value, right, rtol=1e-3):
            want(not np.isclose(loss, value, rtol=1e-4), hint)
    want(np.isclose(loss, right, rtol=1e-4, atol=1e-6),
         f"at T = {t:g} and α = {alpha:g} the loss should be {right:.5f}, got {loss:.5f}")


def check_slopes(gradient: Array, slopes: Array, t: float, n: int) -> None:
    """The gradient against finite differences of the loss that came with it."""
    for factor, hint in (
        (-1, "the gradient has the wrong sign: q − p, not p − q"),
        (n, "the loss is a mean over N positions, so its gradient has 1 / N, too"),
        (t, "T² from the loss, 1/T from the softmax: T is left in the teacher's part"),
        (1 / t, "T² from the loss, 1/T from the softmax: T is left in the teacher's part"),
    ):
        if factor != 1:
            want(not np.allclose(gradient, factor * slopes, rtol=1e-3, atol=1e-6), hint)
    want(np.allclose(gradient, slopes, rtol=1e-3, atol=1e-6),
         "the gradient is not that of your loss: a logit moved by a little changes it by "
         f"{slopes[0, 0]:.5f} for each unit, the gradient says {gradient[0, 0]:.5f}")


def check_best_factors(best_factors: Answer, rng: np.random.Generator) -> None:
    """Within the budget, of the largest rank that it allows, and for the outputs."""
    for m, n, budget in ((16, 40, 4 * 56 * 5), (30, 20, 4 * 50 * 7 + 150), (12, 12, 4 * 24 * 3)):
        w = rng.standard_normal((m, n))
        x = rng.standard_normal((200, m)) * np.geomspace(8, 0.1, m)  # inputs of unequal size
        found = best_factors(w.copy(), x.copy(), budget)
        want(isinstance(found, tuple | list) and len(found) == 2, "return (a, b)")
        a, b = map(np.asarray, found)
        want(a.ndim == b.ndim == 2 and a.shape[0] == m and b.shape[1] == n
             and a.shape[1] == b.shape[0],
             f"a and b should be ({m}, r) and (r, {n}), got {a.shape} and {b.shape}")
        rank, most = a.shape[1], budget // (4 * (m + n))
        want(4 * rank * (m + n) <= budget,
             f"rank {rank} takes {4 * rank * (m + n)} bytes as float32, there are {budget}")
        want(rank == most, f"rank {most} still fits into {budget} bytes, yours is {rank}")
        error = np.square(x @ w - x @ a @ b).sum()
        sigma = np.linalg.svd(x @ w, compute_uv=False)
        u, s, v_t = np.linalg.svd(w, full_matrices=False)
        plain = np.square(x @ (w - (u[:, :rank] * s[:rank]) @ v_t[:rank])).sum()
        if plain > 1.01 * np.square(sigma[rank:]).sum():
            want(not np.isclose(error, plain, rtol=1e-3),
                 "this is the best for w alone: it is x @ w that counts")
        want(error <= np.square(sigma[rank:]).sum() * 1.001 + 1e-6,
             "the outputs could be nearer to x @ w: which matrix does its error belong to, and "
             "which of its singular vectors are kept?")


INPUTS, CLASSES, LABELLED, POOL = 12, 4, 48, 1500


def softmax(z: Array) -> Array:
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def descended(x: Array, wanted: Array, steps: int = 300, rate: float = 0.5) -> Array:
    """The matrix that gradient descent on the cross-entropy ends at."""
    w = np.zeros((x.shape[1], wanted.shape[1]))
    for _ in range(steps):
        w -= rate * x.T @ (softmax(x @ w) - wanted) / len(x)
    return w


def check_better_student(better_student: Answer, rng: np.random.Generator) -> None:
    """A small network is the truth; the teacher knows it nearly, the labels are drawn from it."""
    w_1 = rng.normal(0, INPUTS**-0.5, (INPUTS, 16))
    w_2 = rng.normal(0, 1, (16, CLASSES))

    def truth(x: Array) -> Array:
        return np.tanh(x @ w_1) @ w_2

    x, pool, fresh = (rng.standard_normal((n, INPUTS)) for n in (LABELLED, POOL, 3000))
    labels = (truth(x) + rng.gumbel(size=(LABELLED, CLASSES))).argmax(axis=1)
    teacher = softmax(truth(pool) + rng.normal(0, 0.3, (POOL, CLASSES)))
    expected = softmax(truth(fresh))

    def loss(w: Array) -> float:
        scores = fresh @ w
        scores = scores - scores.max(axis=1, keepdims=True)
        log_q = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return float(-np.sum(expected * log_q, axis=1).mean())

    w = np.asarray(better_student(x.copy(), labels.copy(), pool.copy(), teacher.copy()))
    want(w.shape == (INPUTS, CLASSES),
         f"return a matrix of shape {(INPUTS, CLASSES)}, got {w.shape}")
    want(np.isfinite(w).all(), "w should be finite: is the step too long?")
    best, own = loss(descended(fresh, expected)), loss(w)
    direct = loss(descended(x, np.eye(CLASSES)[labels]))
    hard = loss(descended(pool, np.eye(CLASSES)[teacher.argmax(axis=1)]))
    got = f"it loses {own:.3f} nats, the best of its size {best:.3f}, direct training {direct:.3f}"
    pool_unused = f"{got}. Few labels teach no more than they say: use the pool"
    want(not np.isclose(own, direct, atol=0.05), pool_unused)
    want(own < np.log(CLASSES), f"{got}; guessing would be better. Does w go down the gradient?")
    want(own < direct, pool_unused)
    want(not np.isclose(own, hard, atol=0.02) or own <= best + 0.03,
         f"{got}. That is what the teacher's first choices teach; its probabilities say more")
    want(own <= best + 0.03, f"{got}. Is all of the pool used, and trained for long enough?")


EXERCISES: list[Exercise] = [
    Exercise("prune_exactly", "Exactly k of several arrays at zero.", check_prune_exactly),
    Exercise("taught_loss", "The loss of distillation and its gradient.", check_taught_loss),
    Exercise("best_factors", "The nearest outputs within a budget of bytes.", check_best_factors),
    Exercise("better_student", "Beat direct training at equal size.", check_better_student, 2),
]
