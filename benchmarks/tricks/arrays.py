"""Tricks with arrays, whatever is computed: memory, number formats, matrix products."""

import ctypes
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.tricks.trick import Trick
from minilm import TransformerLanguageModel
from minilm.training import cross_entropy_loss
from minilm.training.memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
from minilm.types import Array


@cache
def recipe() -> tuple[Any, ...]:
    """nanoGPT's CPU recipe: the model, its parameters, a batch."""
    model = TransformerLanguageModel(65, width=128, layers=4, heads=4, context=64)
    ids = np.random.default_rng(0).integers(65, size=(12, 65), dtype=np.int32)
    return model, model.init(0), (ids[:, :-1].copy(), ids[:, 1:].copy())


def gradients() -> float:
    """Forward, loss and backward of the recipe; only the loss goes to the other process."""
    model, params, batch = recipe()
    total, _, _ = cross_entropy_loss(model, params, batch, None)
    return total


def keep_what_is_freed():
    libc = ctypes.CDLL("libc.so.6")  # glibc: elsewhere there is nothing to set
    libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)  # below 1 GB, blocks come from malloc's own store
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)  # which is never given back


def processes() -> tuple[ProcessPoolExecutor, ProcessPoolExecutor]:
    """Two processes, because the setting is a process's: one forgetful, one that keeps."""
    new = get_context("spawn")
    return (
        ProcessPoolExecutor(1, mp_context=new),
        ProcessPoolExecutor(1, mp_context=new, initializer=keep_what_is_freed),
    )


def step_forgetting(forgets: ProcessPoolExecutor, keeps: ProcessPoolExecutor) -> float:
    return forgets.submit(gradients).result()


def step_keeping(forgets: ProcessPoolExecutor, keeps: ProcessPoolExecutor) -> float:
    return keeps.submit(gradients).result()


def rows(count: int, width: int) -> Array:
    """Normal random numbers, float32."""
    return np.random.default_rng(count).standard_normal((count, width), dtype=np.float32)


def product_by_einsum(x, w):
    return np.einsum("ni,io->no", x, w)


def matrix_product(x, w):
    return x @ w


def step_in_float64(model, wide, narrow, batch):
    return cross_entropy_loss(model, wide, batch, None)[:2]


def step_in_float32(model, wide, narrow, batch):
    return cross_entropy_loss(model, narrow, batch, None)[:2]


def recipe_in_both() -> tuple[Any, ...]:
    """The recipe with parameters in float64 and in float32."""
    model, params, batch = recipe()
    wide = {name: weight.astype(np.float64) for name, weight in params.items()}
    return model, wide, params, batch


TRICKS = (
    Trick(
        name="Keep freed memory",
        where="training/memory.py",
        why="""A step written as pure functions makes and frees the same large arrays again and
again. glibc gives every freed block above 128 kB back to the system, which has to map and clear a
new one at the next use. Two settings, made once, tell it to keep them; a third, in memory.py, is
for several threads, which would each have a store of their own. It is what lets all other code stay
beautiful. (The settings are the process's: each way has a process of its own.)""",
        sizes="forward, loss and backward of nanoGPT's recipe",
        make=processes, before=step_forgetting, after=step_keeping,
        shown=(keep_what_is_freed,), rounds=21,
    ),
    Trick(
        name="A matrix product, not einsum",
        where="nn/linear.py: flat(x) @ w",
        why="""`@` calls the BLAS, which keeps tiles in registers and caches and uses every lane of
the processor; einsum, unless told to optimize, is a plain loop. Leading axes are flattened first,
so that a batch of windows is one product.""",
        sizes="(768, 128) times (128, 512)",
        make=lambda: (rows(768, 128), rows(128, 512)),
        before=product_by_einsum, after=matrix_product, tolerance=1e-5,
    ),
    Trick(
        name="float32, not float64",
        where="everywhere; a test holds every operation to it",
        why="""Half the bytes to move, twice the numbers in an instruction. One float64 scalar array
in a formula widens all that follows: `math.sqrt(d)`, a Python number, does not.""",
        sizes="forward, loss and backward of nanoGPT's recipe",
        make=recipe_in_both, before=step_in_float64, after=step_in_float32,
        tolerance=1e-3, rounds=15,
    ),
)  # fmt: skip
