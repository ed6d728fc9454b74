"""Tricks in single operations of a Transformer, forward and backward."""

import math

import numpy as np

from benchmarks.tricks.arrays import rows
from benchmarks.tricks.trick import Trick
from minilm.types import Array

SLOPE = math.sqrt(2 / math.pi)


def gelu_with_a_power(x):
    return 0.5 * x * (1 + np.tanh(SLOPE * (x + 0.044715 * x**3)))


def gelu_with_products(x):
    return 0.5 * x * (1 + np.tanh(SLOPE * (x + 0.044715 * x * x * x)))


def gelu_in_place(x):
    y = x * x  # a new array, which nobody else sees: what follows may happen in it
    y *= SLOPE * 0.044715
    y += SLOPE
    y *= x
    np.tanh(y, out=y)
    y += 1
    y *= 0.5
    y *= x
    return y


def rows_by_sum(x):
    return x.sum(axis=-1, keepdims=True)


def rows_by_product(x):
    return x @ np.ones((x.shape[1], 1), x.dtype)


def columns_by_sum(x):
    return x.sum(axis=0)


def columns_by_product(x):
    return np.ones(len(x), x.dtype) @ x


def dots_by_sum(x, y):
    return (x * y).sum(axis=-1, keepdims=True)


def dots_by_product(x, y):
    return (x[:, None, :] @ y[:, :, None])[:, 0]  # (1, D) @ (D, 1) for each row


def products_as_they_stand(q, k):
    return (q / math.sqrt(q.shape[-1])) @ k.swapaxes(-1, -2)


def products_with_a_copy(q, k):
    k_t = np.multiply(k.swapaxes(-1, -2), 1 / math.sqrt(q.shape[-1]), order="C")
    return q @ k_t


def scale_before_product(scores, v):
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)  # (T, T) numbers for each head
    return weights @ v


def scale_after_product(scores, v):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    y = exponentials @ v
    y /= exponentials.sum(axis=-1, keepdims=True)  # (T, d) numbers for each head
    return y


def softmax_then_cross_entropy(z, targets):
    exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
    p = exponentials / exponentials.sum(axis=-1, keepdims=True)
    one_hot = np.eye(z.shape[1], dtype=z.dtype)[targets]
    loss = -(one_hot * np.log(p)).sum() / len(z)
    dp = -one_hot / p / len(z)
    dz = p * (dp - (dp * p).sum(axis=-1, keepdims=True))  # back through the softmax
    return loss, dz


def cross_entropy_of_logits(z, targets):
    places = np.arange(len(z)), targets
    z = z - z.max(axis=-1, keepdims=True)
    expected = z[places]
    exponentials = np.exp(z, out=z)
    sums = exponentials.sum(axis=-1, keepdims=True)
    loss = float((np.log(sums[:, 0]) - expected).sum()) / len(z)
    dz = exponentials
    dz /= sums
    dz[places] -= 1  # softmax − one_hot: neither the Jacobian nor 0 · log 0 ever appears
    dz /= len(z)
    return loss, dz


def whole_products(weights, v):
    return weights @ v


