"""GPTQ: rounding to nearest, one number of each channel after another, the rest making up for it.

    for j = 1 … n:   ŵ_j = round(w_j),   w_{j+1…n} changed so that ‖X(w − ŵ)‖² stays least

w: one channel, n numbers. X: the vectors that multiply it, a row each, as calibration has seen
them. The sweep is that of minilm/compression/second_order.py, over all channels at once; what it
projects with is the grid of an array whose scales are fixed beforehand ("static groups"), so that
the j may be taken in any order.
Frantar et al. 2022 (GPTQ); LDLQ in QuIP. Its forerunner OBQ chooses the order for each channel.
"""

import numpy as np

from minilm.compression.parameters import needed
from minilm.compression.quantization.rounding.channels import Rows
from minilm.compression.second_order import sweep
from minilm.types import Array
from minilm.weights import Seen


def gptq(rows: Rows, seen: Seen | None, rng: np.random.Generator | None = None) -> Array:
    """The levels of an array's channels, chosen by the second-order sweep.

    rows: numbers (channels, n) and their grid; seen: of what multiplies a channel, of width n
      ->  (channels, n), each number on its grid. ValueError without calibration.
    The j whose inputs x_j have the largest Σx_j² come first ("act order"), while there are others
    left to make good what rounding them spoils.
    """
    gram: Array = needed(seen, "each channel", "rounding 'gptq'").cost

    def project(columns: slice, values: Array) -> Array:
        return rows.project(columns, values.T).T

    order = np.argsort(-np.diagonal(gram), kind="stable")
    w = np.ascontiguousarray(rows.numbers.T)
    return sweep(w, gram, project, order=order).T
