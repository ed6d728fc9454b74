"""Sentences about what quantization costs and saves: counted, and timed.

`as_printed` does what follows if the sentence is believed, `right` what is so.
"""

import time
from collections.abc import Callable

import numpy as np

from minilm.compression import quantize
from minilm.course.published.entry import Printed, Value
from minilm.course.published.yardsticks import Rule, gaussian_weights
from minilm.types import Array


def speed_by_bits(bits: int) -> float:
    """32 / b times as fast"""
    return 32 / bits


def speed_by_the_clock(bits: int) -> float:
    """seconds of x @ w / seconds of x @ packed, for one row: measured here"""
    w = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    x = w[:1].copy()
    q = quantize(w, bits)
    return seconds(lambda: x @ w) / seconds(lambda: x @ q)


def seconds(action: Callable[[], object]) -> float:
    """The shortest of five runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def faster_or_slower(speed: Rule) -> Value:
    """At 4 and at 2 bits, against float32. (How much depends on the machine and on the hour.)"""
    return tuple("faster" if speed(bits) > 1 else "slower" for bits in (4, 2))


FEW_BITS_ARE_FAST = Printed(
    article="B",
    name="few bits are fast",
    formula="2–4 bits ⇒ large speed-up",
    verdict="false claim",
    why="Fewer bytes are read, but a processor without instructions for 4-bit numbers has to "
    "unpack them first. It is faster with kernels written for it, where reading is the bottleneck, "
    "and slower here. Measure.",
    as_printed=speed_by_bits,
    right=speed_by_the_clock,
    what="one row times 512 × 512 weights, at 4 and 2 bits",
    measure=faster_or_slower,
)


class Counted(float):
    """A number that counts how often it is multiplied."""

    multiplications = 0

    def __mul__(self, other: object) -> "Counted":
        Counted.multiplications += 1
        return Counted(float(self) * float(other))  # type: ignore[arg-type]

    def __add__(self, other: object) -> "Counted":
        return Counted(float(self) + float(other))  # type: ignore[arg-type]

    __rmul__, __radd__ = __mul__, __add__


def restored_then_multiplied(x: Array, codes: Array, scale: Counted) -> Array:
    """x (s·q)"""
    return x @ (codes * scale)


def multiplied_then_scaled(x: Array, codes: Array, scale: Counted) -> Array:
    """(x q)·s"""
    return (x @ codes) * scale


def multiplications(product: Rule) -> Value:
    """For one row times 16 × 8; with float weights there are 128."""
    return count(product, quantize(gaussian_weights()[:128].reshape(16, 8), 4).codes)


def count(product: Rule, codes: Array) -> int:
    """The multiplications of product(x, codes, scale) for one row x."""
    counted = np.frompyfunc(Counted, 1, 1)
    Counted.multiplications = 0
    product(counted(np.ones((1, len(codes)))), counted(codes), Counted(0.1))
    return Counted.multiplications


MORE_COMPUTATION = Printed(
    article="C",
    name="quantization needs more computation",
    formula="quantization ⇒ computation ↑",
    verdict="false claim",
    why="Only if every weight is restored at each use. The scale can be multiplied afterwards, one "
    "number for each result, and the products are those of small integers.",
    as_printed=restored_then_multiplied,
    right=multiplied_then_scaled,
    what="multiplications, one row times 16 × 8 (in float 128)",
    measure=multiplications,
)


def in_a_smaller_range(w: Array) -> float:
    """c = max|w| / 2"""
    return float(np.abs(w).max()) / 2


def in_the_whole_range(w: Array) -> float:
    """c = max|w|"""
    return float(np.abs(w).max())


def multiplications_in_range(choose: Rule) -> Value:
    """One row times 16 × 8 of the codes."""
    w = gaussian_weights()[:128].reshape(16, 8)
    step = choose(w) / 7
    return count(multiplied_then_scaled, np.clip(np.rint(w / step), -7, 7))


SMALLER_RANGE_MORE_COMPUTATION = Printed(
    article="E",
    name="a smaller range, more computation",
    formula="smaller range ⇒ more computation",
    verdict="false claim",
    why="The range is in the scale, one number. The codes are as many and as long as before.",
    as_printed=in_a_smaller_range,
    right=in_the_whole_range,
    what="multiplications, one row times 16 × 8",
    measure=multiplications_in_range,
)

ENTRIES = (
    FEW_BITS_ARE_FAST,
    MORE_COMPUTATION,
    SMALLER_RANGE_MORE_COMPUTATION,
)
