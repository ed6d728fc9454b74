"""Training: one loop with two openings, and what it is made of.

    openings        what a view and a loss are; the ordinary ones
    squared_error   the loss of models that answer with numbers
    fit             the loop
    workers         the batch shared out over threads and machines
    batch_rows      some rows of a batch
    rows_generator  the same dropout in every share
    vectors         what is trained as slices of a few long vectors
    optimizers      SGD with momentum, AdamW
    schedules       learning rates over time
    checks          what fit refuses, by name
    clipping        gradients no longer than a limit
    checkpoint      a run on disk, continued bit for bit
    evaluation      the loss over a whole text
    memory          why fresh arrays are slow, and the cure
"""

from minilm.training.clipping import clip_in_place, global_norm
from minilm.training.evaluation import evaluate
from minilm.training.fit import fit
from minilm.training.memory import keep_freed_memory
from minilm.training.openings import Loss, Pullback, View, as_is, cross_entropy_loss
from minilm.training.optimizers import SGD, AdamW, Optimizer
from minilm.training.schedules import Schedule, constant, warmup_cosine
from minilm.training.squared_error import squared_error_loss

__all__ = [
    "SGD",
    "AdamW",
    "Loss",
    "Optimizer",
    "Pullback",
    "Schedule",
    "View",
    "as_is",
    "clip_in_place",
    "constant",
    "cross_entropy_loss",
    "evaluate",
    "fit",
    "global_norm",
    "keep_freed_memory",
    "squared_error_loss",
    "warmup_cosine",
]
