"""The methods by name: which row of each table, and who proposed the combination.

    method = transform × grid × objective × rounding × coder

    quantize(params, bits, **METHODS["round to nearest"].arguments)

Nothing in the code asks for a method's name: a method is its row here, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

ALL = (2, 3, 4, 5, 6, 7, 8)
ANY = (1, *ALL)


@dataclass(frozen=True)
class Method:
    """One row: the parts, the other keyword arguments of `quantize`, and where it comes from.

    bits: those it exists for. needs: "" or what it cannot do without: "calibration" (`calibration=`
    of `quantize`) or "training" (a view for `fit`). coder: how codes are counted, see coders.py.
    """

    source: str
    grid: str = "int"
    objective: str = "absmax"
    rounding: str = "nearest"
    transform: str = "none"
    coder: str = "packed"
    options: Mapping[str, Any] = field(default_factory=dict)
    bits: tuple[int, ...] = ALL
    needs: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `quantize`, but for bits and calibration."""
        return {
            "transform": self.transform,
            "grid": self.grid,
            "objective": self.objective,
            "rounding": self.rounding,
            **self.options,
        }


GROUPS = {"group_size": 64}
AFFINE = {"symmetric": False}

METHODS: Mapping[str, Method] = MappingProxyType({
    # which numbers share a scale
    "one scale": Method("Jacob et al. 2018", options={"axis": "tensor"}),
    "round to nearest": Method("Jacob et al. 2018"),
    "in groups": Method("Shen et al. 2020 (Q-BERT)", options=GROUPS),
    "asymmetric": Method("Jacob et al. 2018, eq. 1", options=AFFINE, bits=ANY),
    "asymmetric in groups": Method("Jacob et al. 2018", options={**AFFINE, **GROUPS}, bits=ANY),
    # which range
    "percentile": Method("McKinstry et al. 2019", objective="percentile"),
    "least squares": Method("Banner et al. 2019", objective="mse"),
    # which levels
    "binary": Method("Rastegari et al. 2016, eq. 6", bits=(1,)),
    "codebook": Method("Lloyd 1982", grid="lloyd_max", bits=ANY),
    # what is rounded in the weight's place
    "AWQ": Method("Lin et al. 2023", transform="awq", options=GROUPS, needs="calibration"),
    "SmoothQuant": Method("Xiao et al. 2022", transform="smooth", bits=(8,), needs="calibration"),
    "rotation": Method("Ashkboos et al. 2024 (QuaRot)", transform="hadamard"),
    # which of two levels
    "stochastic rounding": Method("Gupta et al. 2015", rounding="stochastic"),
    "GPTQ": Method("Frantar et al. 2022", rounding="gptq", options=GROUPS, needs="calibration"),
    "AdaRound": Method("Nagel et al. 2020", rounding="adaround", needs="calibration"),
})  # fmt: skip
