"""Quantize a matrix and get its floats back: minilm against torch.

To int8 with a scale for each row of the same matrix, and for each column; and to int4 with one for
every 64 weights of an output channel, which is a column of minilm's (in, out) and a row of torch's
(out, in). minilm stores codes channel by channel, so it also turns the columns; torch leaves them
where they are. minilm refuses what is not finite and measures the largest error, as always.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.timing import Comparison, Run
from minilm import dequantize, quantize

SIZE, GROUP = 4096, 64


def matrices() -> tuple[np.ndarray, torch.Tensor]:
    """The same matrix, in the two layouts."""
    w = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)
    return w, torch.tensor(w.T).contiguous()


def torch_int8(w: torch.Tensor, zero_points: torch.Tensor, axis: int = 0) -> torch.Tensor:
    """Torch's quantized tensor of 8 bits, a scale for each row, or column (axis 1)."""
    scales = w.abs().amax(dim=1 - axis) / 127
    return torch.quantize_per_channel(w, scales, zero_points, axis, torch.qint8)


def torch_int4(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two codes to a byte, the low one first, and a float16 scale for each group: torch has no
    operation for it, so it is written out, in place where that can be."""
    groups = w.view(SIZE, -1, GROUP)
    scales = (groups.abs().amax(dim=-1, keepdim=True) / 7).half()
    codes = (groups / scales.float()).round_().clamp_(-7, 7).add_(8).to(torch.uint8)
    pairs = codes.view(SIZE, -1, 2)
    return pairs[:, :, 0] | pairs[:, :, 1] << 4, scales


def torch_floats(packed: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """The inverse of `torch_int4`."""
    pairs = torch.empty(SIZE, SIZE // 2, 2)
    pairs[:, :, 0], pairs[:, :, 1] = packed & 15, packed >> 4
    return pairs.view(SIZE, -1, GROUP).sub_(8).mul_(scales.float()).view(SIZE, SIZE)


def int8(axis: int) -> tuple[Run, Run]:
    """Floats to codes and scales: the same matrix, with the same rows or columns as channels."""
    w = matrices()[0]
    theirs, zero_points = torch.tensor(w), torch.zeros(SIZE, dtype=torch.int64)
    return lambda: quantize(w, 8, axis=axis), lambda: torch_int8(theirs, zero_points, axis)


def int8_back() -> tuple[Run, Run]:
    """And back."""
    w, same = matrices()
    ours, theirs = quantize(w, 8, axis=-1), torch_int8(same, torch.zeros(SIZE, dtype=torch.int64))
    return lambda: dequantize(ours), lambda: theirs.dequantize()


def int4() -> tuple[Run, Run]:
    """Floats to packed codes and scales."""
    ours, theirs = matrices()
    return lambda: quantize(ours, 4, axis=-1, group_size=GROUP), lambda: torch_int4(theirs)


def int4_back() -> tuple[Run, Run]:
    """And back."""
    w, theirs = matrices()
    ours, (packed, scales) = quantize(w, 4, axis=-1, group_size=GROUP), torch_int4(theirs)
    return lambda: dequantize(ours), lambda: torch_floats(packed, scales)


def comparison(
    work: str, peer: str, make: Callable[[], tuple[Run, Run]], at_most: float | None = None
) -> Comparison:
    """One piece of work on the matrix."""
    return Comparison(
        work=work, sizes=f"a matrix of {SIZE} × {SIZE}", peer=peer, amount=SIZE * SIZE,
        unit="weights", at_most=at_most, rounds=31, make=make,
    )  # fmt: skip


COMPARISONS = (
    comparison("int8 per row", "torch.quantize_per_channel", partial(int8, 0), at_most=0.25),
    comparison("int8 per column", "torch.quantize_per_channel", partial(int8, 1), at_most=0.25),
    comparison("int8, back to floats", "torch, dequantize", int8_back),
    comparison(f"int4 per group of {GROUP}", "torch, eager", int4),
    comparison(f"int4 per group of {GROUP}, back to floats", "torch, eager", int4_back),
)
