"""The loss of being taught by a teacher: what it answers, what it thinks, where it looks.

    loss = α·labels + (1 − α)·CE          what it answers (labels.py)
         + hidden·hints                   what it thinks (hidden.py)
         + attention·KL of A + values·KL of R                  where it looks (attention.py)

All from one forward pass of the teacher, without dropout, and one forward and backward pass of the
student, on the same batch. Any two models will do that choose among the same tokens or classes: an
LSTM learns from a Transformer, and the other way round. (For A and R both must have attention.)
"""

import math
from typing import Any

import numpy as np

from minilm.compression.distillation.attention import LastLook, check_attends, query_weights
from minilm.compression.distillation.cache import LogitCache, fingerprint
from minilm.compression.distillation.hidden import HINT, hidden_state_loss
from minilm.compression.distillation.labels import LABELS, checked
from minilm.nn import IGNORED
from minilm.training.openings import Loss
from minilm.types import Array, Batch, Params


def distil(
    teacher: Any,
    teacher_params: Params,
    *,
    temperature: float = 1,
    alpha: float,
    labels: str = "soft",
    hidden: float = 0,
    attention: float = 0,
    values: float = 0,
    cache: LogitCache | None = None,
) -> Loss:
    """The loss of being taught by a teacher, for `fit(..., loss=distil(teacher, its_params, …))`.

    teacher: a model that chooses among what the student chooses among (a language model of its
        vocabulary, a classifier of its classes); it reads the same batch, without dropout.
    temperature, alpha, labels: "soft" or "hard", see labels.py. α = 0: the targets alone.
    hidden: how much a difference of hidden states weighs; the student's params have a `hint:w` for
        it, unless the widths agree (hidden.py).
    attention, values: how much the last layer's attention and value relations weigh (attention.py).
    cache: keeps the teacher's logits on disk. Its params must then stay as they are. Not with the
        three above: they need what is not kept.

    batch: what both read, then the targets, as in `minilm.training.cross_entropy_loss`.
    ValueError for settings out of range, TypeError for attention of a model that has none.
    """
    temperature, alpha = checked(temperature, alpha)
    check_terms(labels, cache, hidden=hidden, attention=attention, values=values)
    hidden, attention, values = float(hidden), float(attention), float(values)
    looks = bool(attention or values)
    if looks:
        check_attends(teacher, "teacher")
    key = b"" if cache is None else fingerprint(teacher, teacher_params)

    def taught_by(inputs: list[Any], look: dict[str, Any]) -> tuple[Array, Array | None]:
        if cache is None:
            logits, kept = teacher.forward(teacher_params, *inputs, **look)
            return logits, kept["hidden"] if hidden else None  # the rest of its cache is let go
        return cache.logits(key, inputs, lambda: teacher.forward(teacher_params, *inputs)[0]), None

    def loss(
        model: Any, seen: Params, batch: Batch, rng: np.random.Generator | None
    ) -> tuple[float, Params, int]:
        *inputs, targets = batch
        counted = np.asarray(targets) != IGNORED
        count = int(np.count_nonzero(counted))
        own, theirs = LastLook(), LastLook()
        if looks:
            check_looks(model, inputs, values)
        teacher_logits, teacher_hidden = taught_by(inputs, {"attend": theirs} if looks else {})
        opened = {"attend": own} if looks else {}
        logits, forward_cache = model.forward(seen, *inputs, rng=rng, **opened)
        mean, dlogits = LABELS[labels](
            logits, teacher_logits, targets, temperature=temperature, alpha=alpha
        )
        total, dhidden, dhint = mean * count, None, None  # a Loss gives sums over the batch
        if teacher_hidden is not None:
            part, dhidden, dhint = hidden_state_loss(
                forward_cache["hidden"], teacher_hidden, seen.get(HINT),
                hidden * counted.astype(logits.dtype),
            )  # fmt: skip
            total += part
        if looks:
            shares = query_weights(model, inputs, counted).astype(logits.dtype)
            total += own.toward(theirs, shares, attention, values)
        dlogits *= count
        grads = model.backward(dlogits, forward_cache, dhidden)
        return total, grads if dhint is None else {**grads, HINT: dhint}, count

    return loss


def check_terms(labels: str, cache: LogitCache | None, **weights: float) -> None:
    """Refuse labels that there are not, weights below 0, and terms that need more than is kept."""
    if labels not in LABELS:
        raise ValueError(f"labels must be one of {', '.join(map(repr, LABELS))}, got {labels!r}")
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"{name} must be a finite number of at least 0, got {weight!r}")
    if cache is not None and any(weights.values()):
        raise ValueError("cache keeps logits alone: without hidden, attention and values")


def check_looks(model: Any, inputs: list[Any], values: float) -> None:
    """Refuse a student without attention, and value relations where the last attention looks at
    another sequence than its own."""
    check_attends(model, "model")
    if values and len(inputs) > 1:
        raise ValueError("values: the last attention of an encoder–decoder looks at its source")
