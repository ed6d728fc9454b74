"""Quantize a matrix to int8 with a scale for each output channel: minilm against torch.

From floats to codes and scales, each in its library's layout: an output channel is a column of
minilm's (in, out) and a row of torch's (out, in). minilm also refuses what is not finite and
measures the largest error, as `quantize` always does.
"""

import numpy as np
import torch

from benchmarks.timing import Comparison, Run
from minilm import quantize

SIZE = 4096


def make() -> tuple[Run, Run]:
    """The same matrix, in the two layouts."""
    w = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)
    theirs = torch.tensor(w.T).contiguous()
    zero_points = torch.zeros(SIZE, dtype=torch.int64)

    def torch_quantize() -> torch.Tensor:
        scales = theirs.abs().amax(dim=1) / 127
        return torch.quantize_per_channel(theirs, scales, zero_points, 0, torch.qint8)

    return lambda: quantize(w, 8, axis=-1), torch_quantize


COMPARISONS = (
    Comparison(
        work="int8 per channel", sizes=f"a matrix of {SIZE} × {SIZE}",
        peer="torch.quantize_per_channel", amount=SIZE * SIZE, unit="weights",
        at_most=0.25, rounds=15, make=make,
    ),
)  # fmt: skip
