"""Trellis-coded quantization: rounding a whole row at once, by the Viterbi search.

With R bits the t-th number of a row, v[t] = x[t] / scale, may take half of 2^(R+1) levels, and
which half follows from the bits before it (minilm/weights/trellis.py, the page to read first).
Choosing every bit for its own number would spoil the next ones; the best path through all is found
by dynamic programming over the 8 states s. A state is the last three of those bits, and the edge
from s to s' adds the next one:

    cost[t+1, s'] = min over the two s that lead to s' of  cost[t, s] + (v[t] − nearest level of
                                                                        the subset on that edge)²

At 2 bits this gives a Gaussian an SQNR of 10.69 dB, where Lloyd–Max, the best one can do weight by
weight, gives 9.30 and Shannon's bound is 12.04. Forney 1973 (the search); Marcellin and Fischer
1990.

The row is a ring, so a path must end in the state in which it began. A first search, over the
numbers around the seam alone and with both ends free, tells the state there; the second, over the
whole row, is tied to it. In a short row every state is tried.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minilm.compression.quantization.affine import in_scales
from minilm.types import Array
from minilm.weights.packing import pack
from minilm.weights.trellis import REGISTERS, SHORTEST, TrellisTensor, level_indices

SAMPLE = 1 << 16  # numbers that levels are fitted to,
RING = 128  # in rows of so many: long enough for the seam not to matter, short for the loop
SETTLED = 0.005  # of the mean distance of two levels
CHUNK = 1 << 18  # numbers searched at once
AROUND = 32  # numbers before and after the seam: what lies farther no longer sways its state
FAR = np.float32(1e30)


def trellis_tensor(
    on_grid: Any, scheme: Any, rng: np.random.Generator, states: int = 8
) -> TrellisTensor:
    """The leaf of an array on its grid (an OnGrid): codes chosen along a trellis of so many states.

    Its levels begin as the grid's with as many again between them. ValueError for an affine grid
    (a zero point would have to shift every level by itself), 16 bits, and scales of one byte.
    """
    if on_grid.grid.affine:
        raise ValueError(f'rounding={scheme.rounding!r} needs symmetric=True: its levels have no '
                         'zero point')
    if on_grid.bits > 8:
        raise ValueError(f'rounding={scheme.rounding!r} has 1 … 8 bits, got {on_grid.bits}')
    if scheme.scale_kind.codes is not None:
        raise ValueError(f'rounding={scheme.rounding!r} keeps its scales as floats: scale_format '
                         f'must be None, "float32" or "float16", got {scheme.scale_format!r}')
    rows, layout = on_grid.rows(), on_grid.layout
    v = in_scales(rows.numbers, rows.scale)
    # an error in x is s times that in v; a path is through one row, and asks how it is there
    in_all, in_row = (
        np.broadcast_to(np.square(in_scales(rows.scale, largest)), v.shape)
        for largest in (rows.scale.max(), rows.scale.max(axis=1, keepdims=True))
    )
    levels = fit_levels(v, twice_as_many(on_grid.grid, on_grid.bits), states, weights=in_all)
    codes = trellis_codes(v, levels, states, weights=in_row)
    q = TrellisTensor(
        pack(codes, on_grid.bits), layout.scales(on_grid.scale), levels, on_grid.bits, layout.shape,
        None if layout.axis is None else int(layout.axis), states,
    )  # fmt: skip
    return replace(q, largest_error=float(np.abs(q.decode() - rows.numbers).max()))


def twice_as_many(grid: Any, bits: int) -> Array:
    """2^(bits + 1) levels: those of the grid, moved by a quarter of a step up and down."""
    levels = grid.value(np.arange(grid.low, grid.high + 1, dtype=np.float32))
    if len(levels) != 2**bits:  # the symmetric integers lack one; between the signs there is none
        levels = np.linspace(levels[0], levels[-1], 2**bits)
    step = np.gradient(levels) / 4
    return np.stack([levels - step, levels + step], axis=1).ravel().astype(np.float32)


class Edges(NamedTuple):
    """Both ways into each state: where from, and over which subset. (2, states) each.

    A state's lowest bit is the last b, the next one the b before it: s' = (2·s + b) mod states.
    """

    source: Array
    subset: Array


def edges(states: int) -> Edges:
    """The trellis of a shift register."""
    to = np.arange(states)
    source = np.stack([to >> 1, (to >> 1) + states // 2])
    bit = [to & 1, source & 1, source >> 1 & 1, source >> 2 & 1]  # b[t], b[t−1], b[t−2], b[t−3]
    register = REGISTERS[states]
    z1 = np.bitwise_xor.reduce(np.broadcast_arrays(*(bit[back] for back in register.z1)))
    return Edges(source, 2 * z1 + bit[register.z0])


def trellis_codes(v: Array, levels: Array, states: int = 8, weights: Array | None = None) -> Array:
    """The codes of nearly the least Σ weight·(v − v̂)² in each row.

    v: (rows, n) float32, n ≥ 3; levels: (2^(R+1),) rising; weights: (rows, n), default 1
    ->  (rows, n) uint8 below 2^R. ValueError for shorter rows.
    Nearly: in a row longer than 2·AROUND the seam's state is that of the best open path around it.
    """
    rows, n = v.shape
    if n < SHORTEST:
        raise ValueError(f"x must have rows of at least {SHORTEST} numbers for a trellis, got {n}")
    codes = np.empty((rows, n), np.uint8)
    step = max(1, CHUNK // n)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        codes[part] = _ring_codes(v[part], levels, states, None if weights is None
                                  else weights[part])
    return codes


def _ring_codes(v: Array, levels: Array, states: int, weights: Array | None) -> Array:
    subsets = levels.reshape(-1, 4).T                                        # (4, 2^(R−1))
    cost = np.stack([np.square(v - level[nearest(v, level)]).T for level in subsets], axis=1)
    if weights is not None:
        cost *= weights.T[:, None]                                           # (n, 4, rows)
    codes = np.ascontiguousarray(best_ring(cost, edges(states)).T)
    subset = level_indices(codes, states)
    for z, level in enumerate(subsets):
        here = subset == z
        codes[here] |= (nearest(v[here], level) << 1).astype(np.uint8)
    return codes


def nearest(v: Array, levels: Array) -> Array:
    """The index of the level next to each number; levels: rising."""
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, v)


def best_ring(cost: Array, trellis: Edges) -> Array:
    """The bits of the cheapest closed path. cost: (n, 4, rows), of each subset -> (n, rows)."""
    n, _, rows = cost.shape
    if n > 2 * AROUND:
        around = best_path(cost[np.arange(-AROUND, AROUND)], trellis)
        return best_path(cost, trellis, ends=around.passed[AROUND]).bits
    states = trellis.source.shape[1]
    tried = [best_path(cost, trellis, ends=np.full(rows, state)) for state in range(states)]
    best = np.argmin([path.cost for path in tried], axis=0)
    return np.stack([path.bits for path in tried])[best, :, np.arange(rows)].T


class Path(NamedTuple):
    """bits: (n, rows) uint8; passed: (n + 1, rows), the states; cost: (rows,)."""

    bits: Array
    passed: Array
    cost: Array


def best_path(cost: Array, trellis: Edges, ends: Array | None = None) -> Path:
    """The cheapest path for each row.

    cost: (n, 4, rows), of each subset; ends: (rows,) the state to begin and to end in; None: any
    """
    n, _, rows = cost.shape
    states = trellis.source.shape[1]
    total = np.zeros((states, rows), cost.dtype)
    if ends is not None:
        total[np.arange(states)[:, None] != ends] = FAR
    second = np.empty((n, states, rows), np.bool_)  # whether the best way in is the second
    for t in range(n):
        ways = total[trellis.source] + cost[t][trellis.subset]               # (2, states, rows)
        np.less(ways[1], ways[0], out=second[t])
        total = np.minimum(ways[0], ways[1])
    passed = np.empty((n + 1, rows), np.intp)
    passed[n] = total.argmin(axis=0) if ends is None else ends
    for t in reversed(range(n)):
        passed[t] = trellis.source[second[t, passed[t + 1], np.arange(rows)].astype(np.intp),
                                   passed[t + 1]]
    return Path((passed[1:] & 1).astype(np.uint8), passed, total[passed[n], np.arange(rows)])


def fit_levels(
    v: Array, levels: Array, states: int = 8, weights: Array | None = None, iterations: int = 40
) -> Array:
    """Levels that suit the trellis: each becomes the mean of what the search gives to it, repeated
    until they hardly move.

    v: (rows, n) float32; levels: (2^(R+1),) rising, to begin with; weights: (rows, n), default 1
    ->  (2^(R+1),) float32, rising. Lloyd's iteration, with the Viterbi search for his thresholds.
    The numbers are cut anew into rows of RING, and of more than SAMPLE evenly chosen rows are seen.
    """
    mass = np.ones_like(v) if weights is None else weights
    length = min(RING, v.size)
    v, mass = (x.reshape(-1)[: x.size // length * length].reshape(-1, length) for x in (v, mass))
    step = -(-v.size // SAMPLE)
    v, mass = v[::step], mass[::step]
    for _ in range(iterations):
        before = levels
        indices = level_indices(trellis_codes(v, levels, states, mass), states).ravel()
        held = np.bincount(indices, mass.ravel(), minlength=len(levels))
        total = np.bincount(indices, (mass * v).ravel(), minlength=len(levels))
        means = np.where(held > 0, total / np.where(held > 0, held, 1), levels)
        # within a subset means keep their order; between subsets, of few numbers, they may not
        levels = np.sort(means).astype(np.float32)
        if np.abs(levels - before).max() <= SETTLED * np.ptp(levels) / len(levels):
            break
    return levels
