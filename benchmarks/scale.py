"""How time and memory of a training step grow with one size, the others held still.

Every point is taken in a process of its own, with one thread, minilm's and torch's one after the
other (not in turn: this is about the shape of the curves; for ratios see the table).

Memory is how far the process's highest resident size rises above where it stood after a small
step, which has loaded what a library loads late: parameters, gradients, the optimizer's two
averages, all that is kept for the backward pass, and what the allocator does not give back. Only
Linux tells it (VmHWM); elsewhere the column stays empty.
"""

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from threadpoolctl import threadpool_limits

from benchmarks.gpt import minilm_gpt, torch_gpt
from benchmarks.lstm import minilm_lstm, torch_lstm
from benchmarks.records import Row
from benchmarks.timing import Run

STEPS, SECONDS = 3, 0.5  # at least so many, at least so long
MODELS: dict[str, dict[str, Callable[..., Run]]] = {
    "Transformer": {"minilm": minilm_gpt, "torch": torch_gpt},
    "LSTM": {"minilm": minilm_lstm, "torch": torch_lstm},
}
BASE: dict[str, dict[str, int]] = {
    "Transformer": {"vocab_size": 256, "width": 128, "layers": 4, "heads": 4,
                    "context": 64, "batch_size": 8},
    "LSTM": {"vocab_size": 256, "embedding_width": 128, "width": 256, "layers": 1,
             "length": 64, "batch_size": 8},
}  # fmt: skip
CURVES = (
    ("Transformer", "width", (64, 128, 256, 512)),
    ("Transformer", "context", (64, 128, 256, 512, 1024)),
    ("Transformer", "vocab_size", (256, 1024, 4096, 16384, 65536)),
    ("Transformer", "batch_size", (2, 8, 32, 128)),
    ("LSTM", "vocab_size", (256, 1024, 4096, 16384, 65536)),
)


def curves() -> list[Row]:
    """Every point of every curve."""
    rows = []
    for model, varied, values in CURVES:
        for value in values:
            for library in MODELS[model]:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                    measured = process.submit(point, model, library, {varied: value}).result()
                rows.append({"model": model, "varied": varied, "value": str(value),
                             "library": library, **measured})  # fmt: skip
                print(*rows[-1].values(), flush=True)
    return rows


def point(model: str, library: str, changed: dict[str, int]) -> Row:
    """Median seconds of a step, and its memory in bytes."""
    torch.set_num_threads(1)
    make = MODELS[model][library]
    with threadpool_limits(1):
        make(**{**BASE[model], "width": 32, "batch_size": 1})()
        before = highest_resident_size()
        run = make(**{**BASE[model], **changed})
        run()  # not timed: it makes the optimizer's state
        seconds: list[float] = []
        while len(seconds) < STEPS or sum(seconds) < SECONDS:
            start = perf_counter()
            run()
            seconds.append(perf_counter() - start)
    after = highest_resident_size()
    memory = "" if before is None or after is None else str(after - before)
    return {"seconds": f"{median(seconds):.4g}", "bytes": memory}


def highest_resident_size() -> int | None:
    """Bytes. (getrusage would count what the parent process had in memory as well.)"""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return None if found is None else 1024 * int(found[1])
