"""The two openings of training: what the model sees, and what it is taught by.

**A view** is what the model sees of the parameters:

    seen, pullback = view(params, step)
    grads = pullback(grads)                 from gradients at `seen` to gradients at `params`

The keys that `pullback` returns are what is trained; all else is kept as it is. Seeing the
parameters rounded (quantization-aware training) or masked (pruning-aware training) is a view.

**A loss** is what the model is taught by. It runs forward and backward itself, so that a batch may
have any form and a teacher may be asked about it:

    total, grads, count = loss(model, seen, batch, rng)

All three are sums over the batch: `total` is the summed loss of `count` terms, `grads` its gradient
by parameter name. Sums from two halves of a batch can be added; means could not.

Below are the two that `fit` takes unless told otherwise.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from minilm.nn import IGNORED, cross_entropy, cross_entropy_backward
from minilm.types import Batch, Params

Pullback: TypeAlias = Callable[[Params], Params]
View: TypeAlias = Callable[[Params, int], tuple[Params, Pullback]]
Loss: TypeAlias = Callable[
    [Any, Params, Batch, np.random.Generator | None], tuple[float, Params, int]
]


def as_is(params: Params, step: int) -> tuple[Params, Pullback]:
    """The parameters themselves; of those, the plain arrays of floats are trained.

    Compressed leaves (packed codes, say) are seen and kept, not trained.
    """

    def pullback(grads: Params) -> Params:
        return {name: grad for name, grad in grads.items() if is_float_array(params.get(name))}

    return params, pullback


def is_float_array(weight: Any) -> bool:
    """Whether a parameter can be moved along a gradient as it is."""
    return isinstance(weight, np.ndarray) and np.issubdtype(weight.dtype, np.floating)


def cross_entropy_loss(
    model: Any, seen: Params, batch: Batch, rng: np.random.Generator | None
) -> tuple[float, Params, int]:
    """Σ over the batch of −log p(target | what the model reads), its gradients, the terms counted.

    batch: what model.forward reads, then the targets, integers of the shape of its logits without
    the last axis; targets of −100 are not counted. For a language model (inputs, targets), for an
    encoder–decoder (source, target_inputs, targets), for a classifier (tokens, labels).
    """
    *inputs, targets = batch
    logits, cache = model.forward(seen, *inputs, rng=rng)
    mean, loss_cache = cross_entropy(logits, targets)
    count = int(np.count_nonzero(np.asarray(targets) != IGNORED))
    dlogits = cross_entropy_backward(count, loss_cache)  # total = count · mean
    return float(mean) * count, model.backward(dlogits, cache), count
