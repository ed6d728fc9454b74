"""How much a group matters: the lowest scores go first.

    magnitude     √(mean of w²), over all weights of the group            Li et al. 2017 (with |w|)
    activation    √Σ over what reads it of  E‖x_g W_g‖² / outputs         Luo et al. 2017 (ThiNet)

x_g are the group's values and W_g the rows that read them, so the second is the root mean square of
what the outputs lose if this group alone goes. From H = Σ xᵀx over the N rows of the calibration:
E‖x_g W_g‖² = tr(W_gᵀ H_gg W_g) / N, with H_gg the group's block, correlations inside it included.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minilm.compression.parameters import needed
from minilm.compression.shrinking.groups import Cut, Groups
from minilm.nn.checks import describe
from minilm.types import Array, Params

Scores = str | Mapping[str, Array]


def magnitude(params: Params, groups: Groups, calibration: Any) -> Array:
    """√(mean of w²) of the matrices' entries that each group owns: (groups,)."""
    total, count = np.zeros(groups.count), 0
    for cut in groups.cuts:
        w = params[cut.name]
        if w.ndim == 2:
            lines = np.square(w, dtype=np.float64).sum(axis=1 - cut.axis)
            total += lines[cut.places].sum(axis=1)
            count += cut.places.shape[1] * w.shape[1 - cut.axis]
    return np.sqrt(total / count)


def activation(params: Params, groups: Groups, calibration: Any) -> Array:
    """The root mean square of what each group adds to the outputs that read it: (groups,).

    calibration: {name: Seen}, as `calibrate` makes it; ValueError where a reader is not in it.
    """
    return np.sqrt(sum(mean_square_added(params, cut, calibration) for cut in groups.readers))


def mean_square_added(params: Params, cut: Cut, calibration: Any) -> Array:
    """E‖x_g W_g‖² / outputs of one reader: (groups,)."""
    if not isinstance(calibration, dict | None):
        raise TypeError("calibration of params must be a dict by name, as calibrate makes it, got "
                        f"{describe(calibration)}")
    seen = needed((calibration or {}).get(cut.name), cut.name, "scores 'activation'")
    w = np.moveaxis(params[cut.name], cut.axis, 0)                           # (in, out)
    if seen.gram is None or seen.width != len(w):
        raise ValueError(f"calibration of {cut.name} must be of rows of width {len(w)}, got "
                         f"{seen.count} of width {seen.width}")
    rows = w[cut.places].astype(np.float64)                                  # (groups, k, out)
    blocks = seen.gram[cut.places[:, :, None], cut.places[:, None]]          # (groups, k, k)
    added = (rows @ rows.swapaxes(1, 2) * blocks).sum(axis=(1, 2))
    return np.maximum(added, 0) / (seen.count * w.shape[1])


SCORES: dict[str, Callable[[Params, Groups, Any], Array]] = {
    "magnitude": magnitude,
    "activation": activation,
}


def scores_of(
    params: Params, layers: dict[str, Groups], scores: Scores, calibration: Any
) -> dict[str, Array]:
    """{layer: (groups,) float64}: by a row of SCORES, or those given. ValueError for others."""
    if isinstance(scores, str):
        if scores not in SCORES:
            rows = ", ".join(map(repr, SCORES))
            raise ValueError(f"scores must be one of {rows}, or a dict by layer, got {scores!r}")
        made = {name: SCORES[scores](params, g, calibration) for name, g in layers.items()}
    elif isinstance(scores, Mapping) and set(scores) == set(layers):
        made = {name: np.asarray(scores[name]) for name in layers}
    else:
        raise ValueError(f"scores must have the layers {', '.join(layers)}, got "
                         f"{', '.join(map(str, scores)) or 'none'}")
    for name, values in made.items():
        numbers = values.dtype.kind in "fiu" and values.shape == (layers[name].count,)
        if not numbers or not np.isfinite(values).all():
            raise ValueError(f"scores of {name} must be {layers[name].count} finite numbers, got "
                             f"{values!r:.60}")
    return {name: values.astype(np.float64) for name, values in made.items()}
