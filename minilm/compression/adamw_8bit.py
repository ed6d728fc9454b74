"""AdamW whose running means take one byte each instead of four.

    m = absmax_m · level[code],    v = absmax_v · level[code]         Dettmers et al. 2022

The means of a parameter lie in blocks of 2048, each divided by its largest magnitude, and a byte
says which of 256 levels in [−1, 1] (for v: [0, 1]) is nearest. The levels are far from even: half
of them have the first decimal place to themselves, a quarter the second, … ("dynamic" bits), since
a block holds means that are a million times smaller than its largest.

    bytes a parameter   AdamW 4 + 4,   here 1 + 1 + 8/2048
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from minilm.training.optimizers import CHUNK, AdamW, check_contiguous, decays
from minilm.types import Array, Params

BLOCK = 2048  # numbers that share an absmax; CHUNK is a multiple
SMALL = 4096  # parameters of fewer numbers keep their means in float32: all together a few per cent
DECADES = 7


def dynamic_levels(signed: bool) -> Array:
    """The 256 levels, rising, float32: 0, 1, and in each decade (10^−d−1, 10^−d], d = 0 … 6, the
    middles of 2^(7−d) equal parts; signed: of 2^(6−d) parts, and the same below zero."""
    finest = 6 if signed else 7
    positive: list[float] = []
    for decade in range(DECADES):
        parts = 2 ** (finest - decade)
        middles = 0.1 + 0.9 * (np.arange(parts) + 0.5) / parts
        positive += list(10.0**-decade * middles)
    levels = [*positive, 0.0, 1.0] + ([-level for level in positive] if signed else [])
    return np.sort(np.array(levels, np.float32))


class NearestLevel:
    """From a number in [−1, 1] to the code of the level next to it, a table's look-up or two.

    The first 18 bits of a float32, sign, exponent and 9 of the mantissa, tell numbers apart that
    differ by 1/512, finer than the levels ever are: between two neighbours of the table there is at
    most one threshold. Eight times faster than a search.
    """

    def __init__(self, levels: Array) -> None:
        self.levels = levels
        self.thresholds = np.append((levels[1:] + levels[:-1]) / 2, np.float32(np.inf))
        ends = np.arange(2**18, dtype=np.uint32) << 14
        ends = np.stack([ends, ends | 0x3FFF]).view(np.float32)
        ends = np.clip(np.nan_to_num(ends), -1, 1)
        self.codes = np.searchsorted(self.thresholds, ends.min(axis=0)).astype(np.uint8)

    def __call__(self, v: Array) -> Array:
        """v: (n,) float32 in [−1, 1]  ->  codes (n,) uint8"""
        code = self.codes[np.ascontiguousarray(v).view(np.uint32) >> 14]
        code += v > self.thresholds[code]
        return code


@cache
def nearest_level(signed: bool) -> NearestLevel:
    """The table of dynamic_levels(signed), made once, when it is first asked for."""
    return NearestLevel(dynamic_levels(signed))


@dataclass(frozen=True)
class AdamW8bit(AdamW):
    """AdamW with its state in blocks of 8-bit codes; the same settings.

    An update reads m and v from their codes, moves them and the parameter as AdamW does, and rounds
    them again. v is never rounded to 0 unless it is 0: √v divides. Parameters of fewer than SMALL
    numbers are AdamW's own.
    state: `mean:name` and `square:name`, uint8 of the parameter's shape, `mean_absmax:name` and
    `square_absmax:name`, float32 (blocks,).
    """

    def update(
        self, arrays: Params, grads: Params, state: Params, learning_rate: float, step: int
    ) -> None:
        """One step, in place on `arrays` and `state`. ValueError for arrays not C-contiguous."""
        small = {name: g for name, g in grads.items() if g.size < SMALL}
        super().update(arrays, small, state, learning_rate, step)
        for name, gradient in grads.items():
            if name not in small:
                self.update_large(name, arrays[name], gradient, state, learning_rate, step)

    def update_large(
        self, name: str, array: Array, gradient: Array, state: Params, rate: float, step: int
    ) -> None:
        """One parameter, a chunk of whole blocks at a time."""
        check_contiguous(array)
        m_parts, v_parts = (coded(state, role, name, array) for role in ("mean", "square"))
        m_unbiased, v_unbiased = 1 - self.beta1 ** (step + 1), 1 - self.beta2 ** (step + 1)
        keep = 1 - rate * self.weight_decay if decays(name, array) else 1.0
        flat_w, flat_g = array.reshape(-1), gradient.reshape(-1)
        for start in range(0, flat_w.size, CHUNK):
            w, g = flat_w[start : start + CHUNK], flat_g[start : start + CHUNK]
            m, v = decode(*m_parts, start, w, True), decode(*v_parts, start, w, False)
            m *= self.beta1
            m += (1 - self.beta1) * g
            v *= self.beta2
            v += (1 - self.beta2) * g * g
            w *= keep
            w -= rate / m_unbiased * m / (np.sqrt(v / v_unbiased) + self.eps)
            encode(m, *m_parts, start, True)
            encode(v, *v_parts, start, False)


def coded(state: Params, role: str, name: str, like: Array) -> tuple[Array, Array]:
    """The codes and the blocks' absmax kept under this role, flat; zeros at first."""
    if f"{role}:{name}" not in state:
        state[f"{role}:{name}"] = np.zeros(like.shape, np.uint8)
        state[f"{role}_absmax:{name}"] = np.zeros(-(-like.size // BLOCK), np.float32)
    return state[f"{role}:{name}"].reshape(-1), state[f"{role}_absmax:{name}"]


def decode(codes: Array, absmax: Array, start: int, like: Array, signed: bool) -> Array:
    """absmax · level[code] of the numbers from `start` on, as many as `like` has, in its dtype."""
    levels = nearest_level(signed).levels.astype(like.dtype, copy=False)
    values = np.take(levels, codes[start : start + like.size])
    values *= per_number(absmax, start, like.size)
    return values


def encode(values: Array, codes: Array, absmax: Array, start: int, signed: bool) -> None:
    """Write the nearest codes of the numbers from `start` on, and their blocks' absmax."""
    blocks = slice(start // BLOCK, start // BLOCK - (-values.size // BLOCK))
    absmax[blocks] = np.maximum.reduceat(np.abs(values), np.arange(0, values.size, BLOCK))
    unit = per_number(absmax, start, values.size)
    scaled = values.astype(np.float32, copy=False) / np.where(unit > 0, unit, np.float32(1))
    nearest = nearest_level(signed)(np.clip(scaled, -1, 1))
    if not signed:
        np.maximum(nearest, values > 0, out=nearest)
    codes[start : start + values.size] = nearest


def per_number(absmax: Array, start: int, count: int) -> Array:
    """The absmax of its block for each of `count` numbers from `start`, a multiple of BLOCK."""
    first = start // BLOCK
    return np.repeat(absmax[first : first - (-count // BLOCK)], BLOCK)[:count]
