"""From a fresh model to predictions with few bits, in one function.

    train            floats, as ever
    quantize         what the trained weights are with few bits, and no more training
    train quantized  the model sees its weights rounded and learns to bear it (straight through)
    dequantize       the floats that the final codes stand for
    predict          model.forward(stages.restored, x): what the packed model says, to the bit

Nothing is trained "in integers": small steps add up in float weights underneath, and at each step
the model sees those weights on their grid. So the third stage goes on from the floats that the
second one rounded, and begins by seeing exactly what the second one made.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minilm.compression.quantization.quantize import Bits, dequantize, quantize
from minilm.compression.views.straight_through import straight_through
from minilm.training import fit
from minilm.types import Batch, Params


class Stages(NamedTuple):
    """The parameters after each stage, and the history of both trainings.

    trained: floats. rounded: those, packed. packed: what was trained quantized, packed.
    restored: packed, as floats again.
    """

    trained: Params
    rounded: Params
    packed: Params
    restored: Params
    history: list[dict[str, float]]


def train_quantized(
    model: Any,
    params: Params,
    batches: Callable[[int], Batch] | Sequence[Batch],
    bits: Bits,
    *,
    how: dict[str, Any] | None = None,
    tuning: dict[str, Any] | None = None,
    **training: Any,
) -> Stages:
    """Train, quantize, train quantized, dequantize: any model, any loss.

    bits, how: as for `quantize`. training: keyword arguments of `fit`, for both trainings; tuning:
    those that are others for the second one (fewer steps, say).
    ValueError if both trainings would write one checkpoint; otherwise as `quantize` and `fit`.
    """
    how = how or {}
    second = {**training, **(tuning or {})}
    path = training.get("checkpoint")
    if path is not None and second["checkpoint"] == path:
        raise ValueError(f"tuning must have a checkpoint of its own, got {path!r} for both")
    view = straight_through(bits, **how)
    trained, history = fit(model, params, batches, **training)
    rounded = quantize(trained, bits, **how)
    tuned, later = fit(model, trained, batches, **second, view=view)
    packed = quantize(tuned, bits, **how)
    return Stages(trained, rounded, packed, dequantize(packed), history + later)
