"""Exercises of notebook 08: printed formulas to be corrected."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.compression import quantize
from minilm.course.check import Exercise, want

Answer = Callable[..., Any]


def check_repaired_quantizer(repaired_quantizer: Answer, rng: np.random.Generator) -> None:
    w = rng.normal(0, rng.uniform(0.02, 0.1), 4096).astype(np.float32)
    for bits in (8, 4, 3, 2):
        given = repaired_quantizer(w.copy(), bits)
        want(isinstance(given, tuple | list) and len(given) == 3,
             "three things are wanted: codes, scale, restored weights")
        codes, scale, restored = np.asarray(given[0]), float(given[1]), np.asarray(given[2])
        right, where = quantize(w, bits), f"{bits} bits"
        want(codes.shape == restored.shape == w.shape, f"{where}: a code and a number per weight")
        want(scale != 2 ** (bits - 1),
             f"{where}: the step 2^(b − 1) still knows nothing of the weights")
        want(not np.isclose(scale, np.abs(w).max(), rtol=1e-5) or bits == 2,
             f"{where}: the largest weight is to get the largest code, not code 1")
        want(not np.isclose(scale, np.abs(w).max() / 2 ** (bits - 1), rtol=1e-5),
             f"{where}: how many codes are there on one side of 0, if both sides have as many?")
        want(np.isclose(scale, right.scale, rtol=1e-5),
             f"{where}: the scale {scale:.4g} is not right; which code is the largest weight to "
             "get?")
        want(np.array_equal(codes, np.round(codes)), f"{where}: a code is a whole number")
        want(np.abs(codes).max() <= 2 ** (bits - 1) - 1, f"{where}: codes beyond their range")
        want(np.mean(codes != np.trunc(w / scale)) > 1e-3,
             f"{where}: the fractions are cut off; the nearest code is wanted")
        want(np.mean(codes != right.codes) < 1e-3, f"{where}: the codes are not right")
        want(not np.array_equal(restored, np.round(codes * scale)),
             f"{where}: weights are no whole numbers; which of the two roundings is too many?")
        want(np.allclose(restored, right.dense(), atol=scale / 100),
             f"{where}: the restored weights are not scale · codes")


def check_mapped_to_range(mapped_to_range: Answer, rng: np.random.Generator) -> None:
    for _ in range(4):
        bound, target = rng.uniform(0.5, 9, 2).tolist()
        x = np.append(rng.uniform(-bound, bound, 20), [-bound, 0, bound])
        right = x * target / bound
        given = np.asarray(mapped_to_range(x.copy(), bound, target))
        where = f"B = {bound:.2f}, M = {target:.2f}"
        want(given.shape == x.shape, f"{where}: one number for each of x")
        low, zero, high = given[-3:]
        want(not np.allclose(given, right - 2 * target),
             f"{where}: that is what was printed: B becomes −M; try x = B by hand")
        want(not np.allclose(given, right + target),
             f"{where}: −B becomes 0 and B becomes 2M: one shift is missing")
        want(not np.allclose(given, x / bound), f"{where}: that ends at ±1; where has M gone?")
        want(np.isclose(low, -target) and np.isclose(high, target),
             f"{where}: −B becomes {low:.3f} and B becomes {high:.3f}")
        want(abs(zero) < 1e-6, f"{where}: the ends are right, but 0 becomes {zero:.3f}")
        want(np.allclose(given, right, rtol=1e-4, atol=1e-6),
             f"{where}: the ends are right, but not all between; is it a straight line?")


def check_min_max(min_max: Answer, rng: np.random.Generator) -> None:
    for bits in (8, 4, 2):
        low, width = rng.uniform(-3, 1), rng.uniform(0.5, 4)
        x = (low + width * rng.uniform(0, 1, 500)).astype(np.float32)
        step = float(x.max() - x.min()) / (2**bits - 1)
        given, where = np.asarray(min_max(x.copy(), bits), np.float64), f"{bits} bits"
        want(given.shape == x.shape, f"{where}: one number for each of x")
        want(not np.array_equal(given, np.round(given)),
             f"{where}: these are codes; put them back: x̂ = x_min + step · code")
        levels = len(np.unique(np.round(given, 6)))
        want(levels <= 2**bits, f"{where} have {2**bits} levels, but {levels} numbers come back")
        error = float(np.abs(given - x).max())
        want(error <= 0.501 * step,
             f"{where}: the largest error is {error / step:.2f} steps of "
             "(max − min) / (2^b − 1), but half a step is possible")
    for value in (0.0, float(rng.uniform(1, 5)), -2.0):
        with np.errstate(all="ignore"):
            given = np.asarray(min_max(np.full(7, value, np.float32), 4), np.float64)
        want(given.shape == (7,) and np.isfinite(given).all(),
             f"seven times {value:.3g}: the range is 0; what is divided by it?")
        want(np.allclose(given, value, rtol=1e-5, atol=1e-7),
             f"seven times {value:.3g} comes back as {given[0]:.3g}")


EXERCISES = [
    Exercise("repaired_quantizer", "Symmetric codes with one scale, and back: article A's code.",
             check_repaired_quantizer),
    Exercise("mapped_to_range", "Map [−B, B] to [−M, M]: article E's formula.",
             check_mapped_to_range),
    Exercise("min_max", "Min–max rounding that a constant survives: article D's formula.",
             check_min_max),
]  # fmt: skip
