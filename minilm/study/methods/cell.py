"""One method on one model, measured: what it costs in loss, bits, bytes and time."""

import time
from collections.abc import Callable
from typing import Any

from minilm.compression.quantization import true_bits
from minilm.study.measure import saved_bytes, weight_sqnr
from minilm.study.methods.bench import Bench, Made
from minilm.study.methods.comparisons import QUANTIZATION, Comparison
from minilm.training import evaluate
from minilm.types import Params
from minilm.weights import nbytes

TIMED_TOKENS = 8192  # read for the time of inference
TIMES = 3  # each: the shortest counts

Row = dict[str, Any]


def method_row(
    bench: Bench, method: str, amount: int, comparison: Comparison = QUANTIZATION
) -> Row:
    """Everything that is measured of a method; of one that is refused, the reason."""
    tried = comparison.tried[method]
    row: Row = {"method": method, "kind": tried.kind, comparison.amount: amount}
    for shared in tried.needs:
        getattr(bench, shared)  # gathered before: not a part of any method's time
    started = time.process_time()
    try:
        made = tried.make(bench, amount)
    except tried.refusal as refusal:
        return {**row, "note": str(refusal)}
    seconds = time.process_time() - started
    stored = made.params if made.stored is None else made.stored
    also = {name: measure(bench, stored) for name, measure in comparison.also.items()}
    return {
        **row, **measured(bench, made, tried.coder), **also, "make_seconds": round(seconds, 3),
    }  # fmt: skip


def measured(bench: Bench, made: Made, coder: str = "packed") -> Row:
    """The row of what was made.

    Bits and bytes are of everything that is kept: scales, zero points, codebooks, masks, tables,
    vectors left in float. true bits count the codes by the method's coder, bytes as they are held.
    """
    stored = made.params if made.stored is None else made.stored
    model = made.model or bench.model
    floats = bench.params if made.floats is None else made.floats
    return {
        "loss": evaluate(model, made.params, bench.subject.tokens.validation),
        "bits_per_weight": round(true_bits(stored, coder) / numbers(bench.params), 4),
        "file_bytes": saved_bytes(stored),
        "memory_bytes": nbytes(stored),
        "sqnr_db": weight_sqnr(floats, made.params),
        "inference_time": round(relative_time(bench, model, made.params), 3),
        "note": made.note,
    }


def numbers(params: Params) -> int:
    """How many there are, all vectors included."""
    return sum(w.size for w in params.values())


def relative_time(bench: Bench, model: Any, params: Params) -> float:
    """Processor time of an evaluation, as it is stored, over that of the float model beside it."""
    tokens = bench.subject.tokens.validation
    return time_ratio(
        lambda: evaluate(model, params, tokens, limit=TIMED_TOKENS),
        lambda: evaluate(bench.model, bench.params, tokens, limit=TIMED_TOKENS),
    )


def time_ratio(ours: Callable[[], Any], other: Callable[[], Any]) -> float:
    """Processor time of one call over that of another; they take turns, the shortest counts."""

    def seconds(run: Callable[[], Any]) -> float:
        started = time.process_time()
        run()
        return time.process_time() - started

    times = [(seconds(other), seconds(ours)) for _ in range(TIMES)]
    others, own = zip(*times, strict=True)
    return min(own) / max(min(others), 1e-9)
