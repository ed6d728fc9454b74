"""Many hands: a batch cut into shares, and what comes of them added up.

    total, grads, count = Σ over shares of loss(model, seen, share, rng)

All three are sums over the terms of a batch, so they may be summed over its parts first. The
shares go to the threads of a process (NumPy lets other threads run while it computes) and, with a
communicator of mpi4py, to several processes, on one machine or many: each runs the same `fit`,
takes its rows of each batch, and adds its gradients to the others'. The result is one worker's, but
for the order in which the terms are added up (dropout is the same: see `rows_generator.py`); as
many workers again give the same bits again.

    fit(model, params, batches, workers=2)                              two threads
    fit(model, params, batches, communicator=MPI.COMM_WORLD)            in script.py, run by
    mpiexec -n 2 python -m mpi4py script.py                             two processes

(`-m mpi4py`: an error in one process ends the others too, which would wait for it forever.) A small
model gains nothing: what a thread is given must take it milliseconds.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from minilm.training.batch_rows import number_of_rows, rows_of
from minilm.training.checkpoint import fingerprint
from minilm.training.checks import check_workers
from minilm.training.rows_generator import RowsGenerator
from minilm.types import Batch, Params

Sums = tuple[float, Params, int]  # total, grads, count
SWITCH_INTERVAL = 1e-4  # seconds
TURNS: dict[str, Any] = {"lock": threading.Lock(), "users": 0, "before": 0.0}


class Workers:
    """The threads and processes that the batches of a run are shared out to.

    workers: threads in this process; communicator: of mpi4py, or None for this process alone.
    While the threads are there (`with workers: …`) BLAS has one thread in each of them: two
    products side by side on a core each are quicker than one product on two. And a thread that
    waits to run Python asks for its turn after SWITCH_INTERVAL instead of 5 ms: the other one lets
    go of the interpreter during NumPy operations, but often has it again before the first wakes up.
    """

    def __init__(self, workers: int = 1, communicator: Any = None) -> None:
        check_workers(workers, communicator)
        self.workers, self.communicator = workers, communicator
        self.rank = 0 if communicator is None else communicator.Get_rank()
        self.ranks = 1 if communicator is None else communicator.Get_size()
        self.resources = contextlib.ExitStack()
        self.each: Callable[..., Any] = map  # or the executor's map, while threads are there

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    def __enter__(self) -> "Workers":
        if self.workers > 1:
            self.resources.enter_context(threadpool_limits(1, user_api="blas"))
            self.resources.enter_context(short_turns())
            self.each = self.resources.enter_context(ThreadPoolExecutor(self.workers)).map
        return self

    def __exit__(self, *error: object) -> None:
        self.resources.close()

    def sums(
        self, loss: Callable[[Batch, np.random.Generator], Sums], batch: Batch, seeds: list[int]
    ) -> Sums:
        """total, grads and count over this process's rows of a batch; zeros if it has none.

        loss: (batch, rng) -> total, grads, count; called from several threads at once.
        One worker is given the batch as it is. Several cut it along the first axis of its arrays:
        it must be an array, or a tuple, list or dict of arrays with as many rows each.
        """
        if self.workers == self.ranks == 1:
            return loss(batch, np.random.default_rng(seeds))
        total_rows = number_of_rows(batch)

        def share(rows: range) -> Sums:
            with np.errstate(over="ignore", invalid="ignore"):  # each thread has its own settings
                return loss(rows_of(batch, rows), RowsGenerator(seeds, rows, total_rows))

        mine = cut(range(total_rows), self.ranks)[self.rank]
        shares = [rows for rows in cut(mine, self.workers) if rows]
        nothing: Sums = 0.0, {}, 0
        return reduce(add, self.each(share, shares), nothing)

    def totals(self, total: float, count: int, names: Iterable[str]) -> tuple[float, int, set[str]]:
        """The sums over all processes, and every name that any of them has a gradient of."""
        if self.communicator is None:
            return float(total), int(count), set(names)
        everyone = self.communicator.allgather((float(total), int(count), list(names)))
        losses, counts, name_lists = zip(*everyone, strict=True)
        return sum(losses), sum(counts), set().union(*name_lists)

    def add_over_ranks(self, vectors: Params) -> None:
        """Replace each vector by its sum over all processes."""
        if self.communicator is not None:
            for vector in vectors.values():
                received = np.empty_like(vector)
                self.communicator.Allreduce(vector, received)
                vector[...] = received

    def wait_for_all(self) -> None:
        """Return when every process has come here: what one of them wrote, all can read then."""
        if self.communicator is not None:
            self.communicator.Barrier()

    def check_agreement(self, step: int, arrays: Params, **settings: Any) -> None:
        """Refuse to go on from steps, arrays or settings that are not the same in every process."""
        if self.communicator is not None:
            at = {"step": step, "checksum": fingerprint(arrays), **settings}
            everyone = self.communicator.allgather(at)
            if any(other != at for other in everyone):
                raise ValueError(f"a run must start alike in every process, got {everyone}")


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """SWITCH_INTERVAL, until the last of those who asked for it at the same time has done."""
    with TURNS["lock"]:
        TURNS["users"] += 1
        if TURNS["users"] == 1:
            TURNS["before"] = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        with TURNS["lock"]:
            TURNS["users"] -= 1
            if TURNS["users"] == 0:
                sys.setswitchinterval(TURNS["before"])


def add(one: Sums, other: Sums) -> Sums:
    """The sums over two shares together; a gradient that one of them lacks is zero there.

    Refuses a count that is no whole number, of which the shares' would not add up to the batch's.
    In new arrays: a loss may keep those that it returned, or return one under two names.
    """
    if int(other[2]) != other[2]:
        raise ValueError(f"the loss must count whole terms, got a count of {other[2]!r}")
    total, grads, count = one[0] + float(other[0]), dict(one[1]), one[2] + int(other[2])
    for name, grad in other[1].items():
        grads[name] = grads[name] + grad if name in grads else grad
    return total, grads, count


def cut(rows: range, number: int) -> list[range]:
    """Rows in `number` stretches that differ in length by at most one; some are empty if need be.

    cut(range(5), 2) = [range(0, 2), range(2, 5)]
    """
    ends = [len(rows) * i // number for i in range(number + 1)]
    return [rows[start:stop] for start, stop in pairwise(ends)]
