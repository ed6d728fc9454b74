"""The machine's own limit: how many float32 operations a second a matrix product can reach.

A training step is mostly products of matrices, so its counted operations over its time, compared
with this, say how much of the machine it used. What is lost goes to everything else that a step
does: exponentials, sums, copies, Python.
"""

from time import perf_counter

import numpy as np
import torch
from threadpoolctl import threadpool_limits

SIZES = (512, 1024, 2048)
SECONDS = 0.3  # for each size and library


def product_limit(threads: int) -> float:
    """Operations a second, 2 n³ a product: the best of NumPy's and torch's over all SIZES.

    Both are asked because each brings its own BLAS, and the limit is the machine's, not theirs.
    """
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        return max(map(product_speed, SIZES))


def product_speed(size: int) -> float:
    """The quickest product of two matrices of this size."""
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    quickest = float("inf")
    for matrix in (a, torch.from_numpy(a)):
        end = perf_counter() + SECONDS
        while (start := perf_counter()) < end:
            matrix @ matrix
            quickest = min(quickest, perf_counter() - start)
    return 2 * size**3 / quickest
