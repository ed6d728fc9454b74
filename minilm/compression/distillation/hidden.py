"""What the teacher thinks: its hidden states, which the student's are to resemble.

    loss = mean over tokens of  mean over j of (h_student W − h_teacher)²_j

The two may be of different widths, so a linear map W stands between them. The student does not need
it for its work, only for being taught: it is trained along with the student as the parameter
`hint:w`, and dropped afterwards:

    params = add_hint(params, (student_width, teacher_width), seed=0)
    params, _ = fit(student, params, batches, loss=distil(teacher, its_params, alpha=0.5, hidden=1))
    params = drop_hint(params)

A student may begin with this, weighing heavily, and go on with what its teacher answers: two calls
of `fit`, hidden=30 in the first, none in the second (Romero et al. 2015, section 2.2).

Romero et al. 2015 (FitNets), eq. 3; Jiao et al. 2020 (TinyBERT), eq. 8. What is compared here is
what the heads of the two models read, cache["hidden"]: the last hidden states, no others.
"""

import math

import numpy as np

from minilm.nn.checks import require_shape
from minilm.nn.sums import flat
from minilm.types import Array, Params

HINT = "hint:w"


def add_hint(params: Params, widths: tuple[int, int], *, seed: int) -> Params:
    """The parameters with a new `hint:w`, (student's width, teacher's) float32, std 1/√fan_in.

    Models of one width can do without it. ValueError for widths below 1.
    """
    student, teacher = widths
    if min(widths) < 1:
        raise ValueError(f"widths must be two integers of at least 1, got {widths}")
    w = np.random.default_rng(seed).standard_normal((student, teacher), dtype=np.float32)
    return {**params, HINT: w / np.float32(math.sqrt(student))}


def drop_hint(params: Params) -> Params:
    """The parameters without `hint:w`, which only training has a use for."""
    return {name: w for name, w in params.items() if name != HINT}


def hidden_state_loss(
    student: Array, teacher: Array, w: Array | None, weight: Array
) -> tuple[float, Array, Array | None]:
    """Σ weight · mean of (student w − teacher)², and its gradients: loss, dstudent, dw.

    student: (..., D), teacher: (..., D'), w: (D, D') or None, which stands for the identity;
    weight: (...), what each token counts. The teacher gets no gradient, and its dtype changes none.
    ValueError where the widths do not meet, or the tokens.
    """
    require_shape(student.shape[:-1], weight=weight)
    require_shape((*student.shape[:-1], teacher.shape[-1]), teacher=teacher)
    need = (student.shape[-1], teacher.shape[-1])
    if (w is None and need[0] != need[1]) or (w is not None and w.shape != need):
        raise ValueError(f"{HINT} must have shape {need} to compare the hidden states, got "
                         f"{'none' if w is None else w.shape}: add_hint(params, {need}, seed=0)")
    difference = (student if w is None else student @ w) - teacher.astype(student.dtype, copy=False)
    dmapped = difference * (weight / need[1])[..., None]
    loss = float(np.vdot(dmapped, difference))
    dmapped *= 2                                              # ∂loss/∂(student w)
    if w is None:
        return loss, dmapped, None
    return loss, dmapped @ w.T, flat(student).T @ flat(dmapped)
