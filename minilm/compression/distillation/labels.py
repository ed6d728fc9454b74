"""What the teacher answers: its whole distribution, or the one answer that it thinks right.

    p = softmax(teacher / T),  q = softmax(student / T)                      of the logits of each
    soft    α·T²·KL(p ‖ q) + (1 − α)·CE(student, targets)
    hard    α·CE(student, argmax teacher) + (1 − α)·CE(student, targets)

    ∂soft/∂student = α·T·(q − p) / N + (1 − α)·(softmax(student) − one_hot) / N

T is the temperature: the higher, the flatter both distributions, and the more the unlikely answers
count. α is the teacher's share. KL's first argument is the teacher. The KL's gradient shrinks as
1/T²; the factor T² keeps the two terms in proportion. As T → ∞ the first term becomes half the mean
squared difference of the logits, each set centred on its mean. All terms are means over the N
counted tokens. The teacher gets no gradient. Hinton et al. 2015, section 2; for T → ∞ section 2.1.

Hard labels say which answer, not how sure the teacher is, nor what else might be right: that is
lost. They are what is left where only a teacher's answers are known.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from minilm.compression.parameters import check_finite
from minilm.nn import IGNORED, cross_entropy, cross_entropy_backward
from minilm.nn.checks import require_float, require_shape
from minilm.nn.sums import flat, row_dot, row_sum
from minilm.types import Array

PIECE = 2**16  # numbers whose softmax is taken at once: what that needs stays in a CPU's cache


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
    ->  loss in nats, dlogits (..., V) of the student's dtype. Hinton et al. 2015, section 2.
    The loss's rounding error is multiplied by T²: of float32, four digits are right at T = 100, two
    at T = 1000. Its gradient's grows as T, and does no harm there.
    ValueError: shapes that differ, T not above 0, α outside [0, 1], a teacher that is not finite.
    TypeError: logits that are not floats.
    """
    temperature, alpha = checked(temperature, alpha)
    check_logits(student_logits, teacher_logits)
    right, cache = cross_entropy(student_logits, targets)
    dlogits = cross_entropy_backward(1 - alpha, cache)
    weight = (targets != IGNORED).astype(dlogits.dtype).reshape(-1, 1)              # (N, 1)
    weight /= max(np.count_nonzero(weight), 1)                                      # 1/N or 0
    student, teacher, gradient = flat(student_logits), flat(teacher_logits), flat(dlogits)
    soft = 0.0
    for rows in pieces(student.shape):
        divergences, difference = divergence(teacher[rows], student[rows], temperature)
        soft += temperature**2 * float(np.vdot(divergences, weight[rows]))
        difference *= alpha * temperature * weight[rows]
        gradient[rows] += difference
    if not math.isfinite(soft):
        check_finite("teacher_logits", teacher_logits, math.inf)
    return alpha * soft + (1 - alpha) * float(right), dlogits


def pieces(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of an array (N, V), as many at a time as have about PIECE numbers."""
    rows, width = shape
    step = max(1, PIECE // width)
    return (slice(first, first + step) for first in range(0, rows, step))


def divergence(teacher: Array, student: Array, temperature: float) -> tuple[Array, Array]:
    """KL(p ‖ q) of each row, (N, 1), and q − p, (N, V): p = softmax(teacher / T), q the student's.

    With p = e^v / Σ e^v and q = e^z / Σ e^z:  KL = Σ p (v − z) + log(Σ e^z / Σ e^v)
    """
    p, q = (np.divide(logits, temperature, dtype=student.dtype) for logits in (teacher, student))
    p -= p.max(axis=-1, keepdims=True)                                              # v
    q -= q.max(axis=-1, keepdims=True)                                              # z
    apart = p - q
    total_p, total_q = row_sum(np.exp(p, out=p)), row_sum(np.exp(q, out=q))
    p /= total_p
    q /= total_q
    divergences = row_dot(p, apart) + np.log(total_q / total_p)
    return divergences, np.subtract(q, p, out=q)


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
    temperature, alpha = checked(temperature, alpha)
    if temperature != 1:
        raise ValueError(f"temperature must be 1 for hard labels, got {temperature!r}")
    check_logits(student_logits, teacher_logits)
    right, right_cache = cross_entropy(student_logits, targets)
    likeliest = teacher_logits.argmax(axis=-1)                  # of NaN and numbers, that is NaN
    if not np.isfinite(np.take_along_axis(teacher_logits, likeliest[..., None], axis=-1)).all():
        check_finite("teacher_logits", teacher_logits, math.inf)
    answers = np.where(targets == IGNORED, IGNORED, likeliest)
    taught, taught_cache = cross_entropy(student_logits, answers)
    dlogits = cross_entropy_backward(alpha, taught_cache)
    dlogits += cross_entropy_backward(1 - alpha, right_cache)
    return alpha * float(taught) + (1 - alpha) * float(right), dlogits


LABELS: dict[str, Callable[..., tuple[float, Array]]] = {
    "soft": distillation_loss,
    "hard": hard_label_loss,
}


def check_logits(student_logits: Array, teacher_logits: Array) -> None:
    """Refuse what are no logits, and two shapes: such models choose among different things."""
    require_float("student_logits", student_logits)
    require_float("teacher_logits", teacher_logits)
    require_shape(student_logits.shape, teacher_logits=teacher_logits)


def checked(temperature: float, alpha: float) -> tuple[float, float]:
    """Both as Python's floats, which widen no array; refused: T not above 0, α outside [0, 1]."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature!r}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
    return float(temperature), float(alpha)
