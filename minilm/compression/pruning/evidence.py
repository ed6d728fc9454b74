"""What the data say of each weight, checked and turned so that its outputs are columns."""

from typing import Any

import numpy as np

from minilm.compression.allocation import Gradients
from minilm.compression.parameters import is_table, plain_array
from minilm.compression.pruning.scores import Known
from minilm.compression.pruning.structures import columns
from minilm.compression.quantization.calibration.statistics import as_seen
from minilm.compression.quantization.scheme import is_integer, is_real
from minilm.types import Array


class Evidence:
    """calibration, gradients, damping and seed of `prune`, by the name of a weight.

    weights: those that are pruned. calibration: {name: Seen or rows X}; a table may be missing:
    one whose rows are only looked up multiplies nothing. gradients: {name: Gradients}.
    ValueError for a dict that names no weight; what a weight lacks is refused when it is asked for.
    """

    def __init__(
        self,
        weights: dict[str, Array],
        *,
        calibration: Any = None,
        gradients: Any = None,
        damping: float = 0.01,
        seed: int = 0,
    ) -> None:
        for argument, given in (("calibration", calibration), ("gradients", gradients)):
            if given is not None and not isinstance(given, dict):
                raise TypeError(f"{argument} must be a dict by name, got {type(given).__name__}")
        self.calibration, self.gradients, self.damping = calibration, gradients, damping
        if not (is_real(damping) and 0 <= damping < np.inf):
            raise ValueError(f"damping must be a finite number of at least 0, got {damping!r}")
        if not (is_integer(seed) and seed >= 0):
            raise ValueError(f"seed must be an integer, 0 or more, got {seed!r}")
        self.rng = np.random.default_rng(seed)

    def of(self, name: str, w: Array, needs: str) -> Known:
        """What is known of one weight, as far as its score asks for it. needs: see `Score`."""
        gram = self.gram(name, len(columns(name, w))) if needs == "calibration" else None
        found = self.slopes(name, w) if needs == "gradients" else (None, None)
        return Known(name, self.rng, gram, *found, damping=self.damping)

    def gram(self, name: str, width: int) -> Array | None:
        """H (width, width); of a table that multiplies nothing, I: unit vectors, all alike."""
        if self.calibration is None:
            return None
        if name not in self.calibration:
            if is_table(name):
                return np.eye(width)
            raise ValueError(f"calibration lacks {name}; calibrate(model, params, batches) "
                             "makes it")
        return as_seen(self.calibration[name], width, name).cost

    def slopes(self, name: str, w: Array) -> tuple[Array | None, Array | None]:
        """g and F of scores.py, (n, out)."""
        if self.gradients is None:
            return None, None
        found = self.gradients.get(name)
        if not isinstance(found, Gradients):
            raise TypeError(f"gradients of {name} must be Gradients, as gather_gradients(model, "
                            f"params, batches) makes them, got {type(found).__name__}")
        mean, mean_square = (plain_array(f"gradients of {name}", part) for part in found)
        for part in (mean, mean_square):
            if part.shape != w.shape:
                raise ValueError(f"gradients of {name} must have its shape {w.shape}, "
                                 f"got {part.shape}")
        return columns(name, mean), columns(name, mean_square)
