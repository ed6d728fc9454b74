"""Trellis-coded weights: R bits each, and yet 2^(R+1) levels to choose from.

The levels are dealt out in turn to four subsets, 0 1 2 3 0 1 2 3 …, so that neighbours in a subset
stand four levels apart. The code of weight t has R bits: the lowest, b[t], goes through a shift
register and says together with the bits before it which subset; the others, j, which level of it:

    subset    z = 2·z₁ + z₀,   z₁ = b[t] ⊕ b[t−1] ⊕ b[t−3],   z₀ = b[t−2]        8 states
                               z₁ = b[t] ⊕ b[t−2],            z₀ = b[t−1]        4 states
    level     levels[4·j + z]

    R = 1, 4 states, the bits 1 0 1 1:   levels 1 3 0 3

The bits behind a weight (3 or 2, its *state*) leave it two of the four subsets, which are every
other level; whoever chooses the codes steers the later weights to good ones by the earlier bits.
The row is a ring: the first weight's register holds the last weight's bits (tail-biting), so
nothing else need be kept.

Ungerboeck 1982, table I (the codes with 4 and 8 states, written without feedback); Marcellin and
Fischer 1990 for their use in quantization.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilm.types import Array
from minilm.weights.packing import check_bits, row_bytes, unpack
from minilm.weights.quantized import check_array, picked
from minilm.weights.rows import PackedRows, rows_shape


class Register(NamedTuple):
    """How many bits back z₁ (an exclusive or) and z₀ look."""

    z1: tuple[int, ...]
    z0: int


SHORTEST = 3  # numbers in a row: as many bits as a state has
REGISTERS = {4: Register((0, 2), 1), 8: Register((0, 1, 3), 2)}  # by the number of states


def level_indices(codes: Array, states: int) -> Array:
    """4·j + z for every code of a row. codes: (rows, n) uint8 below 2^R  ->  (rows, n) intp."""
    bits, register = codes & 1, REGISTERS[states]
    z1 = np.zeros_like(bits)
    for back in register.z1:
        z1 ^= np.roll(bits, back, axis=-1)
    subset = 2 * z1 + np.roll(bits, register.z0, axis=-1)
    return 4 * (codes >> 1).astype(np.intp) + subset


@dataclass(frozen=True, eq=False, repr=False)
class TrellisTensor(PackedRows):
    """x̂ = scale · levels[4·j + z], a row of codes being one ring; x @ q, q[ids] and q.T as always.

    packed: (rows, ⌈n·bits/8⌉) uint8, n ≥ 3. scales: (1, 1), (rows, 1) or (rows, groups) float32 or
    float16. levels: (2^(bits+1),) float32. states: 4 or 8. ValueError where these do not fit.
    """

    packed: Array
    scales: Array
    levels: Array
    bits: int
    array_shape: tuple[int, ...]
    axis: int | None = None
    states: int = 8
    transposed: bool = False
    largest_error: float = float("nan")

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if self.states not in REGISTERS:
            raise ValueError(f"states must be one of {list(REGISTERS)}, got {self.states!r}")
        rows, n = rows_shape(self.array_shape, self.axis)
        groups = self.scales.shape[-1] if self.scales.ndim == 2 else 1
        check_array("packed", self.packed, (np.uint8,), [(rows, row_bytes(n, self.bits))])
        check_array("scales", self.scales, (np.float16, np.float32), [(1, 1), (rows, groups)])
        check_array("levels", self.levels, (np.float32,), [(2 ** (self.bits + 1),)])
        if n < SHORTEST:
            raise ValueError(f"a row must have at least {SHORTEST} codes, got {n}")
        if groups < 1 or n % groups:
            raise ValueError(f"{groups} groups do not divide a row of {n} codes")

    def decode(self, which: Any = slice(None)) -> Array:
        """x̂ of these stored rows, (k, n) float32."""
        n, groups = self.stored_shape[1], self.scales.shape[1]
        codes = unpack(self.packed[which], self.bits, n)
        x = np.take(self.levels, level_indices(codes, self.states))
        scales = picked(self.scales, which, len(codes))                      # (k, groups, 1)
        return (x.reshape(len(codes), groups, n // groups) * scales).reshape(len(codes), n)

    def check(self) -> None:
        """Refuse what no quantizer writes: see `Weight.check`."""
        super().check()
        if not (np.isfinite(self.scales).all() and (self.scales >= 0).all()):
            raise ValueError("scales must be finite and not negative")
        if not np.isfinite(self.levels).all():
            raise ValueError("levels must be finite")

    @property
    def max_error(self) -> float:
        """The largest |x − x̂| when x was quantized (nan when nobody measured it)."""
        return self.largest_error
