"""Fewer weights: pruning = score × structure × scope × schedule (× compensation).

    prune.py          prune: params -> params
    scores.py         which numbers matter: magnitude, random, Wanda, Taylor, OBD, OBS
    structures.py     what is pruned as one: element, row, column, n:m
    masks.py          the scope, and exactly k of the lowest in it: keep_masks
    compensation.py   what is left out, the others make up for: SparseGPT
    schedules.py      how much by which step: cubic
    rewinding.py      train, prune, go back to the first weights, train again: lottery_ticket
    measured.py       remove and evaluate, the slow reference: measured_effect
    methods.py        PRUNING: combinations by name, with their sources
    evidence.py       what the data say of each weight, checked
"""

from minilm.compression.pruning.masks import (
    SCOPES,
    check_sparsity,
    floats,
    keep_highest,
    keep_highest_of_all,
    keep_masks,
)
from minilm.compression.pruning.measured import measured_effect
from minilm.compression.pruning.methods import PRUNING, PruningMethod
from minilm.compression.pruning.prune import prune
from minilm.compression.pruning.rewinding import lottery_ticket
from minilm.compression.pruning.schedules import as_schedule, cubic
from minilm.compression.pruning.scores import SCORES, root_mean_square
from minilm.compression.pruning.structures import STRUCTURES

__all__ = [
    "PRUNING",
    "SCOPES",
    "SCORES",
    "STRUCTURES",
    "PruningMethod",
    "as_schedule",
    "check_sparsity",
    "cubic",
    "floats",
    "keep_highest",
    "keep_highest_of_all",
    "keep_masks",
    "lottery_ticket",
    "measured_effect",
    "prune",
    "root_mean_square",
]
