"""Distillation: the student is taught by the teacher's whole distribution, not by one right answer.

    p = softmax(teacher / T),  q = softmax(student / T)                    Hinton et al. 2015, §2.1
    loss = α·T²·KL(p ‖ q) + (1 − α)·CE(student, targets)
    ∂/∂student = α·T·(q − p) / N + (1 − α)·(softmax(student) − one_hot) / N

KL's first argument is the teacher. The KL's gradient shrinks as 1/T²; the factor T² keeps the two
terms in proportion. As T → ∞ the first term becomes half the mean squared difference of the logits,
each set centred on its mean. Both terms are means over the N counted tokens. The teacher gets no
gradient.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.nn import IGNORED, cross_entropy, cross_entropy_backward
from minilm.types import Array, Batch, Params


def distillation_loss(
    student_logits: Array,
    teacher_logits: Array,
    targets: Array,
    *,
    temperature: float,
    alpha: float,
) -> tuple[float, Array]:
    """mean of α·T²·KL(teacher ‖ student at T) + (1 − α)·CE, and its gradient for the student.

    student_logits, teacher_logits: (..., V), targets: (...) integers, −100 is not counted
    ->  loss in nats, dlogits (..., V). Hinton et al. 2015, section 2.
    ValueError: shapes that differ, T not above 0, α outside [0, 1].
    """
    check_settings(temperature, alpha)
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(f"teacher_logits must have the student's shape {student_logits.shape}, "
                         f"got {teacher_logits.shape}")
    hard, cache = cross_entropy(student_logits, targets)
    dlogits = cross_entropy_backward(1 - alpha, cache)
    weight = (np.asarray(targets) != IGNORED).astype(dlogits.dtype)                 # (...)
    weight /= max(np.count_nonzero(weight), 1)                                      # 1/N or 0
    q, log_q = softmax_at(student_logits, temperature)
    p, log_p = softmax_at(teacher_logits, temperature)
    log_p -= log_q
    divergences = np.einsum("...v,...v->...", p, log_p)                             # KL(p ‖ q)
    soft = temperature**2 * float(np.vdot(divergences, weight))
    q -= p
    q *= (alpha * temperature * weight)[..., None]
    dlogits += q
    return alpha * soft + (1 - alpha) * float(hard), dlogits


def softmax_at(logits: Array, temperature: float) -> tuple[Array, Array]:
    """softmax(logits / T) over the last axis, and its logarithm."""
    z = logits / temperature
    z -= z.max(axis=-1, keepdims=True)
    p = np.exp(z)
    total = p.sum(axis=-1, keepdims=True)
    p /= total
    z -= np.log(total)
    return p, z


def distil(
    teacher: Any, teacher_params: Params, *, temperature: float, alpha: float
) -> Callable[[Any, Params, Batch, Any], tuple[float, Params, int]]:
    """The loss of being taught by a teacher, for `fit(..., loss=distil(teacher, its_params))`.

    teacher: a model that chooses among what the student chooses among (a language model of its
    vocabulary, a classifier of its classes); it reads the same batch, without dropout.
    batch: what both read, then the targets, as in `minilm.training.cross_entropy_loss`.
    """
    check_settings(temperature, alpha)

    def loss(
        model: Any, seen: Params, batch: Batch, rng: np.random.Generator | None
    ) -> tuple[float, Params, int]:
        *inputs, targets = batch
        teacher_logits, _ = teacher.forward(teacher_params, *inputs)
        logits, cache = model.forward(seen, *inputs, rng=rng)
        mean, dlogits = distillation_loss(
            logits, teacher_logits, targets, temperature=temperature, alpha=alpha
        )
        count = int(np.count_nonzero(np.asarray(targets) != IGNORED))
        return mean * count, model.backward(dlogits * count, cache), count

    return loss


def check_settings(temperature: float, alpha: float) -> None:
    """Refuse a temperature that is not above 0 or an α outside [0, 1]."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature!r}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
