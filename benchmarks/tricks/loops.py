"""Tricks where something is done again and again: over time, over parameters, over tokens."""

import math
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.tricks.arrays import recipe
from benchmarks.tricks.trick import Trick
from minilm.nn.small_products import repeated_product
from minilm.training import cross_entropy_loss, keep_freed_memory
from minilm.types import Array

VOCABULARY = 65


def multiply_the_text(table, ids, w):
    return table[ids] @ w  # a row for each token


def multiply_the_vocabulary(table, ids, w):
    return (table @ w)[ids]  # a row for each token that there is


def project_at_each_step(x, w_x, w_h):
    h = np.zeros((x.shape[1], len(w_h)), x.dtype)
    for t in range(len(x)):
        h = np.tanh(x[t] @ w_x + h @ w_h)
    return h


def project_all_at_once(x, w_x, w_h):
    inputs = x @ w_x  # (T, B, H): one large product
    h = np.zeros((x.shape[1], len(w_h)), x.dtype)
    for t in range(len(x)):
        a = h @ w_h
        a += inputs[t]
        h = np.tanh(a, out=a)
    return h


def sigma(x):
    return 1 / (1 + np.exp(-x))


def gates_in_strips(a, c):
    i, f, g, o = np.split(a, 4, axis=1)  # (B, 4H): each gate is a strip of every row
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    return sigma(o) * np.tanh(c)


def gates_as_arrays(a, c):
    i, f, g, o = a.reshape(len(a), 4, -1).transpose(1, 0, 2).copy()  # four whole arrays (B, H)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    return sigma(o) * np.tanh(c)


def multiplied_as_it_lies(h, w):
    return [step @ w for step in h]


def multiplied_in_blocks(h, w):
    product = repeated_product(w, rows=h.shape[1], steps=len(h))  # w laid out once for all steps
    return [product(step) for step in h]


def adam_by_the_formula(params, vectors):
    w, g, m, v = params
    for name in w:
        m[name] = 0.9 * m[name] + 0.1 * g[name]
        v[name] = 0.99 * v[name] + 0.01 * g[name] ** 2
        w[name] = w[name] - 1e-3 * m[name] / (np.sqrt(v[name]) + 1e-8)
    return w


def adam_in_chunks(params, vectors):
    for start in range(0, vectors[0].size, 32768):  # 128 kB of each: they stay in the cache
        w, g, m, v = (vector[start : start + 32768] for vector in vectors)
        m *= 0.9  # sums, not means: m and v without the factors 0.1 and 0.01
        m += g
        change = g * g
        v *= 0.99
        v += change
        np.sqrt(v, out=change)
        change += 1e-8 / math.sqrt(0.01)
        np.divide(m, change, out=change)
        change *= 1e-3 * 0.1 / math.sqrt(0.01)
        w -= change
    return params[0]  # the parameters are slices of vectors[0]


def two_threads_in_each_product(model, params, batch):
    total, grads, _ = cross_entropy_loss(model, params, batch, None)
    return total, grads


def half_the_batch_in_each_thread(model, params, batch):
    def half(part):
        return cross_entropy_loss(model, params, [ids[part] for ids in batch], None)

    (total, grads, _), (other, others, _) = THREADS.map(half, (slice(0, 6), slice(6, 12)))
    return total + other, {name: grad + others[name] for name, grad in grads.items()}


def share_out():
    threadpool_limits(1)  # BLAS: one thread in each of ours
    sys.setswitchinterval(1e-4)  # who waits for Python's lock asks for it after 0.1 ms, not 5


THREADS = ThreadPoolExecutor(2)


def two_processes() -> tuple[ProcessPoolExecutor, ProcessPoolExecutor]:
    """One with two threads in BLAS, one with two of its own: BLAS's linger for a while, spinning,
    and would take a core from the other way."""
    new = get_context("spawn")
    return (
        ProcessPoolExecutor(1, mp_context=new, initializer=keep_freed_memory),
        ProcessPoolExecutor(1, mp_context=new, initializer=keep_and_share_out),
    )


def keep_and_share_out() -> None:
    keep_freed_memory()
    share_out()


def ten_steps(step: Callable[..., Any]) -> float:
    """Of the recipe; only the last loss goes to the other process."""
    return [step(*recipe())[0] for _ in range(10)][-1]


def steps_in_blas(one: ProcessPoolExecutor, other: ProcessPoolExecutor) -> float:
    return one.submit(ten_steps, two_threads_in_each_product).result()


def steps_in_threads(one: ProcessPoolExecutor, other: ProcessPoolExecutor) -> float:
    return other.submit(ten_steps, half_the_batch_in_each_thread).result()


def read_all_again(model, params, ids):
    return [model.forward(params, ids[None, :end])[0][0, -1] for end in range(1, len(ids) + 1)]


def read_the_new_one(model, params, ids):
    state, logits = model.fresh_state(), []
    for token in ids:
        answer, cache = model.forward(params, token.reshape(1, 1), state=state)
        state = cache["state"]  # the keys and values of every layer so far
        logits.append(answer[0, -1])
    return logits


