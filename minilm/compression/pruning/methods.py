"""The methods by name: which row of each table, and who proposed the combination.

    method = score × structure × scope × compensation

    prune(params, 0.5, **PRUNING["magnitude"].arguments)
    prune(params, 0.5, **PRUNING["Wanda"].arguments, calibration=calibrate(model, params, batches))
    prune(params, 0.5, **PRUNING["OBD"].arguments,
          gradients=gather_gradients(model, params, batches))

Nothing in the code asks for a method's name: a method is its row here, and no more. When it is
applied, at once or by a schedule, is another matter: see schedules.py and rewinding.py.

A row compares what its authors compared. In small language models, whose weights are of very
different use, the scope matters more than the score: half of everything costs far less where it is
taken from all weights together by a score that compares them (OBD, OBS, Wanda) than half of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from minilm.compression.pruning.scores import SCORES


@dataclass(frozen=True)
class PruningMethod:
    """One row: the parts, and where the combination comes from."""

    source: str
    score: str = "magnitude"
    structure: str = "element"
    scope: str = "local"
    compensate: bool = False
    block: int | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `prune`, but for sparsity and what the method needs."""
        return {"score": self.score, "structure": self.structure, "scope": self.scope,
                "compensate": self.compensate, "block": self.block}

    @property
    def needs(self) -> tuple[str, ...]:
        """The keyword arguments of `prune` that it cannot do without: "calibration" (what
        `calibrate` makes), "gradients" (what `gather_gradients` makes)."""
        compensation = "calibration" if self.compensate else ""
        return tuple(sorted({SCORES[self.score].needs, compensation} - {""}))


PRUNING: Mapping[str, PruningMethod] = MappingProxyType({
    "random": PruningMethod("the control", score="random"),
    # by the size of a weight
    "magnitude": PruningMethod("Han et al. 2015"),
    "magnitude, global": PruningMethod("Frankle and Carbin 2019, section 4", scope="global"),
    "magnitude, 2:4": PruningMethod("Mishra et al. 2021", structure="2:4"),
    "columns": PruningMethod("He et al. 2018 (soft filter pruning), eq. 2", structure="column"),
    # by what multiplies it
    "Wanda": PruningMethod("Sun et al. 2023", score="wanda", scope="output"),
    "Wanda, 2:4": PruningMethod("Sun et al. 2023", score="wanda", structure="2:4"),
    # by what the loss says
    "Taylor": PruningMethod("Molchanov et al. 2017", score="taylor", scope="global"),
    "OBD": PruningMethod("LeCun et al. 1990", score="obd", scope="global"),
    # with the others making up for it
    "OBS, layer by layer": PruningMethod("Hassibi and Stork 1992; Dong et al. 2017", score="obs",
                                         compensate=True),
    "OBS, global": PruningMethod("Hassibi and Stork 1992, with an H for each layer", score="obs",
                                 scope="global", compensate=True),
    "OBD, made good": PruningMethod("LeCun et al. 1990; the sweep of Frantar and Alistarh 2023",
                                    score="obd", scope="global", compensate=True),
    "SparseGPT": PruningMethod("Frantar and Alistarh 2023", score="obs", compensate=True,
                               block=128),
    "SparseGPT, global": PruningMethod("Frantar and Alistarh 2023, its shares by all scores",
                                       score="obs", scope="global", compensate=True, block=32),
    "SparseGPT, 2:4": PruningMethod("Frantar and Alistarh 2023", score="obs", structure="2:4",
                                    compensate=True, block=4),
})  # fmt: skip
