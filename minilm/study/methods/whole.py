"""Methods over whole models: activations, corrections, budgets of bytes, files, caches.

Each makes of a bench and bits what is then evaluated. Where a model has no place for a method, the
method's own refusal is its result: `refusal` names the error, and its words become the row's note.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from minilm.compression import calibrate, quantize
from minilm.compression.allocation import (
    loss_damage,
    mixed_precision,
    sensitivities,
    water_filling_bits,
)
from minilm.compression.parameters import is_table, matrices
from minilm.compression.quantization import (
    METHODS,
    correct_biases,
    correct_scales,
    equalize,
    from_gguf,
    integer_only,
    names_read,
    product_quantize,
    quantize_activations,
    rotate,
    to_gguf,
)
from minilm.compression.quantization.activations.ranges import RANGES
from minilm.compression.quantization.folding.norms import scale_norms
from minilm.study.methods.attention import attending, cached
from minilm.study.methods.bench import Bench, Made, fitting
from minilm.types import Array, Params
from minilm.weights import nbytes

FLOAT_BITS = 32
WIDTHS = (4, 3, 2)
Refusal = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Whole:
    """One row. does: in a line. bits: those tried, of the weights unless it rounds something else.
    """

    source: str
    does: str
    bits: tuple[int, ...]
    make: Callable[[Bench, int], Made]
    needs: str = ""
    refusal: Refusal = ()


def by_name(bench: Bench, method: str, bits: int, params: Params | None = None) -> Params:
    """The parameters, rounded by a row of METHODS."""
    row, params = METHODS[method], bench.params if params is None else params
    calibration = bench.seen if row.needs == "calibration" else None
    return quantize(params, bits, calibration=calibration, **fitting(row.arguments, params))


def plain(bench: Bench, bits: int) -> Made:
    return Made(by_name(bench, "round to nearest", bits))


def dynamic(bench: Bench, bits: int, weights: str = "round to nearest",
            activations: int = 8, **how: Any) -> Made:
    return Made(quantize_activations(by_name(bench, weights, bits), activations, **how))


def static(bench: Bench, bits: int, weights: str = "round to nearest", **how: Any) -> Made:
    packed = by_name(bench, weights, bits)
    return Made(quantize_activations(packed, 8, calibration=bench.seen, **how))


def folded(bench: Bench, bits: int) -> Made:
    """SmoothQuant's scales inside the norms: nothing is left to do at inference."""
    scaled = scale_norms(bench.model, bench.params, bench.seen, "smooth", bits)
    packed = by_name(bench, "round to nearest", bits, scaled)
    return Made(quantize_activations(packed, 8), floats=scaled)


def integers(bench: Bench, bits: int) -> Made:
    packed = by_name(bench, "round to nearest", bits)
    model, params = integer_only(bench.model, packed, bench.batches)
    return Made(params, model)


def biases(bench: Bench, bits: int) -> Made:
    read = names_read(bench.model, bench.params, bench.batches[0])
    packed = by_name(bench, "round to nearest", bits)
    return Made(correct_biases(packed, bench.params, bench.seen, read))


def scales(bench: Bench, bits: int, weights: str = "round to nearest") -> Made:
    return Made(correct_scales(by_name(bench, weights, bits), bench.params, bench.seen))


def both(bench: Bench, bits: int) -> Made:
    read = names_read(bench.model, bench.params, bench.batches[0])
    return Made(correct_biases(scales(bench, bits).params, bench.params, bench.seen, read))


def sequential(bench: Bench, bits: int) -> Made:
    """GPTQ weight by weight, each with what multiplies it once those before it are rounded."""
    row, made = METHODS["GPTQ, least squares"], dict(bench.params)
    how = fitting(row.arguments, bench.params)
    for name in matrices(bench.params):
        seen = calibrate(bench.model, made, bench.batches)
        made = quantize(made, {name: bits}, calibration=seen, **how)
    return Made(made)


