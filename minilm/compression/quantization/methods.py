"""The methods by name: which row of each table, and who proposed the combination.

    method = transform × grid × objective × rounding × coder

    quantize(params, 4, **METHODS["round to nearest"].arguments)
    quantize(params, 3, **METHODS["GPTQ"].arguments, calibration=calibrate(model, params, batches))

Which numbers share a scale, and how scales are stored, are `options`.
Nothing in the code asks for a method's name: a method is its row here, and no more. Groups of 64
help most of them alike; a row has groups where its authors did, or where it is used with them.
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
    of `quantize`). coder: by which its codes are to be counted (`true_bits`).
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


TENSOR = {"axis": "tensor"}
GROUPS = {"group_size": 64}
AFFINE = {"symmetric": False}
MX = {"group_size": 32, "scale_format": "e8m0"}

METHODS: Mapping[str, Method] = MappingProxyType({
    # which numbers share a scale
    "one scale": Method("Jacob et al. 2018", options=TENSOR),
    "round to nearest": Method("Krishnamoorthi 2018, section 3", bits=(*ALL, 16)),
    "in groups": Method("Shen et al. 2020 (Q-BERT)", options=GROUPS),
    "asymmetric": Method("Jacob et al. 2018, eq. 1", options=AFFINE, bits=(*ANY, 16)),
    "asymmetric in groups": Method("Jacob et al. 2018", options={**AFFINE, **GROUPS}, bits=ANY),
    # over which range
    "percentile": Method("McKinstry et al. 2019", objective="percentile"),
    "least squares": Method("Banner et al. 2019", objective="mse"),
    "least squares in groups": Method("Banner et al. 2019", objective="mse", options=GROUPS),
    "least squares, asymmetric in groups": Method("Banner et al. 2019", objective="mse",
                                                  options={**AFFINE, **GROUPS}),
    "entropy": Method("Migacz 2017 (TensorRT)", objective="entropy", bits=(8,)),
    "HQQ": Method("Badri and Shaji 2023", grid="int_real_zero", objective="hqq",
                  options={**AFFINE, **GROUPS}, bits=ANY),
    # which levels
    "binary": Method("Rastegari et al. 2016 (XNOR-Net), eq. 6", bits=(1,)),
    "ternary, TWN": Method("Li et al. 2016", objective="twn", bits=(2,)),
    "ternary, absmean": Method("Ma et al. 2024 (BitNet b1.58)", objective="absmean",
                               options=TENSOR, bits=(2,)),
    "full range": Method("ONNX, QuantizeLinear", grid="int_full"),
    "mid-rise": Method("Max 1960", grid="mid_rise", objective="mse", bits=ANY),
    "powers of two": Method("Zhou et al. 2017 (INQ)", grid="power_of_two", objective="mse",
                            bits=(2, 3, 4)),
    "logarithmic": Method("Miyashita et al. 2016", grid="logarithmic", objective="mse",
                          bits=(2, 3, 4, 5)),
    "normal float": Method("Dettmers et al. 2023 (QLoRA)", grid="nf", options=GROUPS),
    "codebook": Method("Lloyd 1982; Max 1960", grid="lloyd_max", bits=ANY),
    "codebook in groups": Method("Lloyd 1982; Max 1960", grid="lloyd_max", options=GROUPS,
                                 bits=ANY),
    "codebook, weighted": Method("Kim et al. 2023 (SqueezeLLM)", grid="lloyd_max",
                                 bits=ANY, needs="calibration"),
    "fp8, e4m3": Method("Micikevicius et al. 2022", grid="e4m3", bits=(8,)),
    "fp8, e5m2": Method("Micikevicius et al. 2022", grid="e5m2", bits=(8,)),
    "fp4, e2m1": Method("Liu et al. 2023 (LLM-FP4)", grid="e2m1", objective="mse", bits=(4,)),
    "fp16": Method("IEEE 754-2019", grid="fp16", bits=(16,)),
    "bf16": Method("Kalamkar et al. 2019", grid="bf16", bits=(16,)),
    # how scales are stored
    "MXFP4": Method("OCP Microscaling Formats 1.0", grid="e2m1", options=MX, bits=(4,)),
    "MXFP8": Method("OCP Microscaling Formats 1.0", grid="e4m3", options=MX, bits=(8,)),
    "MXINT8": Method("OCP Microscaling Formats 1.0", options=MX, bits=(8,)),
    "NVFP4": Method("NVIDIA 2025", grid="e2m1", bits=(4,),
                    options={"group_size": 16, "scale_format": "e4m3"}),
    # what is rounded in the weight's place
    "AWQ": Method("Lin et al. 2023", transform="awq", options=GROUPS, needs="calibration"),
    "AWQ, least squares": Method("Lin et al. 2023, section 3.2", transform="awq", objective="mse",
                                 options={**AFFINE, **GROUPS}, needs="calibration"),
    "SmoothQuant": Method("Xiao et al. 2022", transform="smooth", bits=(8,), needs="calibration"),
    "rotation": Method("Ashkboos et al. 2024 (QuaRot)", transform="hadamard"),
    # which of the levels
    "stochastic rounding": Method("Gupta et al. 2015", rounding="stochastic"),
    "GPTQ": Method("Frantar et al. 2022", rounding="gptq", options=GROUPS, needs="calibration"),
    "GPTQ, least squares": Method("Frantar et al. 2022", objective="mse", rounding="gptq",
                                  options={**AFFINE, **GROUPS}, needs="calibration"),
    "GPTQ, codebook": Method("Frantar et al. 2022; Kim et al. 2023", grid="lloyd_max",
                             rounding="gptq", options=GROUPS, needs="calibration"),
    "AdaRound": Method("Nagel et al. 2020", rounding="adaround", needs="calibration"),
    "AdaRound, least squares": Method("Nagel et al. 2020", objective="mse",
                                      rounding="adaround", options={**AFFINE, **GROUPS},
                                      needs="calibration"),
    "trellis": Method("Marcellin and Fischer 1990", grid="lloyd_max", objective="mse",
                      rounding="trellis", bits=(1, 2, 3, 4)),
    "trellis, 4 states": Method("Ungerboeck 1982; Marcellin and Fischer 1990", grid="lloyd_max",
                                objective="mse", rounding="trellis_4", bits=(1, 2, 3, 4)),
    "AWQ, then GPTQ": Method("Lin et al. 2023, section 5.2", transform="awq", rounding="gptq",
                             options=GROUPS, needs="calibration"),
    "rotation, then GPTQ": Method("Ashkboos et al. 2024 (QuaRot)", transform="hadamard",
                                  rounding="gptq", options=GROUPS, needs="calibration"),
    "rotation, then trellis": Method("Tseng et al. 2024 (QTIP)", transform="hadamard",
                                     grid="lloyd_max", objective="mse", rounding="trellis",
                                     bits=(1, 2, 3, 4)),
    # how codes are written down
    "entropy-coded": Method("Gish and Pierce 1968", grid="entropy_coded", coder="entropy",
                            options=TENSOR, bits=(1, 2, 3, 4, 5, 6, 8)),
    "codebook, coded": Method("Han et al. 2016 (Deep Compression)", grid="lloyd_max",
                              coder="entropy", options=TENSOR, bits=ANY),
})  # fmt: skip
