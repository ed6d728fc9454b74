"""Exercises of notebook 10."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.course.check import Exercise, want
from minilm.types import Array

Answer = Callable[..., Any]
TOGETHER = "many entries go the same way at once: draw a random number for each entry"


def check_stochastic_round(stochastic_round: Answer, rng: np.random.Generator) -> None:
    """On the grid, next to x, unbiased, with the variance of one coin for each entry."""
    step, n = float(rng.uniform(0.1, 0.4)), 4000
    x = np.concatenate([step * rng.uniform(-3, 3, size=12), step * np.arange(-2, 3)])
    copies = np.tile(x, (n, 1))
    draws = np.random.default_rng(rng.integers(99))
    given = np.asarray(stochastic_round(copies.copy(), step, draws))
    want(given.shape == copies.shape, f"the result should have x's shape {copies.shape}, "
                                      f"not {given.shape}")
    codes = given / step
    want(np.allclose(codes, np.rint(codes), atol=1e-4), "the results should be multiples of step: "
                                                        "divide by it before, multiply by it after")
    if np.ptp(given, axis=0).max() == 0:
        for seed in range(100, 108):
            again = np.asarray(stochastic_round(copies.copy(), step, np.random.default_rng(seed)))
            want(np.array_equal(again, given), TOGETHER)
        want(False, "every draw is the same: that is not by chance")
    below = np.floor(x / step)
    want(not np.allclose(codes[:, :12].mean(axis=0), (2 * below + 1 - x / step)[:12], atol=0.05),
         "up and down are exchanged: up with the probability by which x lies above the level below")
    want(np.allclose(given[:, 12:], x[12:], atol=1e-4),
         "a number that is a multiple of step already should stay as it is")
    want((codes > below - 0.1).all() and (codes < below + 1.1).all(),
         "only the level below and the level above are allowed; for negative numbers the level "
         "below is np.floor's, and not what cutting off the digits gives")
    # 5 standard errors of a mean of n coins
    off = np.abs(codes.mean(axis=0) - x / step)
    allowed = 5 * 0.5 / np.sqrt(n)
    want(off.max() < allowed, "the mean is not x: up with probability f, the part of a step by "
                              "which x lies above the level below it")
    halves = np.full((40, 50), 0.5 * step)
    together = np.asarray(stochastic_round(halves, step, np.random.default_rng(1)))
    want(min(np.ptp(together, axis=axis).min() for axis in (0, 1)) > 0.5 * step, TOGETHER)


def check_straight_through_gradient(gradient: Answer, rng: np.random.Generator) -> None:
    """The mask of the rounded code, ends included."""
    for bits in (2, 4, 8):
        scale, zero_point = float(2.0 ** -rng.integers(1, 4)), int(rng.integers(1, 2**bits - 1))
        v = np.concatenate([rng.uniform(-1.6 * 2**bits, 1.6 * 2**bits, 60),
                            np.arange(2**bits) - zero_point,
                            [-zero_point - 0.3, 2**bits - 1 - zero_point + 0.3]])
        w, dw_hat = scale * v, rng.standard_normal(v.size)
        given = np.asarray(gradient(w.copy(), dw_hat.copy(), scale, zero_point, bits))
        want(given.shape == w.shape, f"the result should have w's shape {w.shape}, {given.shape} "
                                     "it has")
        code = np.rint(v) + zero_point
        right = dw_hat * ((code >= 0) & (code < 2**bits))
        if np.allclose(given, right, rtol=1e-5, atol=1e-6):
            continue
        _name_the_mask(given, dw_hat, v, zero_point, bits)


def _name_the_mask(given: Array, dw_hat: Array, v: Array, zero_point: int, bits: int) -> None:
    """Which wrong mask it is."""
    code, last = np.rint(v) + zero_point, 2**bits - 1
    half = 2 ** (bits - 1) - 1
    for mask, hint in (
        (np.ones(len(v)), "that is the gradient as it arrives: what was clipped should get 0"),
        (np.zeros(len(v)), "that is the true slope of rounding, 0 everywhere; straight through, it "
                           "is 1 inside"),
        ((code > 0) & (code < last), "the first and the last code are inside, too"),
        ((np.rint(v) >= 0) & (np.rint(v) <= last), "the zero point has to be added before you "
                                                   "compare with the codes"),
        (np.abs(np.rint(v) - zero_point - last / 2) <= last / 2,
         "mind the sign: the code is round(w / s) *plus* the zero point"),
        (np.abs(v) <= half, "that is the mask of a symmetric grid; with a zero point the codes are "
                            "0 … 2^b − 1"),
        ((code >= -half) & (code <= half), "with a zero point the codes are 0 … 2^b − 1, not "
                                           "±(2^(b−1) − 1)"),
        ((code >= 0) & (code <= last + 1), "the last code is 2^b − 1"),
        ((v + zero_point >= 0) & (v + zero_point <= last), "compare the *rounded* code: up to half "
                                                           "a step beyond either end is inside"),
    ):
        want(not np.allclose(given, dw_hat * mask, rtol=1e-5, atol=1e-6), hint)
    inside = (code >= 0) & (code <= last)
    want(not np.allclose(given, inside), "that is the mask alone: multiply dw_hat by it")
    want(not np.allclose(given[~inside], 0) or not given[inside].all(),
         "inside, the gradient passes as it is: it is neither scaled nor rounded")
    want(False, "the gradient should be dw_hat where 0 ≤ round(w / s) + z ≤ 2^b − 1, "
                "and 0 elsewhere")


def check_stall_point(stall_point: Answer, rng: np.random.Generator) -> None:
    """The resting place, from either side, for several rates."""
    for _ in range(6):
        step = float(2.0 ** -rng.integers(4, 8))
        rate, target = float(rng.uniform(0.05, 0.6)), float(rng.uniform(-1, 1))
        start = float(step * np.rint((target + rng.choice([-1, 1]) * rng.uniform(1, 2)) / step))
        right = _descended(start, target, rate, step)
        given = float(stall_point(start, target, rate, step))
        if np.isclose(given, right, atol=step / 100):
            continue
        floored = _descended(start, target, rate, step, np.floor)
        want(not np.isclose(given, target, atol=step / 100),
             "it does not reach the target: round after *every* step, and start the next one from "
             "the rounded weight")
        want(not np.isclose(given, step * np.rint(target / step), atol=step / 100),
             "that is the level next to the target; it stops earlier, where a step is shorter than "
             "half the distance of two levels")
        want(not np.isclose(given, start), "that is where it began: does the first step move it?")
        want(not np.isclose(given, floored, atol=step / 100), "round to the *nearest* level, "
                                                              "np.rint, not down")
        side = 1 if start > target else -1
        want(not np.isclose(given, target + side * step / (2 * rate), atol=step / 100),
             "that is the formula s / 2η; the weight is on a level of the grid: let it run")
        at_rest = step * np.rint((given - rate * (given - target)) / step)
        want(np.isclose(at_rest, given), f"at {given:.6g} it is not at rest: a further step leads "
                                         f"to {at_rest:.6g}; the gradient is w − target")
        want(False, "a further step would leave it there, but gradient descent from the start "
                    "comes to rest elsewhere")


def _descended(
    start: float, target: float, rate: float, step: float, rounding: Callable[..., Any] = np.rint
) -> float:
    w = start
    for _ in range(10_000):
        moved = float(step * rounding((w - rate * (w - target)) / step))
        if moved == w:
            break
        w = moved
    return w


def check_best_ternary(best_ternary: Answer, rng: np.random.Generator) -> None:
    """Three values, and the least squared error of all."""
    for kind in range(4):
        n = int(rng.integers(5, 60))
        w = (rng.standard_normal(n), rng.laplace(size=n), rng.standard_t(2, size=n),
             rng.uniform(-1, 1, n))[kind]
        given = np.asarray(best_ternary(w.copy()))
        want(given.shape == w.shape, f"the result should have w's shape {w.shape}, "
                                     f"not {given.shape}")
        sizes = np.unique(np.round(np.abs(given[given != 0]), 6))
        want(len(sizes) <= 1, "there should be one s, but the values have the magnitudes "
                              f"{sizes[:4]}")
        magnitude = np.sort(np.abs(w))[::-1]
        gains = np.cumsum(magnitude) ** 2 / np.arange(1, n + 1)
        least, error = np.sum(w**2) - gains.max(), np.sum((w - given) ** 2)
        if error <= least * (1 + 1e-5) + 1e-9:
            continue
        kept = given != 0
        want((given * w >= 0).all(), "the signs should be those of w")
        want(kept.any(), "not all weights should be 0")
        want(np.isclose(np.abs(given[kept][0]), np.abs(w[kept]).mean(), rtol=1e-3),
             "for the weights you keep, the best s is the mean of their magnitudes")
        want(not kept.all(), "every weight is kept; the small ones had better be 0")
        rule = np.abs(w) > 0.7 * np.abs(w).mean()
        want(not np.array_equal(kept, rule), "that is Li's threshold, 0.7 mean|w|: near the best, "
                                             "but try every number of kept weights")
        want(False, f"the squared error is {error:.4f}, and {least:.4f} is possible: keep the k "
                    "largest weights, for the best k")


EXERCISES: list[Exercise] = [
    Exercise("stochastic_round", "Rounding by chance, right on average.", check_stochastic_round),
    Exercise("straight_through_gradient", "The gradient through rounding and clipping.",
             check_straight_through_gradient),
    Exercise("stall_point", "Where biased rounding brings learning to rest.", check_stall_point),
    Exercise("best_ternary", "The best weights of three values.", check_best_ternary, points=2),
]