def greedy_bits(bench: Bench, bits: int) -> Made:
    """The bits of each weight by what its rounding costs alone, at the bytes of one width for all.
    """
    how = fitting(METHODS["least squares in groups"].arguments, bench.params)
    choices: dict[str, dict[str, Any]] = {str(b): {"bits": b, **how} for b in (1, 2, 3, 4, 5, 6)}
    choices["fp16"] = {"bits": 16, "grid": "fp16"}
    budget = nbytes(by_name(bench, "least squares in groups", bits))
    damage = loss_damage(bench.params, bench.loss)
    return Made(mixed_precision(bench.params, choices, damage, budget=budget))


def flooded_bits(bench: Bench, bits: int) -> Made:
    """Reverse water-filling with the mean squared gradient for a sensitivity, to whole bits."""
    weights = matrices(bench.params)
    squares = sensitivities(bench.model, bench.params, bench.batches)
    variances = np.array([squares[name] * float(w.var()) for name, w in weights.items()])
    chosen = dict(zip(weights, whole_bits(variances, weights, bits).tolist(), strict=True))
    how = fitting(METHODS["least squares in groups"].arguments, bench.params)
    return Made(quantize(bench.params, chosen, **how))


def whole_bits(variances: Array, weights: Params, bits: int) -> Array:
    """Reverse water-filling rounded to 1 … 8, of the highest level that costs no more than `bits`.
    """
    sizes = np.array([w.size for w in weights.values()])
    for mean in np.arange(100 * bits, 0, -1) / 100:
        chosen = np.clip(np.rint(water_filling_bits(variances, sizes, mean)), 1, 8).astype(int)
        if chosen @ sizes <= bits * sizes.sum():
            break
    return chosen


def equalized(bench: Bench, bits: int) -> Made:
    equal = equalize(bench.model, bench.params)
    return Made(by_name(bench, "one scale", bits, equal), floats=equal)


def rotated(bench: Bench, bits: int) -> Made:
    turned = rotate(bench.model, bench.params)
    return Made(by_name(bench, "in groups", bits, turned), floats=turned)


def table_alone(bench: Bench, bits: int) -> Made:
    how = fitting(METHODS["least squares, asymmetric in groups"].arguments, bench.params)
    return Made(quantize(bench.params, {"token_embedding": bits}, **how))


def table_of_pairs(bench: Bench, bits: int) -> Made:
    return Made(product_quantize(bench.params, 2, {"token_embedding": 2 * bits}))


def gguf(bench: Bench, bits: int, kind: str) -> Made:
    """The blocks of a gguf file, which run down each column, along each row of a table."""
    params, stored = dict(bench.params), dict(bench.params)
    for name, w in matrices(bench.params).items():
        table = is_table(name)
        stored[name] = to_gguf(w if table else w.T, kind)
        x = from_gguf(stored[name], kind)
        params[name] = x if table else np.ascontiguousarray(x.T)
    return Made(params, stored=stored, note="runs with the floats that the file stands for")


