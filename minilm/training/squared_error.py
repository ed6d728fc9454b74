"""The loss of models that answer with numbers instead of choosing: the squared error."""

from typing import Any

import numpy as np

from minilm.nn import squared_error, squared_error_backward
from minilm.types import Batch, Params


def squared_error_loss(
    model: Any, seen: Params, batch: Batch, rng: np.random.Generator | None
) -> tuple[float, Params, int]:
    """Σ over the batch of (y − target)², its gradients, the numbers counted; for `fit(..., loss=)`.

    batch: what model.forward reads, then the targets, numbers of the shape of its answer y.
    """
    *inputs, targets = batch
    y, cache = model.forward(seen, *inputs, rng=rng)
    mean, loss_cache = squared_error(y, targets)
    dy = squared_error_backward(y.size, loss_cache)  # total = count · mean
    return mean * y.size, model.backward(dy, cache), y.size
