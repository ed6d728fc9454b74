"""One training step of a language model, in minilm and in torch, with the same recipe.

Forward, cross-entropy, backward, gradients clipped to length 1, AdamW with β = (0.9, 0.99) and a
weight decay of 0.1 on matrices and tables only. The batches are drawn beforehand.
"""

from collections.abc import Callable
from itertools import count, cycle

import numpy as np
import torch
from torch import Tensor, nn

from minilm.models import LanguageModel
from minilm.training.checkpoint import start
from minilm.training.fit import one_step
from minilm.training.memory import keep_freed_memory
from minilm.training.optimizers import AdamW
from minilm.training.vectors import Vectors
from minilm.training.workers import Workers
from minilm.types import Array

Batches = list[tuple[Array, Array]]

LEARNING_RATE = 1e-3
CLIP_NORM = 1.0
BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.1


def random_batches(vocab_size: int, batch_size: int, length: int, number: int = 8) -> Batches:
    """(inputs, targets) int32 (B, T) each; which ids does not change the time."""
    rng = np.random.default_rng(0)
    shape = (number, batch_size, length + 1)
    ids = rng.integers(vocab_size, size=shape, dtype=np.int32)
    return [(windows[:, :-1].copy(), windows[:, 1:].copy()) for windows in ids]


def minilm_step(
    model: LanguageModel, batches: Batches, workers: int = 1
) -> Callable[[], float]:
    """A function that takes one step and returns the loss before it.

    It is what `fit` repeats, which cannot itself take turns with a peer. Its threads stay until the
    process ends.
    """
    keep_freed_memory()
    team = Workers(workers).__enter__()
    run, turns, steps = start(model.init(0)), cycle(batches), count()
    vectors = Vectors(run.arrays, run.state, AdamW(*BETAS, weight_decay=WEIGHT_DECAY))

    def step() -> float:
        entry = one_step(
            model, run, vectors, team, next(turns), next(steps), LEARNING_RATE, clip_norm=CLIP_NORM
        )
        return entry["loss"]

    return step


def torch_step(module: nn.Module, batches: Batches) -> Callable[[], float]:
    """The same in torch, eager. module: ids (B, T) -> logits (B, T, V)."""
    turns = cycle([(torch.tensor(x).long(), torch.tensor(y).long()) for x, y in batches])
    optimizer = torch_adamw(module)
    return lambda: torch_update(module, optimizer, *next(turns))


def torch_adamw(module: nn.Module) -> torch.optim.AdamW:
    """Fused: one pass over the parameters instead of one for each operation."""
    parameters = list(module.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, fused=True)


def torch_update(
    module: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor
) -> float:
    """One step; the loss before it."""
    optimizer.zero_grad(set_to_none=True)
    loss = nn.functional.cross_entropy(module(inputs).flatten(0, 1), targets.flatten())
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
    optimizer.step()
    return loss.item()
