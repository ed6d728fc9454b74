"""One training step of a language model, in minilm and in torch, with the same recipe.

Forward, cross-entropy, backward, gradients clipped to length 1, AdamW with β = (0.9, 0.99) and a
weight decay of 0.1 on matrices and tables only. The batches are drawn beforehand.
"""

from collections.abc import Callable
from functools import partial
from itertools import count, cycle

import numpy as np
import torch
from torch import nn

from minilm.models import LanguageModel
from minilm.training.checks import check_finite
from minilm.training.clipping import clip_in_place
from minilm.training.fit import mean_gradients
from minilm.training.flat import Flat
from minilm.training.memory import keep_freed_memory
from minilm.training.openings import as_is, language_model_loss
from minilm.training.optimizers import AdamW
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

    The lines are those of `fit`, which cannot itself take turns with a peer. Its threads stay until
    the process ends.
    """
    keep_freed_memory()
    team = Workers(workers).__enter__()
    arrays, turns, steps = model.init(0), cycle(batches), count()
    flat = Flat(arrays, {}, AdamW(*BETAS, weight_decay=WEIGHT_DECAY))

    def run() -> float:
        step = next(steps)
        seen, pullback = as_is(dict(arrays), step)
        loss_of = partial(language_model_loss, model, seen)
        loss = mean_gradients(loss_of, pullback, next(turns), [0, step, 1], team, flat)
        norm = clip_in_place(flat.gradients, CLIP_NORM)
        entry = {"step": step, "loss": loss, "gradient_norm": norm, "learning_rate": LEARNING_RATE}
        check_finite(entry, flat.grads)
        flat.update(LEARNING_RATE, step)
        return loss

    return run


def torch_step(module: nn.Module, batches: Batches) -> Callable[[], float]:
    """The same in torch, eager. module: ids (B, T) -> logits (B, T, V)."""
    turns = cycle([(torch.tensor(x).long(), torch.tensor(y).long()) for x, y in batches])
    parameters = list(module.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    # fused: one pass over the parameters instead of one for each operation
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, fused=True)

    def run() -> float:
        inputs, targets = next(turns)
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(module(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
        return loss.item()

    return run
