"""What is tried on the encoder's weights: rows of METHODS, and what needs the whole model.

    rows of METHODS         at 4 bits, most also at 3 and 2, CURVES at every width; those that exist
                            for other bits alone, at these
    groups of 32            half as many weights share a scale as in METHODS
    GPTQ, block by block    each block calibrated with what the rounded blocks before it give
    mixed precision         to each matrix the bits that it needs, in the bytes of one width for all
    segments float          all but the table of segments, of which every sentence has row 0 added
    word table alone        half of the encoder, and all else float; or all but that half
    corrections             of scales or of biases, once the codes are chosen
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from minilm.compression import calibrate
from minilm.compression.allocation import choices_for, greedy
from minilm.compression.parameters import matrices
from minilm.compression.quantization import (
    METHODS,
    Method,
    correct_biases,
    correct_scales,
    quantize,
)
from minilm.study.pretrained.bench import Bench
from minilm.study.pretrained.drift import mean_drift
from minilm.study.pretrained.encoding import batches_of, encode
from minilm.types import Params

COMPARED = (4, 3, 2)
EVERY = (8, 7, 6, 5, 4, 3, 2)
CURVES = ("round to nearest", "least squares, asymmetric in groups", "GPTQ, least squares")
ENDS = {"one scale": (8, *COMPARED), "in groups": (8, *COMPARED), "trellis": (2,)}
AT_FOUR = ("asymmetric", "asymmetric in groups", "percentile", "full range", "mid-rise",
           "powers of two", "logarithmic", "codebook", "codebook, weighted", "stochastic rounding",
           "codebook, coded", "AWQ", "AWQ, then GPTQ", "rotation")  # fmt: skip
# name: why it takes about half a minute of a processor or more for 22 million weights
LEFT_OUT = {"entropy": "the search of a range in every channel",
            "AdaRound": "300 steps for every matrix", "AdaRound, least squares": "the same",
            "trellis, 4 states": "the search of a path in every channel",
            "rotation, then trellis": "the same"}  # fmt: skip
SAME_GRID = "least squares, asymmetric in groups"
BEST = "GPTQ, least squares"
CHOICES = (2, 3, 4, 5, 6, 8)
SHARED = (4, 3)  # with 2 bits for the mean there would be nothing to share out
JUDGES = 40  # calibrating sentences by which the bits of each weight are shared out


@dataclass(frozen=True)
class Tried:
    """One method. make(bench, bits): the rounded parameters; bits: the widths at which it is tried;
    coder: by which its codes are counted, as in `true_bits`."""

    make: Callable[[Bench, int], Params]
    bits: tuple[int, ...]
    coder: str = "packed"


def in_groups_of(size: int, method: str) -> Method:
    """A row of METHODS, but with groups of `size` numbers."""
    row = METHODS[method]
    return replace(row, options={**row.options, "group_size": size})


def block_by_block(bench: Bench, bits: int) -> Params:
    """GPTQ, each block calibrated with what reaches it once those before it are rounded."""
    blocks: dict[str, list[str]] = {}
    for name in matrices(bench.params):
        if name not in bench.tables:
            blocks.setdefault(name.rsplit(".", 2)[0], []).append(name)  # encoder.l.attention.w_qkv
    made = bench.rounded(dict.fromkeys(bench.tables, bits), BEST)
    for names in blocks.values():
        seen = calibrate(bench.model, made, bench.batches)
        made |= quantize({name: bench.params[name] for name in names}, bits,
                         calibration={name: seen[name] for name in names},
                         **METHODS[BEST].arguments)
    return made


def shared_out(bench: Bench, bits: int) -> dict[str, int]:
    """The bits of each weight, 2 … 8: as many bytes as with `bits` for all, spent where they save
    most drift of some calibrating sentences."""
    how = METHODS[SAME_GRID].arguments
    if not bench.choices:
        judges = bench.calibrating[:: max(1, len(bench.calibrating) // JUDGES)]
        batches = batches_of(bench.pretrained, [s.text for s in judges])
        before = encode(bench.pretrained, bench.params, batches)

        def damage(name: str, weight: Any) -> float:
            after = encode(bench.pretrained, {**bench.params, name: weight}, batches)
            return mean_drift(before.embeddings, after.embeddings)

        tried = {str(b): {"bits": b, **how} for b in CHOICES}
        bench.choices.update(choices_for(bench.params, tried, damage))
    quantized = bench.rounded(bits, SAME_GRID)
    budget = sum(quantized[name].nbytes for name in bench.choices)
    return {name: int(choice.label) for name, choice in greedy(bench.choices, budget).items()}


def mixed(bench: Bench, bits: int, method: str) -> Params:
    return bench.rounded(shared_out(bench, bits), method)


def scales_corrected(bench: Bench, bits: int) -> Params:
    return correct_scales(bench.rounded(bits, "in groups"), bench.params, bench.seen)


def biases_corrected(bench: Bench, bits: int) -> Params:
    return correct_biases(bench.rounded(bits, SAME_GRID), bench.params, bench.seen)


def word_table(bench: Bench, bits: int) -> Params:
    return bench.rounded({"token_embedding": bits}, SAME_GRID)


def all_but_word_table(bench: Bench, bits: int) -> Params:
    made = bench.rounded(bits, BEST)
    return {**made, "token_embedding": bench.params["token_embedding"]}


def segments_float(bench: Bench, bits: int) -> Params:
    """GPTQ in groups of 32, but the rows of the segments stay float: 768 numbers."""
    names = {name: bits for name in matrices(bench.params) if name != "type_embedding"}
    return bench.rounded(names, in_groups_of(32, BEST))


def of_row(name: str, row: Method) -> Tried:
    bits = EVERY if name in CURVES else (4,) if name in AT_FOUR else ENDS.get(name, COMPARED)
    own = tuple(b for b in bits if b in row.bits) or row.bits
    return Tried(partial(Bench.rounded, method=name), own, row.coder)


TRIED: Mapping[str, Tried] = MappingProxyType({
    **{name: of_row(name, row) for name, row in METHODS.items() if name not in LEFT_OUT},
    **{f"{name}, of 32": Tried(partial(Bench.rounded, method=in_groups_of(32, name)), COMPARED)
       for name in (SAME_GRID, BEST, "GPTQ, codebook")},
    f"{BEST}, of 32, segments float": Tried(segments_float, COMPARED),
    "GPTQ, block by block": Tried(block_by_block, COMPARED),
    "mixed precision": Tried(partial(mixed, method=SAME_GRID), SHARED),
    "mixed precision, then GPTQ": Tried(partial(mixed, method=BEST), SHARED),
    "scale correction in groups": Tried(scales_corrected, (4,)),
    "bias correction": Tried(biases_corrected, COMPARED),
    "word table alone": Tried(word_table, (8, *COMPARED)),
    "all but the word table": Tried(all_but_word_table, COMPARED),
})  # fmt: skip
