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

Below are the two that `fit` takes unless told otherwise, and the loss of a model that reads one
sequence and writes another.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from minilm.models import LanguageModel, Seq2SeqTransformer
from minilm.nn import IGNORED, cross_entropy, cross_entropy_backward
from minilm.types import Array, Batch, Cache, Params

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


def language_model_loss(
    model: LanguageModel, seen: Params, batch: Batch, rng: np.random.Generator | None
) -> tuple[float, Params, int]:
    """Σ over the batch of −log p(target | the tokens before it), its gradients, the tokens counted.

    batch: (inputs, targets), integer ids (B, T) each; targets of −100 are not counted.
    """
    inputs, targets = batch
    logits, cache = model.forward(seen, inputs, rng=rng)
    return summed_cross_entropy(model, logits, cache, targets)


def sequence_loss(
    model: Seq2SeqTransformer, seen: Params, batch: Batch, rng: np.random.Generator | None
) -> tuple[float, Params, int]:
    """Σ of −log p(target | source, the targets before it), its gradients, the tokens counted.

    batch: (source, target_inputs, targets), integer ids (B, S), (B, T) and (B, T); targets of
    −100, where a target is filled up, are not counted.
    """
    source, target_inputs, targets = batch
    logits, cache = model.forward(seen, source, target_inputs, rng=rng)
    return summed_cross_entropy(model, logits, cache, targets)


def summed_cross_entropy(
    model: Any, logits: Array, cache: Cache, targets: Array
) -> tuple[float, Params, int]:
    """What a loss answers, of logits that are judged by their cross-entropy with the targets."""
    mean, loss_cache = cross_entropy(logits, targets)
    count = int(np.count_nonzero(np.asarray(targets) != IGNORED))
    dlogits = cross_entropy_backward(count, loss_cache)  # total = count · mean
    return float(mean) * count, model.backward(dlogits, cache), count
