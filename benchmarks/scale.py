"""How time and memory of a training step grow with one size, the others held still.

At every point each library has a process of its own, with one thread, and the two take turns; what
is kept is the median time of each. Settings that several curves share, such as those from which all
begin, are measured once.

Memory is how far the process's highest resident size rises above where it stood after a small
step, which has loaded what a library loads late: parameters, gradients, the optimizer's two
averages, all that is kept for the backward pass, and what the allocator does not give back. Only
Linux tells it (VmHWM); elsewhere the column stays empty.
"""

from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter

import torch
from threadpoolctl import threadpool_limits

from benchmarks.gpt import minilm_gpt, torch_gpt
from benchmarks.lstm import minilm_lstm, torch_lstm
from benchmarks.memory import highest_resident_size
from benchmarks.records import Row
from benchmarks.timing import Run

ROUNDS, SECONDS = 5, 2.0  # at least so many, at least so long
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


def curves(measure: Callable[[str, dict[str, int]], dict[str, Row]] | None = None) -> list[Row]:
    """Every point of every curve. measure: `point`, in which a test may stand in."""
    measured: dict[tuple, dict[str, Row]] = {}
    rows = []
    for model, varied, values in CURVES:
        for value in values:
            sizes = {**BASE[model], varied: value}
            settings = model, *sizes.values()
            if settings not in measured:
                measured[settings] = (measure or point)(model, sizes)
            for library, numbers in measured[settings].items():
                rows.append({"model": model, "varied": varied, "value": str(value),
                             "library": library, **numbers})  # fmt: skip
                print(*rows[-1].values(), flush=True)
    return rows


def point(model: str, sizes: dict[str, int]) -> dict[str, Row]:
    """By library: median seconds of a step, and its memory in bytes."""
    spawn = get_context("spawn")
    pipes: dict[str, Connection] = {}
    with ExitStack() as processes:
        for library in MODELS[model]:
            pipes[library], other = spawn.Pipe()
            process = spawn.Process(target=serve, args=(other, model, library, sizes), daemon=True)
            process.start()
            other.close()  # so that a process that fails is an EOFError here, not silence
            processes.callback(process.join)
        seconds: dict[str, list[float]] = {library: [] for library in pipes}
        for pipe in pipes.values():
            pipe.recv()  # is ready
        while min(map(len, seconds.values())) < ROUNDS or sum(map(sum, seconds.values())) < SECONDS:
            for library, pipe in pipes.items():
                pipe.send(True)
                seconds[library].append(pipe.recv())
        rows = {}
        for library, pipe in pipes.items():
            pipe.send(False)
            rows[library] = {"seconds": f"{median(seconds[library]):.4g}", "bytes": pipe.recv()}
    return rows


def serve(pipe: Connection, model: str, library: str, sizes: dict[str, int]) -> None:
    """In a process of its own: a step, and its seconds, for each True; at last the memory."""
    torch.set_num_threads(1)
    make = MODELS[model][library]
    with threadpool_limits(1):
        make(**{**BASE[model], "width": 32, "batch_size": 1})()
        before = highest_resident_size()
        run = make(**sizes)
        run()  # not timed: it makes the optimizer's state
        pipe.send("ready")
        while pipe.recv():
            start = perf_counter()
            run()
            pipe.send(perf_counter() - start)
    after = highest_resident_size()
    pipe.send("" if before is None or after is None else str(after - before))
