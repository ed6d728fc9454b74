"""Which methods a study compares, and how its results are told.

    quantization     fewer bits: an amount is the bits that a method was asked for
    fewer weights    fewer numbers: an amount is the percentage that it was asked to leave out

A comparison is a row here, with a table of methods; nothing asks for its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from minilm.compression.coding import save_coded
from minilm.study.measure import numbers_kept, saved_bytes
from minilm.study.methods.bench import Bench, Made
from minilm.study.methods.kinds import TRAINED_KIND
from minilm.study.methods.narrower import NARROWER
from minilm.study.methods.pruned import PRUNED_ROWS, TWICE
from minilm.study.methods.students import STUDENTS
from minilm.study.methods.table import TRIED, Tried
from minilm.study.methods.trained import FURTHER, TRAINED
from minilm.study.settings import FEWER_WEIGHTS_STUDY, FLOAT_BITS, QUANTIZATION_STUDY
from minilm.types import Params

FLOAT_WEIGHTS = 24  # bits per weight, true ones or asked for, from which on weights count as float
COLUMNS = {
    "model": "LSTM, Transformer",
    "method": "what was done to the model",
    "kind": "post-training, trained, whole model",
    "bits": "that it was asked for: of the weights, unless it rounds something else",
    "loss": "validation loss, nats per token",
    "loss_above_float": "loss − loss of the same model in float32, nats",
    "bits_per_weight": "true bits per weight: everything kept, by the method's coder",
    "file_bytes": "size of the saved file",
    "memory_bytes": "bytes held in memory",
    "sqnr_db": "10·log10(Σw² / Σ(w − ŵ)²), dB, against the floats that were rounded",
    "make_seconds": "processor time of the method, its training included, calibration not",
    "inference_time": "processor time of an evaluation, over that of the float model",
    "seed": "of initialisation and batches",
    "seconds": "that the whole cell took",
    "note": "why it was refused, or what else to know",
}
Cost = tuple[str, str, str, float]  # its head, the column, how it is written, in which unit
COSTS: tuple[Cost, ...] = (
    ("true bits", "bits_per_weight", ".2f", 1),
    ("memory (kB)", "memory_bytes", ",.0f", 1e-3),
    ("file (kB)", "file_bytes", ",.0f", 1e-3),
    ("SQNR (dB)", "sqnr_db", ".1f", 1),
    ("made in (s)", "make_seconds", ".2f", 1),
    ("inference / float", "inference_time", ".2f", 1),
)


@dataclass(frozen=True)
class Comparison:
    """One row.

    tried: the methods. columns: of the table of results. amount: the column that says what a method
    was asked for, and as the head of a table; said: one amount in words; shown: the one that the
    figure is of; falling: whether the largest leaves most of a model. whole: of an amount and true
    bits, whether all weights are there in float. also: what else is measured, of what is stored.
    title, lead, others_lead, costs_lead, control (what that did): what the page says.
    """

    tried: Mapping[str, Tried]
    columns: Mapping[str, str]
    amount: str
    head: str
    said: Callable[[int], str]
    shown: int
    falling: bool
    whole: Callable[[int, float], bool]
    title: str
    lead: str
    others_lead: str
    control: str = "trained as long without rounding"
    costs_lead: str = ""
    costs: tuple[Cost, ...] = COSTS
    also: Mapping[str, Callable[[Bench, Params], Any]] = field(default_factory=dict)


def bits_said(bits: int) -> str:
    return f"{bits} bit{'' if bits == 1 else 's'}"


def rounds_nothing(bits: int, true_bits: float) -> bool:
    return max(bits, true_bits) >= FLOAT_WEIGHTS


QUANTIZATION = Comparison(
    TRIED, COLUMNS, "bits", "bits", bits_said, shown=3, falling=True, whole=rounds_nothing,
    title="Every method against every other",
    lead="Language models, trained from nothing and compressed by every method",
    others_lead="Their bits are of gradients, of an optimizer's state, of a cache, of the "
    "embedding table alone; or none are rounded: a control, and a mask.",
)  # fmt: skip


def density(bench: Bench, stored: Params) -> float:
    """The numbers kept, over those of the float model."""
    own, whole = (sum(map(numbers_kept, each.values())) for each in (stored, bench.params))
    return round(own / whole, 4)


def coded_bytes(bench: Bench, stored: Params) -> int:
    return saved_bytes(stored, save_coded)


FEWER_COLUMNS = {
    **{name: COLUMNS[name] for name in ("model", "method")},
    "kind": "pruned, shrunk, low rank or student; trained; rounded",
    "left_out": "%, asked for: of the weights; of the neurons, heads or units of each layer; of a "
    "matrix's numbers; of a student's width",
    **{name: COLUMNS[name] for name in ("loss", "loss_above_float")},
    "bits_per_weight": "bits held, everything included, over the weights of the float model",
    "density": "numbers kept, over those of the float model",
    "memory_bytes": COLUMNS["memory_bytes"],
    "file_bytes": "size of the saved .npz file",
    "coded_bytes": "size of the entropy-coded file",
    **{name: COLUMNS[name]
       for name in ("make_seconds", "inference_time", "seed", "seconds", "note")},
}


FEWER_WEIGHTS = Comparison(
    MappingProxyType({
        FURTHER: Tried(  # the controls; this one as of the other table
            TRAINED_KIND, lambda bench, _: TRAINED[FURTHER].make(bench, FLOAT_BITS), (0,)),
        TWICE: Tried(
            TRAINED_KIND, lambda bench, _: Made(bench.longer(2).further(bench.params)), (0,)),
        **PRUNED_ROWS, **NARROWER, **STUDENTS,
    }),
    FEWER_COLUMNS,
    "left_out", "left out (%)", lambda percent: f"{percent} % left out",
    shown=50, falling=False, whole=lambda percent, true_bits: percent == 0,
    title="Fewer weights",
    lead="Language models, trained from nothing and made smaller by leaving out: weights, neurons, "
    "heads, units, rank, width. What is left out is a percentage of what the method leaves out, so "
    "half of the weights and half of the width are not the same size: true bits are",
    others_lead="The control.",
    control="trained as long with nothing left out",
    costs_lead="Single weights that are zero save bytes and no time: NumPy multiplies zeros as "
    "fast as anything else, and a sparse weight is unpacked first. Narrower matrices save both.",
    costs=(*COSTS[:3], ("coded file (kB)", "coded_bytes", ",.0f", 1e-3),
           ("density", "density", ".3f", 1), *COSTS[4:]),
    also={"density": density, "coded_bytes": coded_bytes},
)  # fmt: skip

COMPARISONS: Mapping[str, Comparison] = MappingProxyType({
    QUANTIZATION_STUDY: QUANTIZATION,
    FEWER_WEIGHTS_STUDY: FEWER_WEIGHTS,
})
