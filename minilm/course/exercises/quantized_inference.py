"""Exercises of notebook 09."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.types import Array

Answer = Callable[..., Any]
WRAPPED = (
    "it is off by multiples of 256: somewhere 8-bit numbers wrapped around; widen the codes to "
    "int32 before anything is multiplied or subtracted"
)


def check_integer_product(integer_product: Answer, rng: np.random.Generator) -> None:
    """Exact sums with both zero points, of codes near the ends of their types too."""
    for low, high, K in ((0, 8, 5), (200, 256, 300)):
        q_x = rng.integers(low, high, size=(3, K)).astype(np.uint8)
        q_w = rng.integers(-128, 128, size=(K, 4)).astype(np.int8)
        both = int(rng.integers(1, 200)), int(rng.integers(-100, 0))
        for z_x, z_w in ((0, 0), both, (int(rng.integers(1, 200)), 0), (0, int(rng.integers(99)))):
            given = np.asarray(integer_product(q_x.copy(), q_w.copy(), z_x, z_w))
            wide_x, wide_w = q_x.astype(np.int64), q_w.astype(np.int64)
            right = (wide_x - z_x) @ (wide_w - z_w)
            want(given.shape == (3, 4), f"the result should be (M, N) = (3, 4), not {given.shape}")
            small = (low, high) == (0, 8) and z_x == z_w == 0 and np.abs(right).max() > 127
            if small or K == 300:
                wrapped = given.astype(np.int64) - right
                want(np.array_equal(given, right) or not (wrapped % 256 == 0).all(), WRAPPED)
            _name_the_missing(given, right, wide_x, wide_w, z_x, z_w)
            want(given.dtype != np.float64,
                 "the sums should be whole numbers of 32 bits, not float64 (NumPy's sum of a uint8 "
                 "array is a uint64, and that with an int32 makes floats: sum(…, dtype=np.int32))")
            want(given.dtype.kind == "i" and given.dtype.itemsize >= 4,
                 f"the sums should be whole numbers of 32 bits, not {given.dtype}")


def _name_the_missing(given: Array, right: Array, x: Array, w: Array, z_x: int, z_w: int) -> None:
    """Say which correction is not there."""
    if np.array_equal(given, right):
        return
    plain, by_x, by_w = x @ w, z_x * w.sum(axis=0), z_w * x.sum(axis=1, keepdims=True)
    both = x.shape[1] * z_x * z_w
    for wrong, hint in (
        (plain, "that is the plain product of the codes: the zero points are not in it yet"),
        (plain - by_x - by_w, "the product of both zero points is missing: it is there once for "
                              "each k"),
        (plain - by_x - by_w + z_x * z_w, "z_x z_w occurs in every term of the sum over k, so K "
                                          "times"),
        (plain - by_x, "the zero point of x is in it, that of w is not"),
        (plain - by_w, "the zero point of w is in it, that of x is not"),
        (plain - by_x - by_w - both, "mind the signs: minus z_x times minus z_w is a plus"),
        (plain + by_x + by_w + both, "mind the signs: (a − b)(c − d) has two negative terms"),
    ):
        want(not np.array_equal(given, wrong), hint)
    with np.errstate(all="ignore"):
        off = given - right
    want((off % 256 != 0).any(), WRAPPED)
    want(False, "not equal to Σ (q_x − z_x)(q_w − z_w): z_x goes with the sums of q_w's columns, "
                "z_w with the sums of q_x's rows")


def check_fixed_point(fixed_point: Answer, rng: np.random.Generator) -> None:
    """The nearest multiplier, normalized, also where rounding carries over."""
    numbers = [0.5, 0.1, *(2.0 ** -rng.uniform(0.01, 20, size=20)), 1 - 2.0**-40, 0.25 - 2.0**-50]
    for number in map(float, numbers):
        answer = fixed_point(number)
        want(isinstance(answer, tuple | list) and len(answer) == 2,
             "return two numbers, (M0, n)")
        M0, n = answer
        for name, value in (("M0", M0), ("n", n)):
            want(isinstance(value, int | np.integer) or float(value).is_integer(),
                 f"{name} should be a whole number, got {value!r}")
        M0, n = int(M0), int(n)
        want(abs(n) < 1000, "return (M0, n) in this order: first the large number, then the shift")
        value = M0 / 2.0**n
        want(abs(value / number - 1) < 0.5 or not np.isclose(M0 * 2.0**n, number, rtol=0.5),
             "n counts shifts to the right: M = M0 · 2^(−n), so a small M has a large n")
        want(abs(value / number - 1) < 1e-3, f"for M = {number:.13g} you stand for {value:.6g}")
        want(M0 != 2**31, "for an M just below a power of two, rounding gives M0 = 2^31, which is "
                          "one too many: halve it, and shift by one less")
        want(2**30 <= M0 < 2**31, f"for M = {number:.6g}, M0 = {M0} is not in [2^30, 2^31): change "
                                  "n until it is, so that no digit is given away")
        want(2 * abs(M0 - number * 2.0**n) <= 1,
             f"for M = {number:.6g}, M0 = {M0} is not the nearest: round, do not cut off")


def check_spend_bits(spend_bits: Answer, rng: np.random.Generator) -> None:
    """The least total cost within the budget: easy tables first, then those that greed loses."""
    choices = np.array([2, 3, 4, 5])
    for case in range(8):
        layers = int(rng.integers(3, 7))
        sizes = np.full(layers, 100) if case < 2 else rng.choice([50, 100, 300, 800], layers)
        # damages fall about fourfold a bit; later cases less evenly, as measured ones do
        uneven = 0.0 if case < 3 else 0.7
        ratios = 4 * np.exp(uneven * rng.standard_normal((layers, 3)))
        costs = rng.lognormal(0, 2, (layers, 1)) / np.cumprod(
            np.concatenate([np.ones((layers, 1)), np.maximum(ratios, 1.05)], axis=1), axis=1)
        given = spend_bits(costs.copy(), sizes.copy(), choices.copy(), 3.5)
        given = np.asarray(given)
        want(given.shape == (layers,), f"return the bits of the {layers} layers, an array (L,); "
                                       f"yours has the shape {given.shape}")
        want(np.isin(given, choices).all(), "every layer needs one of the choices: return the bits "
                                            f"themselves, of {choices.tolist()}, got {given}")
        _judge_allocation(given.astype(int), costs, sizes, choices)


def _judge_allocation(bits: Array, costs: Array, sizes: Array, choices: Array) -> None:
    """Compare with the best of all combinations."""
    layers = np.arange(len(sizes))
    mean = bits @ sizes / sizes.sum()
    want(mean <= 3.5 + 1e-9 or bits.mean() > 3.5,
         f"the average must count weights, not layers: a layer of size n counts n times; yours is "
         f"{mean:.2f}")
    want(mean <= 3.5 + 1e-9, f"the average is {mean:.2f} bits a weight, more than the 3.5 allowed")
    every = np.stack(np.meshgrid(*[range(len(choices))] * len(sizes), indexing="ij"), axis=-1)
    every = every.reshape(-1, len(sizes))                                # (C^L, L)
    allowed = choices[every] @ sizes <= 3.5 * sizes.sum()
    totals = costs[layers, every].sum(axis=1)
    least, total = totals[allowed].min(), costs[layers, np.searchsorted(choices, bits)].sum()
    if total <= least * (1 + 1e-9):
        return
    want(not (bits == choices[choices <= 3.5].max()).all(),
         "the same width everywhere leaves a part of the budget unspent: let layers differ")
    want(total > least * 2, "not bad, but another choice within the budget costs "
         f"{1 - least / total:.1%} less: buying the best upgrade each time can miss it; with so "
         "few layers, try all combinations")
    want(False, f"another choice within the budget costs {1 - least / total:.0%} less: give more "
                "bits where they undo the most damage for each weight they are spent on")


EXERCISES: list[Exercise] = [
    Exercise("integer_product", "A product of codes with two zero points.", check_integer_product),
    Exercise("fixed_point", "A real number as a whole one and a shift.", check_fixed_point),
    Exercise("spend_bits", "Spend 3.5 bits a weight where they help most.", check_spend_bits,
             points=2),
]
