"""Many hands: a batch cut into shares, and what comes of them added up.

    total, grads, count = Σ over shares of loss(model, seen, share, rng)

All three are sums over the terms of a batch, so they may be summed over its parts first. The
shares go to the threads of a process (NumPy lets other threads run while it computes) and, with a
communicator of mpi4py, to several processes, on one machine or many: each runs the same `fit`,
takes its rows of each batch, and adds its gradients to the others'. The result is one worker's, but
for the order in which the terms are added up; as many workers again give the same bits again.

    fit(model, params, batches, workers=2)                              two threads
    fit(model, params, batches, communicator=MPI.COMM_WORLD)            in script.py, run by
    mpiexec -n 2 python -m mpi4py script.py                             two processes

(`-m mpi4py`: an error in one process ends the others too, which would wait for it forever.) A small
model gains nothing: what a thread is given must take it milliseconds.

**The same dropout.** What one worker would draw for the whole batch, every worker draws too, and
keeps the rows that are its own (`RowsGenerator`): the masks are those of one worker without a word
exchanged, for the price of the others' random numbers.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from minilm.training.checkpoint import fingerprint
from minilm.training.checks import check_workers
from minilm.types import Array, Batch, Params

Sums = tuple[float, Params, int]  # total, grads, count
SWITCH_INTERVAL = 1e-4  # seconds


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
        self.each: Callable[..., Any] = map

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    def __enter__(self) -> "Workers":
        if self.workers > 1:
            self.resources.enter_context(threadpool_limits(1, user_api="blas"))
            self.resources.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(SWITCH_INTERVAL)
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

    def check_agreement(self, step: int, arrays: Params) -> None:
        """Refuse to go on from steps or arrays that are not the same in every process."""
        if self.communicator is not None:
            at = {"step": step, "checksum": fingerprint(arrays)}
            everyone = self.communicator.allgather(at)
            if any(other != at for other in everyone):
                raise ValueError(f"a run must start alike in every process, got {everyone}")


def add(one: Sums, other: Sums) -> Sums:
    """The sums over two shares together; a gradient that one of them lacks is zero there."""
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


def arrays_of(batch: Batch) -> list[Array]:
    """The arrays of a batch, which is one, or a tuple, list or dict of them."""
    if isinstance(batch, np.ndarray):
        return [batch]
    return list(batch.values() if isinstance(batch, dict) else batch)


def number_of_rows(batch: Batch) -> int:
    """The length of the first axis that all arrays of a batch have in common.

    Raises TypeError for a batch of another form, ValueError for arrays of different lengths, or 0.
    """
    if isinstance(batch, np.ndarray | tuple | list | dict):
        arrays = arrays_of(batch)
        if arrays and all(isinstance(a, np.ndarray) and a.ndim for a in arrays):
            lengths = {len(array) for array in arrays}
            if len(lengths) == 1 and lengths != {0}:
                return lengths.pop()
            raise ValueError(f"a batch must have as many rows in each array to be shared out, "
                             f"at least one, got shapes {[array.shape for array in arrays]}")
    raise TypeError(f"a batch must be an array, or a tuple, list or dict of arrays, to be shared "
                    f"out over workers, got {type(batch).__name__}")


def rows_of(batch: Batch, rows: range) -> Batch:
    """The same batch with these rows only: views of its arrays, in what held them."""
    place = slice(rows.start, rows.stop)
    if isinstance(batch, np.ndarray):
        return batch[place]
    if isinstance(batch, dict):
        return {name: array[place] for name, array in batch.items()}
    parts = [array[place] for array in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)  # a NamedTuple?


class RowsGenerator(np.random.Generator):
    """Some rows of what one generator would draw for all of them.

    rows, of total: so `random` of a shape (n, …) makes the whole batch's (n · total / own, …)
    numbers and returns those of its own rows. Anything else is refused: every worker would
    draw the same.
    """

    def __init__(self, seeds: list[int], rows: range, total: int) -> None:
        super().__init__(np.random.default_rng(seeds).bit_generator)
        self.rows, self.total = rows, total

    def random(  # type: ignore[override]
        self, size: Any = None, dtype: Any = np.float64, out: None = None
    ) -> Any:
        """As np.random.Generator.random, without `out`. size: its first axis is the batch's.

        (Several entries of that axis to a row are fine: they must stand row by row.)
        """
        shape = (size,) if isinstance(size, int | np.integer) else size
        if out is not None:
            raise ValueError("out must be None: what is drawn is more than it holds")
        if not shape:
            return super().random(size, dtype)
        to_a_row, left = divmod(shape[0], len(self.rows))
        if left:
            raise ValueError(f"the first axis of what is drawn must be the batch's: a multiple of "
                             f"this share's {len(self.rows)} rows, got shape {tuple(shape)}")
        whole = super().random((self.total * to_a_row, *shape[1:]), dtype)
        return whole[self.rows.start * to_a_row : self.rows.stop * to_a_row]

    def __getattribute__(self, name: str) -> Any:
        if name in REFUSED:
            raise NotImplementedError(f"a batch is shared out over workers, whose rng has only "
                                      f"random(shape): {name} would be the same in each of them")
        return super().__getattribute__(name)


PUBLIC = {name for name in dir(np.random.Generator) if not name.startswith("_")}
REFUSED = PUBLIC - {"random", "bit_generator"}
