"""Distillation: a model, the student, is taught by another, the teacher.

    params, _ = fit(student, params, batches, loss=distil(teacher, its_params, alpha=0.5))

    loss.py       distil: the terms below together, as a loss of `fit`
    labels.py     what the teacher answers: soft labels with a temperature, and hard ones
    hidden.py     what it thinks: its hidden states, through a learned map
    attention.py  where it looks: its attention, and the relations among its values
    sequences.py  what it writes: sequence-level, its texts are the student's training data
    cache.py      its logits on disk, computed once

The teacher is frozen: it is read, and gets no gradient. A teacher of the student's own kind and
size is self-distillation (Furlanello et al. 2018), and with view=straight_through(bits) a float
model teaches its own rounded copy; neither needs anything more.
"""

from minilm.compression.distillation.attention import relation_loss
from minilm.compression.distillation.cache import LogitCache
from minilm.compression.distillation.hidden import add_hint, drop_hint, hidden_state_loss
from minilm.compression.distillation.labels import LABELS, distillation_loss, hard_label_loss
from minilm.compression.distillation.loss import distil
from minilm.compression.distillation.sequences import answered_examples, written_texts

__all__ = [
    "LABELS",
    "LogitCache",
    "add_hint",
    "answered_examples",
    "distil",
    "distillation_loss",
    "drop_hint",
    "hard_label_loss",
    "hidden_state_loss",
    "relation_loss",
    "written_texts",
]
