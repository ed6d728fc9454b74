"""All measurements on one encoder: rows of one table, pretrained.csv.

    part          what the row is of                             its own columns
    float         the encoder as it is                           bytes
    weights       a method of methods.py at some bits            bits
    draws         the same, calibrated with a half of the        bits, draw
                  sentences, drawn three times
    limit         weights with the least noise of so many bits   bits, draw
    printed       rules as articles print them                   bits
    layers        one part alone                                 where, bits
    matrices      one matrix alone                               where, bits
    activations   weights and what multiplies them               bits, activation_bits
    inputs        what multiplies each weight: outliers          where, absmax, …

Random are the draws and the limit's noise, by the seeds here, and in some methods the rounding or
the signs of a rotation, by seeds of their own: all comes out the same again.
"""

import csv
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from minilm.compression.coding import save_coded
from minilm.compression.parameters import matrices
from minilm.compression.quantization import true_bits
from minilm.study.measure import saved_bytes, weight_sqnr
from minilm.study.pretrained.activations import BENT, outliers
from minilm.study.pretrained.bench import Bench
from minilm.study.pretrained.limit import at_the_limit
from minilm.study.pretrained.methods import COMPARED, EVERY, SAME_GRID, TRIED
from minilm.study.pretrained.sensitivity import parts, sensitivity, single_matrices
from minilm.types import Array, Params
from minilm.weights import nbytes, save

Row = dict[str, Any]
Rule = Callable[[Array, int], Array]  # a published formula: weights, bits -> what is left of them

SEEDS = (0, 1, 2)
DRAWN = ("GPTQ, least squares",)
ONE_PART = (8, 4, 3, 2)
ONE_MATRIX = 3
PRINTED_BITS = (8, 4)
COLUMNS = (
    "part", "method", "bits", "activation_bits", "where", "draw",
    "drift", "cosine", "worst_cosine", "spearman", "nearest", "top_10", "same_topic", "topic",
    *(f"error_{layer}" for layer in range(7)),
    "sqnr_db", "bits_per_weight", "memory_bytes", "file_bytes", "seconds",
    "absmax", "rms", "kurtosis", "outlier", "channel", "token",
    *(f"{cure}_{what}" for cure in ("smooth", "rotated")
      for what in ("absmax", "kurtosis", "outlier")),
)  # fmt: skip


def float_row(bench: Bench) -> Row:
    return {"part": "float", "method": "float32", "bits": 32, **bench.measured(bench.params),
            **sizes(bench, bench.params)}  # fmt: skip


def weights_row(bench: Bench, method: str, bits: int) -> Row:
    """One method on all weights: drift, sizes, and how long it took to round them."""
    tried = TRIED[method]
    params, seconds = timed(lambda: tried.make(bench, bits))
    return {"part": "weights", "method": method, "bits": bits, **bench.measured(params),
            **sizes(bench, params, tried.coder), "seconds": seconds}  # fmt: skip


def sizes(bench: Bench, params: Params, coder: str = "packed") -> Row:
    """Bytes held, bytes of the file, bits per weight (all of them, whatever stays float), SQNR."""
    write = save_coded if coder == "entropy" else save
    count = sum(w.size for w in bench.params.values())
    return {
        "bits_per_weight": true_bits(params, coder) / count,
        "memory_bytes": nbytes(params),
        "file_bytes": saved_bytes(params, write),
        "sqnr_db": weight_sqnr(bench.params, params),
    }


def timed(make: Callable[[], Params]) -> tuple[Params, float]:
    """What is made, and the processor time it took."""
    started = time.process_time()
    made = make()
    return made, round(time.process_time() - started, 2)


def weights(bench: Bench) -> Iterator[Row]:
    widths = sorted({bits for tried in TRIED.values() for bits in tried.bits}, reverse=True)
    for bits in widths:  # methods of one width share tables
        for method, tried in TRIED.items():
            if bits in tried.bits:
                yield weights_row(bench, method, bits)


def draws(bench: Bench) -> Iterator[Row]:
    for seed in SEEDS:
        drawn = bench.drawn(seed)
        for method in DRAWN:
            for bits in COMPARED:
                yield {**weights_row(drawn, method, bits), "part": "draws", "draw": seed}


def limit(bench: Bench) -> Iterator[Row]:
    for bits in EVERY:
        for seed in SEEDS:
            params = at_the_limit(bench.params, bits, seed)
            yield {"part": "limit", "method": "least noise", "bits": bits, "draw": seed,
                   **bench.measured(params), "bits_per_weight": float(bits)}


def printed(bench: Bench, rules: Mapping[str, Rule]) -> Iterator[Row]:
    """Rules as articles print them, weight by weight."""
    for name, rule in rules.items():
        for bits in PRINTED_BITS:
            params = {n: rule(w, bits).astype(w.dtype) for n, w in matrices(bench.params).items()}
            yield {"part": "printed", "method": name, "bits": bits,
                   **bench.measured({**bench.params, **params})}


def one_part(bench: Bench) -> Iterator[Row]:
    for bits in ONE_PART:
        rounded = bench.rounded(bits, SAME_GRID)
        for where, names in parts(bench).items():
            yield {"part": "layers", "method": SAME_GRID, "bits": bits, "where": where,
                   **sensitivity(bench, rounded, names)}
    rounded = bench.rounded(ONE_MATRIX, SAME_GRID)
    for where, names in single_matrices(bench).items():
        yield {"part": "matrices", "method": SAME_GRID, "bits": ONE_MATRIX, "where": where,
               **sensitivity(bench, rounded, names)}


def rounded_activations(bench: Bench) -> Iterator[Row]:
    packed: dict[str, Params] = {}  # weights that several ways share
    for method, bent in BENT.items():
        for bits, activation_bits in bent.widths:
            key = f"{bent.weights} {bits}"
            if key not in packed:
                packed[key] = bench.rounded(bits, bent.weights)
            params = bent.make(bench, packed[key], activation_bits)
            yield {"part": "activations", "method": method, "bits": bits,
                   "activation_bits": activation_bits,
                   **bench.measured(params, packed=True, attend=bent.attend)}


def inputs(bench: Bench) -> Iterator[Row]:
    for row in outliers(bench):
        yield {"part": "inputs", "method": "float32", **row}


def measure(bench: Bench, rules: Mapping[str, Rule]) -> Iterator[Row]:
    """Every row, in the order of the table above. rules: the published ones, by name."""
    yield float_row(bench)
    for part in (inputs, one_part, rounded_activations, limit, weights, draws):
        yield from part(bench)
    yield from printed(bench, rules)


def write(rows: Iterable[Row], path: Path) -> None:
    """A csv of the COLUMNS; floats with six digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: f"{v:.6g}" if isinstance(v, float) else v
                            for name, v in row.items()})
            file.flush()


def read(path: Path) -> list[Row]:
    """The rows again: numbers as numbers, None where there is nothing."""
    texts = {"part", "method", "where", "token"}
    with path.open(encoding="utf-8") as file:
        return [{name: value if name in texts else float(value) if value else None
                 for name, value in row.items()} for row in csv.DictReader(file)]