CALIBRATION = "calibration"
WHOLE: Mapping[str, Whole] = MappingProxyType({
    # activations of 8 bits
    "W8": Whole("a control", "weights of 8 bits a channel, float activations", (8,), plain),
    "W8A8, dynamic": Whole(
        "Dettmers et al. 2022 (LLM.int8())", "a scale for each token, from itself", (8,), dynamic),
    "W8A8, dynamic, one scale": Whole(
        "Jacob et al. 2018", "a scale for all tokens together, from themselves", (8,),
        partial(dynamic, by="tensor")),
    "W8A8, attention too": Whole(
        "Yao et al. 2022 (ZeroQuant)", "and both products of attention in integers", (8,),
        attending, refusal=TypeError),
    "W4A8, dynamic": Whole(
        "Lin et al. 2024 (QServe)", "weights of 4 bits in groups", (4,),
        partial(dynamic, weights="least squares, asymmetric in groups")),
    "W4A4, dynamic": Whole(
        "Ashkboos et al. 2024 (QuaRot), without its rotations", "both of 4 bits", (4,),
        partial(dynamic, weights="least squares, asymmetric in groups", activations=4)),
    **{
        f"W8A8, static, {objective.replace('_', ' ')}": Whole(
            source, "one scale a weight, fixed beforehand", (8,),
            partial(static, objective=objective), CALIBRATION)
        for objective, source in zip(RANGES, (
            "Jacob et al. 2018", "McKinstry et al. 2019", "Jacob et al. 2018, section 3.1",
            "Banner et al. 2019", "Migacz 2017 (TensorRT)"), strict=True)
    },
    "W8A8, static, asymmetric": Whole(
        "Jacob et al. 2018, eq. 1", "the same with a zero point", (8,),
        partial(static, symmetric=False), CALIBRATION),
    "W8A8, soft threshold": Whole(
        "a tanh in the place of the clip", "x̂ of t·tanh(x / t), t the largest seen", (8,),
        partial(static, threshold="soft"), CALIBRATION),
    "SmoothQuant, W8A8, dynamic": Whole(
        "Xiao et al. 2022", "a factor beside each weight", (8,),
        partial(dynamic, weights="SmoothQuant"), CALIBRATION),
    "SmoothQuant, W8A8, static": Whole(
        "Xiao et al. 2022", "the same, fixed scales", (8,),
        partial(static, weights="SmoothQuant"), CALIBRATION),
    "SmoothQuant, folded": Whole(
        "Xiao et al. 2022, section 4.2", "its scales inside the norms, dynamic", (8,), folded,
        CALIBRATION, ValueError),
    "integer-only": Whole(
        "Jacob et al. 2018; Kim et al. 2021 (I-BERT)", "no float between ids and logits", (8, 4),
        integers, CALIBRATION),
    # what makes good or shares out
    "bias correction": Whole(
        "Nagel et al. 2019 (DFQ), section 4.2", "mean errors taken back", WIDTHS, biases,
        CALIBRATION),
    "scale correction": Whole(
        "least squares for given codes", "a scale a channel", WIDTHS, scales, CALIBRATION),
    "scale correction in groups": Whole(
        "least squares for given codes", "the scales of a channel's groups together", WIDTHS,
        partial(scales, weights="in groups"), CALIBRATION),
    "scale, then bias correction": Whole(
        "Nagel et al. 2019 (DFQ)", "both", WIDTHS, both, CALIBRATION),
    "GPTQ, one after another": Whole(
        "Frantar et al. 2022, section 4", "what is rounded already in the calibration of the rest",
        WIDTHS, sequential, CALIBRATION),
    "mixed precision": Whole(
        "Shoham and Gersho 1988", "1 … 6 bits or fp16 each, the bytes of one width", WIDTHS,
        greedy_bits, CALIBRATION),
    "mixed precision, water-filling": Whole(
        "Cover and Thomas 2006, section 10.3.3", "whole bits, of at most that mean", WIDTHS,
        flooded_bits, CALIBRATION),
    "equalization": Whole(
        "Nagel et al. 2019 (DFQ), section 4.1", "then one scale a tensor", (8, *WIDTHS), equalized,
        refusal=ValueError),
    "rotation of the stream": Whole(
        "Ashkboos et al. 2024 (QuaRot)", "inside the weights, nothing left to do", WIDTHS, rotated,
        refusal=ValueError),
    # a part of a model, and files of others
    "embedding alone": Whole(
        "Jacob et al. 2018", "the table in groups, all else float", WIDTHS, table_alone),
    "embedding alone, product quantization": Whole(
        "Jégou et al. 2011", "a code for each pair of its numbers, all else float", (3, 2, 1),
        table_of_pairs),
    **{
        f"gguf {kind}": Whole(
            source, "blocks of 32, as in a file of others", (bits,), partial(gguf, kind=kind))
        for kind, bits, source in (
            ("Q8_0", 8, "ggml"), ("Q5_0", 5, "ggml"), ("Q4_0", 4, "ggml"), ("Q4_1", 4, "ggml"),
            ("MXFP4", 4, "OCP Microscaling Formats 1.0"),
        )
    },
    "key–value cache": Whole(
        "Sheng et al. 2023 (FlexGen)", "keys and values by token; weights float", (8, *WIDTHS),
        cached, refusal=TypeError),
    "key–value cache, KIVI": Whole(
        "Liu et al. 2024", "keys by channel, values by token; weights float", (8, *WIDTHS),
        partial(cached, by="channel", values_by="token"), refusal=TypeError),
})  # fmt: skip
