"""What would move: gradient norms, layer by layer, and how rounding turns the gradient.

    norm   ‖g‖,  g = ∂(mean loss)/∂w          ratio  ‖g‖ / ‖w‖: how fast w would change, per unit
    change ‖g'‖ / ‖g‖  and  cos(g', g)        g at the float weights, g' at the rounded ones

Compression after training has no gradients of its own. Training a rounded model has: the loss is
taken at the rounded weights and its gradient is passed to the float ones as if nothing had been
rounded (`compression.straight_through`). `view` shows the model what is to be seen; comparing the
two gradients says how far that is from the truth.

Over time, ∂loss_T/∂h_t says how much of what the end of a text teaches reaches t
(Bengio et al. 1994; Hochreiter & Schmidhuber 1997).
"""

from typing import Any

import numpy as np

from minilm.inspection.activations import change, quotient
from minilm.inspection.listening import Listening
from minilm.nn import IGNORED, cross_entropy, cross_entropy_backward
from minilm.training import Loss, View
from minilm.types import Array, Batch, Params
from minilm.weights import as_dense


def gradients(
    model: Any, params: Params, batch: Batch, loss: Loss, *, view: View | None = None
) -> dict[str, Array]:
    """∂(mean loss of the batch)/∂w of every parameter, dropout off.

    batch, loss, view: as for `fit`. With a view, the loss is taken at what it sees, and the
    gradients are what its pullback answers; without one, compressed leaves have gradients as well,
    those of the arrays for which they stand.
    """
    seen, pullback = (params, None) if view is None else view(params, 0)
    _, grads, count = loss(model, seen, batch, None)
    grads = {name: grad / count for name, grad in grads.items()}
    return grads if pullback is None else pullback(grads)


def gradient_norms(
    model: Any, params: Params, batch: Batch, loss: Loss, *, view: View | None = None
) -> dict[str, dict[str, float]]:
    """{name: {"norm": ‖g‖, "weight": ‖w‖, "ratio": ‖g‖/‖w‖}}, in the order of params.

    The ratio is inf for a weight that is all 0 (a new bias), and NaN if its gradient is as well.
    """
    grads = gradients(model, params, batch, loss, view=view)
    norms = {}
    for name in params:
        if name in grads:
            norm = float(np.linalg.norm(grads[name]))
            weight = float(np.linalg.norm(as_dense(params[name])))
            norms[name] = {"norm": norm, "weight": weight, "ratio": quotient(norm, weight)}
    return norms


def gradient_change(
    before: dict[str, Array], after: dict[str, Array]
) -> dict[str, dict[str, float]]:
    """{name: {"ratio": ‖g'‖/‖g‖, "cosine"}} of two `gradients`, for the names that both have.

    Ratio 1 and cosine 1 where they are equal; cosine −1 where they are opposite.
    """
    changes = {}
    for name, g in before.items():
        if name in after:
            norm, other = (float(np.linalg.norm(a)) for a in (g, after[name]))
            ratio = 1.0 if norm == other else quotient(other, norm)
            changes[name] = {"ratio": ratio, "cosine": change(g, after[name])["cosine"]}
    return changes


def gradient_by_lag(model: Any, params: Params, tokens: Array, targets: Array) -> Array:
    """‖∂loss_T/∂h_{T−k}‖ for k = 1 … T of an LSTM language model's last layer, h_0 included.

    tokens: (B, T) ids, targets: (B,) the token after the last  ->  (T,), the mean over the B texts;
    [0] is lag 1. loss_T = −log p(target) of one text.
    Only the last token is judged, and the last layer passes h_t on to nothing but h_{t+1}: what
    comes back through w_h is all of the gradient.
    ValueError for a model without lstm layers, or targets of another shape.
    """
    targets = np.asarray(targets)
    if targets.shape != tokens.shape[:1]:
        raise ValueError(f"targets must have shape {tokens.shape[:1]}, got {targets.shape}")
    last = f"lstm.{getattr(model, 'layers', 0) - 1}.w_h"
    if last not in params:
        raise ValueError(f"model must have lstm layers, a {type(model).__name__} has none")
    norms: list[float] = []

    def hear(name: str, x: Array) -> None:
        if name.startswith("∂"):
            norms.append(float(np.linalg.norm(x, axis=-1).mean()))

    logits, cache = model.forward({**params, last: Listening(params[last], last, hear)}, tokens)
    judged = np.full(tokens.shape, IGNORED)
    judged[:, -1] = targets
    _, loss_cache = cross_entropy(logits, judged)
    model.backward(cross_entropy_backward(len(tokens), loss_cache), cache)
    return np.array(norms)
