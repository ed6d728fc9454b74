"""Exercises of notebook 07."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from minilm.compression import quantize
from minilm.course.check import Exercise, want

Answer = Callable[..., Any]
NORMAL = NormalDist()


def check_bits_with_scales(bits_with_scales: Answer, rng: np.random.Generator) -> None:
    for bits in rng.permutation(np.arange(2, 9))[:4].tolist():
        for group_size in (16, 32, 64, 128):
            w = rng.standard_normal((256, 8)).astype(np.float32)
            real = quantize(w, bits, axis=-1, group_size=group_size).bits_per_weight
            given = float(bits_with_scales(bits, group_size))
            where = f"{bits} bits in groups of {group_size}"
            want(given != bits, f"{where}: what else has to be stored beside the codes?")
            want(not math.isclose(given, bits + 32 / group_size),
                 f"{where}: how many bits does a float16 have?")
            want(not math.isclose(given, bits + 2 / group_size),
                 f"{where}: is a float16 counted in bytes there? The others are bits")
            want(math.isclose(given, real),
                 f"{where}: {given:g} is not right; a scale is stored once for each group, so how "
                 "many weights share its bits?")


def check_pack_codes(pack_codes: Answer, rng: np.random.Generator) -> None:
    for bits, largest in ((3, 3), (3, 3), (2, 1), (4, 7), (1, 0), (5, 15)):
        codes = rng.integers(-largest - 1, largest + 1, size=8 * int(rng.integers(1, 6)))
        digits = (codes[:, None] + largest + 1 >> np.arange(bits)) & 1
        right = packed(digits)
        given = np.asarray(pack_codes(codes.copy(), bits))
        where = f"{len(codes)} codes of {bits} bits"
        want(given.dtype == np.uint8, f"{where}: bytes are wanted, dtype uint8; got {given.dtype}")
        want(given.size == right.size,
             f"{where} take {right.size} bytes when there are no gaps, not {given.size}")
        given = given.ravel()
        unmoved = packed((codes[:, None] >> np.arange(bits)) & 1)
        want(not np.array_equal(given, unmoved) or np.array_equal(unmoved, right),
             f"{where}: store u = q + 2^(bits − 1), which is never negative")
        want(not np.array_equal(given, packed(digits[:, ::-1])) or np.array_equal(digits,
                                                                                  digits[:, ::-1]),
             f"{where}: within a code the lowest bit comes first")
        want(not np.array_equal(given, np.packbits(digits)) or np.array_equal(given, right),
             f"{where}: the first bit is a byte's lowest one; which bitorder is that?")
        want(np.array_equal(given, right),
             f"{where}: the bytes are not right; try eight codes and look at the bits")


def packed(digits: np.ndarray) -> np.ndarray:
    return np.packbits(digits.astype(np.uint8), bitorder="little")


def check_affine_quantize(affine_quantize: Answer, rng: np.random.Generator) -> None:
    x = rng.standard_normal(500).astype(np.float32)
    for what, numbers, bits in (
        ("numbers of both signs", x - np.float32(0.7), 4), ("after a ReLU", np.maximum(x, 0), 4),
        ("after a ReLU", np.maximum(x, 0), 3), ("all from 2 to 3", 2 + x % 1, 4),
        ("all negative", -1 - x % 2, 8), ("from −5.5 to 9.5", np.clip(9 * x, -5.5, 9.5), 4),
    ):  # fmt: skip
        given = affine_quantize(numbers.copy(), bits)
        want(isinstance(given, tuple | list) and len(given) == 3,
             "three things are wanted: codes, scale, zero_point")
        codes, scale, zero_point = np.asarray(given[0]), float(given[1]), float(given[2])
        last = 2**bits - 1
        right = quantize(numbers, bits, symmetric=False)
        where = f"{what}, {bits} bits"
        want(codes.shape == numbers.shape, f"{where}: one code for each number")
        want(zero_point == round(zero_point),
             f"{where}: the zero point is a code, and so a whole number")
        low, high = float(numbers.min()), float(numbers.max())
        want(low <= 0 <= high or not math.isclose(scale, (high - low) / last, rel_tol=1e-3),
             f"{where}: 0 must have a code of its own, so the range has to reach it: "
             "what is the least of min(x) and 0?")
        want(not math.isclose(scale, (max(high, 0) - min(low, 0)) / 2**bits, rel_tol=1e-3),
             f"{where}: between 2^bits codes there are fewer steps than codes")
        want(math.isclose(scale, float(right.scale), rel_tol=1e-3),
             f"{where}: the scale {scale:.4g} is not right; the whole range takes 2^bits − 1 steps")
        want(zero_point == int(right.zero_point),
             f"{where}: the zero point {zero_point:g} is not right; it is the code whose value is "
             "0, if the smallest number of the range is to get code 0")
        want(codes.min() >= 0 and codes.max() <= last, f"{where}: the codes go from 0 to {last}")
        want(np.mean(codes != right.codes) < 0.01,
             f"{where}: the codes are not right; put them into x̂ = s (q − z) and compare with x")


def least_error_clip(bits: int, levels_beside_zero: float | None = None, tails: int = 2) -> float:
    """Where c / (6 L²) + 2 tails (c Q(c) − φ(c)) = 0, by bisection: it grows with c."""
    side = levels_beside_zero or 2 ** (bits - 1) - 1

    def slope(c: float) -> float:
        return c / (6 * side**2) + 2 * tails * (c * NORMAL.cdf(-c) - NORMAL.pdf(c))

    low, high = 0.1, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low


def numerical_clip(bits: int, rng: np.random.Generator) -> float:
    """The clip of least mean squared error over 20 000 evenly likely places of a Gaussian."""
    side = 2 ** (bits - 1) - 1
    x = np.sort(np.abs(rng.standard_normal(20_000)))
    x *= 1 / np.sqrt(np.mean(x**2))
    clips = np.linspace(1, 5, 201)
    errors = [np.mean((x - np.clip(np.rint(x * side / c), 0, side) * c / side) ** 2) for c in clips]
    return float(clips[int(np.argmin(errors))])


def check_best_clip(best_clip: Answer, rng: np.random.Generator) -> None:
    sigma = float(rng.uniform(0.02, 0.2))
    for bits in (3, 4, 5, 6, 8):
        given, right = float(best_clip(bits, 1.0)), least_error_clip(bits)
        want(math.isfinite(given) and given > 0, f"{bits} bits: a clip is a positive number")
        near = abs(given / right - 1)
        steps = "there are 2^(b − 1) − 1 steps between 0 and c"
        for hint, other in (
            (steps, least_error_clip(bits, 2 ** (bits - 1))),
            (steps, least_error_clip(bits, 2**bits - 1)),
            ("numbers lie beyond −c as well as beyond c", least_error_clip(bits, tails=1)),
        ):
            want(abs(given / other - 1) > min(near, 0.005), f"{bits} bits: {hint}")
        want(near < 0.012,
             f"{bits} bits, σ = 1: the sum of both errors is not least at c = {given:.3f}; do "
             "their slopes cancel there?")
        scaled = float(best_clip(bits, sigma))
        want(not math.isclose(scaled, given, rel_tol=1e-6),
             f"σ = {sigma:.3f}: numbers that are smaller want a smaller clip")
        want(math.isclose(scaled, sigma * given, rel_tol=1e-3),
             f"σ = {sigma:.3f}: a clip is a number of σ's: it grows with σ in proportion")
    found = numerical_clip(4, rng)
    want(abs(best_clip(4, 1.0) - found) < 0.15, f"20 000 numbers at 4 bits want c = {found:.2f}")


EXERCISES = [
    Exercise("bits_with_scales", "True bits per weight of codes in groups, scales included.",
             check_bits_with_scales),
    Exercise("pack_codes", "Codes of any number of bits, written into bytes without gaps.",
             check_pack_codes),
    Exercise("affine_quantize", "Codes, scale and zero point of numbers not centred on zero.",
             check_affine_quantize),
    Exercise("best_clip", "The clip of least error of a Gaussian, derived.", check_best_clip),
]  # fmt: skip
