"""What the teacher answers: its whole distribution, or the one answer that it thinks right.

    p = softmax(teacher / T),  q = softmax(student / T)                    Hinton et al. 2015, §2.1
    soft    α·T²·KL(p ‖ q) + (1 − α)·CE(student, targets)
    hard    α·CE(student, argmax teacher) + (1 − α)·CE(student, targets)

    ∂soft/∂student = α·T·(q − p) / N + (1 − α)·(softmax(student) − one_hot) / N

KL's first argument is the teacher. The KL's gradient shrinks as 1/T²; the factor T² keeps the two
terms in proportion. As T → ∞ the first term becomes half the mean squared difference of the logits,
each set centred on its mean. All terms are means over the N counted tokens. The teacher gets no
gradient.

Hard labels say which answer, not how sure the teacher is, nor what else might be right: that is
lost. They are what is left where only a teacher's answers are known.
"""

import math
from collections.abc import Callable

import numpy as np

from minilm.nn import IGNORED, cross_entropy, cross_entropy_backward
from minilm.types import Array


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
    check_logits(student_logits, teacher_logits)
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


def hard_label_loss(
    student_logits: Array,
    teacher_logits: Array,
    targets: Array,
    *,
    temperature: float = 1,
    alpha: float,
) -> tuple[float, Array]:
    """mean of α·CE(student, argmax teacher) + (1 − α)·CE(student, targets), and its gradient.

    Shapes and errors as in `distillation_loss`. Of equal logits the first is the teacher's answer.
    A temperature does not change which answer is likeliest: ValueError for any but 1.
    """
    check_settings(temperature, alpha)
    if temperature != 1:
        raise ValueError(f"temperature must be 1 for hard labels, got {temperature!r}")
    check_logits(student_logits, teacher_logits)
    targets = np.asarray(targets)
    answers = np.where(targets == IGNORED, IGNORED, teacher_logits.argmax(axis=-1))
    taught, taught_cache = cross_entropy(student_logits, answers)
    right, right_cache = cross_entropy(student_logits, targets)
    dlogits = cross_entropy_backward(alpha, taught_cache)
    dlogits += cross_entropy_backward(1 - alpha, right_cache)
    return alpha * float(taught) + (1 - alpha) * float(right), dlogits


LABELS: dict[str, Callable[..., tuple[float, Array]]] = {
    "soft": distillation_loss,
    "hard": hard_label_loss,
}


def check_logits(student_logits: Array, teacher_logits: Array) -> None:
    """Refuse logits of two shapes: the models choose among different things."""
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(f"teacher_logits must have the student's shape {student_logits.shape}, "
                         f"got {teacher_logits.shape}")


def check_settings(temperature: float, alpha: float) -> None:
    """Refuse a temperature that is not above 0 or an α outside [0, 1]."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature!r}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