def products_in_halves(weights, v):
    B, H, T, _ = weights.shape
    halves = weights.reshape(B, H, 2, T // 2, T) @ v[:, :, None]
    return halves.reshape(B, H, T, -1)


def scatter_by_add_at(dy, ids, vocab_size):
    dtable = np.zeros((vocab_size, dy.shape[1]), dy.dtype)
    np.add.at(dtable, ids, dy)  # `dtable[ids] += dy` is quick and wrong: one of several is kept
    return dtable


def scatter_by_sorting(dy, ids, vocab_size):
    dtable = np.zeros((vocab_size, dy.shape[1]), dy.dtype)
    order = np.argsort(ids, kind="stable")
    tokens, starts, uses = np.unique(ids[order], return_index=True, return_counts=True)
    once = uses == 1
    dtable[tokens[once]] = dy[order[starts[once]]]
    for token, start, count in zip(tokens[~once], starts[~once], uses[~once], strict=True):
        dy[order[start : start + count]].sum(axis=0, out=dtable[token])
    return dtable


def uniform_ids(count: int, vocab_size: int) -> Array:
    return np.random.default_rng(0).integers(vocab_size, size=count, dtype=np.int32)


def scores_and_values() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((12, 4, 64, 64), dtype=np.float32)
    return scores, rng.standard_normal((12, 4, 64, 32), dtype=np.float32)


def weights_and_values() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    weights = rng.random((16, 6, 128, 128), dtype=np.float32)
    return weights, rng.standard_normal((16, 6, 128, 64), dtype=np.float32)


def queries_and_keys() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    q, k = rng.standard_normal((2, 12, 4, 64, 32), dtype=np.float32)
    return q, k


TRICKS = (
    Trick(
        name="x * x * x, not x ** 3",
        where="nn/activations.py",
        why="""`**` calls the general power function for every number; `x * x * x` is two
multiplications. (Of `x ** 2` NumPy makes `x * x` by itself.) The example is GELU.""",
        sizes="768 × 512",
        make=lambda: (rows(768, 512),), before=gelu_with_a_power, after=gelu_with_products,
    ),
    Trick(
        name="Work in place on arrays of your own",
        where="nn/activations.py and every other page of nn/",
        why="""Each operator makes a new array, and most of its time goes into writing and reading
memory. An array that the function has just made is seen by nobody else, so the next line may
overwrite it; inputs are never touched.""",
        sizes="2048 × 1536",
        make=lambda: (rows(2048, 1536),), before=gelu_with_products, after=gelu_in_place,
    ),
    Trick(
        name="Row sums as matrix–vector products",
        where="nn/sums.py",
        why="""`.sum(axis=-1)` adds up one short row after the other; a product with a vector of
ones is the BLAS's to arrange.""",
        sizes="768 × 128",
        make=lambda: (rows(768, 128),), before=rows_by_sum, after=rows_by_product, rounds=201,
        tolerance=1e-4,
    ),
    Trick(
        name="Column sums as vector–matrix products",
        where="nn/sums.py",
        why="""The gradient of every bias is a sum over rows. As above, with the ones on the
left.""",
        sizes="768 × 512",
        make=lambda: (rows(768, 512),), before=columns_by_sum, after=columns_by_product, rounds=201,
        tolerance=1e-4,
    ),
    Trick(
        name="Dot products of rows as products of matrices",
        where="nn/sums.py",
        why="""`(x * y).sum()` writes a whole array of products first and then reads it again; a
stack of (1, D) @ (D, 1) products multiplies and adds in one pass.""",
        sizes="768 × 128",
        make=lambda: (rows(768, 128), rows(769, 128)[:768]),
        before=dots_by_sum, after=dots_by_product, rounds=201, tolerance=1e-4,
    ),
    Trick(
        name="A copied transpose for many small products",
        where="nn/attention.py",
        why="""For a large product the BLAS arranges both matrices itself. For many small ones that
is not worth its while, and with the second matrix in the wrong order it is slow: a copy in the
right order pays, and takes the factor 1/√d along.""",
        sizes="12 windows, 4 heads, T = 64, d = 32",
        make=queries_and_keys, before=products_as_they_stand, after=products_with_a_copy,
    ),
    Trick(
        name="Many products cut smaller",
        where="nn/small_products.py: many_products",
        why="""OpenBLAS copies both operands before it multiplies, unless the product is small: with
AVX-512, at most a million multiply-adds. 128 × 128 × 64 is just above, so each half of the rows is
a product of its own; one `matmul` goes through them all.""",
        sizes="16 windows, 6 heads, T = 128, d = 64",
        make=weights_and_values, before=whole_products, after=products_in_halves,
        tolerance=1e-4,
    ),
    Trick(
        name="Softmax divided after the product with V",
        where="nn/attention.py",
        why="""Σ_j (e_j / s) v_j = (Σ_j e_j v_j) / s, and the right side divides d numbers for each
query instead of T.""",
        sizes="12 windows, 4 heads, T = 64, d = 32",
        make=scores_and_values, before=scale_before_product, after=scale_after_product,
        kept="""It is kept because it costs no line, and because the longer a window is
beside a head's width, the more it saves: d numbers are divided, not T.""",
    ),
    Trick(
        name="Softmax and cross-entropy in one",
        where="nn/losses.py",
        why="""Taken together, log cancels exp and the gradient is softmax − one_hot: less to
compute, and nothing overflows or becomes log 0.""",
        sizes="768 tokens, vocabulary 1,000",
        make=lambda: (rows(768, 1000), uniform_ids(768, 1000)),
        before=softmax_then_cross_entropy, after=cross_entropy_of_logits,
    ),
    Trick(
        name="Scatter-add by sorting",
        where="nn/embedding.py",
        why="""The gradient of a table adds up the rows of equal tokens. Sorted by token they stand
side by side, and each run of them is one sum. It gains most where the vocabulary is small and rows
are wide, for then a run is long and each addition is worth its call: here, what a layer of an LSTM
makes of characters. Where tokens are rare, so that most runs are short, little is left of the
gain.""",
        sizes="2,048 tokens, vocabulary 65, width 1,024",
        make=lambda: (rows(2048, 1024), uniform_ids(2048, 65), 65),
        before=scatter_by_add_at, after=scatter_by_sorting, tolerance=1e-4,
    ),
)  # fmt: skip