def normal(*shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Normal random numbers, each array divided by the root of its rows."""
    rng = np.random.default_rng(0)
    draws = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return tuple(draw / math.sqrt(draw.shape[-2]) for draw in draws)


def optimizer_arrays() -> tuple[Any, ...]:
    """w, g, m, v of the recipe's model: four dicts, whose arrays are slices of four vectors."""
    _, shapes, _ = recipe()
    sizes = [array.size for array in shapes.values()]
    rng, places = np.random.default_rng(0), np.cumsum([0, *sizes])
    vectors = [rng.standard_normal(places[-1], dtype=np.float32) * scale for scale in (1, 1, 0, 0)]
    params = [
        {
            name: vector[start : start + array.size].reshape(array.shape)
            for (name, array), start in zip(shapes.items(), places, strict=False)
        }
        for vector in vectors
    ]
    return params, vectors


def number_of_parameters() -> str:
    """What the optimizer has to change, in words."""
    arrays = recipe()[1].values()
    return f"{sum(array.size for array in arrays):,} parameters in {len(arrays)} arrays"


def table_text_and_weight() -> tuple[Array, ...]:
    """A vector for each token, 2,048 tokens, and the w_x of an LSTM that reads them."""
    table, w = normal((VOCABULARY, 128), (128, 1024))
    return table, np.random.default_rng(0).integers(VOCABULARY, size=2048), w


TRICKS = (
    Trick(
        name="Multiply the vocabulary, not the text",
        where="nn/lstm.py: ids; models/lstm.py",
        why="""What a layer makes of a token's vector is the same wherever the token stands:
table[ids] w = (table w)[ids]. With fewer tokens in the vocabulary than in the text it is less to
multiply; so it is in the backward pass, where the gradients of equal tokens are added up first. It
holds for a first layer that sees a token alone, not its position too, and without dropout.""",
        sizes="2,048 tokens, vocabulary 65, 128 → 1,024",
        make=table_text_and_weight, before=multiply_the_text, after=multiply_the_vocabulary,
        tolerance=1e-4,
    ),
    Trick(
        name="Project all inputs before the loop",
        where="nn/rnn.py, nn/lstm.py",
        why="""What a recurrent network makes of its inputs does not depend on its state: it is one
product for all steps, and only the state's has to wait for its turn.""",
        sizes="T = 35, B = 20, 512 → 512",
        make=lambda: normal((35, 20, 512), (512, 512), (512, 512)),
        before=project_at_each_step, after=project_all_at_once,
        kept="""It is kept because what stands outside the loop can be done in other ways, as in the
trick before this one.""",
    ),
    Trick(
        name="Gates as whole arrays",
        where="nn/lstm.py",
        why="""A gate cut out of (B, 4H) is a strip of every row, which NumPy walks row by row. Laid
out as (4, B, H) each gate is one array; the copy costs less than reading
four strips.""",
        sizes="B = 32, H = 256",
        make=lambda: normal((32, 1024), (32, 256)), before=gates_in_strips, after=gates_as_arrays,
        rounds=201,
    ),
    Trick(
        name="A weight laid out once for a loop",
        where="nn/small_products.py: repeated_product",
        why="""Before OpenBLAS multiplies, it copies both operands into an order of its own; for a
few rows times a large weight that takes as long as the product, at every step anew. With AVX-512 it
computes small products from where they lie, so the weight is cut into blocks of columns, once.""",
        sizes="35 steps, (20, 512) times (512, 2048)",
        make=lambda: normal((35, 20, 512), (512, 2048)),
        before=multiplied_as_it_lies, after=multiplied_in_blocks, tolerance=1e-4,
    ),
    Trick(
        name="The optimizer on one vector, in chunks",
        where="training/optimizers.py, training/vectors.py",
        why="""An update computes little with each number, so memory sets its speed. All parameters
are slices of one vector, so that it is one walk instead of one for each of them, and a chunk stays
in the cache to the last line. Sums take fewer passes than means: their factors are numbers that the
step length takes in.""",
        sizes=number_of_parameters(),
        make=optimizer_arrays, before=adam_by_the_formula, after=adam_in_chunks, tolerance=1e-4,
    ),
    Trick(
        name="Half a batch in each of two threads",
        where="training/workers.py: fit(workers=2)",
        why="""Two threads inside each product still wait for each other at its end, and all that
is not a product runs on one. NumPy lets go of Python's lock while it computes, so two threads can
each take half of the batch through the whole step; the gradients of both halves are added.""",
        sizes="ten times forward, loss and backward of nanoGPT's recipe, two cores",
        make=two_processes, before=steps_in_blas, after=steps_in_threads,
        shown=(two_threads_in_each_product, half_the_batch_in_each_thread, share_out),
        rounds=7, cores=2,
        kept="""It is kept because the same lines share a batch over several computers, and
because it does not depend on how well a BLAS uses two threads.""",
    ),
    Trick(
        name="Keep keys and values",
        where="models/key_value_cache.py",
        why="""A token's keys and values depend on what came before it, never on what comes after.
Kept, they need not be made again: a new token costs one row of every product, not a whole text.""",
        sizes="the logits after each of 64 tokens, nanoGPT's recipe",
        make=lambda: (*recipe()[:2], recipe()[2][0][0]),
        before=read_all_again, after=read_the_new_one, tolerance=1e-4, rounds=9,
    ),
)  # fmt: skip
